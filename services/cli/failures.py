"""How a command tells of a failure, and ends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NoReturn

import click
from click.exceptions import Exit


@dataclass(slots=True)
class Failing:
    """How the command that runs tells of a failure."""

    code: int = 1
    """2 where 1 is an answer: `keytrail diff` of policies that differ."""
    in_json: bool = False


failing = Failing()


def fail(message: str, code: int | None = None, error: str = "") -> NoReturn:
    """End the command with one sentence. Where --json was asked the error is JSON too; `error` is the server's own code."""
    code = failing.code if code is None else code
    message = (
        message.rstrip() if message.rstrip().endswith((".", "?", "!")) or "\n" in message else f"{message.rstrip()}."
    )
    if failing.in_json:
        click.echo(json.dumps({"error": {"code": error or KINDS.get(code, "Failed"), "message": message}}), err=True)
    else:
        from rich.text import Text  # nothing else here needs a screen, and it takes a while to load

        from services.cli.screens import err

        err.print(
            Text.assemble(("error:", "bold red"), " ", f"{error}: {message}" if error else message), soft_wrap=True
        )
    raise Exit(code)


KINDS = {1: "Failed", 2: "BadRequest"}
"""What an error of the command line itself is called in JSON, by its exit code."""
