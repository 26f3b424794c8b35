"""What stands in a document to be typed, run as somebody who pastes it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.installation import clean_environment

BLOCK = re.compile(r"^```(sh|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FAILED = re.compile(r"An error occurred \((\w+)\)|^(error:)", re.MULTILINE)
ENDED = "\x1e"
NOT_HERE = re.compile(r"^(make (run|test)|KEYTRAIL_CLOCK_OFFSET)")
"""What is done already where a session is run."""
FINDS = {"diff": {0, 1, 3}, "check-policy": {0, 1, 3}, "check": {0, 1}}
"""Commands whose exit code tells what they found (their help says so)."""


@dataclass(frozen=True)
class Typed:
    """A command as it stands in a document, and what it printed there."""

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
    """Whether a shell would run it and not wait for more."""
    done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, check=False)
    return not command.endswith("\\") and not any(each in done.stderr for each in ("unexpected", "here-document"))


@dataclass(frozen=True)
class Ran:
    typed: Typed
    code: int
    output: str

    @property
    def fault(self) -> str:
        """What a stranger would stumble over; "" where nothing is wrong."""
        for word in ("Traceback", "command not found", "No such option", "Usage:", "syntax error", "No such file"):
            if word in self.output:
                return word
        expected = FAILED.search(self.typed.printed)
        if expected is not None:
            word = expected[1] or expected[2]
            return "" if self.code and word in self.output else f"it was to fail with {word}"
        words = self.typed.command.split()
        codes = next((FINDS[each] for each in words[1:3] if "keytrail" in words[0] and each in FINDS), {0})
        return "" if self.code in codes else f"exit code {self.code}"


def ran(commands: list[Typed], folder: Path, *, goes_on: bool = False) -> list[Ran]:
    """All of them in one shell, each to its end; `goes_on` with the variables that the last one in this folder had."""
    script = folder / "session.sh"  # a file, and not the input: a command may read that
    lines = [f"{{ {each.command}\n}} 2>&1\nprintf '{ENDED}%s{ENDED}' $?\n" for each in commands]
    before = ["set -a\n", *(["source variables.sh\n"] if goes_on else [])]
    script.write_text("".join([*before, *lines, "export -p > variables.sh\n"]))
    environment = clean_environment() | {
        "PATH": f"{folder / '.venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "AWS_PAGER": "",
    }
    done = subprocess.run(
        ["bash", str(script)],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    parts = done.stdout.split(ENDED)
    outputs, codes = parts[0:-1:2], [int(each) for each in parts[1::2]]
    assert len(outputs) == len(commands), done.stderr + done.stdout[-2000:]
    return [Ran(*each) for each in zip(commands, codes, outputs, strict=True)]


def stumbled(commands: list[Typed], folder: Path, *, goes_on: bool = False) -> list[tuple[str, str, str]]:
    """(command, fault, what it printed last) of each that a stranger would stumble over."""
    assert commands, "a document without a session is no howto"
    done = ran(commands, folder, goes_on=goes_on)
    return [(each.typed.command, each.fault, each.output[-600:]) for each in done if each.fault]
