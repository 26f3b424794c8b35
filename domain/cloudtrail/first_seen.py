"""Things that a record mentions and that the trail did not see made. Events of their own add them, marked as unseen."""

from __future__ import annotations

from collections.abc import Mapping

from domain.arn import ACCOUNT_ID, parse_arn
from domain.cloudtrail.iam_changes import id_without, identity_gone, identity_met
from domain.cloudtrail.keys_named import id_of
from domain.cloudtrail.record import CausedEvents, TrailReading
from domain.errors import Refusal
from domain.identities.identity import ROLE, USER
from domain.log import events as kms
from domain.policy import unseen
from domain.policy.parse import KEY, UNIQUE_ID, parse_policy
from domain.state.principals import named
from domain.state.world import World


def key_id(arn: str) -> str:
    return id_of(arn)


def named_in(reading: TrailReading, key: str) -> str:
    """`key_id` for a key that a request names by its ARN or only by its id."""
    return id_of(key if ":" in key else f"arn:aws:kms:{reading.region}:{reading.account}:key/{key}")


def keys_met(reading: TrailReading) -> tuple[str, ...]:
    """The ARNs of the keys that existed before the call. A key that was not found did not exist."""
    made_by_it = reading.service != "kms" or not reading.key or reading.operation == "CreateKey"
    if made_by_it or reading.error == "NotFoundException":
        return ()
    return tuple(dict.fromkeys((reading.key, *(arn for arn in reading.resources if ":key/" in arn))))


def key_there(world: World, arn: str) -> CausedEvents:
    key, parsed = key_id(arn), parse_arn(arn)
    # A deleted key does not come back.
    if key in world.keys or key in world.deleted or parsed is None or not key:
        return
    yield from account_there(world, parsed.account)
    yield created(key, parsed.account, unseen.policy_before(arn), {unseen.NAME: f"{unseen.POLICY}, {unseen.REST}"})


def account_there(world: World, account: str) -> CausedEvents:
    if ACCOUNT_ID.fullmatch(account) and account not in world.accounts:
        yield kms.AccountCreated(account, f"root-of-{account}")


def named_there(text: str, world: World) -> CausedEvents:
    """Adds the users and roles that a policy names: a principal that the policy may let in must exist."""
    for statement in parse_policy(text, KEY).statements:
        names = statement.principal.names if statement.principal is not None else frozenset()
        for name in sorted(names):
            yield from principal_there(name, world)


def principal_there(name: str, world: World) -> CausedEvents:
    """Adds a principal that a policy or a grant names."""
    arn = parse_arn(name)
    if arn is None or not ACCOUNT_ID.fullmatch(arn.account):
        return
    yield from account_there(world, arn.account)
    kind, _, rest = arn.resource.partition("/")
    if kind in (USER, ROLE) and name not in world.directory.by_arn:
        yield from identity_there(world, kind, name, "")
    elif kind == "assumed-role" and world.directory.find(ROLE, arn.account, rest.partition("/")[0]) is None:
        yield from identity_there(
            world, ROLE, f"arn:{arn.partition}:iam::{arn.account}:role/{rest.partition('/')[0]}", ""
        )


def created(
    key: str,
    account: str,
    policy: str,
    tags: Mapping[str, str],
    principals: Mapping[str, str] | None = None,
    **more: str,
) -> kms.KeyCreated:
    external = more.get("origin") == "EXTERNAL"
    return kms.KeyCreated(
        key=key,
        account=account,
        spec=more.get("spec", "SYMMETRIC_DEFAULT"),
        usage=more.get("usage", "ENCRYPT_DECRYPT"),
        origin=more.get("origin", "AWS_KMS"),
        description=more.get("description", ""),
        policy=policy,
        tags=tags,
        material="" if external else key,
        fingerprint="",
        public_key="",
        bypassed_lockout_check=False,
        locked_out=False,
        principals=principals or {},
        manager="",
        alias="",
    )


def caller_there(reading: TrailReading, world: World) -> CausedEvents:
    """Adds the caller. From its first call on a caller is known, with policies that were never seen."""
    if reading.principal.startswith("arn:"):
        yield from account_there(world, reading.account)
    if reading.role:
        yield from identity_there(world, ROLE, reading.role, reading.role_id)
    elif ":user/" in reading.principal:
        yield from identity_there(world, USER, reading.principal, reading.unique)


def identity_there(world: World, kind: str, arn: str, unique: str) -> CausedEvents:
    parsed = parse_arn(arn)
    directory = world.directory
    if parsed is None or not parsed.account:
        return
    # A session outlives its role or user: it does not bring them back, and is not of the next one with that name.
    if UNIQUE_ID.fullmatch(unique) and unique in (directory.ended or ()):
        return
    held = directory.by_arn.get(arn)
    if (
        held is not None
        and held.startswith("ARN:")
        and UNIQUE_ID.fullmatch(unique)
        and unique not in directory.identities
    ):
        return  # a policy named this identity before; only now is its unique id known
    unique = unique if UNIQUE_ID.fullmatch(unique) else held or id_without(arn, world)
    if held == unique or unique in directory.identities:
        return
    path, _, name = parsed.resource.partition("/")[2].rpartition("/")
    if held is not None:  # another identity with this ARN is there: it was deleted, which the trail did not see
        yield from identity_gone(directory.identities[held], world)
    other = directory.find(kind, parsed.account, name)
    if other is not None:
        yield from identity_gone(other, world)
    yield from identity_met(parsed.account, kind, unique, name, f"/{path}/" if path else "/")


def principals(text: str, world: World) -> dict[str, str]:
    """The unique ids of the principals that the policy names, as far as the trail has met them."""
    try:
        policy = parse_policy(text, KEY)
    except Refusal:
        return {}
    found = {}
    for statement in policy.statements:
        for _, name in named(statement):
            unique = world.directory.by_arn.get(name)
            if unique is not None and not unique.startswith("ARN:"):
                found[name] = unique
    return found
