"""The key aggregate: immutable, made anew by each event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch

from domain.arn import key_arn
from domain.crypto.specs import SPECS, Spec
from domain.keys.states import State
from domain.policy.compile import CompiledPolicy, compile_key_policy
from domain.trail import events


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key as it is at one position. `created` is microseconds since the epoch."""

    id: str
    arn: str
    account: str
    spec: Spec
    usage: str
    origin: str
    description: str
    state: State
    created: int
    material: str
    fingerprint: str
    public_key: str
    tags: Mapping[str, str]
    policy_text: str
    policy_version: int
    policy: CompiledPolicy


def created(event: events.KeyCreated, region: str, at: int) -> Key:
    arn = key_arn(region, event.account, event.key)
    return Key(
        id=event.key,
        arn=arn,
        account=event.account,
        spec=SPECS[event.spec],
        usage=event.usage,
        origin=event.origin,
        description=event.description,
        state=State.ENABLED,
        created=at,
        material=event.material,
        fingerprint=event.fingerprint,
        public_key=event.public_key,
        tags=event.tags,
        policy_text=event.policy,
        policy_version=1,
        policy=compile_key_policy(event.policy, arn, 1),
    )


@singledispatch
def evolve(event: object, key: Key) -> Key:
    """The key after an event of its own. Never refuses."""
    raise TypeError(f"{type(event).__name__} is not an event of a key")


@evolve.register
def _(event: events.KeyEnabled, key: Key) -> Key:
    return replace(key, state=State.ENABLED)


@evolve.register
def _(event: events.KeyDisabled, key: Key) -> Key:
    return replace(key, state=State.DISABLED)


@evolve.register
def _(event: events.KeyDescribed, key: Key) -> Key:
    return replace(key, description=event.description)


@evolve.register
def _(event: events.PolicyReplaced, key: Key) -> Key:
    return replace(
        key,
        policy_text=event.policy,
        policy_version=event.version,
        policy=compile_key_policy(event.policy, key.arn, event.version),
    )
