"""`*` and `?` with IAM's meaning, matched in linear time (#globs-in-linear-time).

A pattern is cut at its stars. The first and the last piece are anchored. Each piece between them is taken at its first
place after the previous piece. No later place can be better, so the matcher never goes back.

A piece is its length and the runs of characters between its `?`. A plain search finds most pieces. Some pieces have
several runs, or a run so long that a search could compare all of it at every place. These are found with bits: each
character has an integer with a bit for each of its places. The piece is where these integers, each shifted by its
character's place in the piece, share a bit. A regular expression needed quadratic time, 18 s for the longest pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Matcher = Callable[[str], bool]
STAR, ANY = "*", "?"
LONG_SEARCH = 1 << 20
"""The library's search may compare every place with all of the run. It is not used when characters of the text times
characters of the run reach this number."""


def compile_glob(pattern: str) -> Matcher:
    """A predicate that is true of the texts that the pattern covers. Case matters: fold both sides where it should not."""
    if STAR not in pattern and ANY not in pattern:
        return pattern.__eq__
    return compile_parts([(pattern, True)])


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a pattern between two stars. `runs` are (place within the piece, text) between its `?`."""

    size: int
    runs: tuple[tuple[int, str], ...]


def compile_parts(parts: Iterable[tuple[str, bool]]) -> Matcher:
    """The same for a pattern in parts: (text, whether `*` and `?` in it are wildcards). In a policy variable's value
    they are not."""
    pieces = _pieces(parts)
    if len(pieces) == 1:
        return _whole(pieces[0])
    first, last = pieces[0], pieces[-1]
    middle = [piece for piece in pieces[1:-1] if piece.size]
    if not first.size and not last.size and not middle:
        return _anything
    return _anchored(first, middle, last)


def _pieces(parts: Iterable[tuple[str, bool]]) -> list[Piece]:
    pieces: list[Piece] = []
    size, runs, run = 0, [], ""

    def end_run() -> None:
        nonlocal run
        if run:
            runs.append((size - len(run), run))
        run = ""

    for text, wild in parts:
        for part in re.split(r"([*?])", text) if wild else (text,):
            if wild and part == STAR:
                end_run()
                pieces.append(Piece(size, tuple(runs)))
                size, runs = 0, []
            elif wild and part == ANY:
                end_run()
                size += 1
            else:
                run += part
                size += len(part)
    end_run()
    pieces.append(Piece(size, tuple(runs)))
    return pieces


def _anything(text: str) -> bool:
    return True


def _whole(piece: Piece) -> Matcher:
    if piece.runs and len(piece.runs[0][1]) == piece.size:
        return piece.runs[0][1].__eq__
    size, fits = piece.size, _fits_at(piece)
    return lambda candidate: len(candidate) == size and fits(candidate, 0)


def _fits_at(piece: Piece) -> Callable[[str, int], bool]:
    """Tests a piece at a place. The text must be long enough after that place."""
    if not piece.runs:
        return lambda candidate, at: True
    if len(piece.runs) == 1:
        ((offset, text),) = piece.runs
        return lambda candidate, at: candidate.startswith(text, at + offset)
    return lambda candidate, at: all(candidate.startswith(text, at + offset) for offset, text in piece.runs)


class _Places:
    """Where each character is in a text, as the bits of an integer. Worked out once for all pieces of a pattern."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._of: dict[str, int] = {}

    def of(self, character: str) -> int:
        found = self._of.get(character)
        if found is None:
            text = self._text
            bits = bytearray(len(text) // 8 + 1)
            at = text.find(character)
            while at >= 0:
                bits[at >> 3] |= 1 << (at & 7)
                at = text.find(character, at + 1)
            found = self._of[character] = int.from_bytes(bits, "little")
        return found

    def first(self, piece: Piece, start: int, end: int) -> int:
        """The first place of the piece between `start` and `end`, or -1."""
        found = (1 << max(0, end - start - piece.size + 1)) - 1
        for offset, text in piece.runs:
            for at, character in enumerate(text, start + offset):
                found &= self.of(character) >> at
                if not found:
                    return -1
        return start + (found & -found).bit_length() - 1


_Find = Callable[[str, int, int], int]
"""(text, start, end) -> the first place of a piece, or -1."""


def _finds(piece: Piece) -> _Find | None:
    """None for a piece that only `_Places` can find."""
    size = piece.size
    if not piece.runs:
        return lambda candidate, start, end: start if end - start >= size else -1
    if len(piece.runs) > 1:
        return None
    ((offset, text),) = piece.runs
    behind = size - offset
    if offset == 0 and behind == len(text):
        return lambda candidate, start, end: candidate.find(text, start, end)

    def find(candidate: str, start: int, end: int) -> int:
        found = candidate.find(text, start + offset, end - behind + len(text))
        return found if found < 0 else found - offset

    return find


def _anchored(first: Piece, middle: list[Piece], last: Piece) -> Matcher:
    begins, ends = _fits_at(first), _fits_at(last)
    inner = [(_finds(piece), piece) for piece in middle]
    before, after = first.size, last.size
    shortest = before + after + sum(piece.size for piece in middle)
    longest = max((len(text) for piece in middle for _, text in piece.runs), default=0)
    by_places = any(find is None for find, _ in inner)

    def matches(text: str) -> bool:
        end = len(text) - after
        if len(text) < shortest or not begins(text, 0) or not ends(text, end):
            return False
        at = before
        places = _Places(text) if by_places or len(text) * longest > LONG_SEARCH else None
        for find, piece in inner:
            if find is None or (places is not None and len(text) * piece.size > LONG_SEARCH):
                assert places is not None, "it was made for such pieces"
                at = places.first(piece, at, end)
            else:
                at = find(text, at, end)
            if at < 0:
                return False
            at += piece.size
        return True

    return matches


ARN_PARTS = 6


def compile_arn(parts: Sequence[tuple[str, bool]]) -> Matcher:
    """ArnLike and the Resource element: each of the six components between colons is matched by itself
    (#arn-operators-match-by-component).

    A pattern may have fewer components. If the last one ends with `*`, it covers everything that follows, colons too
    (IAM user guide, reference_arns: "it can expand to match beyond the colon boundaries").

    """
    components = arn_components(parts)
    if _is_one_expression(components):
        return _LazyExpression(components).matches
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
        # A colon in a variable's value does not separate components: the value stays within its own.
        cuts = text.split(":", ARN_PARTS - len(components)) if wild and len(components) < ARN_PARTS else [text]
        components[-1].append((cuts[0], wild))
        components.extend([(cut, wild)] for cut in cuts[1:])
    return components


def covers_rest(components: Sequence[Sequence[tuple[str, bool]]]) -> bool:
    """Whether the last component ends with `*`. If there are fewer than six, it then covers everything that follows,
    colons too."""
    text, wild = components[-1][-1]
    return wild and text.endswith(STAR)


LONGEST_EXPRESSION = 256
"""The longest pattern of an ARN that becomes a regular expression, in characters. At each place of a star the
expression may compare as many characters as the pattern has."""


def _is_one_expression(components: Sequence[Sequence[tuple[str, bool]]]) -> bool:
    """Whether one regular expression can match the whole ARN: each component has at most one star. Its colon says where
    a component ends, so each star can have one length only."""
    if len(components) != ARN_PARTS or sum(len(text) for each in components for text, _ in each) > LONGEST_EXPRESSION:
        return False
    if any(sum(text.count(STAR) for text, wild in component if wild) > 1 for component in components):
        return False
    return not any(":" in text for component in components[:-1] for text, _ in component)


class _LazyExpression:
    """Compiled when it is first asked: a policy may hold a thousand that no request ever asks."""

    def __init__(self, components: Sequence[Sequence[tuple[str, bool]]]) -> None:
        self._components = components
        self._asked: Callable[[str], object] | None = None

    def matches(self, text: str) -> bool:
        asked = self._asked
        if asked is None:
            asked = self._asked = re.compile(":".join(self._written()), re.DOTALL).fullmatch
        return asked(text) is not None

    def _written(self) -> Iterable[str]:
        for number, component in enumerate(self._components):
            last = number == ARN_PARTS - 1
            signs = {STAR: ".*", ANY: "."} if last else {STAR: "[^:]*", ANY: "[^:]"}
            yield "".join(
                signs.get(each, re.escape(each)) if wild else re.escape(each)
                for text, wild in component
                for each in text
            )


def _components(matchers: Sequence[Matcher], found: Sequence[str]) -> bool:
    return len(found) == len(matchers) and all(matches(each) for matches, each in zip(matchers, found, strict=True))
