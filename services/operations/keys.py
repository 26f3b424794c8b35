"""CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey, UpdateKeyDescription."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from domain.crypto.specs import ENCRYPT_DECRYPT, KEY_AGREEMENT, SIGN_VERIFY
from domain.errors import InvalidMarker, InvalidRequest, Refusal, UnsupportedOperation
from domain.keys import key as keys
from domain.keys.change_key import DisableKey, EnableKey, UpdateKeyDescription
from domain.keys.create_key import MAX_TAGS, CreateKey, spec_and_usage
from domain.keys.key import Key
from domain.keys.states import State
from domain.world import World
from services.operations.rows import Answer, Changed, Made, Maker, Materials, Parameters, Request, Target


def requested_spec(parameters: Parameters) -> str:
    if "KeySpec" in parameters and "CustomerMasterKeySpec" in parameters:
        raise InvalidRequest(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated."
        )
    return str(parameters.get("KeySpec") or parameters.get("CustomerMasterKeySpec") or "")


async def prepare_create_key(request: Request, maker: Maker) -> Made:
    """The key's material; none where the writer will refuse the request anyway."""
    try:
        spec, _ = spec_and_usage(requested_spec(request.parameters), request.get("KeyUsage", ""))
    except Refusal:
        return {"key": str(uuid4())}
    return await maker.material(spec)


def create_key(parameters: Parameters, made: Made) -> CreateKey:
    return CreateKey(
        key=made["key"],
        spec=requested_spec(parameters),
        usage=parameters.get("KeyUsage", ""),
        origin=parameters.get("Origin", "AWS_KMS"),
        multi_region=parameters.get("MultiRegion", False),
        key_store="CustomKeyStoreId" in parameters or "XksKeyId" in parameters,
        description=parameters.get("Description", ""),
        policy=parameters.get("Policy"),
        bypass_lockout_check=parameters.get("BypassPolicyLockoutSafetyCheck", False),
        tags=[(tag["TagKey"], tag["TagValue"]) for tag in parameters.get("Tags", [])],
        material=made.get("material", ""),
        fingerprint=made.get("fingerprint", ""),
        public_key=made.get("public_key", ""),
    )


def key_created(changed: Changed) -> Answer:
    return {"KeyMetadata": metadata(keys.created(changed.event, changed.world.region, changed.at))}


def metadata(key: Key) -> Answer:
    """KeyMetadata as the API reference lists it; members that do not apply are left out."""
    result: Answer = {
        "AWSAccountId": key.account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": key.created / 1_000_000,
        "Enabled": key.state is State.ENABLED,
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": key.state.value,
        "Origin": key.origin,
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": key.spec.name,
        "KeySpec": key.spec.name,
        "MultiRegion": False,
    }
    if key.usage == ENCRYPT_DECRYPT:
        result["EncryptionAlgorithms"] = list(key.spec.encryption)
    elif key.usage == SIGN_VERIFY:
        result["SigningAlgorithms"] = list(key.spec.signing)
    if key.spec.symmetric:
        result["CurrentKeyMaterialId"] = key.material
    return result


def describe_targets(request: Request, world: World) -> Sequence[Target]:
    return [Target("kms:DescribeKey", world.key(request["KeyId"], request.caller.account, aliases=True))]


async def describe_key(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    return {"KeyMetadata": metadata(found[0])}


def list_keys(request: Request, world: World) -> Answer:
    account, limit = request.caller.account, request.get("Limit", 100)
    if "SELF" not in request.get("ResourceOwners", ["SELF"]):
        return page("Keys", [], None)  # nothing is shared through Resource Access Manager, which is not here
    ids = world.keys_of(account, after_marker(request), limit + 1)
    items = [{"KeyId": each, "KeyArn": world.keys[each].arn} for each in ids[:limit]]
    return page("Keys", items, ids[limit - 1] if len(ids) > limit else None)


def page(name: str, items: list[Any], marker: str | None) -> Answer:
    """A page of a list. `marker` is the last item's name where there is more behind it."""
    result: Answer = {name: items, "Truncated": marker is not None}
    if marker is not None:
        result["NextMarker"] = "after:" + marker
    return result


def after_marker(request: Request) -> str:
    """Raises InvalidMarker for one that no answer gave."""
    marker = request.get("Marker")
    if marker is None:
        return ""
    if not marker.startswith("after:"):
        raise InvalidMarker("The marker is not one that an earlier answer gave.")
    return str(marker.removeprefix("after:"))


def enable_key(parameters: Parameters, made: Made) -> EnableKey:
    return EnableKey(parameters["KeyId"])


def disable_key(parameters: Parameters, made: Made) -> DisableKey:
    return DisableKey(parameters["KeyId"])


def update_key_description(parameters: Parameters, made: Made) -> UpdateKeyDescription:
    return UpdateKeyDescription(parameters["KeyId"], parameters["Description"])


def public_key_targets(request: Request, world: World) -> Sequence[Target]:
    return [Target("kms:GetPublicKey", world.key(request["KeyId"], request.caller.account, aliases=True))]


async def get_public_key(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    if key.spec.symmetric:
        raise UnsupportedOperation(f"{key.arn} is a symmetric key and has no public key.")
    result: Answer = {
        "KeyId": key.arn,
        "PublicKey": b64decode(key.public_key),
        "CustomerMasterKeySpec": key.spec.name,
        "KeySpec": key.spec.name,
        "KeyUsage": key.usage,
    }
    if key.usage == ENCRYPT_DECRYPT:
        result["EncryptionAlgorithms"] = list(key.spec.encryption)
    elif key.usage == SIGN_VERIFY:
        result["SigningAlgorithms"] = list(key.spec.signing)
    elif key.usage == KEY_AGREEMENT:
        result["KeyAgreementAlgorithms"] = ["ECDH"]
    return result


def rotation_targets(request: Request, world: World) -> Sequence[Target]:
    return [Target("kms:GetKeyRotationStatus", world.key(request["KeyId"], request.caller.account))]


async def get_key_rotation_status(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    """No key rotates by itself in this version of Keytrail."""
    return {"KeyId": found[0].arn, "KeyRotationEnabled": False}


def tags_targets(request: Request, world: World) -> Sequence[Target]:
    return [Target("kms:ListResourceTags", world.key(request["KeyId"], request.caller.account))]


async def list_resource_tags(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    after, limit = after_marker(request), request.get("Limit", MAX_TAGS)
    tags = [(key, value) for key, value in sorted(found[0].tags.items()) if key > after or not after]
    items = [{"TagKey": key, "TagValue": value} for key, value in tags[:limit]]
    return page("Tags", items, tags[limit - 1][0] if len(tags) > limit else None)
