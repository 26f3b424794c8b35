"""Condition operators, each with what matches and what does not. Source: IAM user guide,
reference_policies_elements_condition_operators, reference_policies_variables,
reference_policies_multi-value-conditions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import MalformedPolicy
from domain.policy.check import check_policy
from domain.policy.condition_keys import CONDITION_KEYS
from domain.policy.conditions import FAMILIES, BadValue, compile_test
from domain.policy.parse import KEY
from domain.policy.variables import Variable, keys_written, template
from tests.policies import policy, statement

V = "2012-10-17"
# operator, wanted, matches, does not match
TABLE = [
    ("StringEquals", ["a", "b"], ["a", "b"], ["A", "c", "", "a*"]),
    ("StringNotEquals", ["a", "b"], ["c", "A"], ["a", "b"]),
    ("StringEqualsIgnoreCase", ["Ab"], ["aB", "AB"], ["a"]),
    ("StringNotEqualsIgnoreCase", ["Ab"], ["a"], ["aB"]),
    ("StringLike", ["a*c", "x?"], ["ac", "abc", "a:b/c", "xy"], ["ab", "x", "xyz"]),
    ("StringNotLike", ["a*"], ["ba"], ["a", "abc"]),
    ("StringLike", ["${*}a${?}${$}"], ["*a?$"], ["xa?$", "*ab$"]),
    ("NumericEquals", ["5"], ["5", "5.0", "05"], ["6", "x", ""]),
    ("NumericNotEquals", ["5"], ["6", "x"], ["5.0"]),
    ("NumericLessThan", ["5"], ["4.9", "-1"], ["5", "x"]),
    ("NumericLessThanEquals", ["5"], ["5"], ["5.1"]),
    ("NumericGreaterThan", ["5"], ["5.1"], ["5"]),
    ("NumericGreaterThanEquals", ["5"], ["5"], ["4"]),
    (
        "DateEquals",
        ["2026-01-01T00:00:00Z"],
        ["2026-01-01", "1767225600", "2026-01-01T01:00:00+01:00"],
        ["2026-01-02", "x"],
    ),
    ("DateNotEquals", ["2026-01-01"], ["2026-01-02"], ["2026-01-01T00:00:00Z"]),
    ("DateLessThan", ["2026-01-01"], ["2025-12-31T23:59:59Z"], ["2026-01-01T00:00:00Z"]),
    ("DateLessThanEquals", ["2026"], ["2026-01-01"], ["2026-01-01T00:00:01Z"]),
    ("DateGreaterThan", ["2026-01"], ["2026-01-01T00:00:01Z"], ["2026-01-01"]),
    ("DateGreaterThanEquals", ["2026-01-01"], ["2026-01-01"], ["2025-12-31"]),
    ("Bool", ["true"], ["true", "True"], ["false", "1", ""]),
    ("BinaryEquals", ["QUJD"], ["QUJD"], ["QUJE", "no base64!"]),
    ("IpAddress", ["10.0.0.0/8", "2001:db8::/32"], ["10.255.0.1", "2001:db8::1"], ["11.0.0.1", "2001:db9::1", "x"]),
    ("NotIpAddress", ["10.0.0.0/8"], ["11.0.0.1"], ["10.0.0.1", "::ffff:10.0.0.1"]),
    # RFC 4291: an IPv4 address written as IPv6 is that address, in the request and in the policy.
    ("IpAddress", ["10.0.0.0/8"], ["::ffff:10.0.0.1", "::FFFF:a00:1"], ["::ffff:11.0.0.1", "::10.0.0.1"]),
    ("IpAddress", ["::ffff:10.0.0.0/104"], ["10.0.0.1", "::ffff:10.0.0.1"], ["11.0.0.1", "2001:db8::1"]),
    ("IpAddress", ["::/0"], ["2001:db8::1", "::fffe:0:1"], ["10.0.0.1", "::ffff:10.0.0.1"]),
    (
        "ArnLike",
        ["arn:aws:iam::*:role/a*"],
        ["arn:aws:iam::1:role/a/b", "arn:aws:iam::1:role/a"],
        ["arn:aws:iam::1:user/a", "a"],
    ),
    (
        "ArnEquals",
        ["arn:aws:iam::1:role/a?"],
        ["arn:aws:iam::1:role/ab"],
        ["arn:aws:iam::1:role/a", "arn:aws:iam:x:1:role/ab"],
    ),
    ("ArnNotLike", ["arn:aws:iam::1:*"], ["arn:aws:iam::2:role/a"], ["arn:aws:iam::1:role/a"]),
    ("ArnNotEquals", ["arn:aws:iam::1:role/a"], ["arn:aws:iam::1:role/b"], ["arn:aws:iam::1:role/a"]),
]


def holds(operator: str, wanted: list[str], *values: str, version: str = V, **others: str) -> bool:
    context: dict[str, tuple[str, ...]] = {name.replace("_", ":"): (value,) for name, value in others.items()}
    if values:
        context["aws:key"] = values
    return compile_test(operator, "aws:Key", wanted, version).holds(context)


@pytest.mark.parametrize(("operator", "wanted", "true_of", "false_of"), TABLE)
def test_an_operator(operator: str, wanted: list[str], true_of: list[str], false_of: list[str]) -> None:
    assert [value for value in true_of if not holds(operator, wanted, value)] == []
    assert [value for value in false_of if holds(operator, wanted, value)] == []


def test_every_operator_is_in_this_table() -> None:
    assert {operator for operator, *_ in TABLE} == set(FAMILIES)


@pytest.mark.parametrize("operator", sorted(FAMILIES))
def test_a_missing_key(operator: str) -> None:
    wanted = next(wanted for name, wanted, *_ in TABLE if name == operator)
    inverted = "Not" in operator
    assert holds(operator, wanted) == inverted
    assert holds(f"{operator}IfExists", wanted)
    assert holds(f"ForAllValues:{operator}", wanted)
    assert not holds(f"ForAnyValue:{operator}", wanted)
    assert holds(f"ForAnyValue:{operator}IfExists", wanted)


def test_a_variable_takes_the_requests_value_as_text() -> None:
    assert holds("StringEquals", ["${aws:username}"], "bob", aws_username="bob")
    assert holds("StringLike", ["home/${aws:username}/*"], "home/bob/x", aws_username="bob")
    assert not holds("StringLike", ["${aws:username}"], "anything", aws_username="*")
    assert not holds("ArnLike", ["arn:aws:iam::${aws:username}:role/a"], "arn:aws:iam::1:2:role/a", aws_username="1:2")
    assert holds("StringEquals", ["${aws:principaltag/team, 'none'}"], "none")


def test_a_variable_that_the_request_does_not_have_is_null() -> None:
    """ "There is no equal or like value", so inverted operators match."""
    assert not holds("StringEquals", ["${aws:username}"], "bob")
    assert holds("StringNotEquals", ["${aws:username}"], "bob")
    assert not holds("StringLike", ["${aws:username}*"], "bob")


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ({"StringWishes": {"aws:a": "b"}}, "Condition.StringWishes"),
        ({"stringequals": {"aws:a": "b"}}, "Condition.stringequals"),
        ({"NullIfExists": {"aws:a": "true"}}, "Condition.NullIfExists"),
        ({"ForAnyValue:Null": {"aws:a": "true"}}, "Condition.ForAnyValue:Null"),
        ({"ForSome:StringEquals": {"aws:a": "b"}}, "Condition.ForSome:StringEquals"),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/99"}}, "Condition.IpAddress.aws:SourceIp"),
        ({"DateLessThan": {"aws:CurrentTime": "tomorrow"}}, "Condition.DateLessThan.aws:CurrentTime"),
        ({"NumericLessThan": {"aws:x": "many"}}, "Condition.NumericLessThan.aws:x"),
        ({"Bool": {"aws:SecureTransport": "yes"}}, "Condition.Bool.aws:SecureTransport"),
        ({"StringEquals": {"team": "a"}}, "Condition.StringEquals.team"),
    ],
)
def test_a_condition_that_cannot_be_put_is_refused_with_its_path(condition: object, path: str) -> None:
    with pytest.raises(MalformedPolicy) as refused:
        check_policy(policy(statement(Condition=condition)), KEY)
    assert f"$.Statement[0].{path}" in refused.value.message


TAG = "aws:PrincipalTag/team"


@pytest.mark.parametrize("operator", sorted(FAMILIES))
@pytest.mark.parametrize("values", [("",), ("", "")])
def test_an_empty_value_is_a_null_data_set_to_set_operators(operator: str, values: tuple[str, ...]) -> None:
    """User guide, single-valued vs. multivalued context keys: ForAllValues "also returns true ... if the context key value
    resolves to a null dataset, such as an empty string"; ForAnyValue "returns false" for one."""
    for wanted in (next(wanted for name, wanted, *_ in TABLE if name == operator), [""]):
        try:
            every, some = (
                compile_test(f"{each}:{operator}", TAG, wanted, V) for each in ("ForAllValues", "ForAnyValue")
            )
        except BadValue:
            continue
        context = {TAG.lower(): values}
        assert every.holds(context)
        assert not some.holds(context)
        assert not compile_test(f"ForAnyValue:{operator}IfExists", TAG, wanted, V).holds(context)
        assert compile_test(f"ForAllValues:{operator}IfExists", TAG, wanted, V).holds(context)


def test_an_empty_value_is_null_unless_it_stands_beside_others() -> None:
    """User guide: Null with "false" keeps "context keys with empty values from evaluating to true"."""
    empty, filled = {TAG.lower(): ("",)}, {TAG.lower(): ("", "a")}
    assert compile_test("Null", TAG, ["true"], V).holds(empty)
    assert not compile_test("Null", TAG, ["false"], V).holds(empty)
    assert compile_test("Null", TAG, ["false"], V).holds(filled)
    assert compile_test("StringEquals", TAG, [""], V).holds(empty)
    assert not compile_test("StringNotEquals", TAG, [""], V).holds(empty)
    assert compile_test("StringLike", TAG, ["*"], V).holds(empty)
    # Beside another value, an empty value is a value like others.
    assert not compile_test("ForAllValues:StringEquals", TAG, ["a"], V).holds(filled)
    assert compile_test("ForAnyValue:StringEquals", TAG, ["a"], V).holds(filled)


MANY = sorted(row.name for row in CONDITION_KEYS.values() if row.many)


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("values", [(), ("x",), ("x", "y")])
def test_a_key_of_many_values_is_no_variable(name: str, values: tuple[str, ...]) -> None:
    """User guide, reference_policies_variables: multivalued keys cannot be used as variables, whatever a request
    holds."""
    context = {name.lower(): values, "aws:key": ("x",)}
    for text in (f"${{{name}}}", f"${{{name.upper()}, 'x'}}", f"${{ {name} }}"):
        for operator in ("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnLike"):
            assert not compile_test(operator, "aws:Key", [text], V).holds(context), text
        assert compile_test("StringNotEquals", "aws:Key", [text], V).holds(context)
        assert compile_test("StringEquals", "aws:Key", [text], "2008-10-17").holds(context | {"aws:key": (text,)})


WITH_DEFAULT = re.compile(r"\s*([^,]*?)\s*,\s*'([^']*)'\s*")
"""A key and its default, in one expression. It takes a time that grows with the cube of the spaces."""


@given(st.text(alphabet=" \ta,'*", max_size=10))
def test_a_variable_is_cut_at_its_first_comma_if_a_default_follows(name: str) -> None:
    """reference_policies_variables, Specifying default values: "${key, 'default'}". The spaces around do not count."""
    found = WITH_DEFAULT.fullmatch(name)
    key, default = (found[1], found[2]) if found else (name.strip(), None)
    if name == "*":
        assert list(keys_written("${*}")) == []
    else:
        assert (Variable(key, default),) == template(f"${{{name}}}", V)
        assert [key] == list(keys_written(f"${{{name}}}"))
