"""EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, ListKeyRotations, RotateKeyOnDemand."""

from __future__ import annotations

from collections.abc import Sequence

from domain.arn import KEY_ID
from domain.authorization.context import Parameters
from domain.commands.import_material import DOES_NOT_EXPIRE, EXPIRES
from domain.commands.rotate_key import DisableKeyRotation, EnableKeyRotation, RotateKeyOnDemand, require_rotatable
from domain.errors import InvalidMarker
from domain.keys.key import Key, Material
from domain.keys.origins import AWS_KMS, EXTERNAL
from domain.keys.states import State
from domain.state.world import World
from services.operations.keys import page
from services.operations.markers import after_marker
from services.operations.rows import Answer, Maker, Materials, Preparation, RecordedChange, Request

USUAL = 100
ALL = "ALL_KEY_MATERIAL"


def enable_key_rotation(parameters: Parameters, made: Preparation) -> EnableKeyRotation:
    return EnableKeyRotation(parameters["KeyId"], parameters.get("RotationPeriodInDays"))


def disable_key_rotation(parameters: Parameters, made: Preparation) -> DisableKeyRotation:
    return DisableKeyRotation(parameters["KeyId"])


async def prepare(request: Request, maker: Maker) -> Preparation:
    """Makes new material. A key with imported material does not use it, and the sweep removes it."""
    key = request["KeyId"].rpartition("/")[2]
    # The vault names rows only by a key's id, never by other text that a caller writes. The writer refuses such a
    # request.
    return await maker.rotated(key) if KEY_ID.fullmatch(key) else {}


def rotate_key_on_demand(parameters: Parameters, made: Preparation) -> RotateKeyOnDemand:
    return RotateKeyOnDemand(parameters["KeyId"], made.get("material", ""), made.get("fingerprint", ""))


def rotated(changed: RecordedChange) -> Answer:
    return {"KeyId": changed.world.keys[changed.event.key].arn}


async def get_key_rotation_status(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    """Rotation is off while the key is pending deletion, whatever was set. A rotation is complete as soon as it is on
    the log. For a key without automatic rotation the answer says so. Such a key may have imported material, which is
    rotated on demand (API reference, GetKeyRotationStatus)."""
    (key,) = found
    if key.schedule is None or key.state is State.PENDING_DELETION:
        return {"KeyId": key.arn, "KeyRotationEnabled": False}
    return {
        "KeyId": key.arn,
        "KeyRotationEnabled": True,
        "RotationPeriodInDays": key.schedule.period_days,
        "NextRotationDate": key.schedule.next / 1_000_000,
    }


async def list_key_rotations(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    """In the order in which the material came. Raises UnsupportedOperation, InvalidMarker."""
    (key,) = found
    require_rotatable(key, AWS_KMS, EXTERNAL)
    limit, marker = request.get("Limit", USUAL), after_marker(request)
    wanted = [each for each in key.materials if request.get("IncludeKeyMaterial") == ALL or each.rotated]
    ids = [each.id for each in wanted]
    if marker and marker not in ids:
        raise InvalidMarker("The marker is not one that an earlier answer gave.")
    start = ids.index(marker) + 1 if marker else 0
    shown = [_rotation(key, each, request.at) for each in wanted[start : start + limit]]
    more = len(wanted) > start + limit
    return page(request, "Rotations", shown, ids[start + limit - 1] if more else None)


def _rotation(key: Key, material: Material, at: int) -> Answer:
    """RotationsListEntry as the API reference lists it; members that do not apply are left out."""
    state = "PENDING_ROTATION" if material.pending else "CURRENT" if material is key.current else "NON_CURRENT"
    result: Answer = {"KeyId": key.id, "KeyMaterialId": material.id, "KeyMaterialState": state}
    if material.rotated:
        result |= {"RotationDate": material.rotated / 1_000_000, "RotationType": material.rotation}
    if key.origin == EXTERNAL:
        held = bool(material.stored) and not material.has_expired(at)
        result["ImportState"] = "IMPORTED" if held else "PENDING_IMPORT"
        if material.description:
            result["KeyMaterialDescription"] = material.description
        if held:
            result["ExpirationModel"] = EXPIRES if material.expires else DOES_NOT_EXPIRE
        if held and material.expires:
            result["ValidTo"] = material.expires / 1_000_000
    return result
