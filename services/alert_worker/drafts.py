"""The rules over a draft of a new key's policy, without a server."""

from __future__ import annotations

from typing import Any

from domain.alerts.change import Change
from domain.alerts.engine.alert import Alert
from domain.alerts.engine.judge import Judge
from domain.alerts.engine.telling import telling
from domain.identities.account import ACTIVE, Account
from domain.keys.origins import AWS_KMS
from domain.log.events import KeyCreated
from domain.policy.check import check_policy
from domain.policy.parse import KEY
from domain.state.world import World
from services.adapters import alerts_file
from services.settings import Settings

NO_KEY = "00000000-0000-0000-0000-000000000000"


def of_new_key(settings: Settings, text: str, account: str, key: str = NO_KEY) -> list[dict[str, Any]]:
    """The alerts that a new key with this policy would raise. Raises MalformedPolicy, LimitExceeded, BadSetting."""
    check_policy(text, KEY)
    own = alerts_file.load(settings).settings
    world = World(region=settings.region)
    world.accounts[account] = Account(account, 0, {"draft": ACTIVE})
    event = KeyCreated(
        key,
        account,
        "SYMMETRIC_DEFAULT",
        "ENCRYPT_DECRYPT",
        AWS_KMS,
        "",
        text,
        {},
        "",
        "",
        "",
        False,
        False,
        {},
        "",
        "",
    )
    change = Change(
        event, world, 0, 0, caller="the draft", account=account, operation="CreateKey",
        known_accounts=own.known_accounts,
    )  # fmt: skip
    return [shown(each) for each in Judge("draft", own, settings.region).of_change(change, {})]


def shown(alert: Alert) -> dict[str, Any]:
    """An alert that was not raised."""
    document = alert.document()
    found = {name: document[name] for name in document if name not in ("v", "log")}
    # Nobody can take up an alert that was not raised.
    return found | {name: told for name, told in telling(found).items() if name != "commands"}
