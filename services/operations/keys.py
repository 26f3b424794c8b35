"""CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey, UpdateKeyDescription, GetPublicKey, tags, and deletion."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from domain.authorization.context import Parameters
from domain.commands.change_key import DisableKey, EnableKey, UpdateKeyDescription
from domain.commands.create_key import MAX_TAGS, CreateKey, spec_and_usage
from domain.commands.delete_key import LONGEST, CancelKeyDeletion, ScheduleKeyDeletion
from domain.commands.import_material import DOES_NOT_EXPIRE, EXPIRES
from domain.commands.tag_key import TagResource, UntagResource
from domain.crypto.specs import (
    ENCAPSULATE_DECAPSULATE,
    ENCRYPT_DECRYPT,
    GENERATE_VERIFY_MAC,
    KEY_AGREEMENT,
    SIGN_VERIFY,
)
from domain.errors import InvalidRequest, Refusal, UnsupportedOperation
from domain.keys import key as keys
from domain.keys.key import Key
from domain.keys.origins import AWS_KMS, EXTERNAL
from domain.keys.states import State
from domain.log.codec import micros
from domain.state.world import World
from services.operations.markers import after_marker, marker_after
from services.operations.rows import Answer, Maker, Materials, Preparation, Recall, RecordedChange, Request

SERVICE_KEY = "CreateServiceKey"
"""A command that AWS's API does not have: a service needs the key that it manages for an account, and the account does
not have one yet."""


def requested_spec(parameters: Parameters) -> str:
    if "KeySpec" in parameters and "CustomerMasterKeySpec" in parameters:
        raise InvalidRequest(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated."
        )
    return str(parameters.get("KeySpec") or parameters.get("CustomerMasterKeySpec") or "")


async def prepare_create_key(request: Request, maker: Maker) -> Preparation:
    """The key's material. None is made if it will be imported, or if the writer will refuse the request anyway."""
    if request.get("Origin", AWS_KMS) != AWS_KMS:
        return {"key": str(uuid4())}
    try:
        spec, _ = spec_and_usage(requested_spec(request.parameters), request.get("KeyUsage", ""))
    except Refusal:
        return {"key": str(uuid4())}
    return await maker.material(spec, request.caller.account)


def create_key(parameters: Parameters, made: Preparation) -> CreateKey:
    return CreateKey(
        key=made["key"],
        spec=requested_spec(parameters),
        usage=parameters.get("KeyUsage", ""),
        origin=parameters.get("Origin", AWS_KMS),
        multi_region=parameters.get("MultiRegion", False),
        key_store="CustomKeyStoreId" in parameters or "XksKeyId" in parameters,
        description=parameters.get("Description", ""),
        policy=parameters.get("Policy"),
        bypass_lockout_check=parameters.get("BypassPolicyLockoutSafetyCheck", False),
        tags=_tags(parameters),
        material=made.get("material", ""),
        fingerprint=made.get("fingerprint", ""),
        public_key=made.get("public_key", ""),
    )


def key_created(changed: RecordedChange) -> Answer:
    return {
        "KeyMetadata": metadata(
            keys.created(changed.event, changed.world.region, changed.at), changed.world, changed.at
        )
    }


def metadata(key: Key, world: World, at: int) -> Answer:
    """KeyMetadata as the API reference lists it, for a call at `at`; members that do not apply are left out."""
    state = key.state_at(at)
    result: Answer = {
        "AWSAccountId": key.account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": key.created / 1_000_000,
        "Enabled": state is State.ENABLED,
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": state.value,
        "Origin": key.origin,
        "KeyManager": "AWS" if key.manager or world.is_service(key.account) else "CUSTOMER",
        "CustomerMasterKeySpec": key.spec.name,
        "KeySpec": key.spec.name,
        "MultiRegion": False,
    }
    result |= _algorithms(key)
    if key.spec.symmetric and key.current.id:
        result["CurrentKeyMaterialId"] = key.current.id
    if key.deletion:
        result["DeletionDate"] = key.deletion / 1_000_000
    held = [each for each in key.materials if each.stored and not each.pending and not each.has_expired(at)]
    if key.origin == EXTERNAL and held:
        ends = min((each.expires for each in held if each.expires), default=0)
        result["ExpirationModel"] = EXPIRES if ends else DOES_NOT_EXPIRE
        if ends:
            result["ValidTo"] = ends / 1_000_000
    return result


ALGORITHMS: dict[str, str] = {
    ENCRYPT_DECRYPT: "EncryptionAlgorithms",
    SIGN_VERIFY: "SigningAlgorithms",
    KEY_AGREEMENT: "KeyAgreementAlgorithms",
    GENERATE_VERIFY_MAC: "MacAlgorithms",
    ENCAPSULATE_DECAPSULATE: "EncapsulationAlgorithms",
}
"""The member that lists a key's algorithms, by its usage."""


def _algorithms(key: Key) -> Answer:
    return {ALGORITHMS[key.usage]: list(key.spec.algorithms[key.usage])}


async def describe_key(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    return {"KeyMetadata": metadata(found[0], world, request.at)}


def list_keys(request: Request, world: World) -> Answer:
    account, limit = request.caller.account, request.get("Limit", 100)
    if "SELF" not in request.get("ResourceOwners", ["SELF"]):
        return page(request, "Keys", [], None)  # sharing needs Resource Access Manager, which is not here
    ids = world.keys_of(account, after_marker(request), limit + 1)
    items = [{"KeyId": each, "KeyArn": world.keys[each].arn} for each in ids[:limit]]
    return page(request, "Keys", items, ids[limit - 1] if len(ids) > limit else None)


def describe_custom_key_stores(request: Request, world: World) -> Answer:
    """There are none: tools that look for them go on. AWS's own refusal of a name is one that workers of 0.1.0 cannot answer for.
    Raises UnsupportedOperation."""
    for name in ("CustomKeyStoreId", "CustomKeyStoreName"):
        if name in request.parameters:
            raise UnsupportedOperation(
                f"There is no custom key store {request.parameters[name]}: they are not supported by this version of Keytrail."
            )
    return page(request, "CustomKeyStores", [], None)


def page(request: Request, name: str, items: list[Any], last: str | None) -> Answer:
    """A page of a list. `last` is the name of the last item if more items follow."""
    result: Answer = {name: items, "Truncated": last is not None}
    if last is not None:
        result["NextMarker"] = marker_after(request, last)
    return result


def enable_key(parameters: Parameters, made: Preparation) -> EnableKey:
    return EnableKey(parameters["KeyId"])


def disable_key(parameters: Parameters, made: Preparation) -> DisableKey:
    return DisableKey(parameters["KeyId"])


def update_key_description(parameters: Parameters, made: Preparation) -> UpdateKeyDescription:
    return UpdateKeyDescription(parameters["KeyId"], parameters["Description"])


async def get_public_key(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    if not key.spec.pair:
        raise UnsupportedOperation(f"{key.arn} is a symmetric key and has no public key.")
    return {
        "KeyId": key.arn,
        "PublicKey": b64decode(key.public_key),
        "CustomerMasterKeySpec": key.spec.name,
        "KeySpec": key.spec.name,
        "KeyUsage": key.usage,
        **_algorithms(key),
    }


async def list_resource_tags(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    after, limit = after_marker(request), request.get("Limit", MAX_TAGS)
    tags = [(key, value) for key, value in sorted(found[0].tags.items()) if key > after or not after]
    items = [{"TagKey": key, "TagValue": value} for key, value in tags[:limit]]
    return page(request, "Tags", items, tags[limit - 1][0] if len(tags) > limit else None)


def _tags(parameters: Parameters) -> list[tuple[str, str]]:
    return [(tag["TagKey"], tag["TagValue"]) for tag in parameters.get("Tags", [])]


def tag_resource(parameters: Parameters, made: Preparation) -> TagResource:
    return TagResource(parameters["KeyId"], _tags(parameters))


def untag_resource(parameters: Parameters, made: Preparation) -> UntagResource:
    return UntagResource(parameters["KeyId"], parameters["TagKeys"])


def schedule_key_deletion(parameters: Parameters, made: Preparation) -> ScheduleKeyDeletion:
    return ScheduleKeyDeletion(parameters["KeyId"], parameters.get("PendingWindowInDays", LONGEST))


def scheduled(changed: RecordedChange) -> Answer:
    event = changed.event
    return {
        "KeyId": changed.world.keys[event.key].arn,
        "DeletionDate": micros(event.due) / 1_000_000,
        "KeyState": State.PENDING_DELETION.value,
        "PendingWindowInDays": event.days,
    }


def cancel_key_deletion(parameters: Parameters, made: Preparation) -> CancelKeyDeletion:
    return CancelKeyDeletion(parameters["KeyId"])


def cancelled(changed: RecordedChange) -> Answer:
    return {"KeyId": changed.world.keys[changed.event.key].arn}


async def get_key_last_usage(request: Request, world: World, found: Sequence[Key], recall: Recall) -> Answer:
    """Every use of a key since its creation is on record, unless a retention removed the first ones."""
    (key,) = found
    used = await recall.last_use(key)
    last: Answer = {}
    if used is not None:
        last = {"Operation": used.operation, "Timestamp": used.at / 1_000_000, "KmsRequestId": used.call}
        last["CloudTrailEventId"] = used.call
    created, tracked = key.created, max(key.created, await recall.whole_since())
    dates = {"TrackingStartDate": tracked / 1_000_000, "KeyCreationDate": created / 1_000_000}
    return {"KeyId": key.arn, "KeyLastUsage": last, **dates}
