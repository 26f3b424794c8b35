"""What every command shows alike: tables on a terminal, JSON for machines, errors that say what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from services.settings import BadSetting, Settings, load

if TYPE_CHECKING:
    from rich.progress import Progress

WIDE = 400
"""Columns of what is not a terminal: a pipe wants every value whole."""
out = Console(width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, width=None if sys.stderr.isatty() else WIDE)

Data = Annotated[Path | None, typer.Option(help="The data folder [KEYTRAIL_DATA, .keytrail]")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for machines, one object a line for lists")]

OfTrail = Annotated[str | None, typer.Option("--trail", help="Ask a trail that was imported, and not our own log")]
Most = Annotated[int | None, typer.Option("--limit", help="How many at most", min=1)]

NARROW = frozenset({"at", "key_id", "position", "effect", "state", "operation", "version"})
COLOURS = {"allowed": "green", "refused": "red", "Enabled": "green", "Disabled": "yellow"}


def fail(message: str, code: int = 1) -> NoReturn:
    err.print("[bold red]error:[/]", end=" ")
    err.print(message, highlight=False, markup=False)
    raise typer.Exit(code)


def settings_or_fail(**given: Any) -> Settings:
    try:
        return load(**given)
    except BadSetting as fault:
        fail(str(fault), 2)


def progress_bar() -> Progress:
    # Few commands have one, and all would wait for it.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=err, transient=True)


def show(items: Iterable[Any], columns: Sequence[str], as_json: bool, empty: str) -> None:
    """A table of the named members, or each item whole as a line of JSON."""
    if as_json:
        for item in items:
            typer.echo(json.dumps(item))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in NARROW)
    count = 0
    for item in items:
        count += 1
        table.add_row(*(_cell(item.get(column)) for column in columns))
    if count:
        out.print(table)
    else:
        out.print(empty, style="dim")


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    text = text.replace("[", r"\[")
    colour = COLOURS.get(text)
    return f"[{colour}]{text}[/]" if colour else text
