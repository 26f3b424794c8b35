"""A regular expression reads a text in one way. Where it could divide the same text in many ways, a text that does not match
makes Python try them all, in a time that doubles with each character (or grows with its cube), and nothing else runs
meanwhile. A possessive repeat (`*+`) and an atomic group give nothing back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import combinations
from pathlib import Path
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]  # the only reader of what Python compiles
from typing import Any

import pytest

from tests.house.sources import nodes, tree

ROOT = Path(__file__).parents[2]
ALPHABET = [*map(chr, range(128)), "\u00e9", "\u2028"]
"""One character of each kind that an expression tells apart."""
REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
POSSESSIVE = _constants.POSSESSIVE_REPEAT
ZERO_WIDTH = (_constants.AT, _constants.ASSERT, _constants.ASSERT_NOT)
Part = tuple[Any, Any]
"""(code, argument), as Python's parser gives it."""


@dataclass(frozen=True)
class Expression:
    """`begins`: the characters with which a match can begin. `empty`: whether it can match nothing. `early` and `late`: the
    characters of the endless repeats that a match can begin with, and of those that it can end with and that give back."""

    begins: frozenset[str] = frozenset()
    empty: bool = True
    early: tuple[frozenset[str], ...] = ()
    late: tuple[frozenset[str], ...] = ()


class Reader:
    def __init__(self, pattern: re.Pattern[str] | re.Pattern[bytes]) -> None:
        self.faults: list[str] = []
        self._parsed = _parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
        self._bytes = isinstance(pattern.pattern, bytes)
        self._sequence(list(self._parsed))

    def _characters(self, part: Part) -> frozenset[str]:
        one = _compiler.compile(_parser.SubPattern(self._parsed.state, [part]), self._parsed.state.flags)
        tried = [each for each in ALPHABET if not self._bytes or each <= "\xff"]
        return frozenset(each for each in tried if one.fullmatch(each.encode("latin-1") if self._bytes else each))

    def _sequence(self, parts: Sequence[Part], *, atomic: bool = False) -> Expression:
        whole = Expression()
        for each in map(self._part, parts):
            self._meet(whole.late, each.early, "a repeat goes on where the one before it could")
            whole = Expression(
                whole.begins | each.begins if whole.empty else whole.begins,
                whole.empty and each.empty,
                whole.early + each.early if whole.empty else whole.early,
                each.late + whole.late if each.empty else each.late,
            )
        return Expression(whole.begins, whole.empty, whole.early) if atomic else whole

    def _part(self, part: Part) -> Expression:
        code, argument = part
        if code in ZERO_WIDTH:
            return Expression()
        if code is _constants.SUBPATTERN:
            return self._sequence(list(argument[3]))
        if code is _constants.ATOMIC_GROUP:
            return self._sequence(list(argument), atomic=True)
        if code is _constants.BRANCH:
            return self._branch(argument[1])
        if code in (*REPEATS, POSSESSIVE):
            return self._repeat(code, *argument)
        return Expression(self._characters(part), empty=False)

    def _branch(self, alternatives: Iterable[Any]) -> Expression:
        held = [self._sequence(list(each)) for each in alternatives]
        return Expression(
            frozenset().union(*(each.begins for each in held)),
            any(each.empty for each in held),
            tuple(run for each in held for run in each.early),
            tuple(run for each in held for run in each.late),
        )

    def _repeat(self, code: Any, least: int, most: int, inner: Any) -> Expression:
        body = self._sequence(list(inner))
        empty = body.empty or least == 0
        if most is not _constants.MAXREPEAT:
            return Expression(body.begins, empty, body.early, body.late)
        if code is POSSESSIVE:
            return Expression(body.begins, empty, (body.begins,))
        self._meet(body.late, body.early, "a repeat in a repeat")
        if self._is_ambiguous(inner):
            self.faults.append("a repeat of alternatives that begin alike")
        return Expression(body.begins, empty, (*body.early, body.begins), (*body.late, body.begins))

    def _is_ambiguous(self, inner: Iterable[Part]) -> bool:
        for code, argument in inner:
            if code is _constants.BRANCH:
                begins = [self._sequence(list(each)).begins for each in argument[1]]
                if any(one & other for one, other in combinations(begins, 2)):
                    return True
            elif code is _constants.SUBPATTERN and self._is_ambiguous(argument[3]):
                return True
        return False

    def _meet(self, late: Iterable[frozenset[str]], early: Sequence[frozenset[str]], what: str) -> None:
        if any(one & other for one in late for other in early):
            self.faults.append(what)


def faults(pattern: re.Pattern[str] | re.Pattern[bytes]) -> list[str]:
    return Reader(pattern).faults


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"arn:((?:\$\{[^}]*\}|[^:])*):", ["a repeat of alternatives that begin alike"]),
        (r"arn:((?:\$\{[^{}]*+\}|[^:])*+):", []),
        (r"\s*([^,]*?)\s*,", ["a repeat goes on where the one before it could"] * 2),
        (r"(?:a+)*b", ["a repeat in a repeat"]),
        (r"(?:a+b?)*c", ["a repeat in a repeat"]),
        (r"(?>a+)*b", []),
        (r"(?:/[a-z]+)*/?", []),
        (r'"(?:[^"\\]|\\.)*"', []),
    ],
)
def test_the_reader_tells_expressions_that_divide_a_text_in_many_ways(text: str, found: list[str]) -> None:
    """The first took 0.2 s for 21 variables, and twice as long for each further one."""
    assert found == faults(re.compile(text))


def _of_file(path: Path) -> Iterator[re.Pattern[str] | re.Pattern[bytes]]:
    """The expressions that are values of the module, and those that stand where they are used."""
    if any(isinstance(node, ast.Assign) and "re.compile(" in ast.unparse(node.value) for node in tree(path).body):
        where = path.relative_to(ROOT).with_suffix("")
        values = vars(import_module(".".join(where.parts))).values()
        yield from (value for value in values if isinstance(value, re.Pattern))
    for node in nodes(path):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str | bytes):
                yield re.compile(first.value)


def test_no_expression_divides_a_text_in_many_ways() -> None:
    """One policy with such a text stopped the writer, and with it every change of every account."""
    files = [path for room in ("domain", "projections", "services") for path in sorted((ROOT / room).rglob("*.py"))]
    held = [(path, each) for path in files if "re." in path.read_text() for each in _of_file(path)]
    assert len(held) > 100
    found = {(str(path.relative_to(ROOT)), each.pattern): its for path, each in held if (its := faults(each))}
    assert found == {}
