"""A condition key's values, cut into cases. All values of a case pass the same tests, among the tests that read the key.

The cases follow from what the tests compare with: words between patterns, numbers and times between bounds, addresses
between networks. The tests themselves say which of them a case passes, evaluated as the evaluator does it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

from domain.policy.condition_keys import row_of
from domain.policy.conditions import NULL, BadValue, Test, as_binary, as_network, as_number, as_utc, operator
from domain.policy.variables import PatternParts, is_constant, resolve, template
from domain.policy_analysis import words
from domain.policy_analysis.budget import spend, steps_of
from domain.policy_analysis.words import Pattern, TooMany

MOST_SETS = 512
"""The largest number of cases of a key with several values."""
NAMES_OF = {"kms:encryptioncontext:": "kms:encryptioncontextkeys", "aws:requesttag/": "aws:tagkeys"}
"""Condition keys that contain a name, and the key that holds all names."""
AMONG = "ForAnyValue:StringEqualsIgnoreCase"
"""The operator of the test whether a name is among the names."""
KeyValues = tuple[str, ...]
ABSENT: KeyValues = ()
EMPTY: KeyValues = ("",)

VARIABLE = "a policy variable stands for another value in each request"
WORDS, NUMBERS, DATES, ADDRESSES, BINARIES = "words", "numbers", "dates", "addresses", "binaries"


class Unmodelled(Exception):
    """The test cannot be cut into cases."""

    def __init__(self, test: Test, why: str) -> None:
        super().__init__(why)
        self.test, self.why = test, why


@dataclass(frozen=True, slots=True)
class ValueCase:
    """`example` are values of the key, () if it is absent; `passes` says for each test whether it holds."""

    example: KeyValues
    passes: tuple[bool, ...]


def family(test: Test) -> str:
    """The kind of values that the test compares; "" for a test of presence."""
    name = operator(test.operator).name
    if name == NULL:
        return ""
    if name.startswith("Numeric"):
        return NUMBERS
    if name.startswith("Date"):
        return DATES
    if name.startswith("Binary"):
        return BINARIES
    return ADDRESSES if name.endswith("IpAddress") else WORDS


def require_readable(test: Test, version: str) -> None:
    """Raises Unmodelled for a test whose wanted values depend on the request, or contain letters beyond ASCII that are
    compared without case."""
    if any(not is_constant(template(each, version)) for each in test.wanted):
        raise Unmodelled(test, VARIABLE)
    if "IgnoreCase" in test.operator and not all(each.isascii() for each in test.wanted):
        raise Unmodelled(test, "letters beyond ASCII are compared without case")


def has_many(key: str) -> bool:
    """Whether a request can give the key several values. This includes keys with names that may differ only in case (pairs,
    tags)."""
    row = row_of(key)
    return (
        row is None
        or row.many
        or key.lower().startswith(("kms:encryptioncontext:", "aws:requesttag/", "aws:resourcetag/"))
    )


def can_be_empty(key: str) -> bool:
    """Whether a request can give the key an empty value: tags, pairs of encryption contexts, and keys that are not in the
    table."""
    return row_of(key) is None or key.lower().startswith(_EMPTY)


_EMPTY = ("aws:principaltag/", "aws:requesttag/", "aws:resourcetag/", "iam:resourcetag/", "kms:encryptioncontext")


def cases(key: str, tests: Sequence[tuple[Test, str]], examples: Iterable[str] = ()) -> tuple[ValueCase, ...]:
    """The cases of a key, absence first. `tests` are readable, each with its policy's version. `examples` are further
    values to tell apart.

    Raises Unmodelled, TooMany.
    """
    families: dict[str, Test] = {}
    for test, _ in tests:
        families.setdefault(family(test), test)
    families.pop("", None)
    if len(families) > 1:
        raise Unmodelled(list(families.values())[1], f"other tests read {key} as {next(iter(families))}")
    values = _VALUES[next(iter(families), WORDS)](tests)
    folded = key.lower()
    read = [test for test, _ in tests]
    weight = max(map(steps_of, read), default=1)

    def passes(each: KeyValues) -> tuple[bool, ...]:
        spend(1 + weight * len(read) * max(1, len(each)))
        context = {folded: each} if each else {}
        return tuple(test.holds(context) for test in read)

    # Absence is a case of its own for any tests: whether a request can have the key at all matters too.
    result = [ValueCase(ABSENT, passes(ABSENT))]
    single: dict[tuple[bool, ...], KeyValues] = {}
    for value in (*values, *examples):
        if value:
            single.setdefault(passes((value,)), (value,))
    filled = list(single.values())
    empty = [EMPTY] if can_be_empty(key) else []
    for each in empty:  # alone a null data set, but a value among others: the case alone says nothing about that
        single.setdefault(passes(each), each)
    result += [ValueCase(value, passed) for passed, value in single.items()]
    if not has_many(key):
        return tuple(result)
    found: dict[tuple[bool, ...], KeyValues] = dict(single)
    waiting = list(filled)
    while waiting:
        held = waiting.pop()
        for one in (*filled, *empty):
            both = (*held, *(each for each in one if each not in held))
            passed = passes(both)
            if passed not in found:
                if len(found) == MOST_SETS:
                    raise TooMany(f"the sets of values of {key} are too many to tell apart")
                found[passed] = both
                waiting.append(both)
                result.append(ValueCase(both, passed))
    return tuple(result)


# -- one value of every case ---------------------------------------------------------------------------------------


def parts_of(text: str, version: str) -> PatternParts:
    """A wanted text without variables, in parts."""
    return resolve(template(text, version), {}) or []


def patterns_of(test: Test, version: str) -> list[Pattern]:
    """The patterns of a test of words: the test wants every value that matches one of them."""
    name = operator(test.operator).name
    found: list[Pattern] = []
    for text in test.wanted:
        parts = parts_of(text, version)
        if name.startswith("Arn"):
            pattern = words.arn(parts)
            found += [] if pattern is None else [pattern]
        elif name == "Bool":
            found.append(words.glob([(text.lower(), False)], fold=True))
        elif name.endswith("Like"):
            found.append(words.glob(parts))
        elif name.endswith("IgnoreCase"):
            found.append(words.glob([(part.lower(), False) for part, _ in parts], fold=True))
        else:
            found.append(words.literal("".join(part for part, _ in parts)))
    return found


def _words(tests: Sequence[tuple[Test, str]]) -> list[str]:
    # The words in the policies are the best examples of their cases.
    named = [
        "".join(text for text, _ in parts_of(each, version))
        for test, version in tests
        if operator(test.operator).name != NULL
        for each in test.wanted
        if "*" not in each and "?" not in each
    ]
    groups = [patterns_of(test, version) for test, version in tests if operator(test.operator).name != NULL]
    return [*named, *words.samples(groups)]


PLAIN = 20
"""The most digits before or after the point of a number that can be told from its neighbours."""


def _numbers(tests: Sequence[tuple[Test, str]]) -> list[str]:
    for test, _ in tests:
        for text in test.wanted if family(test) else ():
            number = as_number(text)
            if len(number.as_tuple().digits) > PLAIN or abs(number.adjusted()) > PLAIN:
                raise Unmodelled(test, f"{text} is too long a number")
    bounds = sorted({as_number(each) for each in _wanted(tests)})
    found = [*bounds, *((one + other) / 2 for one, other in pairwise(bounds))]
    if bounds:
        found += [bounds[0] - 1, bounds[-1] + 1]
    return ["x", *(str(each) for each in sorted(found or [Decimal(1)]))]


def _dates(tests: Sequence[tuple[Test, str]]) -> list[str]:
    bounds = sorted({each for test, _ in tests for each in _utc(test)})
    found = list(bounds)
    tick = timedelta(microseconds=1)
    found += [one + (other - one) / 2 for one, other in pairwise(bounds) if other - one > tick]
    if bounds and bounds[0].year > 1:
        found.append(bounds[0] - timedelta(days=1))
    if bounds and bounds[-1].year < MAXYEAR:
        found.append(bounds[-1] + timedelta(days=1))
    return ["x", *(_date(each) for each in sorted(found))]


def _utc(test: Test) -> list[datetime]:
    try:
        return [as_utc(each) for each in test.wanted] if family(test) else []
    except BadValue as fault:
        raise Unmodelled(test, str(fault)) from None


def _date(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _binaries(tests: Sequence[tuple[Test, str]]) -> list[str]:
    wanted = {as_binary(each) for each in _wanted(tests)}
    longer = max(wanted, key=len, default=b"") + b"\0"
    return ["?", *(b64encode(each).decode() for each in (*sorted(wanted), longer))]


def _addresses(tests: Sequence[tuple[Test, str]]) -> list[str]:
    networks = [as_network(each) for each in _wanted(tests)]
    found: dict[str, None] = {"x": None}
    # Plain IPv6 begins again after the range of mapped IPv4 addresses.
    four, six = {0}, {0, 1 << 48}
    for network in networks:
        bounds = four if network.version == 4 else six
        first, last = int(network.network_address), int(network.broadcast_address)
        # An address inside a network is a better example than the network's own address.
        bounds.update((first, first + 1) if first < last else (first,))
        bounds.add(last + 1)
    found.update((str(IPv4Address(each)), None) for each in sorted(four) if each < 1 << 32)
    found.update((str(IPv6Address(each)), None) for each in sorted(six) if each < 1 << 128 and each >> 32 != 0xFFFF)
    return list(found)


def _wanted(tests: Sequence[tuple[Test, str]]) -> Iterator[str]:
    for test, _ in tests:
        if operator(test.operator).name != NULL:
            yield from test.wanted


_VALUES = {WORDS: _words, NUMBERS: _numbers, DATES: _dates, ADDRESSES: _addresses, BINARIES: _binaries}
