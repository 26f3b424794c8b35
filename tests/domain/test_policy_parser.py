"""Key policies that are accepted and refused, and a parser that no input breaks."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import LimitExceeded, MalformedPolicy, Refusal
from domain.policy.compile import compile_key_policy
from domain.policy.glob import compile_glob
from domain.policy.parse import KEY, parse_policy
from tests.given import arn

GOOD: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}


def text(*statements: Any, **elements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)} | elements)


REFUSED = {
    "not JSON": ("{", "not valid JSON"),
    "not an object": ("[]", "$"),
    "an unknown element": (text(GOOD, Colour="red"), "'Colour'"),
    "an unknown element of a statement": (text(GOOD | {"colour": 1}), "$.Statement[0]"),
    "an unknown version": (text(GOOD, Version="2020-01-01"), "$.Version"),
    "no statement": (json.dumps({"Version": "2012-10-17"}), "Statement is missing"),
    "an empty statement list": (text(), "$.Statement"),
    "an unknown effect": (text(GOOD | {"Effect": "allow"}), "$.Statement[0].Effect"),
    "no effect": (text({k: v for k, v in GOOD.items() if k != "Effect"}), "$.Statement[0].Effect"),
    "no principal": (text({k: v for k, v in GOOD.items() if k != "Principal"}), "Principal"),
    "principal and not-principal": (text(GOOD | {"NotPrincipal": "*"}), "exclude"),
    "a duplicate Sid": (text(GOOD | {"Sid": "a"}, GOOD | {"Sid": "a"}), "$.Statement[1].Sid"),
    "a Sid that is no string": (text(GOOD | {"Sid": 1}), "$.Statement[0].Sid"),
    "an action that is none": (text(GOOD | {"Action": "Encrypt"}), "$.Statement[0].Action"),
    "a number for an action": (text(GOOD | {"Action": 5}), "$.Statement[0].Action"),
    "a resource that is an object": (text(GOOD | {"Resource": {}}), "$.Statement[0].Resource"),
    "a principal that is a number": (text(GOOD | {"Principal": 5}), "$.Statement[0].Principal"),
    "an empty principal": (text(GOOD | {"Principal": {}}), "$.Statement[0].Principal"),
    "a principal of an unknown type": (text(GOOD | {"Principal": {"GCP": "x"}}), "'GCP'"),
    "a condition that is a list": (text(GOOD | {"Condition": []}), "$.Statement[0].Condition"),
    "a condition operator that holds a string": (text(GOOD | {"Condition": {"Bool": "x"}}), ".Bool"),
    "an element twice": ('{"Statement": [], "Statement": []}', "twice"),
    "NaN": ('{"Statement": NaN}', "NaN"),
}


@pytest.mark.parametrize(("document", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_an_invalid_key_policy_is_refused_with_the_place_of_the_fault(document: str, says: str) -> None:
    with pytest.raises(MalformedPolicy) as refused:
        parse_policy(document, KEY)
    assert says in refused.value.message


INVALID_PRINCIPALS = [
    "arn:aws:iam::111122223333:user/*",
    "arn:aws:s3:::bucket",
    "alice",
    "arn:aws:iam::1234:root",
    "arn:aws:iam::111122223333:root/x",
]


@pytest.mark.parametrize("principal", INVALID_PRINCIPALS)
def test_an_invalid_principal_is_refused_in_the_words_of_aws(principal: str) -> None:
    """#role-arn-covers-its-sessions: no partial wildcard in a principal."""
    with pytest.raises(MalformedPolicy) as refused:
        parse_policy(text(GOOD | {"Principal": {"AWS": principal}}), KEY)
    assert (
        refused.value.message
        == "Policy contains a statement with one or more invalid principals. ($.Statement[0].Principal.AWS)"
    )


@pytest.mark.parametrize("version", ["2012-10-17", "2008-10-17"])
def test_both_versions_and_no_version_are_accepted(version: str) -> None:
    assert parse_policy(text(GOOD, Version=version), KEY).version == version
    assert parse_policy(json.dumps({"Statement": GOOD}), KEY).version == "2008-10-17"


def test_a_policy_has_at_most_32768_bytes() -> None:
    room = KEY.most - len(text(GOOD, Id=""))
    assert parse_policy(text(GOOD, Id="x" * room), KEY).id == "x" * room
    with pytest.raises(LimitExceeded):
        parse_policy(text(GOOD, Id="x" * (room + 1)), KEY)


def test_a_nesting_that_would_exhaust_the_stack_is_refused() -> None:
    with pytest.raises(MalformedPolicy):
        parse_policy('{"Statement":' * 2000, KEY)
    with pytest.raises(MalformedPolicy):
        parse_policy("[" * 30_000, KEY)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["Allow", "Deny", "*", "kms:*", "2012-10-17"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["Version", "Statement", "Effect", "Principal", "AWS", "Action", "Resource", "Sid", "Condition"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_document_makes_the_parser_fall_over(document: Any) -> None:
    with contextlib.suppress(Refusal):
        compile_key_policy(json.dumps(document), arn(), 1)


@given(st.text())
def test_no_text_makes_the_parser_fall_over(document: str) -> None:
    with contextlib.suppress(Refusal):
        parse_policy(document, KEY)


@given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="ab", max_size=10))
@settings(max_examples=1000)
def test_a_glob_matches_what_its_regular_expression_does(pattern: str, subject: str) -> None:
    regex = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    assert compile_glob(pattern)(subject) == (re.fullmatch(regex, subject, re.DOTALL) is not None)
