"""What a record speaks of and the trail did not see made: put there as unseen, by events of its own."""

from __future__ import annotations

from collections.abc import Mapping

from domain.arn import ACCOUNT_ID, parse_arn
from domain.cloudtrail.iam_changes import identity_met
from domain.cloudtrail.keys_named import id_of
from domain.cloudtrail.record import CausedEvents, TrailReading
from domain.errors import Refusal
from domain.identities.identity import ROLE, USER
from domain.log import events as kms
from domain.log import identity_events as iam
from domain.policy import unseen
from domain.policy.parse import KEY, UNIQUE_ID, parse_policy
from domain.state.principals import named
from domain.state.world import World


def key_id(arn: str) -> str:
    return id_of(arn)


def named_in(reading: TrailReading, key: str) -> str:
    """The same of a key that a request names by its ARN, or by its id alone."""
    return id_of(key if ":" in key else f"arn:aws:kms:{reading.region}:{reading.account}:key/{key}")


def key_there(reading: TrailReading, world: World, arn: str) -> CausedEvents:
    key, parsed = key_id(arn), parse_arn(arn)
    # A deleted key does not come back, and one that was not found was not there.
    if key in world.keys or key in world.deleted or parsed is None or not key or reading.error == "NotFoundException":
        return
    yield from account_there(world, parsed.account)
    yield created(key, parsed.account, unseen.policy_before(arn), {unseen.NAME: f"{unseen.POLICY}, {unseen.REST}"})


def account_there(world: World, account: str) -> CausedEvents:
    if ACCOUNT_ID.fullmatch(account) and account not in world.accounts:
        yield kms.AccountCreated(account, f"root-of-{account}")


def named_there(text: str, world: World) -> CausedEvents:
    """The users and roles that a policy names: whoever could, by it, is somebody."""
    for statement in parse_policy(text, KEY).statements:
        names = statement.principal.names if statement.principal is not None else frozenset()
        for name in sorted(names):
            yield from principal_there(name, world)


def principal_there(name: str, world: World) -> CausedEvents:
    """Whom a policy or a grant names."""
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
    """Whoever is met is known from then on, with policies that were never seen."""
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
    held = directory.by_arn.get(arn)
    if (
        held is not None
        and held.startswith("ARN:")
        and UNIQUE_ID.fullmatch(unique)
        and unique not in directory.identities
    ):
        return  # somebody whom a policy named, and whose unique id is learnt only now, is the same
    unique = unique if UNIQUE_ID.fullmatch(unique) else held or f"ARN:{arn}"
    if held == unique or unique in directory.identities:
        return
    path, _, name = parsed.resource.partition("/")[2].rpartition("/")
    if held is not None:  # another of the name is there: it was deleted, which the trail did not see
        yield iam.IdentityDeleted(parsed.account, kind, held, directory.identities[held].name)
    other = directory.find(kind, parsed.account, name)
    if other is not None:
        yield iam.IdentityDeleted(parsed.account, kind, other.id, other.name)
    yield from identity_met(parsed.account, kind, unique, name, f"/{path}/" if path else "/")


def principals(text: str, world: World) -> dict[str, str]:
    """The unique ids that the policy's principals meant, of those whom the trail has met."""
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
