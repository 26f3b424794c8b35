"""Virtual MFA devices are made, given to a user, synchronised, taken back and deleted; and a code of one is used, once.

A code is compared with the device's seed by the API, which alone opens the vault. The command says which step the code is
of, or what was wrong with it. That the code was not used before is decided here, on the log, where all workers agree
which of two uses was the first.

Source: IAM API reference, CreateVirtualMFADevice, EnableMFADevice, ResyncMFADevice, DeactivateMFADevice and
DeleteVirtualMFADevice; RFC 6238, section 5.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import NO_PERMISSION_NEEDED, Verdict
from domain.commands.identity_permissions import on_identity, on_mfa_device, on_new
from domain.commands.rules import CommandRules
from domain.commands.users_and_groups import owner_of_keys
from domain.errors import AccessRefused, DeleteConflict, EntityExists, InvalidMfaCode, NoSuchEntity, refusal
from domain.identities import limits
from domain.identities.identity import USER, Identity
from domain.identities.mfa_devices import MFA, MOST_OF_USER, FoundCodes, MfaDevice
from domain.log.identity_events import (
    MfaDeviceCreated,
    MfaDeviceDeactivated,
    MfaDeviceDeleted,
    MfaDeviceEnabled,
    MfaDeviceSynchronised,
)
from domain.log.sign_in_events import MfaCodeUsed
from domain.state.world import World

USE_CODE = "UseMfaCode"
"""The name of the operation."""
INVALID_CODES = "Authentication code for device is not valid"
FAILED = "MultiFactorAuthentication failed"
WRONG_CODE = f"{FAILED} with invalid MFA one time pass code."


@dataclass(frozen=True, slots=True)
class CreateMfaDevice:
    """`seed` names the vault's row, `digest` is the SHA-256 of the seed in hex."""

    name: str
    path: str
    seed: str
    digest: str
    tags: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class EnableMfaDevice:
    user: str
    serial: str
    found: FoundCodes


@dataclass(frozen=True, slots=True)
class SynchroniseMfaDevice:
    user: str
    serial: str
    found: FoundCodes


@dataclass(frozen=True, slots=True)
class DeactivateMfaDevice:
    """`user` "": the caller."""

    user: str
    serial: str


@dataclass(frozen=True, slots=True)
class DeleteMfaDevice:
    serial: str


@dataclass(frozen=True, slots=True)
class UseMfaCode:
    """The API has found the caller's code to be right for `step`."""

    serial: str
    step: int


def device_of(user: Identity, serial: str, world: World) -> MfaDevice:
    """A device that the user has. Raises NoSuchEntity."""
    found = world.directory.mfa.by_serial.get(serial)
    if found is None or found.user != user.id:
        raise NoSuchEntity(f"MFA Device invalid for user {user.name}.")
    return found


def _require_right(found: FoundCodes, device: MfaDevice) -> None:
    """Raises what the API found, and InvalidMfaCode for codes that were used already."""
    if found.fault:
        raise refusal(found.fault, found.message)
    if found.step <= device.used:
        raise InvalidMfaCode(INVALID_CODES)


def permissions_to_create(command: CreateMfaDevice, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_new("iam:CreateVirtualMFADevice", MFA, command.path, command.name, caller, bool(command.tags))


def create(command: CreateMfaDevice, caller: Caller, world: World) -> MfaDeviceCreated:
    """Raises EntityExists, InvalidInput, LimitExceeded (tags)."""
    if (MFA, caller.account, command.name.lower()) in world.directory.ids:
        raise EntityExists("MFADevice entity at the same path and name already exists.")
    tags = limits.tags_of(command.tags, {})
    return MfaDeviceCreated(caller.account, command.name, command.path, command.seed, command.digest, tags)


def permissions_to_enable(command: EnableMfaDevice, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("EnableMFADevice", USER, command.user, caller, world)


def enable(command: EnableMfaDevice, caller: Caller, world: World) -> MfaDeviceEnabled:
    """Raises NoSuchEntity, EntityExists (somebody has the device), LimitExceeded, InvalidMfaCode."""
    user = world.directory.get(USER, caller.account, command.user)
    device = world.directory.mfa.at(command.serial, caller.account)
    if device.user:
        raise EntityExists(f"MFA Device is already in use: {command.serial}")
    limits.require_room(len(world.directory.mfa.of(user.id)), MOST_OF_USER, "MFADevicesPerUser")
    _require_right(command.found, device)
    return MfaDeviceEnabled(caller.account, device.arn, user.id, command.found.drift, command.found.step)


def permissions_to_synchronise(command: SynchroniseMfaDevice, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("ResyncMFADevice", USER, command.user, caller, world)


def synchronise(command: SynchroniseMfaDevice, caller: Caller, world: World) -> MfaDeviceSynchronised:
    """Raises NoSuchEntity, InvalidMfaCode."""
    device = device_of(world.directory.get(USER, caller.account, command.user), command.serial, world)
    _require_right(command.found, device)
    return MfaDeviceSynchronised(caller.account, device.arn, command.found.drift, command.found.step)


def permissions_to_deactivate(command: DeactivateMfaDevice, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("DeactivateMFADevice", USER, owner_of_keys(command.user, caller, world), caller, world)


def deactivate(command: DeactivateMfaDevice, caller: Caller, world: World) -> MfaDeviceDeactivated:
    """Raises NoSuchEntity."""
    user = world.directory.get(USER, caller.account, owner_of_keys(command.user, caller, world))
    return MfaDeviceDeactivated(caller.account, device_of(user, command.serial, world).arn, user.id)


def permissions_to_delete(command: DeleteMfaDevice, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_mfa_device("iam:DeleteVirtualMFADevice", command.serial, caller, world)


def delete(command: DeleteMfaDevice, caller: Caller, world: World) -> MfaDeviceDeleted:
    """Raises NoSuchEntity, DeleteConflict while a user has the device."""
    device = world.directory.mfa.at(command.serial, caller.account)
    if device.user:
        raise DeleteConflict("Cannot delete entity, must deactivate the MFA device first.")
    return MfaDeviceDeleted(caller.account, device.arn)


def no_permission_needed(command: UseMfaCode, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """Policies cannot control authentication (API reference, GetSessionToken)."""
    return (Verdict(True, f"keytrail:{USE_CODE}", caller.principal, NO_PERMISSION_NEEDED),)


def use_code(command: UseMfaCode, caller: Caller, world: World) -> MfaCodeUsed:
    """Raises AccessRefused for a device that the caller does not have (any more), and for a code that was used."""
    device = world.directory.mfa.by_serial.get(command.serial)
    if device is None or not device.user or device.user != caller.unique or command.step <= device.used:
        raise AccessRefused(WRONG_CODE)
    return MfaCodeUsed(caller.account, device.arn, device.user, command.step)


RULES: CommandRules = {
    CreateMfaDevice: (permissions_to_create, create),
    EnableMfaDevice: (permissions_to_enable, enable),
    SynchroniseMfaDevice: (permissions_to_synchronise, synchronise),
    DeactivateMfaDevice: (permissions_to_deactivate, deactivate),
    DeleteMfaDevice: (permissions_to_delete, delete),
    UseMfaCode: (no_permission_needed, use_code),
}
