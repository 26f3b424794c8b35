"""A session's ARN lacks the path of its role. Alerts once called such a role by an ARN that nobody has: its own grant was ended by a
stranger, and no filter or entry of the allow-list for the role's ARN found the alert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from domain.alerts.allow import Allow
from domain.alerts.observed_call import ObservedCall, call_of, call_of_case
from domain.alerts.settings import AlertSettings
from domain.errors import AccessRefused
from domain.log import events
from tests.alert_cases import NOW, ROOT, call, denied, judged, uses
from tests.given import ACCOUNT, OTHER, a_key, arn, key_id

ROLE, SHORT = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("team/app", "app"))
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/s1"
ANOTHER = f"arn:aws:sts::{OTHER}:assumed-role/app/s1"


def ended(by: str, *, issuer: str = ROOT, grantee: str = ROOT, retiring: str = "") -> set[str]:
    grant = events.GrantCreated(
        key_id(), "g1", "", grantee, grantee, retiring, retiring, ["Decrypt"], {}, ACCOUNT, issuer, ""
    )
    return {each.rule.id for each in judged(events.GrantRetired(key_id(), "g1"), a_key(), grant, by=by)}


@pytest.mark.parametrize("part", ["issuer", "grantee", "retiring"])
def test_a_session_of_a_role_with_a_path_ends_its_own_grant(part: str) -> None:
    assert "grant-ended-by-stranger" not in ended(SESSION, **{part: ROLE})
    assert "grant-ended-by-stranger" not in ended(SESSION, **{part: SESSION.replace("s1", "s2")})


def test_a_role_of_the_same_name_elsewhere_is_a_stranger() -> None:
    assert "grant-ended-by-stranger" in ended(ANOTHER, grantee=ROLE)
    assert "grant-ended-by-stranger" in ended(SESSION.replace("/app/", "/other/"), grantee=ROLE)
    assert "grant-ended-by-stranger" in ended(f"arn:aws:iam::{ACCOUNT}:user/team/app", grantee=ROLE)


def read(principal: str, inputs: Mapping[str, Any], *, at: str = "2026-01-01T00:00:00Z") -> list[ObservedCall]:
    """The call from its record, and from its row in the decisions table."""
    told = {"principal": principal, "account": ACCOUNT, "access_key": "", "operation": "Decrypt"}
    decided = {"effect": "refused", "error": {"kind": AccessRefused.kind}, "resources": [arn()], "inputs": inputs}
    record = call_of({"at": at, "call": told | {"id": "c1", "source": ""}, "decision": decided})
    row = call_of_case(told | decided | {"error": AccessRefused.kind})
    assert record is not None
    assert row is not None
    return [record, row]


@pytest.mark.parametrize(
    ("principal", "inputs", "who"),
    [
        (SESSION, {"context": {"aws:principalarn": [ROLE]}}, ROLE),
        (SESSION, {"context": {"aws:principalarn": [SESSION]}}, SHORT),
        (SESSION, {"context": {}}, SHORT),
        (SESSION, {}, SHORT),
        (ROOT, {"context": {"aws:principalarn": [ROOT]}}, ROOT),
        (ROOT, {"context": {"aws:principalarn": [ROLE]}}, ROOT),
    ],
)
def test_a_call_is_its_roles_by_the_arn_that_the_evaluator_read(
    principal: str, inputs: dict[str, Any], who: str
) -> None:
    assert [each.who for each in read(principal, inputs)] == [who, who]


def test_an_entry_for_the_roles_arn_covers_what_its_sessions_do() -> None:
    calls = denied(20, principal=SESSION, role=ROLE)
    (alert,) = uses(*calls)
    assert (alert.rule.id, alert.finding.subject, alert.finding.about) == ("denied-burst", ROLE, (ROLE,))
    entry = AlertSettings(allow=(Allow("denied-burst", "it tries", NOW * 2, principal=ROLE),))
    (allowed,) = uses(*calls, settings=entry)
    assert allowed.suppressed is not None


def test_two_roles_of_a_name_one_after_the_other_are_told_apart() -> None:
    """The first was deleted, and made again elsewhere. Neither was refused often enough."""
    assert uses(*denied(10, principal=SESSION, role=ROLE), *denied(19, principal=SESSION, role=SHORT)) == []


def test_a_pair_that_is_known_without_the_path_is_not_new() -> None:
    """Pairs stand in Postgres, as a version before this one named them."""
    found = uses(call(principal=SESSION), call(1, principal=SESSION, role=ROLE))
    assert [each.finding.about for each in found if each.rule.id == "first-use"] == [(SHORT,)]
    assert [each.finding.about for each in uses(call(principal=SESSION, role=ROLE))] == [(ROLE,)]
