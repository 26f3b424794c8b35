"""What a change of a trail needs before it and what it makes, as slots that are full or empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from domain.cloudtrail.record import TrailReading
from domain.policy import unseen
from domain.state.world import World

Slot = tuple[str, ...]
"""A place that a change writes: what it is, whose it is, and which."""
Value = str | None
"""The content of a slot; None if it is empty."""
PRESENT, ABSENT = True, False
UNKNOWN = True
"""It is not known whether a slot is full."""
OWNED = frozenset({"inline", "attached", "member", "members", "access key"})
"""Slots that begin with what they are and whose they are: a kind, an account and a name."""
MAKES, CHANGES, TAKES, ENDS = range(4)
"""The order of changes that the slots leave open."""


@dataclass(slots=True)
class Step:
    """`needs`: slots that must be full or empty before the step. `others`: slots that may hold anything except this
    value. `clear`: every slot with this beginning must be empty. `spared`: the beginning of a slot that may be full all the
    same, and the slot whose content is the rest of its name. `room`: fewer than VERSIONS of these slots may be full.
    `resets`: every slot with this beginning is empty after the step. `left_empty`: slots that the step writes, except where
    they are empty while another slot is full."""

    id: str
    rank: int = CHANGES
    needs: dict[Slot, bool] = field(default_factory=dict)
    clear: tuple[Slot, ...] = ()
    writes: dict[Slot, Value] = field(default_factory=dict)
    others: dict[Slot, str] = field(default_factory=dict)
    spared: tuple[Slot, Slot] | None = None
    room: tuple[Slot, ...] = ()
    resets: tuple[Slot, ...] = ()
    left_empty: dict[Slot, Slot] = field(default_factory=dict)

    def leaves(self, slot: Slot) -> Value | bool:
        """The content of a slot after the step, unless the slot is left empty; UNKNOWN if the step does not touch it."""
        if slot in self.writes:
            return self.writes[slot]
        return None if begins(slot, self.resets) else UNKNOWN


def begins(slot: Slot, prefixes: tuple[Slot, ...]) -> bool:
    return any(slot[: len(each)] == each for each in prefixes)


def once(step: Step, slot: Slot) -> None:
    """The step makes something whose id is never used again."""
    step.needs[slot] = step.needs[("used", *slot)] = ABSENT


def ended(step: Step, slot: Slot) -> None:
    step.rank = TAKES
    step.needs[slot] = PRESENT
    step.writes[slot], step.writes[("used", *slot)] = None, "yes"


def mark(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def identity(kind: str, account: str, name: str) -> Slot:
    return ("identity", kind, account, name.lower())


def tags_told(reading: TrailReading) -> Mapping[str, str]:
    found = {}
    for each in reading.parameters.get("Tags") or ():
        if isinstance(each, dict):
            found[str(each.get("TagKey", each.get("Key")))] = str(each.get("TagValue", each.get("Value")))
    return found


_NAMED = re.compile(r'"arn:aws[\w-]*:iam::(\d{12}):(user|role)/(?:[^"*/]+/)*+([^"*/]+)"')


def names_there(policy: str, step: Step) -> None:
    """A key policy can name only identities that exist."""
    for account, kind, name in _NAMED.findall(policy):
        step.needs.setdefault(identity(kind, account, name), PRESENT)


def before(slot: Slot, world: World) -> Value | bool:
    """The content of a slot before a second: "yes" or a value if it is full, None if it is empty, UNKNOWN if nobody
    knows."""
    what, directory = slot[0], world.directory
    if what in ("identity", "inline", "attached", "member", "access key"):
        held = directory.find(slot[1], slot[2], slot[3])
        if what == "identity":
            return UNKNOWN if held is None else held.id
        if held is None:
            return UNKNOWN
        full = {
            "inline": lambda: slot[4] in held.inline,
            "attached": lambda: slot[4] in held.attached,
            "member": lambda: slot[4] in {directory.identities[group].name.lower() for group in held.groups},
            "access key": lambda: slot[4] in held.access_keys,
        }[what]()
        return "yes" if full else UNKNOWN if unseen.NAME in held.inline else None
    if what == "policy":
        return "yes" if slot[1] in directory.policies else UNKNOWN
    if what in ("version", "default", "counted"):
        policy = directory.policies.get(slot[1])
        if policy is None:
            return UNKNOWN
        seen = not any(unseen.is_document(each.document) for each in policy.versions.values())
        if what == "default":
            return policy.default if seen else UNKNOWN
        if what == "counted":
            return "yes" if int(slot[2][1:]) <= policy.latest else None if seen else UNKNOWN
        return "yes" if slot[2] in policy.versions else None if seen else UNKNOWN
    if what == "key":
        return "yes" if slot[1] in world.keys else None if slot[1] in world.deleted else UNKNOWN
    key = world.keys.get(slot[1]) if len(slot) > 1 else None
    if what in ("deletion", "enabled", "material") and key is not None and not unseen.unseen_of(key.tags):
        here = any(each.stored for each in key.materials)
        return "yes" if {"deletion": bool(key.deletion), "enabled": key.enabled, "material": here}[what] else None
    if what == "alias":
        found = world.alias_index.of(slot[1]).get((slot[2], slot[3]))
        return UNKNOWN if found is None else found.key
    if what == "grant":
        return "yes" if any(slot[1] in grants for grants in world.grants.values()) else UNKNOWN
    return UNKNOWN
