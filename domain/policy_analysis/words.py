"""One word for every way in which a text can match a set of patterns: the patterns' automata run side by side.

A pattern is a row of elements, each a set of characters that occurs once or any number of times. All patterns of a question
form one automaton. Its state is the set of elements that may come next, held in the bits of one integer, so that following
a character takes three operations for any number of patterns. States are visited breadth first from the empty word. If no
expected element tells two characters apart, they lead to the same state, so one of them represents both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from domain.policy.glob import ARN_PARTS, arn_components, covers_rest
from domain.policy_analysis.budget import spend

MOST_STATES = 5_000
"""The number of states that are visited before the question is given up: a second or two for the largest policies."""
_SPARE = "xyzabcdefghijklmnopqrstuvw0123456789-_"
_BEYOND = range(0x400, 0x10000)
"""Characters for text that no pattern names, after those of _SPARE; there are more of them than characters in a policy."""


class TooMany(Exception):
    """There are more cases than Keytrail examines."""


@dataclass(frozen=True, slots=True)
class Element:
    """One of `characters` or, with `other`, any character except these; `many`: any number of them."""

    characters: frozenset[str]
    other: bool = False
    many: bool = False

    def meets(self, character: str) -> bool:
        return (character in self.characters) is not self.other


Pattern = tuple[Element, ...]

ONE = Element(frozenset(), other=True)
MANY = Element(frozenset(), other=True, many=True)
ANYTHING: Pattern = (MANY,)
_ONE_WITHIN = Element(frozenset(":"), other=True)
_MANY_WITHIN = Element(frozenset(":"), other=True, many=True)
DIGIT = Element(frozenset("0123456789"))
# Letters beyond ASCII that become an ASCII letter when their case is folded.
_ALSO = {"k": "\u212a"}


def literal(text: str) -> Pattern:
    return tuple(Element(frozenset(each)) for each in text)


def glob(parts: Iterable[tuple[str, bool]], fold: bool = False) -> Pattern:
    """A pattern from parts: (text, whether `*` and `?` in it are wildcards). `fold`: letters match in either case; the text
    is folded already."""
    return tuple(_signs(parts, fold, ONE, MANY))


def _signs(parts: Iterable[tuple[str, bool]], fold: bool, one: Element, many: Element) -> Iterator[Element]:
    for text, wild in parts:
        for sign in text:
            if wild and sign == "*":
                yield many
            elif wild and sign == "?":
                yield one
            elif fold:
                yield Element(frozenset({sign, sign.upper(), *_ALSO.get(sign, "")}))
            else:
                yield Element(frozenset(sign))


def arn(parts: Sequence[tuple[str, bool]]) -> Pattern | None:
    """The pattern of an ARN: no wildcard in the first five components matches a colon. None for a pattern that matches
    nothing."""
    components = arn_components(parts)
    if len(components) < ARN_PARTS and not covers_rest(components):
        return None
    result: list[Element] = []
    for number, component in enumerate(components):
        last = number == len(components) - 1
        if number:
            result.append(Element(frozenset(":")))
        result += _signs(component, False, ONE if last else _ONE_WITHIN, MANY if last else _MANY_WITHIN)
    return tuple(result)


def samples(groups: Sequence[Sequence[Pattern]], within: Pattern = ANYTHING) -> list[str]:
    """For every combination of groups that some text of `within` matches, the shortest text that matches exactly these. A
    text matches a group if it matches one of its patterns. The empty text is used only if there is no other. Raises
    TooMany."""
    automaton = _Automaton([[within], *groups])
    begin = automaton.begin
    words = {begin: ""}
    found: dict[tuple[bool, ...], str] = {}
    level = [begin]
    while level:
        following = []
        for state in level:
            word = words[state]
            spend(5 + len(groups))
            met = automaton.met(state)
            if met[0] and not found.get(met):
                found[met] = word
            for character, after in automaton.steps(state):
                spend(2)
                if after not in words and automaton.within(after):
                    words[after] = word + character
                    following.append(after)
        if len(words) > MOST_STATES:
            raise TooMany("the patterns are too many, or too much alike, to tell apart")
        level = following
    if words and not found.get(automaton.met(begin), "x"):
        _lengthen(automaton, found)
    return list(found.values())


def _lengthen(automaton: _Automaton, found: dict[tuple[bool, ...], str]) -> None:
    """Replaces the empty word if a longer word matches the same combination."""
    met = automaton.met(automaton.begin)
    for character, state in automaton.steps(automaton.begin):
        if automaton.met(state) == met:
            found[met] = character
            return


class _Automaton:
    def __init__(self, groups: Sequence[Sequence[Pattern]]) -> None:
        self._elements: list[Element | None] = []
        begin, ends = 0, []
        for group in groups:
            end = 0
            for pattern in group:
                begin |= 1 << len(self._elements)
                self._elements += _without_twins(pattern)
                end |= 1 << len(self._elements)
                self._elements.append(None)  # a text that reaches this matches the pattern
            ends.append(end)
        self._ends = ends
        self._within = (ends[0] << 1) - 1  # the first group has one pattern
        spend(3 * len(self._elements))
        self._many = _set(at for at, each in enumerate(self._elements) if each is not None and each.many)
        self.begin = self._closed(begin)
        self._single: dict[str, tuple[int, int]] = {}

    def within(self, state: int) -> bool:
        return bool(state & self._within)

    def met(self, state: int) -> tuple[bool, ...]:
        return tuple(bool(state & end) for end in self._ends)

    def steps(self, state: int) -> Iterator[tuple[str, int]]:
        """One character for each class that the expected elements tell apart, with the next state."""
        spend(state.bit_count() * (1 + state.bit_length() // 2048))
        waited = [self._elements[at] for at in _bits(state)]
        named: dict[str, None] = {}
        open_ones = False
        for each in waited:
            if each is None:
                continue
            if each.other:
                open_ones = True
                named.update(dict.fromkeys(sorted(each.characters)))
            elif len(each.characters) <= 3:
                named.update(dict.fromkeys(sorted(each.characters)))
        for each in waited:
            if each is not None and not each.other and len(each.characters) > 3:
                spare = min((one for one in each.characters if one not in named), default=None)
                if spare is not None:
                    named[spare] = None
        if open_ones:
            spare = next(one for one in _spares() if one not in named and not self._is_named(one, waited))
            named = {spare: None, **named}
        for character in named:
            after = self._after(state, character)
            if after:
                yield character, after

    @staticmethod
    def _is_named(character: str, waited: Sequence[Element | None]) -> bool:
        return any(each is not None and not each.other and character in each.characters for each in waited)

    def _after(self, state: int, character: str) -> int:
        found = self._single.get(character)
        if found is None:
            spend(len(self._elements))
            meeting = _set(at for at, each in enumerate(self._elements) if each is not None and each.meets(character))
            found = self._single[character] = (meeting & ~self._many, meeting & self._many)
        once, again = found
        return self._closed(((state & once) << 1) | (state & again))

    def _closed(self, state: int) -> int:
        """Adds the elements after an element that may occur zero times."""
        while True:
            spend(1 + state.bit_length() // 4096)
            more = state | ((state & self._many) << 1)
            if more == state:
                return state
            state = more


def _spares() -> Iterator[str]:
    yield from _SPARE
    yield from (chr(each) for each in _BEYOND if not 0xD800 <= each < 0xE000)


def _without_twins(pattern: Pattern) -> Pattern:
    """Two equal elements in a row that may occur any number of times become one."""
    return tuple(each for at, each in enumerate(pattern) if not (each.many and at and pattern[at - 1] == each))


def _bits(state: int) -> Iterator[int]:
    """Byte by byte: taking the lowest bit of the whole integer costs time in proportion to its length."""
    for at, byte in enumerate(state.to_bytes((state.bit_length() + 7) // 8, "little")):
        if byte:
            for bit in range(8):
                if byte >> bit & 1:
                    yield at * 8 + bit


def _set(places: Iterable[int]) -> int:
    """The integer with these bits."""
    bits = bytearray()
    for place in places:
        at = place >> 3
        if at >= len(bits):
            bits.extend(bytes(at + 1 - len(bits)))
        bits[at] |= 1 << (place & 7)
    return int.from_bytes(bits, "little")
