"""GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial."""

from __future__ import annotations

from collections.abc import Sequence

from domain.authorization.context import Parameters
from domain.commands.import_material import EXPIRES, TOKEN_LIFE, DeleteImportedKeyMaterial, ImportKeyMaterial
from domain.crypto.wrapping import require_wrapping
from domain.keys.key import Key
from domain.log.codec import micros
from domain.state.world import World
from services.operations.rows import Answer, Maker, Materials, Preparation, RecordedChange, Request


async def get_parameters_for_import(
    request: Request, world: World, found: Sequence[Key], materials: Materials
) -> Answer:
    (key,) = found
    algorithm, spec = request["WrappingAlgorithm"], request["WrappingKeySpec"]
    require_wrapping(key.spec, algorithm, spec)
    expires = request.at + TOKEN_LIFE
    public, token = await materials.wrapping(key, algorithm, spec, expires)
    return {"KeyId": key.arn, "ImportToken": token, "PublicKey": public, "ParametersValidTo": expires / 1_000_000}


async def prepare(request: Request, maker: Maker) -> Preparation:
    return await maker.imported(request["ImportToken"], request["EncryptedKeyMaterial"], request.caller.account)


def import_key_material(parameters: Parameters, made: Preparation) -> ImportKeyMaterial:
    return ImportKeyMaterial(
        key=parameters["KeyId"],
        expiration_model=parameters.get("ExpirationModel", EXPIRES),
        valid_to=micros(parameters["ValidTo"]) if "ValidTo" in parameters else None,
        import_type=parameters.get("ImportType", ""),
        material=parameters.get("KeyMaterialId", ""),
        description=parameters.get("KeyMaterialDescription"),
        made=made,
    )


def delete_imported_key_material(parameters: Parameters, made: Preparation) -> DeleteImportedKeyMaterial:
    return DeleteImportedKeyMaterial(parameters["KeyId"], parameters.get("KeyMaterialId", ""))


def taken(changed: RecordedChange) -> Answer:
    """The answer of both: the key, and the material if the key is symmetric."""
    key, material = changed.world.keys[changed.event.key], changed.event.material
    return {"KeyId": key.arn} | ({"KeyMaterialId": material} if key.spec.symmetric and material else {})
