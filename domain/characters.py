"""Which characters a text may hold, and where. Records hold no half of a surrogate pair, texts of Postgres no U+0000,
and screens no control characters.

JSON can name each of them by an escape, so any caller can write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

STANDS_FOR_NUL = "\U0010fffe"
"""Takes the place of U+0000 in the projections. It is a noncharacter of Unicode, and the API accepts it nowhere, so it
cannot be mistaken for something that a caller wrote."""
HALVES = re.compile("[\ud800-\udfff]")
UNFIT = re.compile(f"[\0\ud800-\udfff{STANDS_FOR_NUL}]")
"""Characters that a policy may not hold."""
UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that Python calls printable and that show nothing."""


def texts(value: Any) -> Iterator[str]:
    """Every string of a JSON document, including names."""
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from texts(each)
        case dict():
            for name, each in value.items():
                yield name
                yield from texts(each)


def without_nul(value: Any) -> Any:
    """A JSON document in the form for the projections: with STANDS_FOR_NUL for every U+0000."""
    match value:
        case str():
            return value.replace("\0", STANDS_FOR_NUL)
        case list() | tuple():
            return [without_nul(each) for each in value]
        case dict():
            return {without_nul(name): without_nul(each) for name, each in value.items()}
        case _:
            return value


def encodable(value: Any) -> Any:
    """A JSON document with U+FFFD for each half of a surrogate pair."""
    match value:
        case str():
            return HALVES.sub("\ufffd", value)
        case list() | tuple():
            return [encodable(each) for each in value]
        case dict():
            return {encodable(name): encodable(each) for name, each in value.items()}
        case _:
            return value


def visible(text: str, *, lines: bool = False) -> str:
    """The text in a form that a person may see. Some characters would move a cursor, change a title, reorder the line
    or not be seen at all: each of them becomes its escape. With `lines`, line ends and tabs stay.

    Python's `isprintable` is false for exactly two categories of Unicode: Other (controls, formats, surrogates,
    noncharacters) and Separator, except the space. Bidirectional controls are among them. Letters and marks that show
    nothing (Default_Ignorable_Code_Point, and the empty Braille pattern) are UNSEEN.
    """
    if text.isprintable() and (text.isascii() or not UNSEEN.search(text)):
        return text
    return "".join(each if _is_seen(each) or (lines and each in "\n\t") else _escape(each) for each in text)


def _is_seen(character: str) -> bool:
    return character.isprintable() and not UNSEEN.match(character)


def _escape(character: str) -> str:
    return "\\x00" if character == STANDS_FOR_NUL else character.encode("unicode_escape").decode()


def all_visible(value: Any) -> Any:
    """A JSON document with every text made `visible`, for what a machine tells people."""
    match value:
        case str():
            return visible(value, lines=True)
        case list() | tuple():
            return [all_visible(each) for each in value]
        case dict():
            return {visible(name): all_visible(each) for name, each in value.items()}
        case _:
            return value
