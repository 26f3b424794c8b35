"""The credential report: who of an account has a password, MFA and access keys, and when each was used.

It comes from the decisions: a moment behind the log, and complete from the log's first day on.
Source: IAM user guide, id_credentials_getting-report (the columns, and the words for what is not there).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.arn import root_arn
from domain.durations import DAY_MICROS
from domain.identities.account import ACTIVE, Account
from domain.identities.identity import USER, AccessKey, LoginProfile
from domain.identities.password_policy import PasswordPolicy
from domain.state.world import World
from services.aside import long_aside
from services.operations import iam_descriptions
from services.operations.rows import Answer, LastUse, Recall, Request

NOT_USED, NEVER = "N/A", "no_information"
_KEY_COLUMNS = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
_PASSWORD_COLUMNS = ("password_enabled", "password_last_used", "password_last_changed", "password_next_rotation")
COLUMNS = (
    *("user", "arn", "user_creation_time"),
    *_PASSWORD_COLUMNS,
    "mfa_active",
    *(f"access_key_{place}_{column}" for place in (1, 2) for column in _KEY_COLUMNS),
    *(f"cert_{place}_{column}" for place in (1, 2) for column in ("active", "last_rotated")),
)
ROOT = "<root_account>"
NO_PASSWORD = ("false", NOT_USED, NOT_USED, NOT_USED)
NO_PASSWORD_OF_ROOT = ("not_supported", NEVER, "not_supported", "not_supported")
"""A root user has no password. A report says the same of every account's root that never signed in with one;
password_last_used has no "not_supported"."""
NO_CERTIFICATES = ("false", NOT_USED, "false", NOT_USED)


@dataclass(frozen=True, slots=True)
class _Person:
    """A row before its times are looked up. `id`: of a root, its account. `keys` are the access keys by id, the oldest first."""

    id: str
    name: str
    arn: str
    created: int
    keys: Sequence[tuple[str, AccessKey]]
    login: LoginProfile | None = None
    has_mfa: bool = False


@dataclass(frozen=True, slots=True)
class _Past:
    """`uses` by access key, `logins` (microseconds since the epoch) by the user's unique id."""

    uses: Mapping[str, LastUse]
    logins: Mapping[str, int]


def report_made(request: Request, world: World) -> Answer:
    """Nothing is prepared: a report is made when it is fetched, so it is never old."""
    return {"State": "COMPLETE"}


async def credential_report(request: Request, world: World, recall: Recall) -> Answer:
    """Raises Unavailable."""
    account = world.accounts[request.caller.account]
    people = _people(account, world)
    uses = await recall.last_uses_of([(each.id, key) for each in people for key, _ in each.keys[:2]])
    logins = await recall.last_logins([each.id for each in people if each.login is not None])
    past, policy = _Past(uses, logins), account.password_policy
    text = await long_aside(account.id, _report, people, past, policy, world.region)
    generated = iam_descriptions.seconds(request.at)
    return {"Content": text.encode(), "ReportFormat": "text/csv", "GeneratedTime": generated}


def _people(account: Account, world: World) -> list[_Person]:
    directory = world.directory
    of_root = [
        (key, AccessKey(status, account.created)) for key, status in account.access_keys.items() if status == ACTIVE
    ]
    people = [_Person(account.id, ROOT, root_arn(account.id), account.created, of_root)]
    for name in directory.listed.get((USER, account.id), ()):
        user = directory.identities[directory.ids[USER, account.id, name]]
        keys = sorted(user.access_keys.items(), key=lambda item: item[1].created)
        has_mfa = bool(directory.mfa.of(user.id))
        people.append(_Person(user.id, user.name, user.arn, user.created, keys, user.login, has_mfa))
    return people


def _report(people: Sequence[_Person], past: _Past, policy: PasswordPolicy | None, region: str) -> str:
    """Runs beside the event loop: an account may have thousands of users, and other callers must not wait."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in people:
        row = [each.name, each.arn, _time(each.created), *_password(each, past, policy)]
        row.append("true" if each.has_mfa else "false")
        for place in range(2):
            row += _columns(each.keys[place] if place < len(each.keys) else None, past.uses, region)
        writer.writerow([*row, *NO_CERTIFICATES])
    return text.getvalue()


def _password(person: _Person, past: _Past, policy: PasswordPolicy | None) -> Sequence[str]:
    if person.login is None:
        return NO_PASSWORD_OF_ROOT if person.name == ROOT else NO_PASSWORD
    changed, used = person.login.changed, past.logins.get(person.id)
    expires = policy.max_age * DAY_MICROS if policy is not None else 0
    return (
        "true",
        NEVER if used is None else _time(used),
        _time(changed),
        _time(changed + expires) if expires else NOT_USED,
    )


def _columns(held: tuple[str, AccessKey] | None, uses: Mapping[str, LastUse], region: str) -> list[str]:
    if held is None:
        return ["false", *[NOT_USED] * 4]
    access_key, key = held
    use = uses.get(access_key)
    used = [NOT_USED] * 3 if use is None else [_time(use.at), region, use.service]
    return ["true" if key.status == ACTIVE else "false", _time(key.created), *used]


def _time(micros: int) -> str:
    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
