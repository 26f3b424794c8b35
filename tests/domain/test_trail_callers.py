"""Callers whom a record names by less than an ARN: those of other accounts, and services of AWS."""

from __future__ import annotations

from typing import Any

import pytest

from domain.cloudtrail.judge import explained
from services.trails.judged_calls import questions_of
from services.trails.rows import case_of
from tests.domain.test_cloudtrail import JANUARY, fold, reading
from tests.domain.test_trail_known import begun, facts
from tests.e2e.test_history import allow, document
from tests.e2e.test_trails import A, created, key_arn, put, record, who

KEY = key_arn(1)
MADE, CHANGED, CALLED = "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z"


def outcome(call: dict[str, Any], *before: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """(outcome, missing) of a call on a key that was made by one record and changed by others."""
    case = case_of(reading(call))
    assert case is not None
    (question,) = questions_of(case, fold(*before, call), JANUARY)
    denied = bool(call.get("errorCode"))
    found, judgement = explained(*question, refused=denied, denied=denied)
    return found, judgement.missing


def under(*statements: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return created(1, MADE), put(1, CHANGED, *statements)


# -- callers of other accounts ---------------------------------------------------------------------------------------------

OTHER = "444455556666"
ROLE_ID = "AROAFOREIGNXXXXXXXXXX"
FOREIGN = {"type": "AWSAccount", "principalId": f"{ROLE_ID}:i-1", "accountId": OTHER}
"""All that the record in the key's account tells (KMS developer guide, key-policy-modifying-external-accounts)."""
THEIR_ROOT, THEIR_ROLE = f"arn:aws:iam::{OTHER}:root", f"arn:aws:iam::{OTHER}:role/app"
UNTOLD, POLICIES = "the ARN of the caller", f"the identity policies of {ROLE_ID}:i-1"


def foreign(**more: Any) -> dict[str, Any]:
    return record("Decrypt", CALLED, 1, FOREIGN, sharedEventID="s", **more)


LETTING_IN: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "the account": (allow(THEIR_ROOT, "kms:*"), "explained", ()),
    "everybody of the account": (allow("*", "kms:*", Condition={"StringEquals": {"kms:CallerAccount": OTHER}}), "explained", ()),
    "a role, which may be the caller": (allow(THEIR_ROLE, "kms:*"), "open", (UNTOLD, POLICIES)),
    "a role by a condition": (allow("*", "kms:*", Condition={"ArnLike": {"aws:PrincipalArn": THEIR_ROLE}}), "open", ("aws:PrincipalArn of the request", POLICIES)),
    "roles by a condition": (allow("*", "kms:*", Condition={"StringEquals": {"aws:PrincipalType": "AssumedRole"}}), "open", ("aws:PrincipalType of the request", POLICIES)),
    "a role of a third account": (allow("arn:aws:iam::777788889999:role/app", "kms:*"), "unexplained", ()),
    "the key's own account": (allow(f"arn:aws:iam::{A}:root", "kms:*"), "unexplained", ()),
}  # fmt: skip


@pytest.mark.parametrize("whom", LETTING_IN)
def test_a_call_of_another_account_is_decided_by_what_names_that_account(whom: str) -> None:
    """It counted as a call of a service of AWS, which has no account and needs no identity policies."""
    statement, expected, missing = LETTING_IN[whom]
    assert outcome(foreign(), *under(statement)) == (expected, missing)


def test_a_denial_of_another_accounts_role_may_concern_the_caller() -> None:
    everybody = allow(THEIR_ROOT, "kms:*")
    denied = foreign(errorCode="AccessDenied", errorMessage="x")
    for element in ({"Principal": {"AWS": THEIR_ROLE}}, {"NotPrincipal": {"AWS": [THEIR_ROLE, THEIR_ROOT]}}):
        denying = {"Effect": "Deny", "Action": "kms:*", "Resource": "*", **element}
        found, missing = outcome(denied, *under(everybody, denying))
        assert (found, UNTOLD in missing) == ("open", True)
        assert UNTOLD in outcome(foreign(), *under(everybody, denying))[1]
    nobody_of_theirs = {"Effect": "Deny", "NotPrincipal": {"AWS": A}, "Action": "kms:*", "Resource": "*"}
    assert outcome(denied, *under(everybody, nobody_of_theirs)) == ("explained", ())
    assert outcome(denied, *under(everybody)) == ("open", (POLICIES,))


def granted(**told: Any) -> dict[str, Any]:
    told = {"keyId": KEY, "operations": ["Decrypt"], **told}
    return record("CreateGrant", CHANGED, 1, requestParameters=told, responseElements={"grantId": "g1"})


def test_a_grant_to_another_accounts_role_may_be_the_callers() -> None:
    nobody = under(allow(who()["arn"], "kms:*"))
    assert UNTOLD in outcome(foreign(), *nobody, granted(granteePrincipal=THEIR_ROLE))[1]
    third = granted(granteePrincipal="arn:aws:iam::777788889999:role/app")
    assert outcome(foreign(), *nobody, third) == ("unexplained", ())


def test_a_role_of_another_account_whose_unique_id_is_known_is_named() -> None:
    """Somebody's record of its own account told the ARN with the unique id."""
    session = {
        "type": "AssumedRole",
        "principalId": f"{ROLE_ID}:i-2",
        "arn": f"arn:aws:sts::{OTHER}:assumed-role/app/i-2",
        "accountId": OTHER,
        "sessionContext": {"sessionIssuer": {"principalId": ROLE_ID, "arn": THEIR_ROLE}},
    }
    own = record("Decrypt", MADE, 2, session, sharedEventID="other")
    _, missing = outcome(foreign(), own, *under(allow(THEIR_ROLE, "kms:*")))
    assert UNTOLD not in missing


# -- services of AWS -------------------------------------------------------------------------------------------------------

NOBODY = under(allow(who()["arn"], "kms:*"))


def of_service(name: str) -> dict[str, Any]:
    return record("Decrypt", CALLED, 1, {"type": "AWSService", "invokedBy": name})


@pytest.mark.parametrize(
    ("grantee", "caller", "expected"),
    [
        ("workmail.eu-west-1.amazonaws.com", "workmail.eu-west-1.amazonaws.com", "explained"),
        ("dynamodb.us-west-2.amazonaws.com", "dynamodb.amazonaws.com", "explained"),
        ("dynamodb.amazonaws.com", "dynamodb.amazonaws.com", "explained"),
        ("dynamodb.eu-west-1.amazonaws.com", "dynamodb.amazonaws.com", "unexplained"),
        ("dynamodb.us-west-2.amazonaws.com", "rds.amazonaws.com", "unexplained"),
    ],
)
def test_a_grant_to_a_service_lets_the_service_in(grantee: str, caller: str, expected: str) -> None:
    """In records and in list-grants' answers, the grantee is the service's plain name, often the Regional one."""
    assert outcome(of_service(caller), *NOBODY, granted(granteePrincipal=grantee)) == (expected, ())
    told = {"GrantId": "g1", "GranteePrincipal": grantee, "IssuingAccount": f"arn:aws:iam::{A}:root", "Operations": ["Decrypt"]}  # fmt: skip
    listed = facts({"Grants": [told | {"KeyId": KEY}]}) | facts({"Policy": document(allow(who()["arn"], "kms:*"))}, KEY)
    case = case_of(reading(of_service(caller)))
    assert case is not None
    (question,) = questions_of(case, begun(listed), JANUARY)
    assert explained(*question, refused=False, denied=False)[0] == expected


INFRASTRUCTURE = f"{A}:aws:ec2-infrastructure"


def attaching(instance: str) -> dict[str, Any]:
    """As EC2 calls for a volume (KMS developer guide, ct-ec2two)."""
    name = INFRASTRUCTURE.partition(":")[2]
    issuer = {"type": "Role", "principalId": INFRASTRUCTURE, "arn": f"arn:aws:iam::{A}:role/{name}", "accountId": A}
    identity = {
        "type": "AssumedRole",
        "principalId": f"{INFRASTRUCTURE}:{instance}",
        "arn": f"arn:aws:sts::{A}:assumed-role/{name}/{instance}",
        "accountId": A,
        "sessionContext": {"sessionIssuer": issuer},
    }
    return record("Decrypt", CALLED, 1, identity)


def test_a_grant_to_ec2_for_one_instance_lets_in_its_calls_for_that_instance() -> None:
    volume = granted(granteePrincipal=f"{INFRASTRUCTURE}:i-81e2f56c")
    assert outcome(attaching("i-81e2f56c"), *NOBODY, volume) == ("explained", ())
    assert outcome(attaching("i-00000000"), *NOBODY, volume) == ("unexplained", ())


INTERNAL, THROUGH_SSM = ({**who(), "invokedBy": each} for each in ("AWS Internal", "ssm.amazonaws.com"))
VIA_SSM, FOR_RESOURCE = (
    allow(who()["arn"], "kms:*", Condition=condition)
    for condition in (
        {"StringEquals": {"kms:ViaService": "ssm.us-west-2.amazonaws.com"}},
        {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    )
)


def granting(identity: dict[str, Any]) -> dict[str, Any]:
    told = {"keyId": KEY, "granteePrincipal": who("bob")["arn"], "operations": ["Decrypt"]}
    return record("CreateGrant", CALLED, 1, identity, requestParameters=told, responseElements={"grantId": "g1"})


def test_a_service_that_a_record_does_not_name_may_be_the_one_that_a_condition_wants() -> None:
    """Most records of calls that a service made for somebody say "AWS Internal". They counted as calls without a service."""
    for identity, expected in ((INTERNAL, "open"), (THROUGH_SSM, "explained"), (who(), "unexplained")):
        missing = ("kms:ViaService of the request",) if expected == "open" else ()
        assert outcome(record("Decrypt", CALLED, 1, identity), *under(VIA_SSM)) == (expected, missing)
        missing = ("kms:GrantIsForAWSResource of the request",) if expected == "open" else ()
        assert outcome(granting(identity), *under(FOR_RESOURCE)) == (expected, missing)
