"""Puts conditions into words with only one meaning: brackets hold together what belongs together, and quotes mark a value that
could be mistaken for our own words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

ShownPart = Mapping[str, Any]

OPERATORS = {
    "StringEquals": "is", "StringNotEquals": "is not", "StringLike": "is like", "StringNotLike": "is not like",
    "StringEqualsIgnoreCase": "is", "StringNotEqualsIgnoreCase": "is not",
    "ArnEquals": "is like", "ArnLike": "is like", "ArnNotEquals": "is not like", "ArnNotLike": "is not like", "Bool": "is",
    "BinaryEquals": "is", "IpAddress": "is in", "NotIpAddress": "is not in", "DateEquals": "is", "DateNotEquals": "is not",
    "DateLessThan": "is before", "DateLessThanEquals": "is no later than", "DateGreaterThan": "is after",
    "DateGreaterThanEquals": "is no earlier than", "NumericEquals": "is", "NumericNotEquals": "is not",
    "NumericLessThan": "is less than", "NumericGreaterThan": "is more than", "NumericLessThanEquals": "is at most",
    "NumericGreaterThanEquals": "is at least",
}  # fmt: skip
WISHES = {
    "is": "wants", "is like": "wants", "is in": "wants", "is not": "wants anything but",
    "is not like": "wants anything but", "is not in": "wants anything but", "is before": "wants a time before",
    "is after": "wants a time after", "is less than": "wants less than", "is more than": "wants more than",
    "is at most": "wants at most", "is at least": "wants at least", "is no later than": "wants a time no later than",
    "is no earlier than": "wants a time no earlier than",
}  # fmt: skip
"""What a failed condition wanted, by the words of its operator."""
NEGATION = re.compile(r'not \((?:"(?:[^"\\]|\\.)*"|[^"()])*(?:\((?:in capitals or not|where there is one)\))?'
                      r'(?: \(where there is one\))?\)')  # fmt: skip
"""One test that must not hold, and not several that are joined: those would need brackets of their own."""
PLAIN = re.compile(r"[\w+=,.@/:*?${}%-]+")


def conditions(effect: ShownPart) -> str:
    """All conditions of an effect, which must hold together; "" if it has none."""
    found = [
        _any([_case(condition["key"], each) for each in condition["any_of"]])
        for condition in effect.get("conditions", ())
    ]
    for operator, keys in effect.get("condition", {}).items():  # for a statement
        found += [test(key, operator, values) for key, values in keys.items()]
    found += _constraints(effect.get("constraints") or {})  # for a grant
    return _all(found)


def test(key: str, operator: str, wanted: Iterable[str]) -> str:
    """Words for one test in a statement's Condition."""
    values, name = [value(str(each)) for each in wanted], value(key.removeprefix("kms:"))
    of, _, bare = operator.rpartition(":")
    optional = bare.endswith("IfExists") or of == "ForAllValues"
    bare = bare.removesuffix("IfExists")
    if bare == "Null":
        return f"{name} is {'absent' if values == ['true'] else 'there'}"
    if bare not in OPERATORS:
        return f"{name} {operator} {' or '.join(values)}"
    before = {"ForAllValues": "every ", "ForAnyValue": "some "}.get(of, "")
    after = " (in capitals or not)" if "IgnoreCase" in bare else ""
    after += " (where there is one)" if optional else ""
    return f"{before}{name} {OPERATORS[bare]} {' or '.join(values)}{after}"


def wish(condition: ShownPart) -> str:
    """What a failed test wanted, and what it found."""
    key, wanted = (
        value(condition["key"].removeprefix("kms:")),
        " or ".join(value(str(each)) for each in condition["wanted"]),
    )
    of, _, bare = condition["operator"].rpartition(":")
    bare = bare.removesuffix("IfExists")
    before = {"ForAllValues": "every ", "ForAnyValue": "some "}.get(of, "")
    found = ", ".join(value(str(each)) for each in condition["found"])
    if bare == "Null":
        return f"{key} is to be {'absent' if wanted == 'true' else 'there'}"
    verb = WISHES.get(OPERATORS.get(bare, ""), f"{bare} wants")
    return f"{before}{key} {verb} {wanted}" + (f" (there is {found})" if found else " (there is none)")


def value(text: str) -> str:
    """The value, in quotes if its words could be mistaken for ours."""
    return text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _case(key: str, case: ShownPart) -> str:
    words = [test(key, each["operator"], each["wanted"]) for each in case["holds"]]
    words += [f"not ({test(key, each['operator'], each['wanted'])})" for each in case["fails"]]
    if "present" in case:
        words.append(f"{value(key.removeprefix('kms:'))} is {'there' if case['present'] else 'absent'}")
    return _all(words) or f"{value(key.removeprefix('kms:'))} is anything else"


def _constraints(constraints: ShownPart) -> Iterator[str]:
    for name, wanted in constraints.items():
        if isinstance(wanted, Mapping):
            pairs = ", ".join(f"{value(key)}={value(str(its))}" for key, its in wanted.items())
            yield f"the encryption context {'is' if name.endswith('Equals') else 'has'} {pairs}"
        else:
            yield f"{name} is {value(str(wanted))}"


def _all(words: Sequence[str]) -> str:
    return " and ".join(words if len(words) < 2 else [_bracketed(each, " or ") for each in words])


def _any(words: Sequence[str]) -> str:
    return " or ".join(words if len(words) < 2 else [_bracketed(each, " and ") for each in words])


def _bracketed(words: str, joint: str) -> str:
    return f"({words})" if joint in words and not NEGATION.fullmatch(words) else words
