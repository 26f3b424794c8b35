"""The command line on recorded answers of a real installation: no server, every width, and a second for everything.

A recording is a JSON file with the command as it was typed, the account that the answers belong to, and each answer
line by line. `python -m tests.cli.recording` writes them again.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.progress import Progress

from services.cli import alerts_file, backup, imports, log_export, log_keys, master_key, repairs, trails, verification
from services.cli.client import Client
from services.cli.main import main
from services.cli.screens import WIDE, err, out
from services.settings import load
from tests.installation import clean_environment

FOLDER = Path(__file__).parent / "recorded"
SHOWN = Path(__file__).parent / "shown"
AWAY = {
    "AWS_ACCESS_KEY_ID": "AKIAREPLAYED",
    "AWS_SECRET_ACCESS_KEY": "nobody-reads-it",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "KEYTRAIL_ALERTS_FILE": "alerts.toml",
}
"""Credentials for a server that does not exist: a question without a recorded answer fails."""
BESIDE = {
    "listed": (trails, "_listed"),
    "imported": (imports, "_import"),
    "verified": (verification, "_verify"),
    "checked": (verification, "_checked"),
    "authority": (log_keys, "_done"),
    "rebuilt": (repairs, "_rebuild"),
    "taken": (backup, "_taken"),
    "restored": (backup, "_restore"),
    "added": (master_key, "_added"),
    "sealed_anew": (master_key, "_rotate"),
    "exported": (log_export, "_exported"),
    "permitted": (repairs, "_permit_skip"),
    "removed": (trails, "_removed"),
    "tried": (alerts_file, "_try"),
    "allowed": (alerts_file, "_rows"),
}
"""For commands that work on the host and do not ask the API: the function that does the work, by its name in a
recording. It returns JSON, which is all that the rest of the command learns."""
REACHING = ("reaching", "reaching_broker_and_database")
"""Functions that find a broker and a database, in whichever module has them."""


@dataclass(slots=True)
class Recording:
    command: list[str]
    account: str = ""
    answers: dict[str, list[str]] = field(default_factory=dict)
    """The lines of an answer, by method, path and body of the request."""
    beside: dict[str, Any] = field(default_factory=dict)


def question(method: str, path: str, body: bytes) -> str:
    return f"{method} {path}" + (f" {body.decode()}" if body else "")


def recordings() -> list[str]:
    return sorted(each.stem for each in FOLDER.glob("*.json"))


def read(name: str) -> Recording:
    return Recording(**json.loads((FOLDER / f"{name}.json").read_text()))


def write(name: str, recording: Recording, data: Path) -> None:
    found = {each: getattr(recording, each) for each in Recording.__slots__}
    text = json.dumps(found, indent=1, default=str).replace(str(data), ".keytrail")
    # It belonged to an installation that is gone. Even so, no secret is kept.
    text = re.sub(r'(secret_access_key\\": *\\")[^"\\]+', r"\1a-secret-that-is-shown-once", text)
    (FOLDER / f"{name}.json").write_text(text + "\n")


class Terminal(io.StringIO):
    """The output that a person sees."""

    def isatty(self) -> bool:
        return True


class _Beside(io.StringIO):
    """Notes beside the output, each in its place."""

    def __init__(self, screen: io.StringIO) -> None:
        super().__init__()
        self._screen = screen

    def isatty(self) -> bool:
        return self._screen.isatty()

    def write(self, text: str) -> int:
        return self._screen.write(text)


@contextmanager
def replayed(recording: Recording) -> Iterator[None]:
    def opened(self: Client, method: str, path: str, body: bytes, patience: float) -> Iterator[bytes]:
        lines = recording.answers[question(method, path, body)]
        self.account = recording.account
        yield from (line.encode() for line in lines)

    with ExitStack() as stack:
        stack.enter_context(patch.object(Client, "_opened", opened))
        for name, value in recording.beside.items():
            module, function = BESIDE[name]
            stack.enter_context(patch.object(module, function, _giving(getattr(module, function), value)))
            for name_of in REACHING:
                if hasattr(module, name_of):
                    stack.enter_context(
                        patch.object(module, name_of, lambda data: load({"KEYTRAIL_POSTGRES": "postgresql://there/k"}))
                    )
        yield


def _giving(works: Any, value: Any) -> Any:
    async def given(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(0)
        return value

    return given if iscoroutinefunction(works) else lambda *_, **__: value


def typed(
    command: list[str], width: int | None, environment: Mapping[str, str] = AWAY, rows: int | None = None
) -> tuple[int, str]:
    """(exit code, output, the notes beside it in their place) of a command, on a terminal or in a pipe. `rows`: the
    height of a terminal with a person; without it nothing is paged."""
    screen = io.StringIO() if width is None else Terminal()
    mask, folder = os.umask(0o077), Path.cwd()
    os.umask(mask)
    os.chdir(FOLDER)
    try:
        with (
            patch.dict(os.environ, {**clean_environment(), **environment}, clear=True),
            patch.object(sys, "argv", ["keytrail", *command]),
            patch.object(sys, "stdin", io.StringIO() if rows is None else Terminal()),
            patch.object(out, "_height", rows),
            # A bar returns to the beginning of its line and leaves nothing to read.
            patch.object(Progress, "start", lambda self: None),
            patch.object(Progress, "stop", lambda self: None),
            patch.object(out, "_width", WIDE if width is None else width),
            patch.object(err, "_width", WIDE if width is None else width),
            redirect_stdout(screen),
            redirect_stderr(_Beside(screen)),
        ):
            try:
                main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
    finally:
        os.umask(mask)
        os.chdir(folder)
    # the duration depends on the machine
    return code, re.sub(r", \d+\.\d s$", ", 0.1 s", screen.getvalue(), flags=re.MULTILINE)
