"""The commands of a document, run as a reader pastes them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from tests.installation import clean_environment

BLOCK = re.compile(r"^```(sh|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FAILED = re.compile(r"An error occurred \((\w+)\)|^(error:)", re.MULTILINE)
ENDED = "\x1e"
NOT_HERE = re.compile(r"^(make (run|test)|KEYTRAIL_CLOCK_OFFSET)")
"""Commands that are already done where a session runs."""
FINDS = {"diff": {0, 1, 3}, "check-policy": {0, 1, 3}, "read-policy": {0, 1}, "check": {0, 1}}
"""Commands whose exit code is an answer (their help says so)."""


@dataclass(frozen=True)
class Typed:
    """A command of a document, with the output that the document shows."""

    command: str
    printed: str


def typed(text: str) -> Iterator[Typed]:
    for kind, block in BLOCK.findall(text):
        lines = block.splitlines()
        while lines:
            line = lines.pop(0)
            if kind == "console" and not line.startswith("$ "):
                continue
            command = line.removeprefix("$ ") if kind == "console" else line
            while lines and not _whole(command):
                command += "\n" + lines.pop(0)
            printed: list[str] = []
            while kind == "console" and lines and not lines[0].startswith("$ "):
                printed.append(lines.pop(0))
            if command.strip() and not NOT_HERE.match(command):
                yield Typed(command, "\n".join(printed))


def _whole(command: str) -> bool:
    """Whether a shell would run the text now, and not wait for more."""
    done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, check=False)
    return not command.endswith("\\") and not any(each in done.stderr for each in ("unexpected", "here-document"))


@dataclass(frozen=True)
class Ran:
    typed: Typed
    code: int
    output: str

    @property
    def fault(self) -> str:
        """What a reader would stumble over; "" if nothing is wrong."""
        for word in ("Traceback", "command not found", "No such option", "Usage:", "syntax error", "No such file"):
            if word in self.output:
                return word
        expected = FAILED.search(self.typed.printed)
        if expected is not None:
            word = expected[1] or expected[2]
            return "" if self.code and word in self.output else f"it was to fail with {word}"
        words = self.typed.command.split()
        if self.typed.command.startswith("keytrail ") and self.typed.printed and not self.as_printed:
            return "it prints otherwise"
        codes = next((FINDS[each] for each in words[1:3] if "keytrail" in words[0] and each in FINDS), {0})
        return "" if self.code in codes else f"exit code {self.code}"

    @property
    def as_printed(self) -> bool:
        """Whether the output is as the document shows it, except for times, ids and numbers, and what the document
        leaves out with …"""
        pattern = "".join(LEFT_OUT if word == "…" else _pattern(word) for word in alike(self.typed.printed))
        return re.fullmatch(pattern, "".join(f"{word}\n" for word in alike(self.output))) is not None


LEFT_OUT = r"(?:.*\n)*?"
"""Matches any words."""
ALIKE = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{8,64}(?=…)"), "ID"),  # digits alone would be a number
    (re.compile(r"\bA(?:KI|ID|RO|NP|GP)A[A-Z0-9]{10,}"), "ID"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,64}\b"), "ID"),
    (re.compile(r"\b(?:sleeping|running|disk-sleep|idle)\b"), "STATE"),
    (re.compile(r"\b\d+(?:\.\d+)?\b"), "N"),
)
"""Text that differs in each run, and what replaces it."""


def alike(text: str) -> list[str]:
    """The words of a text, without those that differ from run to run. Line ends do not count, since they depend on
    these."""
    for pattern, stands in ALIKE:
        text = pattern.sub(stands, text)
    return text.split()


def _pattern(word: str) -> str:
    return ".*".join(re.escape(part) for part in word.split("…")) + "\n"


SCREEN = 100
"""Columns of the terminal on which a session runs."""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _on_a_screen(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """What a program and its children print to a terminal, without colours."""
    screen, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, SCREEN, 0, 0))
    running = subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=its, stderr=its)
    os.close(its)
    ending = Timer(200, running.kill)
    ending.start()
    parts = []
    # a terminal to which nobody writes any more ends in an error
    with suppress(OSError):
        while part := os.read(screen, 65536):
            parts.append(part)
    running.wait()
    ending.cancel()
    os.close(screen)
    return ESCAPES.sub("", b"".join(parts).decode().replace("\r\n", "\n"))


def ran(commands: list[Typed], folder: Path, *, goes_on: bool = False) -> list[Ran]:
    """Run them in one shell, each to its end. `goes_on`: with the variables that the last session in this folder
    had."""
    script = folder / "session.sh"  # from a file, and not from the input, which a command may read
    # Notes go to a file first: a terminal would show bars that return to the beginning of a line.
    after = f"code=$?; cat notes; printf '{ENDED}%s{ENDED}' $code"
    lines = [f"{{ {each.command}\n}} 2>notes\n{after}\n" for each in commands]
    before = ["set -a\n", *(["source variables.sh\n"] if goes_on else [])]
    script.write_text("".join([*before, *lines, "export -p > variables.sh\n"]))
    environment = clean_environment() | {
        "PATH": f"{folder / '.venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "AWS_PAGER": "",
        "TERM": "xterm",
        "LESS": "FRX",
    }
    printed = _on_a_screen(["bash", str(script)], environment, folder)
    parts = printed.split(ENDED)
    outputs, codes = parts[0:-1:2], [int(each) for each in parts[1::2]]
    assert len(outputs) == len(commands), printed[-2000:]
    return [Ran(*each) for each in zip(commands, codes, outputs, strict=True)]


def stumbled(commands: list[Typed], folder: Path, *, goes_on: bool = False) -> list[tuple[str, str, str]]:
    """(command, fault, last output) of each command that a reader would stumble over."""
    assert commands, "a document without a session is no howto"
    done = ran(commands, folder, goes_on=goes_on)
    return [(each.typed.command, each.fault, each.output[-600:]) for each in done if each.fault]
