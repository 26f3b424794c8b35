"""The values that a stranger has for the condition keys by which a policy may limit whom it lets in.

A stranger is of an account, an organization and a network that nobody in particular has. Values that everybody chooses (an
encryption context, tags, an address within a network of one's own) are not here. Some keys have parts that a stranger chooses,
and a policy may ask for these alone: a session's name in `aws:userid`, the account of a provider, the owner of a source, the
name of a bucket.

The values follow from a hash of what the policies compare with. So whoever reads this file cannot write a policy that lets in
everybody but those strangers who stand here, and the same policies always get the same answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256, shake_256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import count, pairwise, product

from domain.policy.conditions import NULL, Test, as_network, operator
from domain.policy_analysis.budget import spend, steps_of

MANY = 64
"""How many strangers are tried. A policy would have to spare all of them, and nearly everybody else with them."""
FEWER = 32
"""How many accounts, each of which is tried with every name."""
MOST_PAIRS = 200
"""Beyond so many pairs of an id and a session's name, only those that stand together in a pattern are tried."""
DIGITS, LOWER = "0123456789", "abcdefghijklmnopqrstuvwxyz0123456789"
HEX, UPPER = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PRIVATE = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
)  # fmt: skip
"""Networks of which no address comes from the Internet (RFC 6890)."""
_INTERNET = IPv6Network("2000::/3")
WIDE = {4: 1 << 22, 6: 1 << 112}
"""By version of IP: so many addresses of the Internet that are answered alike are those of strangers too. Few organizations have
more, and whoever rents a machine gets one among many more."""

Draw = Callable[[str, int], str]
"""(alphabet, length) -> a text that nobody chose."""


def strangers_have(key: str) -> bool:
    """Whether a stranger's values for a condition key, in lower case, are known."""
    return key in _MADE or key in _ADDRESSES


def values_of(key: str, tests: Sequence[Test]) -> Iterator[str]:
    """A stranger's values for such a key, with those that the patterns of these tests leave open to anybody."""
    if key in _ADDRESSES:
        yield from _addresses(key, tests)
        return
    draw = _drawing(tests)
    for _ in range(MANY):
        yield from _MADE[key](draw)
    wanted = sorted({text for test in tests for text in test.wanted})
    patterns = [text for text in wanted if "${" not in text and _is_open(text)]
    match key:
        case "aws:userid":
            yield from _callers(patterns, draw)
        case "aws:federatedprovider":
            yield from _providers(patterns, draw)
        case "aws:sourcearn":
            yield from (found for each in patterns if (found := _of_strangers(each, draw)))


def accounts_of_strangers(tests: Sequence[Test]) -> list[str]:
    """Account numbers that nobody chose."""
    draw = _drawing(tests)
    return [draw(DIGITS, 12) for _ in range(FEWER)]


def _drawing(tests: Sequence[Test]) -> Draw:
    """It never ends: with many patterns, the last one is filled as the first."""
    wanted = sorted({text for test in tests for text in test.wanted})
    seed, numbers = sha256("\0".join(wanted).encode("utf-8", "surrogatepass")).digest(), count()

    def draw(alphabet: str, length: int) -> str:
        drawn = shake_256(seed + next(numbers).to_bytes(8, "big")).digest(length)
        return "".join(alphabet[byte % len(alphabet)] for byte in drawn)

    return draw


def _organizations(draw: Draw) -> Iterator[str]:
    yield f"o-{draw(LOWER, 10)}"


def _paths(draw: Draw) -> Iterator[str]:
    root = draw(LOWER, 4)
    yield f"o-{draw(LOWER, 10)}/r-{root}/ou-{root}-{draw(LOWER, 8)}/"


def _accounts(draw: Draw) -> Iterator[str]:
    yield draw(DIGITS, 12)


def _sources(draw: Draw) -> Iterator[str]:
    yield f"arn:aws:s3:::{draw(LOWER, 20)}"
    yield f"arn:aws:lambda:us-east-1:{draw(DIGITS, 12)}:function:{draw(LOWER, 10)}"


def _networks(draw: Draw) -> Iterator[str]:
    yield f"vpc-{draw(HEX, 17)}"


def _endpoints(draw: Draw) -> Iterator[str]:
    yield f"vpce-{draw(HEX, 17)}"


def _ids(draw: Draw) -> Iterator[str]:
    yield f"AIDA{draw(UPPER, 17)}"
    yield f"AROA{draw(UPPER, 17)}:{draw(LOWER, 10)}"


def _own_providers(draw: Draw) -> Iterator[str]:
    account, name = draw(DIGITS, 12), draw(LOWER, 12)
    yield f"{name}.example.com"
    yield f"arn:aws:iam::{account}:oidc-provider/{name}.example.com"
    yield f"arn:aws:iam::{account}:saml-provider/{name}"


_MADE: dict[str, Callable[[Draw], Iterator[str]]] = {
    "aws:principalorgid": _organizations,
    "aws:principalorgpaths": _paths,
    "aws:sourceaccount": _accounts,
    "aws:sourceorgid": _organizations,
    "aws:sourcearn": _sources,
    "aws:sourcevpc": _networks,
    "aws:sourcevpce": _endpoints,
    "aws:userid": _ids,
    "aws:federatedprovider": _own_providers,
}
_ADDRESSES = frozenset({"aws:sourceip"})


def _is_open(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _filled(pattern: str, draw: Draw, alphabet: str = LOWER) -> str:
    """A value that the pattern matches."""
    return "".join(draw(alphabet, 6) if sign == "*" else draw(alphabet, 1) if sign == "?" else sign for sign in pattern)


def _callers(patterns: Iterable[str], draw: Draw) -> Iterator[str]:
    """`aws:userid` is a unique id, which is its owner's alone, and a session's name behind a colon."""
    ids, names = [each.partition(":")[0] for each in _ids(draw)], ["", f":{draw(LOWER, 10)}"]
    for each in patterns:
        unique, colon, name = each.partition(":")
        if colon:
            names.append(f":{_filled(name, draw)}")
        if _is_open(unique):
            ids.append(ids[0] if unique == "*" else _filled(unique, draw, UPPER))
            yield f"{ids[-1]}{colon}{_filled(name, draw)}"
    if len(ids) * len(names) <= MOST_PAIRS:
        yield from map("".join, product(ids, names))


def _providers(patterns: Iterable[str], draw: Draw) -> Iterator[str]:
    """Everybody may make a provider of any name in their own account."""
    for each in patterns:
        if found := _of_strangers(each, draw):
            yield found
        elif each.startswith("*"):
            yield f"arn:aws:iam::{draw(DIGITS, 12)}:oidc-provider/x{_filled(each[1:], draw)}"


def _of_strangers(pattern: str, draw: Draw) -> str:
    """A stranger's ARN that the pattern matches, "" if it has none: the account is open, or the name of a bucket, which has no
    account in its ARN."""
    parts = pattern.split(":", 5)
    if len(parts) < 6:
        return ""
    account, bucket = parts[4], parts[5].partition("/")[0]
    if _is_open(account):
        parts[4] = draw(DIGITS, 12) if account == "*" else _filled(account, draw, DIGITS)
    elif account or not _is_open(bucket):
        return ""
    return ":".join(part if at == 4 else _filled(part, draw) for at, part in enumerate(parts))


def _addresses(key: str, tests: Sequence[Test]) -> Iterator[str]:
    """An address of each set of addresses that the tests answer alike and that is WIDE."""
    wanted = {text for test in tests if operator(test.operator).name != NULL for text in test.wanted}
    networks = [as_network(text) for text in wanted]
    weight = 1 + sum(map(steps_of, tests))
    for version, within in ((4, IPv4Network("0.0.0.0/0")), (6, _INTERNET)):
        begin, end = int(within.network_address), int(within.broadcast_address) + 1
        bounds = {begin, end}
        for each in (*networks, *_PRIVATE):
            if each.version == version:
                bounds |= {int(each.network_address), int(each.broadcast_address) + 1}
        cells = sorted(each for each in bounds if begin <= each <= end)
        sizes, examples = Counter[tuple[bool, ...]](), dict[tuple[bool, ...], str]()
        for first, behind in pairwise(cells):
            address = _address(version, first)
            if any(address in each for each in _PRIVATE):
                continue
            spend(weight)
            passes = tuple(test.holds({key: (str(address),)}) for test in tests)
            sizes[passes] += behind - first
            examples.setdefault(passes, str(address))
        yield from (examples[passes] for passes, size in sizes.items() if size >= WIDE[version])


def _address(version: int, number: int) -> IPv4Address | IPv6Address:
    return IPv4Address(number) if version == 4 else IPv6Address(number)
