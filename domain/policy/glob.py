"""`*` and `?` as IAM has them, matched without backtracking (rule 30 of the policy rules).

A pattern is cut at its stars. The first and last piece are anchored, each piece between is taken at its first place
after the one before: leftmost is always at least as good as any later place, so nothing is ever tried again. A piece
with `?` in it is a regular expression without a quantifier, which has nothing to backtrack either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

Matcher = Callable[[str], bool]
STAR, ANY = "*", "?"


def compile_glob(pattern: str) -> Matcher:
    """A predicate that is true of the texts that the pattern covers. Case matters; fold both where it should not."""
    if STAR not in pattern and ANY not in pattern:
        return pattern.__eq__
    return compile_parts([(pattern, True)])


def compile_parts(parts: Iterable[tuple[str, bool]]) -> Matcher:
    """The same of a pattern in parts: (text, whether `*` and `?` in it are wildcards). A policy variable's are not."""
    pieces: list[_Piece] = [[]]
    for text, wild in parts:
        for character in text:
            if wild and character == STAR:
                pieces.append([])
            elif wild and character == ANY:
                pieces[-1].append(None)
            else:
                pieces[-1].append(character)
    if len(pieces) == 1:
        return _whole(pieces[0])
    first, last = pieces[0], pieces[-1]
    middle = [piece for piece in pieces[1:-1] if piece]
    if not first and not last and not middle:
        return _anything
    return _anchored(first, middle, last)


_Piece = list[str | None]
_Find = Callable[[str, int, int], int]
"""(text, start, end) -> the first place of a piece, or -1."""


def _anything(text: str) -> bool:
    return True


def _text(piece: Sequence[str | None]) -> str | None:
    """The piece as a string; None where it has a `?`."""
    return None if None in piece else "".join(character for character in piece if character is not None)


def _expression(piece: Sequence[str | None]) -> re.Pattern[str]:
    return re.compile("".join("." if each is None else re.escape(each) for each in piece), re.DOTALL)


def _whole(piece: _Piece) -> Matcher:
    text = _text(piece)
    if text is not None:
        return text.__eq__
    fits = _expression(piece).fullmatch
    return lambda candidate: fits(candidate) is not None


def _fits_at(piece: _Piece) -> Callable[[str, int], bool]:
    text = _text(piece)
    if text is not None:
        return lambda candidate, at: candidate.startswith(text, at)
    match = _expression(piece).match
    return lambda candidate, at: match(candidate, at) is not None


def _finds(piece: _Piece) -> _Find:
    text = _text(piece)
    if text is not None:
        return lambda candidate, start, end: candidate.find(text, start, end)
    search = _expression(piece).search

    def find(candidate: str, start: int, end: int) -> int:
        found = search(candidate, start, end)
        return -1 if found is None else found.start()

    return find


def _anchored(first: _Piece, middle: list[_Piece], last: _Piece) -> Matcher:
    begins, ends = _fits_at(first), _fits_at(last)
    inner = [(_finds(piece), len(piece)) for piece in middle]
    before, after = len(first), len(last)
    shortest = before + after + sum(size for _, size in inner)

    def matches(text: str) -> bool:
        end = len(text) - after
        if len(text) < shortest or not begins(text, 0) or not ends(text, end):
            return False
        at = before
        for find, size in inner:
            at = find(text, at, end)
            if at < 0:
                return False
            at += size
        return True

    return matches


ARN_PARTS = 6


def compile_arn(parts: Sequence[tuple[str, bool]]) -> Matcher:
    """ArnLike and the Resource element: each of the six components between colons is matched by itself (rule 19).

    A pattern of fewer components whose last ends with `*` covers what follows, colons too (IAM user guide,
    reference_arns: "it can expand to match beyond the colon boundaries").
    """
    components = arn_components(parts)
    expression = _one_expression(components)
    if expression is not None:
        return lambda text: expression(text) is not None
    matchers = [compile_parts(component) for component in components]
    if len(matchers) == ARN_PARTS:
        return lambda text: _components(matchers, text.split(":", ARN_PARTS - 1))
    if not covers_rest(components):
        return lambda text: False
    count = len(matchers)
    return lambda text: _components(matchers, text.split(":", count - 1))


def arn_components(parts: Sequence[tuple[str, bool]]) -> list[list[tuple[str, bool]]]:
    """An ARN's pattern cut at its first five colons."""
    components: list[list[tuple[str, bool]]] = [[]]
    for text, wild in parts:
        # A colon in a variable's value separates nothing: the value stays within its component.
        cuts = text.split(":", ARN_PARTS - len(components)) if wild and len(components) < ARN_PARTS else [text]
        components[-1].append((cuts[0], wild))
        components.extend([(cut, wild)] for cut in cuts[1:])
    return components


def covers_rest(components: Sequence[Sequence[tuple[str, bool]]]) -> bool:
    """Whether the last component ends with `*`: fewer than six then cover what follows, colons too."""
    text, wild = components[-1][-1]
    return wild and text.endswith(STAR)


def _one_expression(components: Sequence[Sequence[tuple[str, bool]]]) -> Callable[[str], object] | None:
    """One regular expression for a whole ARN with at most one star a component: where a component ends is given by its
    colon, so that each star has one length only and there is nothing to backtrack. None for others."""
    if len(components) != ARN_PARTS:
        return None
    written = []
    for number, component in enumerate(components):
        last = number == ARN_PARTS - 1
        if sum(text.count(STAR) for text, wild in component if wild) > 1:
            return None
        if not last and any(":" in text for text, wild in component):
            return None
        signs = {STAR: ".*", ANY: "."} if last else {STAR: "[^:]*", ANY: "[^:]"}
        written.append(
            "".join(
                signs.get(each, re.escape(each)) if wild else re.escape(each)
                for text, wild in component
                for each in text
            )
        )
    return re.compile(":".join(written), re.DOTALL).fullmatch


def _components(matchers: Sequence[Matcher], found: Sequence[str]) -> bool:
    return len(found) == len(matchers) and all(matches(each) for matches, each in zip(matchers, found, strict=True))
