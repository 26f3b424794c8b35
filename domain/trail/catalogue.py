"""The catalogue: every event type by its wire name. docs/events.md is generated from this table."""

from __future__ import annotations

from dataclasses import dataclass

from domain.trail import events


@dataclass(frozen=True, slots=True)
class EventType:
    """`name` with its version is the wire name, for ever; `event` holds the newest version's fields."""

    name: str
    version: int
    event: type
    summary: str

    @property
    def wire(self) -> str:
        return f"{self.name}.v{self.version}"


_ROWS = (
    EventType("log.created", 1, events.LogCreated, "log {log} created in {region}"),
    EventType("writer.started", 1, events.WriterStarted, "writer {writer} took over"),
    EventType("commands.skipped", 1, events.CommandsSkipped, "commands {from_command} to {to_command} skipped"),
    EventType("account.created", 1, events.AccountCreated, "account {account} created"),
    EventType("access-key.created", 1, events.AccessKeyCreated, "access key {access_key} created"),
    EventType("access-key.disabled", 1, events.AccessKeyDisabled, "access key {access_key} disabled"),
    EventType("key.created", 1, events.KeyCreated, "{spec} key created for {usage}"),
    EventType("key.enabled", 1, events.KeyEnabled, "key enabled"),
    EventType("key.disabled", 1, events.KeyDisabled, "key disabled"),
    EventType("key.described", 1, events.KeyDescribed, "description set to {description!r}"),
    EventType("key.policy-replaced", 1, events.PolicyReplaced, "policy replaced by version {version}"),
    EventType("alias.created", 1, events.AliasCreated, "{alias} created"),
    EventType("alias.moved", 1, events.AliasMoved, "{alias} moved from key {previous_key}"),
    EventType("alias.deleted", 1, events.AliasDeleted, "{alias} deleted"),
)

CATALOGUE: dict[str, EventType] = {row.wire: row for row in _ROWS}
WIRE_NAMES: dict[type, str] = {row.event: row.wire for row in _ROWS}
