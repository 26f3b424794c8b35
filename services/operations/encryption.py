"""Encrypt, Decrypt, ReEncrypt, GenerateRandom.

A symmetric ciphertext names its key, so Decrypt and ReEncrypt are authorised on that key, whatever the request says. An
asymmetric ciphertext names no key, so KeyId is required (#ciphertext-names-its-key). Both are checked in this order:

1. the key that the request names exists;
2. the ciphertext can be read, unless the algorithm is an asymmetric one (InvalidCiphertext);
3. if the named key is another account's, the caller may use it: a caller who may not learns nothing more about it;
4. the ciphertext is under the named key, whatever kind of key that is (IncorrectKey);
5. the caller may use the key, and each key of ReEncrypt;
6. each key's usage, then each key's state;
7. algorithm and encryption context fit the key;
8. the ciphertext opens (InvalidCiphertext).
"""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Mapping, Sequence
from contextlib import suppress

from domain.arn import key_arn
from domain.authorization.context import re_encrypt_context
from domain.authorization.evaluate import may
from domain.crypto import asymmetric, symmetric
from domain.crypto.specs import ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT
from domain.errors import (
    DryRunSucceeded,
    IncorrectKey,
    InvalidCiphertext,
    InvalidKeyUsage,
    InvalidRequest,
    KeyNotFound,
    UnsupportedOperation,
)
from domain.keys.key import Key, Material, absent
from domain.state.world import World
from services.aside import aside
from services.operations.rows import Answer, Materials, Request, Target


def carry_out_unless_dry_run(request: Request) -> None:
    if request.get("DryRun", False):
        raise DryRunSucceeded


def ignores_ciphertext(request: Request) -> bool:
    """Whether a dry run asks only about permissions (API reference, Decrypt, DryRunModifiers). Raises InvalidRequest."""
    modifiers = request.get("DryRunModifiers", [])
    if modifiers and not request.get("DryRun", False):
        raise InvalidRequest("DryRunModifiers only applies when DryRun is set to true.")
    return "IGNORE_CIPHERTEXT" in modifiers


def refuse_recipient(request: Request) -> None:
    if "Recipient" in request.parameters:
        raise UnsupportedOperation("Recipient is not supported: there is no Nitro enclave to attest.")


def incompatible(algorithm: str, key: Key) -> InvalidKeyUsage:
    """The refusal of an algorithm that does not fit the key's spec."""
    return InvalidKeyUsage(f"Algorithm {algorithm} is incompatible with key spec {key.spec.name}.")


def _require_compatible(key: Key, algorithm: str, context: Mapping[str, str]) -> None:
    if algorithm not in key.spec.plaintext_limit:
        raise incompatible(algorithm, key)
    if context and algorithm != SYMMETRIC_DEFAULT:
        raise InvalidRequest("EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.")


def require_fits(key: Key, algorithm: str, plaintext: bytes) -> None:
    """Raises InvalidRequest for a plaintext that the algorithm cannot take."""
    most = key.spec.plaintext_limit[algorithm]
    if len(plaintext) > most:
        raise InvalidRequest(
            f"Algorithm {algorithm} and key spec {key.spec.name} cannot encrypt data larger than {most} bytes."
        )


async def sealed(
    request: Request, key: Key, algorithm: str, plaintext: bytes, context: Mapping[str, str], materials: Materials
) -> bytes:
    """The ciphertext under a key's current material. The decision will name that material."""
    current = key.current
    request.used = (*request.used, current.id)
    if key.spec.symmetric:
        return symmetric.encrypt(await materials.secret(key, current), key.id, current.id, plaintext, context)
    return asymmetric.encrypt(b64decode(key.public_key), algorithm, plaintext)


def _material_under(key: Key, ciphertext: bytes) -> Material:
    """The material that a ciphertext was made with. Raises InvalidCiphertext if the key has no such material."""
    if not key.spec.symmetric:
        return key.current
    material = key.material_of(symmetric.name_of(ciphertext).material)
    if material is None or not material.stored:
        raise InvalidCiphertext
    return material


async def _opened(
    request: Request,
    key: Key,
    algorithm: str,
    ciphertext: bytes,
    context: Mapping[str, str],
    materials: Materials,
) -> tuple[bytes, Material]:
    """(plaintext, the material that opened it). The decision will name that material. Raises InvalidCiphertext."""
    material = _material_under(key, ciphertext)
    if key.spec.symmetric:
        plaintext = symmetric.decrypt(await materials.secret(key, material), ciphertext, context)
    else:
        plaintext = await aside(asymmetric.decrypt, await materials.private(key), algorithm, ciphertext)
    request.used = (*request.used, material.id)
    return plaintext, material


async def encrypt(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    asked = request.parameters
    algorithm = asked.get("EncryptionAlgorithm", SYMMETRIC_DEFAULT)
    context, plaintext = asked.get("EncryptionContext", {}), asked["Plaintext"]
    _require_compatible(key, algorithm, context)
    require_fits(key, algorithm, plaintext)
    carry_out_unless_dry_run(request)
    ciphertext = await sealed(request, key, algorithm, plaintext, context, materials)
    return {"KeyId": key.arn, "CiphertextBlob": ciphertext, "EncryptionAlgorithm": algorithm}


def _source(
    request: Request, world: World, action: str, key_parameter: str, algorithm_parameter: str
) -> tuple[Key, str | None]:
    """The key that a ciphertext is under, and how the request names it; None: only the ciphertext does. Raises
    InvalidCiphertext, IncorrectKey, InvalidRequest, KeyNotFound.

    If another account's key does not admit the caller, it is returned at once, and the access check then refuses. Only
    a caller whom the key admits may learn what kind of key it is, and whether the ciphertext is under it.

    """
    account = request.caller.account
    given = request.get(key_parameter)
    if ignores_ciphertext(request):
        if given is None:
            raise InvalidRequest(f"{key_parameter} must not be null")
        return world.key(given, account, aliases=True), given
    if "CiphertextBlob" not in request.parameters:
        raise InvalidRequest("CiphertextBlob is required, but for a DryRun with the modifier IGNORE_CIPHERTEXT.")
    if request.get(algorithm_parameter, SYMMETRIC_DEFAULT) != SYMMETRIC_DEFAULT:
        if given is None:
            raise InvalidRequest(f"{key_parameter} must not be null")
        return world.key(given, account, aliases=True), given
    named = _named(given, request["CiphertextBlob"], account, world)
    name = symmetric.name_of(request["CiphertextBlob"]).key
    if named is None:
        key = world.keys.get(name)
        return absent(name, key_arn(world.region, "", name), "") if key is None else key, None
    if named.account != account and not _admitted(request, action, named, world):
        return named, given
    if named.id != name:
        raise IncorrectKey("The key ID in the request does not identify a CMK that can perform this operation.")
    return named, given


def _named(given: str | None, ciphertext: bytes, account: str, world: World) -> Key | None:
    """The key that a request names; None if it names none. Raises KeyNotFound, AliasNotFound, InvalidArn.

    An id finds only the account's own keys. But the id in the ciphertext may be that of another account's key. A request that
    names it says no more than the ciphertext, and gets the same answers: they do not tell whether such a key exists.
    """
    if given is None:
        return None
    try:
        return world.key(given, account, aliases=True)
    except KeyNotFound:
        with suppress(InvalidCiphertext):
            if symmetric.name_of(ciphertext).key == given and world.deleted.get(given) != account:
                return None
        raise


def _admitted(request: Request, action: str, key: Key, world: World) -> bool:
    """Whether the key admits the call. The access check later asks the same again."""
    asked, pairs = None, None
    if action == "kms:ReEncryptFrom":
        destination = world.key(request["DestinationKeyId"], request.caller.account, aliases=True)
        asked, pairs = re_encrypt_context(request.parameters, "Source", key.id == destination.id)
    return may(request.caller, action, world.resource(key), asked, pairs).allowed


def decrypt_targets(request: Request, world: World) -> Sequence[Target]:
    source, named = _source(request, world, "kms:Decrypt", "KeyId", "EncryptionAlgorithm")
    return [Target("kms:Decrypt", source, ENCRYPT_DECRYPT, named=named)]


async def decrypt(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    algorithm = request.get("EncryptionAlgorithm", SYMMETRIC_DEFAULT)
    context = request.get("EncryptionContext", {})
    _require_compatible(key, algorithm, context)
    refuse_recipient(request)
    if ignores_ciphertext(request):
        carry_out_unless_dry_run(request)
    # A dry run opens the ciphertext too, since the call succeeds only if it opens.
    plaintext, material = await _opened(request, key, algorithm, request["CiphertextBlob"], context, materials)
    carry_out_unless_dry_run(request)
    answer: Answer = {"KeyId": key.arn, "Plaintext": plaintext, "EncryptionAlgorithm": algorithm}
    if key.spec.symmetric:
        answer["KeyMaterialId"] = material.id
    return answer


def re_encrypt_targets(request: Request, world: World) -> Sequence[Target]:
    source, named = _source(request, world, "kms:ReEncryptFrom", "SourceKeyId", "SourceEncryptionAlgorithm")
    destination = world.key(request["DestinationKeyId"], request.caller.account, aliases=True)
    same = source.id == destination.id
    from_asked, from_pairs = re_encrypt_context(request.parameters, "Source", same)
    to_asked, to_pairs = re_encrypt_context(request.parameters, "Destination", same)
    return [
        Target("kms:ReEncryptFrom", source, ENCRYPT_DECRYPT, from_asked, from_pairs, named),
        Target("kms:ReEncryptTo", destination, ENCRYPT_DECRYPT, to_asked, to_pairs, request["DestinationKeyId"]),
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
        _require_compatible(key, algorithm, context)
    if ignores_ciphertext(request):
        carry_out_unless_dry_run(request)
    plaintext, material = await _opened(
        request, source, source_algorithm, request["CiphertextBlob"], source_context, materials
    )
    require_fits(destination, destination_algorithm, plaintext)
    carry_out_unless_dry_run(request)
    answer: Answer = {
        "CiphertextBlob": await sealed(
            request, destination, destination_algorithm, plaintext, destination_context, materials
        ),
        "SourceKeyId": source.arn,
        "KeyId": destination.arn,
        "SourceEncryptionAlgorithm": source_algorithm,
        "DestinationEncryptionAlgorithm": destination_algorithm,
    }
    if source.spec.symmetric:
        answer["SourceKeyMaterialId"] = material.id
    if destination.spec.symmetric:
        answer["DestinationKeyMaterialId"] = destination.current.id
    return answer


def generate_random(request: Request, world: World) -> Answer:
    refuse_recipient(request)
    if "CustomKeyStoreId" in request.parameters:
        raise UnsupportedOperation("CustomKeyStoreId is not supported: there are no custom key stores.")
    if "NumberOfBytes" not in request.parameters:
        raise InvalidRequest("NumberOfBytes is required.")
    return {"Plaintext": os.urandom(request["NumberOfBytes"])}
