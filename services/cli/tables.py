"""Tables for people: whole rows if there is room, otherwise one card for each row.

Nothing is cut without a sign. A pipe has no width, so there every row is one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, product
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from domain.characters import visible
from services.cli.screens import out
from services.cli.terminal import say
from services.cli.text_lines import folded

Row = Mapping[str, Any]
MEASURED = 200
"""How many rows decide the widths of columns."""
GAP = 2
INDENT = " " * 4
NEXT = " " * 2
WRAPPED = 24
"""The least width of a cell with several lines."""
WORD = 40
"""The longest word that is not broken: the longest name of an operation has 36 characters with its comma."""
SHADES = {
    "allowed": "green",
    "refused": "red",
    "Enabled": "green",
    "Disabled": "yellow",
    "PendingDeletion": "red",
    "critical": "bold red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "ok": "green",
    "look": "yellow",
    "wrong": "bold red",
    "unchecked": "dim",
}


@dataclass(frozen=True, slots=True)
class Column:
    """`cell` returns a row's text; `short` a shorter form of it. `leads`: it is in a card's first line. `wraps`: its text may
    take several lines. `number`: it is aligned right. `spare`: it is left out of a table that has no room for it."""

    heading: str
    cell: Callable[[Row], Any]
    short: Callable[[Row], Any] | None = None
    leads: bool = False
    wraps: bool = False
    number: bool = False
    spare: bool = False


def member(name: str, *, heading: str = "", **more: Any) -> Column:
    """A column that shows a row's member unchanged."""
    return Column(heading or name.replace("_", " "), lambda row: row.get(name), **more)


def print_rows(rows: Iterable[Row], columns: Sequence[Column], nothing: str) -> bool:
    """Prints the rows as they come, and returns whether there were any. If not, prints `nothing`, which repeats the question."""
    source = iter(rows)
    first = list(islice(source, MEASURED))
    if not first:
        say(nothing, "dim")
        return False
    width = out.width if out.is_terminal else None
    rest = source if len(first) == MEASURED else ()
    for line in lines_of(first, rest, columns, width):
        out.print(line, soft_wrap=True)
    return True


def lines_of(first: Sequence[Row], rest: Iterable[Row], columns: Sequence[Column], width: int | None) -> Iterator[Text]:
    """The lines of a table of this width (None: any width), measured on the first rows."""
    full = [_cells(row, columns, short=False) for row in first]
    # An empty column is left out if all rows were measured.
    all_measured = isinstance(rest, tuple) and not rest
    held = [
        column for place, column in enumerate(columns) if not all_measured or any(cells[place] for cells in full)
    ] or columns
    least = [column for column in held if not column.spare]
    for shown, short in product((held, least) if len(least) < len(held) else (held,), (False, True)):
        widths = _fitting([_cells(row, shown, short=short) for row in first], shown, width)
        if widths is not None:
            yield _line([column.heading for column in shown], widths, shown, style="bold")
            for row in chain(first, rest):
                cells = _cells(row, shown, short=short)
                if width is None:
                    yield _line(cells, widths, shown)
                else:
                    yield from _wrapped(cells, widths, shown)
            if shown is least:
                left_out = ", ".join(column.heading for column in held if column.spare)
                yield from (Text(part, "dim") for part in folded(f"(no room here for: {left_out})", width or MEASURED))
            return
    assert width is not None, "whatever has no width fits"
    for row in chain(first, rest):
        yield from _card(row, columns, width)


def _cells(row: Row, columns: Sequence[Column], *, short: bool) -> list[str]:
    found = (column.short(row) if short and column.short is not None else column.cell(row) for column in columns)
    # Made visible before the widths are measured: a line end in a caller's words does not begin a new row.
    return [visible("" if value is None else str(value)) for value in found]


def _fitting(rows: Sequence[Sequence[str]], columns: Sequence[Column], width: int | None) -> list[int] | None:
    """A width for each column; None if there is no room for all columns."""
    widths = [
        max(cell_len(column.heading), *(cell_len(cells[place]) for cells in rows))
        for place, column in enumerate(columns)
    ]
    if width is None:
        return widths
    least = [
        max(WRAPPED, *(min(WORD, cell_len(word)) for cells in rows for word in (cells[place].split(" "))))
        for place in range(len(columns))
    ]
    over = sum(widths) + GAP * (len(widths) - 1) - width
    for place in sorted(
        (place for place, column in enumerate(columns) if column.wraps), key=lambda place: -widths[place]
    ):
        if over > 0:
            less = min(over, widths[place] - least[place])
            if less > 0:
                widths[place] -= less
                over -= less
    return widths if over <= 0 else None


def _line(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column], style: str = "") -> Text:
    line = Text()
    for place, (cell, width, column) in enumerate(zip(cells, widths, columns, strict=True)):
        room = " " * max(0, width - cell_len(cell))
        last = place == len(cells) - 1
        shade = style or SHADES.get(cell.strip(), "")
        if column.number:
            line.append(room)
        line.append(cell, shade)
        if not last:
            line.append(" " * GAP if column.number else room + " " * GAP)
    line.rstrip()
    return line


def _wrapped(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> Iterator[Text]:
    """A row's lines: one, or more if a cell continues below."""
    parts = [
        folded(cell, width) if cell_len(cell) > width else [cell] for cell, width in zip(cells, widths, strict=True)
    ]
    for number in range(max(map(len, parts))):
        yield _line([part[number] if number < len(part) else "" for part in parts], widths, columns)


def _card(row: Row, columns: Sequence[Column], width: int) -> Iterator[Text]:
    """A row as a few lines: the leading cells first, then every other cell after its heading."""
    named = [(column, cell) for column, cell in zip(columns, _cells(row, columns, short=False), strict=True) if cell]
    shades = [SHADES[cell] for column, cell in named if column.leads and cell in SHADES]
    for number, part in enumerate(_joined([cell for column, cell in named if column.leads], width)):
        line = Text(part, "bold")
        if number == 0 and shades:
            line.stylize(shades[0])
        yield line
    room = max(WRAPPED // 2, width - len(INDENT))
    line = Text(INDENT)
    alone = False
    for column, cell in named:
        if column.leads:
            continue
        label = f"{column.heading} " if column.heading else ""
        takes = cell_len(label) + cell_len(cell)
        if line.cell_len > len(INDENT) and line.cell_len + 3 + takes <= width and not (column.wraps or alone):
            line.append("   ")
        elif line.cell_len > len(INDENT):
            yield line
            line = Text(INDENT)
        first, *more = folded(cell, room - cell_len(label)) if takes > room else [cell]
        line.append(label, "dim").append(first, SHADES.get(cell, ""))
        for part in more:
            yield line
            line = Text.assemble(INDENT, " " * cell_len(label), part)
        # A cell right after a text of several lines would be read as part of it.
        alone = bool(more)
    if line.cell_len > len(INDENT):
        yield line


def _joined(cells: Sequence[str], width: int) -> Iterator[str]:
    """The cells side by side in as few lines as possible; lines after the first are indented."""
    line, begun = "", False
    for cell in cells:
        joined = f"{line}  {cell}" if line.strip() else f"{line}{cell}"
        if cell_len(joined) <= width:
            line = joined
            continue
        if line.strip():
            yield line
            begun = True
        parts = folded(cell, width - len(NEXT))
        *whole, line = (f"{NEXT if number or begun else ''}{part}" for number, part in enumerate(parts))
        yield from whole
        begun = True
    yield line
