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
PartChoice = tuple[Sequence[Context], Sequence[Sequence[Test]]]
"""What one part may be; and the Denies that are settled once it is chosen."""


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
    for some resources only, so the first two are asked about too. Where a Deny reads several parts, also of one that meets
    none of these; and of one that meets none that is for every resource."""
    free = {name: [{}, made(words[0])] for name, made in parts.items()}
    denying = [rule for rule in rules if rule.denies]
    speaks = {name: _about(part, [rule.tests for rule in denying]) for name, (_, part) in free.items()}
    of = {key: name for name, (_, part) in free.items() for key in part}
    everywhere = [rule for rule in denying if rule.covers is None]
    joined = []
    for held in (denying, everywhere if len(everywhere) < len(denying) else []):
        several = [rule for rule in held if len(_parts_of(rule, of)) > 1]
        if several:
            alone = {name: _about(part, [rule.tests for rule in held]) for name, (_, part) in free.items()}
            joined.append((several, alone))
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
        if not all(met.values()):
            continue
        for some, at in product((met, spared), (0, -1)):
            yield {key: value for values in some.values() for key, value in values[at].items()}
        for denies, alone in joined:
            choices = {}
            for name, tests in _by_part(denies, of).items():
                asked = [test for test in rule.tests if _settled_by(test, free[name][1])]
                choices[name] = _told_apart(parts[name], asked, alone[name], tests, words)
            others = {key: value for name in spared if name not in choices for key, value in spared[name][0].items()}
            found = _sparing(_in_order(choices, denies, of), others)
            if found is not None:
                yield found


def _by_part(denies: Sequence[CompiledStatement], of: Mapping[str, str]) -> dict[str, list[Test]]:
    """What the Denies ask of each part."""
    found: dict[str, list[Test]] = {}
    for each in denies:
        spend(1 + len(each.tests or ()))
        for test in each.tests or ():
            found.setdefault(of[test.key.lower()], []).append(test)
    return found


def _in_order(
    choices: Mapping[str, Sequence[Context]], denies: Sequence[CompiledStatement], of: Mapping[str, str]
) -> list[PartChoice]:
    """The parts, those with the fewest choices first: where these meet a Deny, no choice of the others matters."""
    names = sorted(choices, key=lambda name: (len(choices[name]), name))
    place = {name: at for at, name in enumerate(names)}
    settled: list[list[Sequence[Test]]] = [[] for _ in names]
    for each in denies:
        spend(1 + len(each.tests or ()))
        settled[max(place[name] for name in _parts_of(each, of))].append(each.tests or ())
    return [(choices[name], settled[at]) for at, name in enumerate(names)]


def _parts_of(deny: CompiledStatement, of: Mapping[str, str]) -> set[str]:
    """The parts that the conditions read; none if they read anything else too."""
    tests = deny.tests or ()
    settled = all(test.key.lower() in of and not any("${" in each for each in test.wanted) for test in tests)
    return {of[test.key.lower()] for test in tests} if settled else set()


def _sparing(steps: Sequence[PartChoice], context: Context, at: int = 0) -> Context | None:
    """What meets no Deny: one choice for each part, or another one for the part before it if none is left."""
    if at == len(steps):
        return context
    values, denies = steps[at]
    for value in values:
        chosen = {**context, **value}
        spend(1 + sum(map(len, denies)))
        if not any(all(test.holds(chosen) for test in tests) for tests in denies):
            found = _sparing(steps, chosen, at + 1)
            if found is not None:
                return found
    return None


def _told_apart(
    made: Callable[[str], Context],
    asked: Sequence[Test],
    denied: Sequence[Sequence[Test]],
    tests: Sequence[Test],
    words: Sequence[str],
) -> Sequence[Context]:
    """What a part may be that meets what is asked and no Deny of its own: of values that the tests do not tell apart, one."""
    found: dict[tuple[bool, ...], Context] = {}
    for context in ({}, *map(made, words)):
        if _is_met(context, asked, denied):
            spend(1 + len(tests))
            found.setdefault(tuple(test.holds(context) for test in tests), context)
    return list(found.values())


def _about(part: Context, denies: Iterable[Sequence[Test] | None]) -> list[Sequence[Test]]:
    """The conditions that read nothing else."""
    return [tests for tests in denies if tests and all(_settled_by(test, part) for test in tests)]


def _values(
    made: Callable[[str], Context], asked: Sequence[Test], denied: Sequence[Sequence[Test]], words: Sequence[str]
) -> list[Context]:
    """What a part may be: absent, or the first value that meets the tests and no Deny; one of both, or neither."""
    present = next((context for word in words if _is_met(context := made(word), asked, denied)), None)
    return [*([{}] if _is_met({}, asked, denied) else []), *([present] if present is not None else [])]


def _is_met(context: Context, asked: Sequence[Test], denied: Sequence[Sequence[Test]]) -> bool:
    """Whether it meets the tests and no Deny."""
    spend(1 + len(asked) + len(denied))
    return all(test.holds(context) for test in asked) and not any(
        all(test.holds(context) for test in each) for each in denied
    )


def _settled_by(test: Test, part: Context) -> bool:
    return test.key.lower() in part and not any("${" in each for each in test.wanted)
