"""ImportKeyMaterial, DeleteImportedKeyMaterial, and the expiry of material.

Source: KMS API reference of the two; developer guide, importing-keys. The API opens the import token, unwraps the
material and seals it before it sends the command. This rule gets only the material's id and fingerprint, or the fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import DUE, Verdict
from domain.commands.change_key import on_own_key, require_origin
from domain.commands.rules import CommandRules
from domain.durations import DAY_MICROS, YEAR_DAYS
from domain.errors import (
    ExpiredImportToken,
    IncorrectKeyMaterial,
    InvalidImportToken,
    InvalidKeyState,
    InvalidRequest,
    KeyNotFound,
    refusal,
)
from domain.keys.key import Key, Material, stated
from domain.keys.origins import EXTERNAL
from domain.keys.states import require_state
from domain.log.codec import rfc3339
from domain.log.events import MaterialDeleted, MaterialExpired, MaterialImported
from domain.state.world import World

EXPIRES, DOES_NOT_EXPIRE = "KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"
NEW, EXISTING = "NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"
TOKEN_LIFE = DAY_MICROS
LONGEST = YEAR_DAYS * DAY_MICROS


@dataclass(frozen=True, slots=True)
class ImportKeyMaterial:
    """`valid_to` is in microseconds since the epoch, None if left out; a text is "" if left out. `made` holds `key` and
    `expires` of the import token. It also holds `material`, `stored`, `fingerprint` and `public_key` of the unwrapped
    material, or, if there was a fault, `fault` and `message`."""

    key: str
    expiration_model: str
    valid_to: int | None
    import_type: str
    material: str
    description: str | None
    made: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeleteImportedKeyMaterial:
    """`material` is an id, "" for the current one."""

    key: str
    material: str = ""


@dataclass(frozen=True, slots=True)
class ExpireMaterial:
    """Imported material has expired. `key` and `material` are ids."""

    key: str
    material: str


def permissions_to_import(command: ImportKeyMaterial, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:ImportKeyMaterial", command.key, caller, world)


def permissions_to_delete(command: DeleteImportedKeyMaterial, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:DeleteImportedKeyMaterial", command.key, caller, world)


def permissions_when_due(command: ExpireMaterial, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return (Verdict(True, "kms:DeleteExpiredKeyMaterial", world.keys[command.key].arn, DUE),)


def take_in(command: ImportKeyMaterial, caller: Caller, world: World) -> MaterialImported:
    """Raises UnsupportedOperation, InvalidKeyState, InvalidRequest, InvalidImportToken, ExpiredImportToken,
    InvalidCiphertext, IncorrectKeyMaterial."""
    key = world.key(command.key, caller.account)
    require_origin(key, EXTERNAL)
    require_state("ImportKeyMaterial", key.arn, key.state)
    _require_parameters(command, key)
    expires = _expiry(command, world.now)
    _require_token(command, key, world.now)
    made = command.made
    material = _known_as(key, made["material"], made["public_key"])
    pending = _is_pending(command, key, material)
    held = key.material(material)
    description = command.description if command.description is not None else (held.description if held else "")
    event = MaterialImported(
        key=key.id,
        material=material,
        stored=made["stored"],
        fingerprint=made["fingerprint"],
        public_key=made["public_key"],
        valid_to=rfc3339(expires) if expires else "",
        description=description,
        pending=pending,
        state="",
    )
    return stated(event, key)


def _require_parameters(command: ImportKeyMaterial, key: Key) -> None:
    if not key.spec.symmetric and (command.import_type or command.material or command.description is not None):
        raise InvalidRequest(
            "ImportType, KeyMaterialId and KeyMaterialDescription are for symmetric encryption keys only."
        )
    if command.import_type == NEW and command.material:
        raise InvalidRequest(f"KeyMaterialId cannot be given with ImportType {NEW}.")


def _expiry(command: ImportKeyMaterial, now: int) -> int:
    """Microseconds since the epoch, 0 for never."""
    if command.expiration_model == DOES_NOT_EXPIRE:
        if command.valid_to is not None:
            raise InvalidRequest(f"ValidTo cannot be given with ExpirationModel {DOES_NOT_EXPIRE}.")
        return 0
    if command.valid_to is None:
        raise InvalidRequest(f"A validTo date must be set if the ExpirationModel is {EXPIRES}")
    if not now < command.valid_to <= now + LONGEST:
        raise InvalidRequest("ValidTo must be in the future, and at most 365 days from now.")
    return command.valid_to


def _require_token(command: ImportKeyMaterial, key: Key, now: int) -> None:
    made = command.made
    if "key" in made:
        if made["key"] != key.id:
            raise InvalidImportToken("The import token is of another key.")
        if now > int(made["expires"]):
            raise ExpiredImportToken(
                "The import token has expired: get another, and wrap the key material again with the public key that "
                "comes with it."
            )
    if "fault" in made:
        raise refusal(made["fault"], made["message"])


def _known_as(key: Key, material: str, public_key: str) -> str:
    """The id that the material has in this key. Key pairs are told by their public half: DER has several ways to write one
    private key (RSA's exponent modulo either of two numbers, its primes in either order), and the id that the API gives depends
    on the bytes."""
    known = key.material(material) is not None or not public_key or public_key != key.public_key
    return material if known else key.current.id or material


def _is_pending(command: ImportKeyMaterial, key: Key, material: str) -> bool:
    """Whether the material waits for a rotation. Raises IncorrectKeyMaterial, InvalidKeyState."""
    held = key.material(material)
    if command.material and command.material != material:
        raise IncorrectKeyMaterial("The key material is not that of KeyMaterialId.")
    wanted = command.import_type or (EXISTING if key.materials else NEW)
    if wanted == EXISTING:
        if held is None:
            raise IncorrectKeyMaterial("The key material is not one that was imported into this key before.")
        return held.pending
    if held is not None:
        raise IncorrectKeyMaterial("The key material was imported into this key before: it is not new.")
    if key.pending is not None:
        raise InvalidKeyState(
            f"New key material (id: {material}) cannot be imported into KMS key {key.arn}, because another key material "
            f"(id: {key.pending.id}) is pending rotation."
        )
    return bool(key.materials)


def delete(command: DeleteImportedKeyMaterial, caller: Caller, world: World) -> MaterialDeleted:
    """To delete material that is already gone is not an error. Raises UnsupportedOperation, KeyNotFound (no such material)."""
    key = world.key(command.key, caller.account)
    require_state("DeleteImportedKeyMaterial", key.arn, key.state)
    require_origin(key, EXTERNAL)
    held = key.material(command.material) if command.material else key.current
    if held is None:
        raise KeyNotFound(f"Key material {command.material} of {key.arn} does not exist.")
    return stated(MaterialDeleted(key.id, held.id, held.stored, ""), key)


def expired(key: Key, now: int) -> Material | None:
    """A material of the key that has expired, or None."""
    return next((each for each in key.materials if each.has_expired(now)), None)


def expire(command: ExpireMaterial, caller: Caller, world: World) -> MaterialExpired:
    """Raises InvalidKeyState if nothing is due."""
    key = world.keys[command.key]
    held = key.material(command.material)
    if held is None or not held.has_expired(world.now):
        raise InvalidKeyState(f"Key material {command.material} of {key.arn} is not due.")
    return stated(MaterialExpired(key.id, held.id, held.stored, ""), key)


RULES: CommandRules = {
    ImportKeyMaterial: (permissions_to_import, take_in),
    DeleteImportedKeyMaterial: (permissions_to_delete, delete),
    ExpireMaterial: (permissions_when_due, expire),
}
