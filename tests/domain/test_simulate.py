"""The policy simulator: how given policies would answer (IAM API reference, SimulateCustomPolicy)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from domain.arn import root_arn
from domain.authorization.caller import Caller
from domain.authorization.simulate import ALLOWED, EXPLICIT, IMPLICIT, SimulatedPolicy, Simulation, context_keys, spans
from domain.policy.compile import BOUNDARY, DELEGATED, DIRECT, IDENTITY_POLICY, Permissions, compile_identity_policy
from domain.policy.parse import KEY, MANAGED, parse_policy
from tests.given import ACCOUNT, OTHER, arn
from tests.policies import delegating, named, policy, statement, to_identity, user_arn


def simulation(
    *texts: str, boundary: str = "", resource_policy: str = "", given: Mapping[str, tuple[str, ...]] | None = None
) -> Simulation:
    rules = [
        rule
        for number, text in enumerate(texts, 1)
        for rule in compile_identity_policy(text, IDENTITY_POLICY, f"PolicyInputList.{number}", 0, MANAGED)
    ]
    limit = Permissions(compile_identity_policy(boundary, BOUNDARY, "limit", 0, MANAGED)) if boundary else None
    me = user_arn()
    caller = Caller(
        ACCOUNT,
        me,
        {me: DIRECT, root_arn(ACCOUNT): DELEGATED},
        "AIDA",
        identity=Permissions(tuple(rules)),
        boundary=limit,
        context={"aws:username": ("alice",)},
    )
    sources = {f"PolicyInputList.{number}": SimulatedPolicy(f"PolicyInputList.{number}", text) for number, text in enumerate(texts, 1)}  # fmt: skip
    sources["ResourcePolicy"] = SimulatedPolicy("ResourcePolicy", resource_policy)
    return Simulation(caller, ACCOUNT, sources, given or {}, resource_policy)


def test_the_statement_that_decided_is_named_with_its_place() -> None:
    """The first example of simulate-custom-policy in the AWS CLI's reference, to the column."""
    text = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}'  # fmt: skip
    late = simulation(text, given={"aws:currenttime": ("2019-04-25T11:00:00Z",)}).on("dynamodb:CreateBackup", "*")
    assert (late.decision, late.missing) == (ALLOWED, ())
    (match,) = late.matched
    assert (match.source.name, match.places()) == ("PolicyInputList.1", ((1, 38), (1, 167)))
    early = simulation(text, given={"aws:currenttime": ("2014-04-25T11:00:00Z",)}).on("dynamodb:CreateBackup", "*")
    assert (early.decision, early.matched, early.missing) == (IMPLICIT, (), ())
    unsaid = simulation(text).on("dynamodb:CreateBackup", "*")
    assert (unsaid.decision, unsaid.missing) == (IMPLICIT, ("aws:CurrentTime",))


def test_places_in_a_text_of_several_lines() -> None:
    """AWS's answer for AdministratorAccess with two spaces a level: line 3, column 17 to line 8, column 6."""
    text = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}, indent=2
    )
    (match,) = simulation(text).on("iam:GetUser", "*").matched
    assert match.places() == ((3, 17), (8, 6))


def test_of_two_members_statement_the_last_counts_as_for_the_parser() -> None:
    first, second = '{"Effect":"Allow"}', '{"Effect":"Deny"}'
    text = f'{{ "Statement" : [{first} , {second}], "Id": "}}{{" }}'
    found = [text[begin:end] for begin, end in spans(text)]
    assert [each.strip() for each in found] == [first, second]


def test_an_explicit_deny_is_the_only_match() -> None:
    texts = (policy(to_identity()), policy(to_identity(Action="kms:Decrypt", Effect="Deny")))
    denied = simulation(*texts).on("kms:Decrypt", arn())
    assert (denied.decision, [match.source.name for match in denied.matched]) == (EXPLICIT, ["PolicyInputList.2"])
    allowed = simulation(*texts).on("kms:Encrypt", arn())
    assert (allowed.decision, [match.source.name for match in allowed.matched]) == (ALLOWED, ["PolicyInputList.1"])


def test_a_boundary_is_distinguished() -> None:
    found = simulation(policy(to_identity()), boundary=policy(to_identity(Action="kms:Encrypt"))).on("kms:Decrypt", "*")
    assert (found.decision, found.by_boundary) == (IMPLICIT, False)
    found = simulation(policy(to_identity()), boundary=policy(to_identity(Action="kms:Encrypt"))).on("kms:Encrypt", "*")
    assert (found.decision, found.by_boundary) == (ALLOWED, True)
    assert simulation(policy(to_identity())).on("kms:Encrypt", "*").by_boundary is None


@pytest.mark.parametrize(
    ("action", "document", "expected"),
    [
        ("kms:Decrypt", policy(delegating()), ALLOWED),
        ("kms:Decrypt", policy(statement(Effect="Deny")), EXPLICIT),
        # A key's policy has to let identity policies decide; the policy of a bucket or a queue need not.
        ("kms:Decrypt", policy(named(f"arn:aws:iam::{ACCOUNT}:user/bob")), IMPLICIT),
        ("sqs:SendMessage", policy(named(f"arn:aws:iam::{ACCOUNT}:user/bob", Action="sqs:*")), ALLOWED),
    ],
)
def test_a_resource_policy_counts_as_its_service_has_it(action: str, document: str, expected: str) -> None:
    of_identity = policy(to_identity(Action="*"))
    resource = arn() if action.startswith("kms") else f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"
    assert simulation(of_identity, resource_policy=document).on(action, resource).decision == expected


def test_across_accounts_both_sides_have_to_allow() -> None:
    theirs = arn(1, OTHER)
    alone = simulation(policy(to_identity())).on("kms:Decrypt", theirs)
    assert (alone.decision, dict(alone.details)) == (IMPLICIT, {"IAM Policy": ALLOWED, "Resource Policy": IMPLICIT})
    both = simulation(policy(to_identity()), resource_policy=policy(delegating())).on("kms:Decrypt", theirs)
    assert (both.decision, dict(both.details)) == (ALLOWED, {"IAM Policy": ALLOWED, "Resource Policy": ALLOWED})
    assert dict(simulation(policy(to_identity())).on("kms:Decrypt", arn()).details) == {}


def test_the_keys_that_policies_read() -> None:
    condition: dict[str, Any] = {
        "StringEquals": {"kms:ViaService": "${aws:PrincipalTag/via, 'none'}", "AWS:username": "x"}
    }
    text = policy(
        to_identity(Resource="arn:aws:kms:*:*:key/${aws:userid}", Condition=condition),
        to_identity(Condition={"Bool": {"aws:UserName": "true"}}),
    )
    statements = parse_policy(text, MANAGED).statements
    assert context_keys(statements) == ["aws:PrincipalTag/via", "aws:userid", "AWS:username", "kms:ViaService"]
    assert parse_policy(policy(statement()), KEY).statements[0].condition is None


def test_only_statements_of_the_action_and_resource_want_values() -> None:
    text = policy(
        to_identity(Action="kms:Encrypt", Condition={"StringEquals": {"aws:SourceVpc": "v"}}),
        to_identity(Action="kms:Decrypt", Resource=arn(2), Condition={"StringEquals": {"kms:ViaService": "v"}}),
        to_identity(Action="kms:Decrypt", Resource=arn(1), Condition={"StringEquals": {"aws:SourceIp": "10.0.0.1"}}),
    )
    assert simulation(text).on("kms:Decrypt", arn(1)).missing == ("aws:SourceIp",)
