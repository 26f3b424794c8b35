"""Prepares text for the cells of an export, which people open in a spreadsheet or a browser.

A caller chooses names, tags and encryption contexts. None of these may run as a formula in a spreadsheet, control a
terminal, change the direction of a line or leave its cell.
"""

from __future__ import annotations

import html
from typing import Any

from domain.characters import visible

RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters at the beginning of a cell that make it a formula, also in full-width forms (OWASP, CSV Injection)."""


def csv_cell(value: Any) -> Any:
    """Numbers are unchanged. Text that a spreadsheet would run gets an apostrophe before it, and invisible characters become
    escapes. (A spreadsheet removes leading spaces.)"""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str):
        return value
    return f"'{visible(value)}" if value.lstrip(" \u00a0\ufeff").startswith(RISKY) else visible(value)


def html_cell(value: Any) -> str:
    """The text, escaped to go between two tags or into a quoted attribute."""
    return html.escape("" if value is None else visible(str(value)), quote=True)
