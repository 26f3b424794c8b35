"""The key aggregate: immutable, made anew by each event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch

from domain.access.question import Resource
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
    principals: Mapping[str, str]
    """The unique id that each hosted principal's ARN in the policy meant when it was put."""
    policy: CompiledPolicy
    resource: Resource
    """The key as the evaluator sees it, without its aliases and grants, which the world holds."""


def resource_of(key: Key) -> Resource:
    """Source of the condition keys: developer guide, conditions-kms."""
    context: dict[str, tuple[str, ...]] = {
        "aws:resourceaccount": (key.account,),
        "kms:keyspec": (key.spec.name,),
        "kms:keyusage": (key.usage,),
        "kms:customermasterkeyspec": (key.spec.name,),
        "kms:customermasterkeyusage": (key.usage,),
        "kms:keyorigin": (key.origin,),
        "kms:multiregion": ("false",),
    }
    for name, value in key.tags.items():
        folded = f"aws:resourcetag/{name.lower()}"
        context[folded] = (*context.get(folded, ()), value)
    return Resource(key.arn, key.account, key.policy, context)


def with_resource(key: Key) -> Key:
    return replace(key, resource=resource_of(key))


NOWHERE = Resource("", "")


def with_policy(key: Key, text: str, version: int, principals: Mapping[str, str]) -> Key:
    """The key under another policy. Raises what parse_policy raises."""
    compiled = compile_key_policy(text, key.arn, version, principals)
    return with_resource(replace(key, policy_text=text, policy_version=version, principals=principals, policy=compiled))


def created(event: events.KeyCreated, region: str, at: int) -> Key:
    arn = key_arn(region, event.account, event.key)
    return with_resource(
        Key(
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
            principals=event.principals,
            policy=compile_key_policy(event.policy, arn, 1, event.principals),
            resource=NOWHERE,
        )
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
    return with_policy(key, event.policy, event.version, event.principals)
