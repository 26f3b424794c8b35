"""Reports a command's failure and ends the command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NoReturn

import click
from click.exceptions import Exit


@dataclass(slots=True)
class Failing:
    """How the running command reports a failure."""

    code: int = 1
    """The exit code: 2 if 1 is an answer, as for `keytrail diff` (policies differ)."""
    in_json: bool = False


failing = Failing()


def fail(message: str, code: int | None = None, error: str = "") -> NoReturn:
    """Ends the command with one sentence. With --json the error is JSON too. `error` is the server's code."""
    code = failing.code if code is None else code
    message = (
        message.rstrip() if message.rstrip().endswith((".", "?", "!")) or "\n" in message else f"{message.rstrip()}."
    )
    if failing.in_json:
        click.echo(json.dumps({"error": {"code": error or KINDS.get(code, "Failed"), "message": message}}), err=True)
    else:
        from rich.text import Text  # imported only here: only this needs it, and it loads slowly

        from services.cli.screens import err

        err.print(
            Text.assemble(("error:", "bold red"), " ", f"{error}: {message}" if error else message), soft_wrap=True
        )
    raise Exit(code)


KINDS = {1: "Failed", 2: "BadRequest"}
"""The JSON code of the command line's own errors, by exit code."""
