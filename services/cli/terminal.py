"""What every command shows alike: tables on a terminal, JSON for machines, errors that say what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from domain.characters import visible
from services.settings import BadSetting, Settings, load

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

WIDE = 400
"""Columns of what is not a terminal: a pipe wants every value whole."""


class Screen(Console):
    """A console on which a caller's words are words: no markup, no emoji names, and whatever is written goes through
    `visible`, so that nobody who once made a call moves the cursor of whoever looks at it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            # Control segments are rich's own: a progress bar that goes back to its line's beginning.
            yield segment if segment.control else Segment(visible(segment.text, lines=True), segment.style)


def _screen(stream: TextIO, *, stderr: bool) -> Screen:
    width = None if stream.isatty() else WIDE
    return Screen(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


out = _screen(sys.stdout, stderr=False)
err = _screen(sys.stderr, stderr=True)

Data = Annotated[Path | None, typer.Option(help="The data folder [KEYTRAIL_DATA, .keytrail]")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for machines, one object a line for lists")]

OfTrail = Annotated[str | None, typer.Option("--trail", help="Ask a trail that was imported, and not our own log")]
Most = Annotated[int | None, typer.Option("--limit", help="How many at most", min=1)]

NARROW = frozenset({"at", "key_id", "position", "effect", "state", "operation", "version"})
COLOURS = {"allowed": "green", "refused": "red", "Enabled": "green", "Disabled": "yellow"}


def fail(message: str, code: int = 1) -> NoReturn:
    err.print(Text.assemble(("error:", "bold red"), " ", message))
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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=err, transient=True)


def telling(progress: Progress) -> Callable[[str, int, int], None]:
    """What work that takes long tells how far it is: (what is being done, done, of how many)."""
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total or None)
        progress.update(tasks[what], completed=done, total=total or None)

    return tell


def show(items: Iterable[Any], columns: Sequence[str], as_json: bool, empty: str) -> None:
    """A table of the named members, or each item whole as a line of JSON."""
    if as_json:
        for item in items:
            as_line(item)
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


def _cell(value: Any) -> Text:
    # Made visible before the widths are measured; a line end in a caller's words begins no row of ours.
    text = visible("" if value is None else str(value))
    return Text(text, COLOURS.get(text, ""))


def as_line(document: Any) -> None:
    """A JSON document on one line, for machines: ASCII, every other character by its escape."""
    typer.echo(json.dumps(document))


def as_it_is(text: str) -> None:
    """A text for a pipe or a file as it is, a policy's for instance; visible where a person looks at it."""
    typer.echo(visible(text, lines=True) if sys.stdout.isatty() else text)
