"""Writes a command's result to a file. The file's name decides the format, no file is replaced unasked, and the end is a line
that says how many rows went where."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar, assert_never

from services.cli.confirmation import is_confirmed
from services.cli.failures import fail
from services.cli.parameters import Option
from services.cli.readers import ReadByNobody
from services.cli.screens import err
from services.cli.terminal import progress_bar
from services.exports.formats import Binary, CallFormat, Text
from services.ownership import replacing

Form = TypeVar("Form", bound=StrEnum)
BY_NAME = {ending: each for each in CallFormat for ending in each.endings}
"""Formats by the ending of a file's name."""
LOG_BY_NAME = dict.fromkeys((*CallFormat.JSON.endings, ".log"), CallFormat.JSON)
"""The same for a log, which has only one format."""

Export = Annotated[Path | None, Option("--export", help="Write the calls to a file; - is the standard output")]
OfExport = Annotated[
    CallFormat | None,
    Option(
        "--format",
        value="FORMAT",
        help=f"The format of the export: {', '.join(list(CallFormat)[:-1])} or {list(CallFormat)[-1]}. Default: as the "
        "file's name ends, or json",
    ),
]


def asked_format(export: Path | None, form: Form | None, by_name: Mapping[str, Form]) -> Form | None:
    """The format of an export, found before the server is asked; None if nothing is exported."""
    if export is not None:
        return format_or_fail(export, form, by_name)
    if form is not None:
        fail("--format goes with --export.", 2)
    return None


def format_or_fail(path: Path, form: Form | None, by_name: Mapping[str, Form]) -> Form:
    """The format that the user asked for, or else the format of the file's ending; without an ending, JSON. Another ending is
    refused, since it would mislead people who open the file."""
    if form is not None:
        return form
    _, dot, last = path.name.rpartition(".")
    ending = f".{last.lower()}" if dot and last else ".json"
    if ending in by_name:
        return by_name[ending]
    if len(set(by_name.values())) == 1:
        fail(f"{path} is written as JSON lines, but its name says otherwise: end it in {', '.join(by_name)}.", 2)
    formats = [each.value for each in type(by_name[".json"])]
    meant = [each for each in formats if ending == f".{each}"] or formats
    name_it = f"end it in {', '.join(by_name)}, or name the format with --format {'|'.join(meant)}"
    return fail(f"The name of {path} does not say a format: {name_it}.", 2)


def target_or_fail(path: Path, *, force: bool) -> Path:
    """The file to write. If it already exists, asks the person at the terminal."""
    if str(path) == "-":
        return path
    if path.is_dir():
        fail(f"{path} is a folder: name a file.", 2)
    if not path.parent.is_dir():
        fail(f"There is no folder {path.parent}.", 2)
    if path.exists() and not force and not is_confirmed(f"{path} exists already. Replace it?"):
        fail(f"{path} exists already: choose another name, or replace it with --force.", 2)
    return path


def wrote(count: int, path: Path, what: str = "row") -> None:
    """Reports the end of an export, on stderr."""
    if str(path) != "-":
        err.print(f"wrote {count} {what if count == 1 else what + 's'} to {path}", soft_wrap=True)


def write_calls(items: Iterator[Any], path: Path, form: CallFormat, region: str, *, force: bool) -> None:
    """Writes calls, as /v1/decisions returns them page after page, in the format."""
    if isinstance(form.written, Binary) and str(path) == "-":
        fail(f"{form.value.capitalize()} is written to a file.", 2)
    path = target_or_fail(path, force=force)
    with progress_bar() as progress:
        task = progress.add_task("exporting", total=None)
        counted = Counted(items, lambda: progress.advance(task))
        try:
            match form.written:
                case Text(load) if str(path) == "-":
                    write_lines(load()(iter(counted), region), path)
                case Text() | Binary():
                    with replacing(path) as place, place.open("wb") as file:
                        form.write(iter(counted), region, file)
                case _:
                    assert_never(form.written)
        except OSError as fault:
            progress.stop()
            fail(f"{path} cannot be written: {fault.strerror or fault}.")
    wrote(counted.count, path)


def write_lines(lines: Iterable[str], path: Path) -> None:
    """Raises OSError."""
    if str(path) == "-":
        try:
            sys.stdout.writelines(lines)
            sys.stdout.flush()
        except BrokenPipeError:
            raise ReadByNobody from None
        return
    with replacing(path) as place, place.open("w", encoding="utf-8", newline="") as written:
        written.writelines(lines)


class Counted:
    """Passes items on and counts them."""

    def __init__(self, items: Iterable[Any], tell: Callable[[], None] = lambda: None) -> None:
        self._items, self._tell = items, tell
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.count += 1
            yield item
            self._tell()
