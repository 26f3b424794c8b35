"""`*` and `?` as IAM has them, matched without backtracking (rule 30 of the policy rules).

A pattern is cut at its stars. The first and last piece are anchored, each piece between is taken at its first place
after the one before: leftmost is always at least as good as any later place, so nothing is ever tried again and the
time is at most pattern times text.
"""

from __future__ import annotations

from collections.abc import Callable

Matcher = Callable[[str], bool]


def compile_glob(pattern: str) -> Matcher:
    """A predicate that is true of the texts that the pattern covers. Case matters; fold both where it should not."""
    if "*" not in pattern and "?" not in pattern:
        return pattern.__eq__
    if pattern == "*":
        return lambda text: True
    pieces = pattern.split("*")
    if len(pieces) == 1:
        return lambda text: len(text) == len(pattern) and _fits(pattern, text, 0)
    first, *middle, last = pieces
    middle = [piece for piece in middle if piece]
    shortest = len(first) + sum(map(len, middle)) + len(last)

    def matches(text: str) -> bool:
        end = len(text) - len(last)
        if len(text) < shortest or not _fits(first, text, 0) or not _fits(last, text, end):
            return False
        at = len(first)
        for piece in middle:
            at = _find(piece, text, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return matches


def _fits(piece: str, text: str, at: int) -> bool:
    if "?" not in piece:
        return text.startswith(piece, at)
    return all(p in ("?", t) for p, t in zip(piece, text[at : at + len(piece)], strict=True))


def _find(piece: str, text: str, start: int, end: int) -> int:
    if "?" not in piece:
        return text.find(piece, start, end)
    return next((at for at in range(start, end - len(piece) + 1) if _fits(piece, text, at)), -1)
