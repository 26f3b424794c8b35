"""What all commands share: sentences and bars on a terminal, JSON for machines, reading files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.cells import cell_len
from rich.text import Text

from domain.characters import visible
from services.cli.failures import fail
from services.cli.readers import ReadByNobody
from services.cli.screens import WIDE, Screen, err, out
from services.cli.times import BadTime, Times
from services.named_files import BadFile, text_of
from services.settings import BadSetting, Settings, load

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")


def say(text: str | Text, style: str = "", *, indent: int = 0, more: int = 2, screen: Screen | None = None) -> None:
    """Prints a sentence. On a terminal it is broken between words, later lines indented by `more`; in a pipe it is one line."""
    screen = screen or out
    words = text if isinstance(text, Text) else Text(visible(text, lines=True))
    width = screen.width if screen.is_terminal else WIDE
    for line in words.split():
        parts = list(line.wrap(screen, width - indent))
        if len(parts) > 1:
            head = parts[0]
            rest = line[len(line.plain) - len(line.plain[len(head.plain) :].lstrip(" ")) :]
            parts = [head, *rest.wrap(screen, max(12, width - indent - more))]
        for number, part in enumerate(parts):
            part.rstrip()
            before = " " * (indent + (more if number else 0))
            screen.print(Text.assemble(before, part), style=style, soft_wrap=True)


def ask(prompt: str) -> None:
    """Prints a question, whose answer is typed on the same line. It is no part of what the command prints."""
    err.print(Text(visible(f"{prompt}: ")), end="", soft_wrap=True)


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: 1 row, 2 rows."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def member(name: str, value: str, wide: int) -> None:
    """Prints a name and its value on a line. An ARN or a digest without room beside its name goes below it, unbroken."""
    room = (out.width if out.is_terminal else WIDE) - wide - 2
    beside = max(map(cell_len, value.split(" "))) <= room
    say(Text.assemble((name.ljust(wide), "bold"), f"  {value}"), more=wide + 2 if beside else 4)


def read_or_fail(path: Path) -> str:
    """The text of a file that the command line names. An empty file is an error: a question would take it for no text."""
    try:
        if not (text := text_of(path)).strip():
            fail(f"{path} is empty.", 2)
        return text
    except BadFile as fault:
        fail(str(fault), 2)


def settings_or_fail(**given: Any) -> Settings:
    try:
        return load(**given)
    except BadSetting as fault:
        fail(str(fault), 2)


def times_or_fail() -> Times:
    """Reads and shows times in the user's time zone."""
    return Times(settings_or_fail().time_zone)


def said(read: Callable[[], T]) -> T:
    """What words about times mean. Ends the command if they mean no time."""
    try:
        return read()
    except BadTime as fault:
        fail(f"{fault}.", 2)


def progress_bar() -> Progress:
    # Imported only here: few commands have a bar, and all would wait for it.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def telling(progress: Progress) -> Callable[[str, int, int], None]:
    """A function that long work calls to report progress: (the step under way, done, of how many)."""
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in tasks:
            for each in tasks.values():  # a part is done when the next begins, even if it was never counted
                progress.update(each, completed=progress.tasks[each].total or 1, total=progress.tasks[each].total or 1)
            tasks[what] = progress.add_task(what, total=total or None)
        progress.update(tasks[what], completed=done, total=total or None)

    return tell


def as_line(document: Any) -> None:
    """Prints a JSON document on one line, for machines: ASCII, with every other character escaped."""
    _write(json.dumps(document))


def as_it_is(text: str) -> None:
    """Prints a text, for instance a policy: unchanged to a pipe or a file, made visible on a terminal."""
    _write(visible(text, lines=True) if sys.stdout.isatty() else text)


def _write(text: str) -> None:
    try:
        click.echo(text)
    except BrokenPipeError:  # click would treat it as a failure
        raise ReadByNobody from None
