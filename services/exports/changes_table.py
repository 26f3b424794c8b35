"""Changes of access as a table for people: CSV for a spreadsheet, or one HTML file that needs no scripts to be read or
printed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from services.exports.cells import csv_cell, html_cell

ExportCell = str | int | None | list[str]
ExportLine = Sequence[ExportCell]
"""A list means several sentences in one cell."""
STYLE = """
body { font: 10pt/1.35 system-ui, sans-serif; margin: 2em; color: #111; }
h1 { font-size: 15pt; margin: 0 0 .2em; } p { margin: .2em 0; color: #444; }
table { border-collapse: collapse; width: 100%; margin-top: 1em; } thead { display: table-header-group; }
th, td { border-top: 1px solid #bbb; padding: .3em .6em .3em 0; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
th { border-top: 0; white-space: nowrap; } tr { break-inside: avoid; }
@page { size: A4 landscape; margin: 14mm; } @media print { body { margin: 0; font-size: 8.5pt; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""A browser may load nothing for the page, whatever the page contains."""


def csv_text(headings: Sequence[str], lines: Iterable[ExportLine]) -> Iterator[str]:
    held = io.StringIO()
    writer = csv.writer(held)
    for line in (headings, *lines):
        writer.writerow([csv_cell("; ".join(each) if isinstance(each, list) else each) for each in line])
        yield held.getvalue()
        held.seek(0)
        held.truncate()


def html_text(title: str, notes: Sequence[str], headings: Sequence[str], lines: Iterable[ExportLine]) -> Iterator[str]:
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html_cell(POLICY)}">\n'
        f"<title>{html_cell(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{html_cell(title)}</h1>\n"
    )
    for note in notes:
        yield f"<p>{html_cell(note)}</p>\n"
    yield f"<table>\n<thead><tr>{''.join(f'<th>{html_cell(each)}</th>' for each in headings)}</tr></thead>\n<tbody>\n"
    for line in lines:
        yield f"<tr>{''.join(f'<td>{_lines(each)}</td>' for each in line)}</tr>\n"
    yield "</tbody>\n</table>\n</body>\n</html>\n"


def _lines(cell: ExportCell) -> str:
    return "<br>".join(map(html_cell, cell)) if isinstance(cell, list) else html_cell(cell)
