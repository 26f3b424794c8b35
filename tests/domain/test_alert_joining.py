"""A user gets what a group's policies allow by joining it, and whoever makes the user's access key can call as that user. Nobody puts
a policy for either, and no rule saw them once."""

from __future__ import annotations

import json

import pytest

from domain.alerts.change import Change
from domain.alerts.engine.alert import MOST_ABOUT, Alert
from domain.alerts.engine.judge import Judge
from domain.alerts.wide_identity_policy import ASKED
from domain.log import identity_events as identities
from domain.policy import unseen
from tests.alert_cases import ADMIN, INLINE, MANAGED, MANAGED_ARN, NARROW, PEOPLE, READER_ID, USER, judged
from tests.given import ACCOUNT, given

READERS, WRITERS = "AGPA0000000000000001", "AGPA0000000000000002"
GROUPS = (
    identities.GroupCreated(ACCOUNT, READERS, "readers", "/team/"),
    identities.GroupCreated(ACCOUNT, WRITERS, "writers", "/"),
)
OF_READERS = f"arn:aws:iam::{ACCOUNT}:group/team/readers"
JOINED = identities.MemberAdded(ACCOUNT, READERS, READER_ID)
MADE = identities.UserAccessKeyCreated(ACCOUNT, READER_ID, "AKIANEW")
ON, OFF = (identities.UserAccessKeyChanged(ACCOUNT, READER_ID, "AKIANEW", each) for each in ("Active", "Inactive"))
LIMITED = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
    "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
}})  # fmt: skip


def costly(number: int) -> str:
    condition = {"StringLike": {"kms:ViaService": "*" + "?a" * 300 + str(number)}}
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def inline(kind: str, id: str, text: str = INLINE) -> identities.InlinePolicyPut:
    return identities.InlinePolicyPut(ACCOUNT, kind, id, "p", text)


def attached(kind: str, id: str) -> identities.PolicyAttached:
    return identities.PolicyAttached(ACCOUNT, kind, id, MANAGED_ARN)


def joined(*before: object, of_trail: bool = False) -> list[Alert]:
    return judged(JOINED, *GROUPS, *before, of_trail=of_trail)


WIDE_ONE = identities.PolicyVersionCreated(ACCOUNT, MANAGED.id, "v2", INLINE, True)


@pytest.mark.parametrize(
    ("held", "by"),
    [
        ((inline("group", READERS),), ["p"]),
        ((MANAGED, WIDE_ONE, attached("group", READERS)), [MANAGED_ARN]),
        ((inline("group", READERS), inline("user", READER_ID, NARROW)), ["p"]),
        ((inline("group", READERS), inline("user", READER_ID, LIMITED)), ["p"]),
    ],
)
def test_who_joins_a_group_with_a_wide_policy_is_told_of(held: tuple[object, ...], by: list[str]) -> None:
    (one,) = joined(*held)
    assert (one.rule.id, one.finding.about) == ("identity-wide", (USER,))
    assert one.finding.summary == f"{USER} may kms:Decrypt on every key of the account, by {OF_READERS}"
    assert one.finding.evidence["policies"] == by


@pytest.mark.parametrize(
    "held",
    [
        (),
        (inline("group", READERS, NARROW),),
        (inline("group", WRITERS),),
        (inline("group", READERS), inline("user", READER_ID)),
        (inline("group", READERS), MANAGED, WIDE_ONE, attached("user", READER_ID)),
        (inline("group", READERS), inline("group", WRITERS), identities.MemberAdded(ACCOUNT, WRITERS, READER_ID)),
        (inline("group", READERS, LIMITED), inline("user", READER_ID)),
    ],
)
def test_who_has_as_much_already_is_not(held: tuple[object, ...]) -> None:
    assert joined(*held) == []


def test_a_group_of_costly_policies_is_unclear_and_keeps_nobody_waiting() -> None:
    """Each alone is within its steps. A user who joins the group again and again would keep the alerts of every account waiting, for
    as long as all of them take together."""

    def told(policies: int) -> str:
        held = [
            identities.InlinePolicyPut(ACCOUNT, "group", READERS, f"p{each}", costly(each)) for each in range(policies)
        ]
        (one,) = joined(*held)
        return one.finding.summary

    assert "may kms:CreateGrant (asking kms:ViaService), " in told(1)
    assert all(f"perhaps {each} (which takes too many steps to say)" in told(4) for each in ASKED)


def test_what_a_trail_never_saw_of_a_group_is_not_new() -> None:
    held = inline("group", READERS, unseen.document("policies", of_key=False))
    assert joined(held, of_trail=True) == []


def test_an_access_key_that_a_trail_shows_in_use_was_made_by_nobody_there() -> None:
    """UpdateAccessKey and DeleteAccessKey name keys that were made before the trail begins."""
    assert judged(MADE, by=ADMIN, of_trail=True, operation="UpdateAccessKey") == []
    made = judged(MADE, by=ADMIN, of_trail=True, operation="CreateAccessKey")
    assert [each.rule.id for each in made] == ["access-key-made-for-other"]
    own = judged(MADE, by=ADMIN, operation="CreateAccessKey")
    assert [(each.rule.id, each.severity, each.finding.about) for each in own] == [
        ("access-key-made-for-other", "medium", (USER,))
    ]


def switched(event: identities.UserAccessKeyChanged, *before: object, by: str = ADMIN) -> list[tuple[str, str]]:
    return [(each.rule.id, each.finding.summary) for each in judged(event, *before, by=by, operation="UpdateAccessKey")]


def test_who_makes_anothers_access_key_active_again_is_told_of() -> None:
    """Gained: calls as that user, by whoever found the secret of an access key that was switched off for this very reason."""
    summary = f"{ADMIN} made the access key AKIANEW of {USER} active again"
    assert switched(ON, MADE, OFF) == [("access-key-made-for-other", summary)]
    assert switched(ON, MADE, OFF, by=USER) == []
    assert switched(OFF, MADE) == []
    assert switched(ON, MADE) == []
    assert switched(ON, MADE, OFF, ON) == []


def test_an_access_key_that_a_trail_first_shows_as_it_is_made_active_was_not_seen_before() -> None:
    """It was inactive: nobody makes an active access key active. The trail made it, and active, for the sake of this call."""
    world = given(*PEOPLE, MADE).world
    world.of_trail = True

    def told(at: int) -> list[str]:
        change = Change(ON, world, at, 100, caller=ADMIN, account=ACCOUNT, operation="UpdateAccessKey")
        return [each.rule.id for each in Judge("the-log").of_change(change, {})]

    assert told(world.at) == ["access-key-made-for-other"]
    assert told(world.at + 1) == []


MANY = 3000
HOLDERS = [
    identities.UserCreated(ACCOUNT, f"AIDA{number:016}", f"{number}", f"/{'long' * 100}/", {}, "")
    for number in range(10_000, 10_000 + MANY)
]


@pytest.mark.parametrize("bounds", [False, True])
def test_an_alert_about_thousands_is_no_longer_than_one_about_a_few(bounds: bool) -> None:
    """Given a managed policy of thousands of users, then a version of it that reaches every key: the alert named each of them twice.
    No broker took it, and it was tried again for ever, so nothing of any account was judged after that."""
    managed = identities.PolicyVersionCreated(ACCOUNT, MANAGED.id, "v2", INLINE, True)
    held = (
        identities.BoundarySet(ACCOUNT, "user", each.id, MANAGED_ARN)
        if bounds
        else identities.PolicyAttached(ACCOUNT, "user", each.id, MANAGED_ARN)
        for each in HOLDERS
    )
    (one,) = judged(managed, *HOLDERS, MANAGED, *held)
    assert len(one.finding.about) == MANY, "the allow-list is asked about each"
    document = one.document()
    assert len(json.dumps(document)) < 100_000
    assert (len(document["about"]), document["evidence"]["more"]) == (MOST_ABOUT, MANY - MOST_ABOUT)
    assert f" and {MANY - 5} more" in document["summary"]
    assert len(json.dumps(one.shortened())) < 10_000
