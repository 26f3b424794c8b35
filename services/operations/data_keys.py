"""GenerateDataKey and GenerateDataKeyPair, with and without plaintext: keys for use elsewhere, sealed under a KMS key."""

from __future__ import annotations

import os
from collections.abc import Sequence

from domain.crypto.material import new_private, private_der, public_der
from domain.crypto.specs import RSA, SPECS, SYMMETRIC_DEFAULT, Spec
from domain.errors import InvalidKeyUsage, InvalidRequest, UnsupportedOperation
from domain.keys.key import Key
from domain.state.world import World
from services.aside import long_aside
from services.operations.encryption import carry_out_unless_dry_run, refuse_recipient, sealed
from services.operations.rows import Answer, Materials, Request

DATA_KEY_BYTES = {"AES_128": 16, "AES_256": 32}


def _require_symmetric(key: Key) -> None:
    if not key.spec.symmetric:
        raise InvalidKeyUsage("You cannot generate a data key with an asymmetric CMK")


def _data_key_length(request: Request) -> int:
    """The length of the data key in bytes. Raises InvalidRequest unless exactly one of KeySpec and NumberOfBytes is given."""
    if ("KeySpec" in request.parameters) == ("NumberOfBytes" in request.parameters):
        raise InvalidRequest("Please specify either number of bytes or key spec.")
    if "NumberOfBytes" in request.parameters:
        return int(request["NumberOfBytes"])
    return DATA_KEY_BYTES[request["KeySpec"]]


async def _sealed_for(request: Request, key: Key, secret: bytes, materials: Materials) -> bytes:
    return await sealed(request, key, SYMMETRIC_DEFAULT, secret, request.get("EncryptionContext", {}), materials)


async def _data_key(request: Request, key: Key, materials: Materials) -> tuple[bytes, Answer]:
    _require_symmetric(key)
    length = _data_key_length(request)
    refuse_recipient(request)
    carry_out_unless_dry_run(request)
    plaintext = os.urandom(length)
    blob = await _sealed_for(request, key, plaintext, materials)
    return plaintext, {"KeyId": key.arn, "CiphertextBlob": blob, "KeyMaterialId": key.current.id}


async def generate_data_key(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    plaintext, answer = await _data_key(request, found[0], materials)
    return {**answer, "Plaintext": plaintext}


async def generate_data_key_without_plaintext(
    request: Request, world: World, found: Sequence[Key], materials: Materials
) -> Answer:
    _, answer = await _data_key(request, found[0], materials)
    return answer


def _pair_spec(name: str) -> Spec:
    spec = SPECS.get(name)
    if spec is None:
        raise UnsupportedOperation(f"KeyPairSpec {name} is not supported by this version of Keytrail.")
    return spec


async def _data_key_pair(request: Request, key: Key, materials: Materials) -> tuple[bytes, Answer]:
    """(the private key in DER of PKCS #8, the answer without it)."""
    _require_symmetric(key)
    spec = _pair_spec(request["KeyPairSpec"])
    refuse_recipient(request)
    carry_out_unless_dry_run(request)
    pair = await long_aside(request.caller.account, new_private, spec) if spec.family == RSA else new_private(spec)
    secret = private_der(pair)
    return secret, {
        "KeyId": key.arn,
        "KeyPairSpec": spec.name,
        "PrivateKeyCiphertextBlob": await _sealed_for(request, key, secret, materials),
        "PublicKey": public_der(pair),
        "KeyMaterialId": key.current.id,
    }


async def generate_data_key_pair(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    secret, answer = await _data_key_pair(request, found[0], materials)
    return {**answer, "PrivateKeyPlaintext": secret}


async def generate_data_key_pair_without_plaintext(
    request: Request, world: World, found: Sequence[Key], materials: Materials
) -> Answer:
    _, answer = await _data_key_pair(request, found[0], materials)
    return answer
