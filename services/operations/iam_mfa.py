"""Virtual MFA devices: from parameters to commands, and their descriptions.

Source: IAM API reference, CreateVirtualMFADevice (the URL in the QR code), ListMFADevices, ListVirtualMFADevices.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from urllib.parse import quote

import segno

from domain.authorization.context import Parameters
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import on_mfa_device
from domain.commands.mfa_devices import (
    CreateMfaDevice,
    DeactivateMfaDevice,
    DeleteMfaDevice,
    EnableMfaDevice,
    SynchroniseMfaDevice,
    device_of,
)
from domain.identities.mfa_devices import MFA, FoundCodes, MfaDevice
from domain.state.world import World
from services.operations import iam_descriptions
from services.operations.iam_lists import paged, paged_tags, user_or_caller
from services.operations.markers import after_marker
from services.operations.rows import AccessCheck, Answer, Issuer, Maker, Preparation, RecordedChange, Request

QR_MODULE = 5
"""Pixels."""


async def prepare_seed(request: Request, maker: Maker) -> Preparation:
    return await maker.mfa_seed()


async def prepare_first_codes(request: Request, maker: Maker) -> Preparation:
    return await _compared(request, "", maker)


async def prepare_codes(request: Request, maker: Maker) -> Preparation:
    return await _compared(request, request["UserName"], maker)


async def _compared(request: Request, holder: str, maker: Maker) -> Preparation:
    codes = (request["AuthenticationCode1"], request["AuthenticationCode2"])
    return await maker.mfa_codes(request["SerialNumber"], request.caller.account, holder, codes)


def create(parameters: Parameters, made: Preparation) -> CreateMfaDevice:
    return CreateMfaDevice(
        parameters["VirtualMFADeviceName"],
        parameters.get("Path", "/"),
        made["seed"],
        made["digest"],
        parameters.get("Tags", []),
    )


def created(changed: RecordedChange) -> Answer:
    event = changed.event
    device = MfaDevice(event.account, event.name, event.path, changed.at, event.seed, event.digest)
    shown: Answer = {"SerialNumber": device.arn}
    if event.tags:
        shown["Tags"] = iam_descriptions.tags(event.tags)
    return {"VirtualMFADevice": shown}


async def issue_seed(changed: RecordedChange, issuer: Issuer) -> Answer:
    """The only answer that ever has the seed. Raises Unavailable."""
    event = changed.event
    seed = await issuer.secret(event.seed)
    address = f"otpauth://totp/{quote(f'{event.name}@{event.account}')}?secret={seed}"
    picture = io.BytesIO()
    segno.make(address, micro=False).save(picture, kind="png", scale=QR_MODULE)
    answer = created(changed)
    answer["VirtualMFADevice"] |= {"Base32StringSeed": seed.encode(), "QRCodePNG": picture.getvalue()}
    return answer


def _found(made: Preparation) -> FoundCodes:
    """What the API found; nothing, if it knew no such device."""
    return FoundCodes(
        int(made.get("step") or -1), int(made.get("drift") or 0), made.get("fault", ""), made.get("message", "")
    )


def enable(parameters: Parameters, made: Preparation) -> EnableMfaDevice:
    return EnableMfaDevice(parameters["UserName"], parameters["SerialNumber"], _found(made))


def synchronise(parameters: Parameters, made: Preparation) -> SynchroniseMfaDevice:
    return SynchroniseMfaDevice(parameters["UserName"], parameters["SerialNumber"], _found(made))


def deactivate(parameters: Parameters, made: Preparation) -> DeactivateMfaDevice:
    return DeactivateMfaDevice(parameters.get("UserName", ""), parameters["SerialNumber"])


def delete(parameters: Parameters, made: Preparation) -> DeleteMfaDevice:
    return DeleteMfaDevice(parameters["SerialNumber"])


def access_on_device(action: str) -> AccessCheck:
    def access(request: Request, world: World) -> Sequence[Verdict]:
        return on_mfa_device(action, request["SerialNumber"], request.caller, world)

    return access


def list_of_user(request: Request, world: World) -> Answer:
    """Raises NoSuchEntity."""
    user = user_or_caller(request, world)
    items = ((each.arn, _held(each, user.name)) for each in world.directory.mfa.of(user.id))
    return paged("MFADevices", items, request)


def _held(device: MfaDevice, user: str) -> Answer:
    return {"UserName": user, "SerialNumber": device.arn, "EnableDate": iam_descriptions.seconds(device.enabled)}


def list_all(request: Request, world: World) -> Answer:
    account, directory = request.caller.account, world.directory
    status = request.get("AssignmentStatus", "Any")
    names = directory.page(MFA, account, after_marker(request), "/")
    devices = ((name, directory.mfa.by_serial[directory.ids[MFA, account, name]]) for name in names)
    items = (
        (name, _described(each, world))
        for name, each in devices
        if status == "Any" or (status == "Assigned") == bool(each.user)
    )
    return paged("VirtualMFADevices", items, request)


def _described(device: MfaDevice, world: World) -> Answer:
    shown: Answer = {"SerialNumber": device.arn}
    if device.user:
        shown["User"] = iam_descriptions.brief(world.directory.identities[device.user], world)
        shown["EnableDate"] = iam_descriptions.seconds(device.enabled)
    return shown


def get(request: Request, world: World) -> Answer:
    """Raises NoSuchEntity."""
    user = user_or_caller(request, world)
    return _held(device_of(user, request["SerialNumber"], world), user.name)


def list_tags(request: Request, world: World) -> Answer:
    """Raises NoSuchEntity."""
    return paged_tags(world.directory.mfa.at(request["SerialNumber"], request.caller.account).tags, request)
