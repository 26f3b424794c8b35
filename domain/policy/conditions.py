"""Condition operators: compiles a Condition element to tests of a request's context.

Source: IAM user guide, reference_policies_elements_condition_operators and reference_policies_multi-value-conditions.
Without a set operator a test holds if any of the key's values matches any wanted value. A negated operator holds if no
value matches, so it also holds for a missing key (#negated-operator-on-a-missing-key, #if-exists-on-a-missing-key,
#bool-on-a-missing-key, #null-is-absence, #set-operators-on-a-missing-key).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Any

from domain.policy.glob import compile_arn, compile_parts
from domain.policy.variables import BEFORE_NULL_SETS, Context, Template, any_arn, is_constant, joined, resolve, template

Matches = Callable[[str, Context], bool]
"""(a value of the request, the context) -> whether it matches one of the wanted values."""
Holds = Callable[[Context], bool]

FOR_ALL = "ForAllValues"
FOR_ANY = "ForAnyValue"
IF_EXISTS = "IfExists"
NULL = "Null"


class UnknownOperator(ValueError):
    """The grammar has no such operator."""


class BadValue(ValueError):
    """A wanted value that its operator cannot compare with."""


@dataclass(frozen=True, slots=True)
class Test:
    """One operator on one key, as the policy writes them. `Test` says whether a context passes it."""

    operator: str
    key: str
    wanted: tuple[str, ...]
    holds: Holds


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator's name in its parts: the set operator before it, `IfExists` after it."""

    name: str
    each: str
    if_exists: bool


def operator(text: str) -> Operator:
    """Raises UnknownOperator."""
    each, colon, name = text.rpartition(":")
    if colon and each not in (FOR_ALL, FOR_ANY):
        raise UnknownOperator(text)
    base = name.removesuffix(IF_EXISTS)
    if base == NULL and (each or base != name):
        raise UnknownOperator(text)
    if base != NULL and base not in FAMILIES:
        raise UnknownOperator(text)
    return Operator(base, each, base != name)


def means_any(text: str) -> bool:
    """Whether a condition with this operator and several wanted values is met by a request that meets it with one of them.
    ForAllValues may need another one for each value of the request, and a negated operator needs all of them.

    Raises UnknownOperator."""
    given = operator(text)
    return given.each != FOR_ALL and (given.name == NULL or not FAMILIES[given.name][0])


def compile_test(operator_text: str, key: str, wanted: Sequence[str], version: str) -> Test:
    """Raises UnknownOperator, BadValue."""
    given = operator(operator_text)
    folded = key.lower()
    if given.name == NULL:
        return Test(operator_text, key, tuple(wanted), _null(folded, wanted))
    if given.name == "StringEquals" and not given.each and not given.if_exists and len(wanted) == 1:
        parts = template(wanted[0], version)
        if is_constant(parts):
            return Test(operator_text, key, tuple(wanted), _equals_one(folded, joined(resolve(parts, {}) or [])))
    inverted, family = FAMILIES[given.name]
    matches = family(wanted, version)
    return Test(operator_text, key, tuple(wanted), _quantified(given, folded, matches, inverted))


def _equals_one(key: str, wanted: str) -> Holds:
    """By far the most common test: whether one value of a key equals one text."""
    only = (wanted,)

    def holds(context: Context) -> bool:
        values = context.get(key)
        return values == only or (values is not None and wanted in values)

    return holds


def _quantified(given: Operator, key: str, matches: Matches, inverted: bool) -> Holds:
    if given.each == FOR_ALL:

        def every(context: Context) -> bool:
            values = context.get(key, ())
            return all(matches(value, context) is not inverted for value in values) or is_null(values, context)

        return every
    missing = given.if_exists or (inverted and not given.each)
    if given.each == FOR_ANY:

        def some(context: Context) -> bool:
            values = context.get(key)
            if not values:
                return missing
            return any(matches(value, context) is not inverted for value in values) and not is_null(values, context)

        return some

    def plain(context: Context) -> bool:
        values = context.get(key)
        if not values:
            return missing
        if len(values) == 1:
            return matches(values[0], context) is not inverted
        return any(matches(value, context) for value in values) is not inverted

    return plain


def is_null(values: Sequence[str], context: Context) -> bool:
    """Whether a key is absent, or has only empty values ("resolves to a null data set": IAM user guide,
    reference_policies_condition-single-vs-multi-valued-context-keys). The set operators and Null read a key so; the
    guide adds Null where such keys should not pass ForAllValues. To all other operators an empty value is a value."""
    return not values or (not any(values) and BEFORE_NULL_SETS not in context)


def _null(key: str, wanted: Sequence[str]) -> Holds:
    allowed = frozenset(_boolean(value) for value in wanted)
    return lambda context: is_null(context.get(key, ()), context) in allowed


# -- what each family compares ------------------------------------------------------------------------------------


def _strings(fold: bool, wild: bool) -> Callable[[Sequence[str], str], Matches]:
    def family(wanted: Sequence[str], version: str) -> Matches:
        templates = [template(value.lower() if fold else value, version) for value in wanted]
        constant = [parts for parts in templates if is_constant(parts)]
        open_ones = [parts for parts in templates if not is_constant(parts)]
        equal = _globs(constant) if wild else _equals(constant)
        if not open_ones:
            if fold:
                return lambda value, context: equal(value.lower())
            return lambda value, context: equal(value)

        def matches(value: str, context: Context) -> bool:
            value = value.lower() if fold else value
            return equal(value) or any(_resolved(parts, context, value, wild, fold) for parts in open_ones)

        return matches

    return family


def _equals(constant: Sequence[Template]) -> Callable[[str], bool]:
    texts = frozenset(joined(resolve(parts, {}) or []) for parts in constant)
    if len(texts) == 1:
        (only,) = texts
        return only.__eq__
    return texts.__contains__


def _globs(constant: Sequence[Template]) -> Callable[[str], bool]:
    globs = [compile_parts(resolve(parts, {}) or []) for parts in constant]
    if len(globs) == 1:
        return globs[0]
    return lambda value: any(matches(value) for matches in globs)


def _resolved(parts: Template, context: Context, value: str, wild: bool, fold: bool) -> bool:
    found = resolve(parts, context)
    if found is None:
        return False
    if fold:
        found = [(text.lower(), each) for text, each in found]
    return compile_parts(found)(value) if wild else joined(found) == value


def _arns(wanted: Sequence[str], version: str) -> Matches:
    return any_arn(wanted, version, compile_arn)


def _compared(
    read: Callable[[str], Any], compare: Callable[[Any, Any], bool]
) -> Callable[[Sequence[str], str], Matches]:
    """`read` reads the values of both sides and raises BadValue. A request's value that it cannot read matches nothing."""

    def family(wanted: Sequence[str], version: str) -> Matches:
        bounds = [read(value) for value in wanted]
        if len(bounds) == 1:
            (bound,) = bounds

            def matches_one(value: str, context: Context) -> bool:
                try:
                    return bool(compare(read(value), bound))
                except BadValue:
                    return False

            return matches_one

        def matches(value: str, context: Context) -> bool:
            try:
                found = read(value)
            except BadValue:
                return False
            return any(compare(found, bound) for bound in bounds)

        return matches

    return family


@lru_cache(maxsize=1024)
def as_number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise BadValue(f"{text!r} is no number") from None
    if not number.is_finite():
        raise BadValue(f"{text!r} is no number")
    return number


@lru_cache(maxsize=1024)
def as_date(text: str) -> datetime:
    """Reads a date in the W3C profile of ISO 8601, or in seconds since the epoch."""
    try:
        if text.replace(".", "", 1).isdigit() and len(text.partition(".")[0]) > 4:
            return datetime.fromtimestamp(float(text), UTC)
        padded = {4: f"{text}-01-01", 7: f"{text}-01"}.get(len(text), text)
        moment = datetime.fromisoformat(padded)
    except (ValueError, OverflowError, OSError):
        raise BadValue(f"{text!r} is no date such as 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def as_utc(text: str) -> datetime:
    """Reads a date that UTC has. The hours beside the first and last year that only other zones have cannot be put, but
    the log may hold them: to the evaluator they are dates, so that its decisions come out as before. Raises BadValue."""
    try:
        return as_date(text).astimezone(UTC)
    except OverflowError:
        raise BadValue(f"{text!r} is outside of the years 1 to 9999 in UTC") from None


def _boolean(text: str) -> bool:
    folded = text.lower()
    if folded not in ("true", "false"):
        raise BadValue(f"{text!r} is neither true nor false")
    return folded == "true"


def _booleans(wanted: Sequence[str], version: str) -> Matches:
    texts = frozenset("true" if _boolean(value) else "false" for value in wanted)
    if len(texts) == 1:
        (only,) = texts
        return lambda value, context: value == only or value.lower() == only
    return lambda value, context: value.lower() in texts


def as_binary(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise BadValue(f"{text!r} is no base64") from None


Network = IPv4Network | IPv6Network
MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4 addresses in the notation of IPv6 (RFC 4291, 2.5.5.2). A socket for both kinds gives a client's address in it."""
BEFORE_MAPPED = "keytrail:mapped-addresses"
"""Only the context of a decision that is made again can have this key; no request has it. It says that evaluator 1 made
the decision, which took a mapped address for an IPv6 address."""


@lru_cache(maxsize=1024)
def as_network(text: str) -> Network:
    """Reads a network; a mapped one becomes the IPv4 network that it means. Raises BadValue."""
    network = _written(text)
    if isinstance(network, IPv6Network) and network.prefixlen >= MAPPED.prefixlen and network.subnet_of(MAPPED):
        four = int(network.network_address) & 0xFFFF_FFFF
        return IPv4Network((four, network.prefixlen - MAPPED.prefixlen))
    return network


def _written(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise BadValue(f"{text!r} is no IP address or range such as 203.0.113.0/24") from None


def _addresses(wanted: Sequence[str], version: str) -> Matches:
    networks = [as_network(value) for value in wanted]

    def matches(value: str, context: Context) -> bool:
        try:
            address = ip_address(value)
        except ValueError:
            return False
        if BEFORE_MAPPED in context:
            return any(address in _written(each) for each in wanted)
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        return any(address in network for network in networks)

    return matches


FAMILIES: dict[str, tuple[bool, Callable[[Sequence[str], str], Matches]]] = {
    # name: (inverted, what it compares)
    "StringEquals": (False, _strings(fold=False, wild=False)),
    "StringNotEquals": (True, _strings(fold=False, wild=False)),
    "StringEqualsIgnoreCase": (False, _strings(fold=True, wild=False)),
    "StringNotEqualsIgnoreCase": (True, _strings(fold=True, wild=False)),
    "StringLike": (False, _strings(fold=False, wild=True)),
    "StringNotLike": (True, _strings(fold=False, wild=True)),
    "NumericEquals": (False, _compared(as_number, eq)),
    "NumericNotEquals": (True, _compared(as_number, eq)),
    "NumericLessThan": (False, _compared(as_number, lt)),
    "NumericLessThanEquals": (False, _compared(as_number, le)),
    "NumericGreaterThan": (False, _compared(as_number, gt)),
    "NumericGreaterThanEquals": (False, _compared(as_number, ge)),
    "DateEquals": (False, _compared(as_date, eq)),
    "DateNotEquals": (True, _compared(as_date, eq)),
    "DateLessThan": (False, _compared(as_date, lt)),
    "DateLessThanEquals": (False, _compared(as_date, le)),
    "DateGreaterThan": (False, _compared(as_date, gt)),
    "DateGreaterThanEquals": (False, _compared(as_date, ge)),
    "Bool": (False, _booleans),
    "BinaryEquals": (False, _compared(as_binary, eq)),
    "IpAddress": (False, _addresses),
    "NotIpAddress": (True, _addresses),
    # ArnEquals means the same as ArnLike (#arn-operators-match-by-component).
    "ArnEquals": (False, _arns),
    "ArnLike": (False, _arns),
    "ArnNotEquals": (True, _arns),
    "ArnNotLike": (True, _arns),
}


def compile_condition(condition: Mapping[str, Mapping[str, Sequence[str]]], version: str) -> tuple[Test, ...]:
    """Every test of a Condition; all must hold. Raises UnknownOperator, BadValue."""
    return tuple(
        compile_test(operator_text, key, wanted, version)
        for operator_text, keys in condition.items()
        for key, wanted in keys.items()
    )
