"""A text as a cell of an export that people open: for a spreadsheet, and for a browser.

A caller chooses names, tags and encryption contexts. None of them may run in a spreadsheet, steer a terminal, turn the
direction of a line or leave its cell.
"""

from __future__ import annotations

import html
from typing import Any

from domain.characters import visible

RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for a formula at the beginning of a cell, the full-width forms too (OWASP, CSV Injection)."""


def csv_cell(value: Any) -> Any:
    """Numbers as they are; a text with an apostrophe before it where a spreadsheet would run it, and with whatever is not
    seen as its escape. A spreadsheet takes leading spaces away."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str):
        return value
    return f"'{visible(value)}" if value.lstrip(" \u00a0\ufeff").startswith(RISKY) else visible(value)


def html_cell(value: Any) -> str:
    """The text between two tags, or in a quoted attribute."""
    return html.escape("" if value is None else visible(str(value)), quote=True)
