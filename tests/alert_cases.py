"""Key policies, people, changes and calls for tests of alert rules, and the alerts on them."""

from __future__ import annotations

import json
from typing import Any

from domain.alerts.change import NO_FACTS, Change, Facts
from domain.alerts.engine.alert import Alert
from domain.alerts.engine.counting import Counting
from domain.alerts.engine.judge import Judge
from domain.alerts.observed_call import ObservedCall
from domain.alerts.settings import AlertSettings, RuleSettings
from domain.arn import root_arn
from domain.errors import AccessRefused, SignInRefused
from domain.log import events
from domain.log import identity_events as identities
from domain.state.console_sessions import LOGIN
from domain.state.world import World
from tests.given import ACCOUNT, a_key, arn, given, key_id

NOW = 1_800_000_000_000_000
UNKNOWN = "777788889999"
ADMIN, USER, THIRD = (f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("admin", "reader", "third"))
ROOT = root_arn(ACCOUNT)


def a_statement(principal: Any, *actions: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    named = principal if principal == "*" else {"AWS": principal}
    return {"Effect": effect, "Principal": named, "Action": list(actions), "Resource": "*", **more}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


ROOTED = a_statement(ROOT, "kms:*")
OPEN = a_statement("*", "kms:Decrypt")
GRANTS = ("kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant")
FOR_ITS_RESOURCES = a_statement(USER, *GRANTS, Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})
"""The console's "Allow attachment of persistent resources"."""


def user(name: str, number: int) -> identities.UserCreated:
    return identities.UserCreated(ACCOUNT, f"AIDA{number:016}", name, "/", {}, "")


PEOPLE = (user("admin", 1), user("reader", 2), user("third", 3))
READER_ID = PEOPLE[1].id
INLINE = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}}
)
NARROW = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": arn()}}
)


def judged(
    event: object,
    *before: object,
    facts: Facts = NO_FACTS,
    by: str = ROOT,
    settings: AlertSettings | None = None,
    of_trail: bool = False,
    operation: str = "",
) -> list[Alert]:
    """The alerts on an event, in a state made of other events."""
    world: World = given(*PEOPLE, *before).world
    world.of_trail = of_trail
    change = Change(
        event,
        world,
        NOW,
        100,
        caller=by,
        account=ACCOUNT,
        operation=operation,
        facts=facts,
        known_accounts=(settings or AlertSettings()).known_accounts,
        allow=(settings or AlertSettings()).allow,
    )
    return Judge("the-log", settings or AlertSettings(), "us-east-1").of_change(change, {})


def put(old: str, new: str, *, bypassed: bool = False, version: int = 2, **more: Any) -> list[Alert]:
    event = events.PolicyReplaced(key_id(), version, new, bypassed, False, {})
    return judged(event, a_key(policy=old), **more)


def made(text: str) -> list[Alert]:
    return judged(a_key(policy=text))


def grant(
    to: str = USER,
    *operations: str,
    old: str = policy(ROOTED),
    retiring: str = "",
    constraints: Any = None,
    **more: Any,
) -> list[Alert]:
    event = events.GrantCreated(
        key_id(),
        "g1",
        "",
        to,
        to,
        retiring,
        retiring,
        list(operations or ("Encrypt",)),
        constraints or {},
        ACCOUNT,
        ROOT,
        "",
    )
    return judged(event, a_key(policy=old), **more)


def of_key(event: object, *before: object, used: int = 0, settings: AlertSettings | None = None) -> list[Alert]:
    return judged(event, a_key(), *before, facts=Facts(used=used), settings=settings)


def uses(*calls: ObservedCall, age: int = 0, created: int = 0, settings: AlertSettings | None = None) -> list[Alert]:
    """The alerts on calls in their order, with keys made at `created`."""
    judge = Judge("the-log", settings or AlertSettings({"first-use": RuleSettings(numbers={"age": age})}))
    counting, found = Counting(judge), []
    for each in calls:
        found += counting.take(each, {})
        for pair in counting.new_pairs(each, {}):
            first = judge.first(pair, created)
            found += [first] if first is not None else []
    return found


def call(number: int = 0, principal: str = USER, **changes: Any) -> ObservedCall:
    fields: dict[str, Any] = {
        "at": NOW // 60_000_000 * 60_000_000 + number * 1000, "id": f"c{number}", "principal": principal,
        "account": ACCOUNT, "access_key": "AKIAX", "operation": "Decrypt", "keys": (arn(),), "refused": "",
        "source": "10.0.0.1",
    }  # fmt: skip
    return ObservedCall(**(fields | changes))


def denied(count: int, keys: int = 1, **changes: Any) -> list[ObservedCall]:
    return [call(each, refused=AccessRefused.kind, keys=(arn(1 + each % keys),), **changes) for each in range(count)]


def tried(count: int, addresses: int, **changes: Any) -> list[ObservedCall]:
    """Refused sign-ins."""
    refused = {"operation": LOGIN, "keys": (), "access_key": "", "refused": SignInRefused.kind} | changes
    return [call(each, source=f"10.0.0.{each % addresses}", **refused) for each in range(count)]


def tagged(**tags: str) -> events.KeyTagged:
    return events.KeyTagged(key_id(), tags, tags)


TRUST = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "%s"}, "Action": "sts:AssumeRole"}}'
ROLE = identities.RoleCreated(ACCOUNT, "AROA0000000000000001", "app", "/", TRUST % ROOT, {}, "", 3600, {}, "")
MANAGED = identities.ManagedPolicyCreated(ACCOUNT, "ANPA0000000000000001", "wide", "/", "", NARROW, {})
MANAGED_ARN = f"arn:aws:iam::{ACCOUNT}:policy/wide"


def parted() -> str:
    """A policy that cannot be compared with another: their difference falls into more parts than are examined."""
    parts = [{f"aws:PrincipalTag/t{each}": "a", f"aws:RequestTag/t{each}": "b"} for each in range(14)]
    return policy(*(a_statement("*", "kms:Decrypt", Condition={"StringEquals": each}) for each in parts))
