"""Finds the existing name that somebody means, or the names nearest to what they wrote."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 3
LEAST = 4
"""How many first characters of a key's id are enough, if no other key's id begins with them."""


def last(name: str) -> str:
    """The last part of a name: bob for the ARN of user/bob, payroll for alias/payroll."""
    return name.rpartition("/")[2].rpartition(":")[2]


def meant(text: str, names: Iterable[str]) -> list[str]:
    """The names that a text may mean: those that end with it, in upper or lower case, after a `/` or `:`. bob means user/bob,
    user/bob means arn:aws:iam::111122223333:user/bob."""
    folded = text.lower()
    ends = (f"/{folded}", f":{folded}")
    return sorted({name for name in names if name.lower() == folded or name.lower().endswith(ends)})


def nearest(text: str, names: Iterable[str]) -> list[str]:
    """Names with a similar spelling, the nearest first: names that begin with the text, then by the letters that they share."""
    written = last(text).lower()
    by_end: dict[str, list[str]] = {}
    for name in names:
        by_end.setdefault(last(name).lower(), []).append(name)
    begin = sorted(
        end for end in by_end if len(written) > 1 and (end.startswith(written) or (written.startswith(end) and end))
    )
    near = dict.fromkeys([*begin[:SHOWN], *get_close_matches(written, by_end, SHOWN, 0.6)])
    return [name for end in near for name in sorted(set(by_end[end]))][:SHOWN]


def in_words(found: Iterable[str], otherwise: str = "") -> str:
    """A sentence with the nearest names. It follows the sentence that says what does not exist."""
    names = list(found)
    if not names:
        return f" {otherwise}" if otherwise else ""
    return f" Near it: {', '.join(names)}."
