"""Ids, names, tags and aliases that a policy cannot know, since they follow from its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import product
from string import ascii_letters, digits

from domain.policy.compile import CompiledStatement
from domain.policy.conditions import Test
from domain.policy.variables import Context
from domain.policy_analysis.budget import spend

HEX = "0123456789abcdef"
LETTERS = digits + ascii_letters
RUNS = re.compile("[0-9a-z]{2,}")
SHORTEST, LENGTHS = 6, 8
"""A list of patterns for every length but one would spare words of one length."""
ATTEMPTS = 32

OptionalParts = Mapping[str, Callable[[str], Context]]
"""What a resource may have or not, such as a tag, each as what conditions read of it when its value is made of a word."""


def unnamed_ids(document: str) -> Iterator[str]:
    """Ids as keys have them. Each digit is in each place once, so a pattern that settles one digit covers one of them."""
    seed = sha256(document.encode("utf-8", "surrogatepass")).digest()
    for turn in range(len(HEX)):
        text = "".join(HEX[(turn + byte) % len(HEX)] for byte in seed)
        variant = "89ab"[(turn + seed[16]) % 4]
        yield f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def unnamed_words(document: str) -> Iterator[str]:
    """Names of identities, and values of tags. One begins with each letter and digit, so a list of first letters covers some.
    Two letters that follow each other in the document do so in no word, as far as possible: a pattern that says which, such
    as `dev-*` or `*qa*`, covers none by chance."""
    seed = sha256(document.encode("utf-8", "surrogatepass")).digest()
    written = {pair for run in RUNS.findall(document.lower()) for pair in _pairs(run)}
    for first in LETTERS:
        words = (_word(first, sha256(seed + f"{first}{attempt}".encode()).digest()) for attempt in range(ATTEMPTS))
        yield next((each for each in words if written.isdisjoint(_pairs(each.lower()))), _word(first, seed))


def _word(first: str, seed: bytes) -> str:
    length = SHORTEST + seed[0] % LENGTHS
    return first + "".join(LETTERS[byte % len(LETTERS)] for byte in seed[1:length])


def _pairs(text: str) -> Iterator[str]:
    """Each two letters that follow each other."""
    return (text[at : at + 2] for at in range(len(text) - 1))


def contexts(rules: Sequence[CompiledStatement], parts: OptionalParts, words: Sequence[str]) -> Iterator[Context]:
    """What conditions may read of resources that nobody has: for each statement that allows, of one with as few of the parts
    as its conditions let it have, and of one with as many; and of both as far as no Deny speaks of the part. A Deny may be
    for some resources only, so the first two are asked about too. One that reads several parts is taken as it comes."""
    free = {name: [{}, made(words[0])] for name, made in parts.items()}
    speaks = {
        name: _about(made(words[0]), [rule.tests for rule in rules if rule.denies]) for name, made in parts.items()
    }
    for rule in rules:
        if rule.denies or rule.tests is None:
            continue
        spend(1 + len(parts))
        met, spared = dict(free), dict(free)
        for name, made in parts.items():
            asked = [test for test in rule.tests if _settled_by(test, free[name][1])]
            if asked:
                met[name] = spared[name] = _values(made, asked, [], words)
            if speaks[name]:
                spared[name] = _values(made, asked, speaks[name], words) or met[name]
        if all(met.values()):
            for some, at in product((met, spared), (0, -1)):
                yield {key: value for values in some.values() for key, value in values[at].items()}


def _about(part: Context, denies: Iterable[Sequence[Test] | None]) -> list[Sequence[Test]]:
    """The conditions that read nothing else."""
    return [tests for tests in denies if tests and all(_settled_by(test, part) for test in tests)]


def _values(
    made: Callable[[str], Context], asked: Sequence[Test], denied: Sequence[Sequence[Test]], words: Sequence[str]
) -> list[Context]:
    """What a part may be: absent, or the first value that meets the tests and no Deny; one of both, or neither."""

    def is_met(context: Context) -> bool:
        spend(1 + len(asked) + len(denied))
        return all(test.holds(context) for test in asked) and not any(
            all(test.holds(context) for test in each) for each in denied
        )

    present = next((context for word in words if is_met(context := made(word))), None)
    return [*([{}] if is_met({}) else []), *([present] if present is not None else [])]


def _settled_by(test: Test, part: Context) -> bool:
    return test.key.lower() in part and not any("${" in each for each in test.wanted)
