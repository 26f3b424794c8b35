"""A change of a key policy that is judged later, as a document with everything that the rules read of the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from domain.alerts.change import Change, Facts, Version
from domain.alerts.settings import AlertSettings
from domain.log.codec import event_document, event_from
from domain.state.documents import account_document, account_from, key_document, key_from
from domain.state.world import World

VERSION = 1


def document(change: Change, source: Mapping[str, Any], told: Sequence[str]) -> dict[str, Any]:
    """`told` are the ids of the alerts that the change has raised already."""
    world = change.alone().world
    return {
        "v": VERSION,
        "event": event_document(change.event),
        "region": world.region,
        "accounts": [account_document(each) for each in world.accounts.values()],
        "keys": [{"key": key_document(each), "policy": each.policy_text} for each in world.keys.values()],
        "at": change.at,
        "position": change.position,
        "caller": change.caller,
        "account": change.account,
        "operation": change.operation,
        "versions": [asdict(each) for each in change.facts.versions],
        "source": dict(source),
        "told": list(told),
    }


def change_from(held: Mapping[str, Any], settings: AlertSettings) -> Change:
    world = World(region=held["region"])
    world.accounts = {each["id"]: account_from(each) for each in held["accounts"]}
    for each in held["keys"]:
        world.add_key(key_from(each["key"], each["policy"]))
    return Change(
        event_from(held["event"]),
        world,
        held["at"],
        held["position"],
        caller=held["caller"],
        account=held["account"],
        operation=held["operation"],
        facts=Facts(versions=tuple(Version(**each) for each in held["versions"])),
        known_accounts=settings.known_accounts,
        allow=settings.allow,
    )
