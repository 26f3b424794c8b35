"""Encrypt, Decrypt, ReEncrypt, and the data keys.

A symmetric ciphertext names its key, so Decrypt and ReEncrypt are authorised on that key whatever the request says; an
asymmetric one names none, and KeyId is required (policy rule 28).
"""

from __future__ import annotations

import asyncio
import os
from base64 import b64decode
from collections.abc import Mapping, Sequence

from domain.access.context import re_encrypt_context
from domain.crypto import asymmetric, symmetric
from domain.crypto.specs import ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT
from domain.errors import (
    DryRunSucceeded,
    IncorrectKey,
    InvalidCiphertext,
    InvalidKeyUsage,
    InvalidRequest,
    UnsupportedOperation,
)
from domain.keys.key import Key
from domain.world import World
from services.operations.rows import Answer, Materials, Request, Target

DATA_KEY_BYTES = {"AES_128": 16, "AES_256": 32}


def carry_out_unless_dry_run(request: Request) -> None:
    if request.get("DryRun", False):
        raise DryRunSucceeded


def ignores_ciphertext(request: Request) -> bool:
    """A dry run that asks about permissions alone (API reference, Decrypt, DryRunModifiers). Raises InvalidRequest."""
    modifiers = request.get("DryRunModifiers", [])
    if modifiers and not request.get("DryRun", False):
        raise InvalidRequest("DryRunModifiers only applies when DryRun is set to true.")
    return "IGNORE_CIPHERTEXT" in modifiers


def _refuse_recipient(request: Request) -> None:
    if "Recipient" in request.parameters:
        raise UnsupportedOperation("Recipient is not supported: there is no Nitro enclave to attest.")


def _on_key(action: str, request: Request, world: World) -> Sequence[Target]:
    key = world.key(request["KeyId"], request.caller.account, aliases=True)
    return [Target(action, key, ENCRYPT_DECRYPT)]


def encrypt_targets(request: Request, world: World) -> Sequence[Target]:
    return _on_key("kms:Encrypt", request, world)


def data_key_targets(request: Request, world: World) -> Sequence[Target]:
    return _on_key("kms:GenerateDataKey", request, world)


def data_key_without_plaintext_targets(request: Request, world: World) -> Sequence[Target]:
    return _on_key("kms:GenerateDataKeyWithoutPlaintext", request, world)


def _require_algorithm(key: Key, algorithm: str) -> None:
    if algorithm not in key.spec.encryption:
        raise InvalidKeyUsage(f"Algorithm {algorithm} and key spec {key.spec.name} are incompatible.")


def _require_context_fits(algorithm: str, context: Mapping[str, str]) -> None:
    if context and algorithm != SYMMETRIC_DEFAULT:
        raise InvalidRequest(f"EncryptionContext is not supported for algorithm {algorithm}.")


async def _sealed(
    key: Key, algorithm: str, plaintext: bytes, context: Mapping[str, str], materials: Materials
) -> bytes:
    """The ciphertext under a key. Raises InvalidRequest for a plaintext that the algorithm cannot take."""
    if len(plaintext) > key.spec.limit(algorithm):
        raise InvalidRequest(f"Plaintext is longer than the {key.spec.limit(algorithm)} bytes that {algorithm} takes.")
    if key.spec.symmetric:
        return symmetric.encrypt(await materials.symmetric(key), key.id, key.material, plaintext, context)
    return asymmetric.encrypt(b64decode(key.public_key), algorithm, plaintext)


async def _opened(
    key: Key, algorithm: str, ciphertext: bytes, context: Mapping[str, str], materials: Materials
) -> bytes:
    if key.spec.symmetric:
        return symmetric.decrypt(await materials.symmetric(key), ciphertext, context)
    private = await materials.private(key)
    return await asyncio.to_thread(asymmetric.decrypt, private, algorithm, ciphertext)


async def encrypt(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    algorithm = request.get("EncryptionAlgorithm", SYMMETRIC_DEFAULT)
    context = request.get("EncryptionContext", {})
    _require_algorithm(key, algorithm)
    _require_context_fits(algorithm, context)
    carry_out_unless_dry_run(request)
    sealed = await _sealed(key, algorithm, request["Plaintext"], context, materials)
    return {"KeyId": key.arn, "CiphertextBlob": sealed, "EncryptionAlgorithm": algorithm}


def _source(request: Request, world: World, key_parameter: str, algorithm_parameter: str) -> Key:
    """The key that a ciphertext is under. Raises InvalidCiphertext, IncorrectKey, InvalidRequest, KeyNotFound."""
    account = request.caller.account
    given = request.get(key_parameter)
    if ignores_ciphertext(request):
        if given is None:
            raise InvalidRequest(f"{key_parameter} is required where the ciphertext is ignored.")
        return world.key(given, account, aliases=True)
    if "CiphertextBlob" not in request.parameters:
        raise InvalidRequest("CiphertextBlob is required, but for a DryRun with the modifier IGNORE_CIPHERTEXT.")
    if request.get(algorithm_parameter, SYMMETRIC_DEFAULT) != SYMMETRIC_DEFAULT:
        if given is None:
            raise InvalidRequest(f"{key_parameter} is required: an asymmetric ciphertext does not name its key.")
        return world.key(given, account, aliases=True)
    named = None if given is None else world.key(given, account, aliases=True)
    if named is not None and not named.spec.symmetric:
        return named  # the algorithm is refused as incompatible with it
    key = world.keys.get(symmetric.name_of(request["CiphertextBlob"]).key)
    if key is None:
        raise InvalidCiphertext
    if named is not None and named.id != key.id:
        raise IncorrectKey("The key ID in the request does not identify a CMK that can perform this operation.")
    return key


def decrypt_targets(request: Request, world: World) -> Sequence[Target]:
    return [Target("kms:Decrypt", _source(request, world, "KeyId", "EncryptionAlgorithm"), ENCRYPT_DECRYPT)]


async def decrypt(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    algorithm = request.get("EncryptionAlgorithm", SYMMETRIC_DEFAULT)
    context = request.get("EncryptionContext", {})
    _require_algorithm(key, algorithm)
    _require_context_fits(algorithm, context)
    _refuse_recipient(request)
    if ignores_ciphertext(request):
        carry_out_unless_dry_run(request)
    # A dry run opens the ciphertext too: whether it opens is part of whether the call would succeed.
    plaintext = await _opened(key, algorithm, request["CiphertextBlob"], context, materials)
    carry_out_unless_dry_run(request)
    answer: Answer = {"KeyId": key.arn, "Plaintext": plaintext, "EncryptionAlgorithm": algorithm}
    if key.spec.symmetric:
        answer["KeyMaterialId"] = key.material
    return answer


def re_encrypt_targets(request: Request, world: World) -> Sequence[Target]:
    source = _source(request, world, "SourceKeyId", "SourceEncryptionAlgorithm")
    destination = world.key(request["DestinationKeyId"], request.caller.account, aliases=True)
    same = source.id == destination.id
    from_asked, from_pairs = re_encrypt_context(request.parameters, "Source", same)
    to_asked, to_pairs = re_encrypt_context(request.parameters, "Destination", same)
    return [
        Target("kms:ReEncryptFrom", source, ENCRYPT_DECRYPT, from_asked, from_pairs),
        Target("kms:ReEncryptTo", destination, ENCRYPT_DECRYPT, to_asked, to_pairs),
    ]


async def re_encrypt(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    source, destination = found
    source_algorithm = request.get("SourceEncryptionAlgorithm", SYMMETRIC_DEFAULT)
    destination_algorithm = request.get("DestinationEncryptionAlgorithm", SYMMETRIC_DEFAULT)
    source_context = request.get("SourceEncryptionContext", {})
    destination_context = request.get("DestinationEncryptionContext", {})
    for key, algorithm, context in (
        (source, source_algorithm, source_context),
        (destination, destination_algorithm, destination_context),
    ):
        _require_algorithm(key, algorithm)
        _require_context_fits(algorithm, context)
    if ignores_ciphertext(request):
        carry_out_unless_dry_run(request)
    plaintext = await _opened(source, source_algorithm, request["CiphertextBlob"], source_context, materials)
    carry_out_unless_dry_run(request)
    answer: Answer = {
        "CiphertextBlob": await _sealed(destination, destination_algorithm, plaintext, destination_context, materials),
        "SourceKeyId": source.arn,
        "KeyId": destination.arn,
        "SourceEncryptionAlgorithm": source_algorithm,
        "DestinationEncryptionAlgorithm": destination_algorithm,
    }
    if source.spec.symmetric:
        answer["SourceKeyMaterialId"] = source.material
    if destination.spec.symmetric:
        answer["DestinationKeyMaterialId"] = destination.material
    return answer


def _data_key_length(request: Request) -> int:
    """Bytes of the data key. Raises InvalidRequest unless exactly one of KeySpec and NumberOfBytes is given."""
    if ("KeySpec" in request.parameters) == ("NumberOfBytes" in request.parameters):
        raise InvalidRequest("Please specify either number of bytes or key spec.")
    if "NumberOfBytes" in request.parameters:
        return int(request["NumberOfBytes"])
    return DATA_KEY_BYTES[request["KeySpec"]]


async def _data_key(request: Request, found: Sequence[Key], materials: Materials) -> tuple[bytes, Answer]:
    (key,) = found
    if not key.spec.symmetric:
        raise InvalidKeyUsage(f"{key.arn} key spec is {key.spec.name} which is not valid for {request.operation}.")
    length = _data_key_length(request)
    _refuse_recipient(request)
    carry_out_unless_dry_run(request)
    plaintext = os.urandom(length)
    context = request.get("EncryptionContext", {})
    sealed = await _sealed(key, SYMMETRIC_DEFAULT, plaintext, context, materials)
    return plaintext, {"KeyId": key.arn, "CiphertextBlob": sealed, "KeyMaterialId": key.material}


async def generate_data_key(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    plaintext, answer = await _data_key(request, found, materials)
    return {**answer, "Plaintext": plaintext}


async def generate_data_key_without_plaintext(
    request: Request, world: World, found: Sequence[Key], materials: Materials
) -> Answer:
    _, answer = await _data_key(request, found, materials)
    return answer


def generate_random(request: Request, world: World) -> Answer:
    _refuse_recipient(request)
    if "CustomKeyStoreId" in request.parameters:
        raise UnsupportedOperation("CustomKeyStoreId is not supported: there are no custom key stores.")
    if "NumberOfBytes" not in request.parameters:
        raise InvalidRequest("NumberOfBytes is required.")
    return {"Plaintext": os.urandom(request["NumberOfBytes"])}
