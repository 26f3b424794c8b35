"""What every command shows alike: tables on a terminal, JSON for machines, errors that say what to do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO, TypeVar

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from domain.characters import visible
from services.cli.times import BadTime, Times
from services.settings import BadSetting, Settings, load

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")
WIDE = 100_000
"""Columns of what is not a terminal: a pipe wants every value whole, and every line one line."""


class ReadByNobody(Exception):
    """Whoever reads has seen enough (`| head`): that is no failure, and no file that cannot be written."""


class Screen(Console):
    """A console on which a caller's words are words: no markup, no emoji names, and whatever is written goes through
    `visible`, so that nobody who once made a call moves the cursor of whoever looks at it."""

    @contextmanager
    def writing_to(self, file: Any) -> Iterator[None]:
        """`file` has what a console writes with."""
        before, self._file = self._file, file
        try:
            yield
        finally:
            self._file = before

    def on_broken_pipe(self) -> None:
        """As pager.py and exit_codes.py take it."""
        raise ReadByNobody

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
MostOfAll = Annotated[
    int | None,
    typer.Option(
        "--limit", help="How many at most: the newest, or the oldest of a table that --reverse turned round", min=1
    ),
]
Reverse = Annotated[
    bool,
    typer.Option(
        "--reverse", help="The other way round: people read the newest first, --json and exports have the oldest first"
    ),
]
Errors = Annotated[bool, typer.Option("--errors", help="With the sentence that each refused caller read")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there")]


@dataclass(slots=True)
class Failing:
    """How the command that runs tells of a failure."""

    code: int = 1
    """2 where 1 is an answer: `keytrail diff` of policies that differ."""
    in_json: bool = False


failing = Failing()


def say(text: str | Text, style: str = "", *, indent: int = 0, more: int = 2, screen: Screen | None = None) -> None:
    """A sentence: on a terminal in lines between words, the ones after the first `more` further in; in a pipe one line."""
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


def counted(number: int, one: str, many: str = "") -> str:
    """1 row, 2 rows."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def member(name: str, value: str, wide: int) -> None:
    """A name and its value on a line; an ARN or a digest that has no room beside its name stands below it, whole."""
    room = (out.width if out.is_terminal else WIDE) - wide - 2
    beside = max(map(cell_len, value.split(" "))) <= room
    say(Text.assemble((name.ljust(wide), "bold"), f"  {value}"), more=wide + 2 if beside else 4)


def fail(message: str, code: int | None = None, error: str = "") -> NoReturn:
    """End the command with one sentence. Where --json was asked the error is JSON too; `error` is the server's own code."""
    code = failing.code if code is None else code
    message = (
        message.rstrip() if message.rstrip().endswith((".", "?", "!")) or "\n" in message else f"{message.rstrip()}."
    )
    if failing.in_json:
        typer.echo(json.dumps({"error": {"code": error or KINDS.get(code, "Failed"), "message": message}}), err=True)
    else:
        err.print(
            Text.assemble(("error:", "bold red"), " ", f"{error}: {message}" if error else message), soft_wrap=True
        )
    raise typer.Exit(code)


KINDS = {1: "Failed", 2: "BadRequest"}
"""What an error of the command line itself is called in JSON, by its exit code."""


def read_or_fail(path: Path) -> str:
    """The text of a file that the command line names. An empty one is an error: a question takes an empty text for none."""
    try:
        if not (text := path.read_text()).strip():
            fail(f"{path} is empty.", 2)
        return text
    except OSError as fault:
        fail(f"{path} cannot be read: {fault.strerror or fault}.", 2)
    except UnicodeDecodeError:
        fail(f"{path} cannot be read: it is no text in UTF-8.", 2)


def settings_or_fail(**given: Any) -> Settings:
    try:
        return load(**given)
    except BadSetting as fault:
        fail(str(fault), 2)


def times_or_fail() -> Times:
    """Times to and from the person who asks, in their time zone."""
    return Times(settings_or_fail().time_zone)


def said(read: Callable[[], T]) -> T:
    """What words about times mean; the command ends where they mean none."""
    try:
        return read()
    except BadTime as fault:
        fail(f"{fault}.", 2)


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
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def telling(progress: Progress) -> Callable[[str, int, int], None]:
    """What work that takes long tells how far it is: (what is being done, done, of how many)."""
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in tasks:
            for each in tasks.values():  # one part is done when the next begins, also one that was never counted
                progress.update(each, completed=progress.tasks[each].total or 1, total=progress.tasks[each].total or 1)
            tasks[what] = progress.add_task(what, total=total or None)
        progress.update(tasks[what], completed=done, total=total or None)

    return tell


def read_by_nobody() -> None:
    """What is left to write at the end goes nowhere: who read it has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def as_line(document: Any) -> None:
    """A JSON document on one line, for machines: ASCII, every other character by its escape."""
    _write(json.dumps(document))


def as_it_is(text: str) -> None:
    """A text for a pipe or a file as it is, a policy's for instance; visible where a person looks at it."""
    _write(visible(text, lines=True) if sys.stdout.isatty() else text)


def _write(text: str) -> None:
    try:
        typer.echo(text)
    except BrokenPipeError:  # which typer would make a failure of
        raise ReadByNobody from None
