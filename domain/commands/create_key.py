"""CreateKey: a new key with its material and exactly one key policy, named `default`.

Source: KMS API reference, CreateKey; developer guide, key-policy-default. The API makes the key id and the material,
and seals the material, before it sends the command. This rule gets only the material's id and fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.arn import key_arn
from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.commands.rules import CommandRules
from domain.crypto.specs import ENCRYPT_DECRYPT, SPECS, SYMMETRIC_DEFAULT
from domain.errors import (
    AlreadyExists,
    InvalidRequest,
    InvalidTag,
    LimitExceeded,
    MalformedPolicy,
    UnsupportedOperation,
)
from domain.keys.key import Key, created
from domain.keys.origins import AWS_KMS, EXTERNAL
from domain.log.events import KeyCreated
from domain.policy.check import check_policy
from domain.policy.default import default_key_policy
from domain.policy.parse import KEY
from domain.state.principals import principals_of
from domain.state.world import World

MAX_TAGS = 50
RESERVED = "aws:"
TOO_MANY = "Too many tags"


@dataclass(frozen=True, slots=True)
class CreateKey:
    """`spec` and `usage` are as requested, "" if left out. The API makes key, material, fingerprint and public_key; the
    last three are "" for a key whose material is to be imported."""

    key: str
    spec: str
    usage: str
    origin: str
    multi_region: bool
    key_store: bool
    description: str
    policy: str | None
    bypass_lockout_check: bool
    tags: Sequence[tuple[str, str]]
    material: str
    fingerprint: str
    public_key: str


def spec_and_usage(spec: str, usage: str) -> tuple[str, str]:
    """The spec and usage that a request means. Raises UnsupportedOperation, InvalidRequest."""
    spec = spec or SYMMETRIC_DEFAULT
    if spec not in SPECS:
        raise UnsupportedOperation(f"KeySpec {spec} is not supported by this version of Keytrail.")
    if not usage:
        if not SPECS[spec].symmetric:
            raise InvalidRequest(
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
            )
        usage = ENCRYPT_DECRYPT
    if usage not in SPECS[spec].algorithms:
        raise InvalidRequest(f"KeyUsage {usage} is not compatible with KeySpec {spec}")
    return spec, usage


def required_permissions(command: CreateKey, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """Creating is on no key (#operations-on-no-key). Tagging is on a key, and on no particular one, since its id is new: the
    example of the developer guide's tag-permissions allows it on `key/*`."""
    create = may(caller, "kms:CreateKey", in_account("*", caller.account))
    if not command.tags:
        return (create,)
    any_key = in_account(key_arn(world.region, caller.account, "*"), caller.account)
    return create, may(caller, "kms:TagResource", any_key)


def decide(command: CreateKey, caller: Caller, world: World) -> KeyCreated:
    """Raises UnsupportedOperation, InvalidRequest, InvalidTag, LimitExceeded, MalformedPolicy (also for a lock-out)."""
    if command.multi_region:
        raise UnsupportedOperation("Multi-Region keys are not supported by this version of Keytrail.")
    if command.origin not in (AWS_KMS, EXTERNAL) or command.key_store:
        raise UnsupportedOperation(f"Origin {command.origin} is not supported by this version of Keytrail.")
    spec, usage = spec_and_usage(command.spec, command.usage)
    if bool(command.material) != (command.origin == AWS_KMS):
        raise InvalidRequest("The command carries key material just where the origin is AWS_KMS.")
    if command.key in world.keys:
        raise AlreadyExists(f"Key {command.key} exists already.")
    if world.own_keys(caller.account) >= world.limits.keys:
        raise LimitExceeded(f"An account has at most {world.limits.keys} keys.")
    tags = require_tags(command.tags)
    policy = default_key_policy(caller.account) if command.policy is None else command.policy
    event = KeyCreated(
        key=command.key,
        account=caller.account,
        spec=spec,
        usage=usage,
        origin=command.origin,
        description=command.description,
        policy=policy,
        tags=tags,
        material=command.material,
        fingerprint=command.fingerprint,
        public_key=command.public_key,
        bypassed_lockout_check=command.bypass_lockout_check,
        locked_out=False,
        principals=principals_of(check_policy(policy, KEY), world, caller.account),
        manager="",
        alias="",
    )
    locked_out = is_locked_out(created(event, world.region, world.at), caller, world)
    # Only a policy that the caller provides is checked (API reference, CreateKey, Policy). With the default policy the
    # account may put one, and so may every principal who can give permissions in the account.
    if locked_out and command.policy is not None and not command.bypass_lockout_check:
        raise lockout()
    return replace(event, locked_out=locked_out)


def is_locked_out(key: Key, caller: Caller, world: World) -> bool:
    """Whether the caller could not call PutKeyPolicy on the resulting key, even through delegation to identity policies
    (developer guide, key-policy-default)."""
    return not may(caller, "kms:PutKeyPolicy", world.resource_of_draft(key)).allowed


def lockout() -> MalformedPolicy:
    """The refusal by the lock-out safety check (developer guide, key-policy-modifying)."""
    return MalformedPolicy("The new key policy will not allow you to update the key policy in the future.")


def require_tags(tags: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Raises InvalidTag: more than 50 tags, the reserved prefix, or the same key twice."""
    require_room(len(tags))
    require_unreserved(key for key, _ in tags)
    result = dict(tags)
    if len(result) < len(tags):
        raise InvalidTag("Duplicate tag keys")
    return result


def require_room(count: int) -> None:
    if count > MAX_TAGS:
        raise InvalidTag(TOO_MANY)


def require_unreserved(keys: Iterable[str]) -> None:
    """The prefix is reserved in any case, although two tags may differ only in case (developer guide, tagging-keys)."""
    if any(key.lower().startswith(RESERVED) for key in keys):
        raise InvalidTag("Tags beginning with aws: are reserved")


RULES: CommandRules = {
    CreateKey: (required_permissions, decide),
}
