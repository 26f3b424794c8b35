"""The key that a service manages for an account, made when the service first needs it.

Source: developer guide, concepts (AWS managed keys): KeyManager AWS, the alias `alias/aws/SERVICE`, a policy that the
account cannot change, rotated every year. The account looks at it and uses it through the service.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.aliases.alias import RESERVED
from domain.arn import alias_arn
from domain.authorization.caller import Caller
from domain.authorization.verdict import ITS_OWN, Verdict
from domain.commands.rules import CommandRules
from domain.crypto.specs import ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT
from domain.errors import AccessRefused, AlreadyExists, NoSuchEntity
from domain.identities.account import Service
from domain.keys.origins import AWS_KMS
from domain.log.events import KeyCreated
from domain.policy.default import service_key_policy
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class CreateServiceKey:
    """`account` is the account that the key is for. The API makes key, material and fingerprint."""

    account: str
    key: str
    material: str
    fingerprint: str


def alias_for(service: Service) -> str:
    return RESERVED + service.alias


def _service(caller: Caller, world: World) -> Service:
    found = next((each for each in world.services.values() if each.name == caller.principal), None)
    if found is None:
        raise AccessRefused(f"{caller.principal} is no service of this installation.")
    return found


def required_permissions(command: CreateServiceKey, caller: Caller, world: World) -> tuple[Verdict, ...]:
    alias = alias_for(_service(caller, world))
    return (Verdict(True, "kms:CreateKey", alias_arn(world.region, command.account, alias), ITS_OWN),)


def decide(command: CreateServiceKey, caller: Caller, world: World) -> KeyCreated:
    """Raises AlreadyExists (another call was first), NoSuchEntity (the account is not hosted here)."""
    service = _service(caller, world)
    alias = alias_for(service)
    if command.account not in world.accounts:
        raise NoSuchEntity(f"Account {command.account} is not hosted here.")
    if (command.account, alias) in world.aliases:
        raise AlreadyExists(f"Account {command.account} has {alias} already.")
    return KeyCreated(
        key=command.key,
        account=command.account,
        spec=SYMMETRIC_DEFAULT,
        usage=ENCRYPT_DECRYPT,
        origin=AWS_KMS,
        description=f"Default key that protects what {service.name} keeps when no other key is defined",
        policy=service_key_policy(service.alias, command.account, world.region),
        tags={},
        material=command.material,
        fingerprint=command.fingerprint,
        public_key="",
        bypassed_lockout_check=False,
        locked_out=True,
        principals={},
        manager=service.name,
        alias=alias,
    )


RULES: CommandRules = {
    CreateServiceKey: (required_permissions, decide),
}
