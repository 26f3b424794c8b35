"""DeriveSharedSecret (ECDH), Encapsulate and Decapsulate (ML-KEM)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence

from domain.crypto import asymmetric
from domain.keys.key import Key
from domain.state.world import World
from services.aside import aside
from services.operations.encryption import carry_out_unless_dry_run, refuse_recipient
from services.operations.rows import Answer, Materials, Request


async def derive_shared_secret(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    refuse_recipient(request)
    private = await materials.private(key)
    secret = await aside(asymmetric.agree, private, key.spec, request["PublicKey"])
    carry_out_unless_dry_run(request)
    request.used = (key.current.id,)
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "KeyAgreementAlgorithm": request["KeyAgreementAlgorithm"],
        "KeyOrigin": key.origin,
    }


async def encapsulate(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    carry_out_unless_dry_run(request)
    secret, blob = asymmetric.encapsulate(b64decode(key.public_key))
    request.used = (key.current.id,)
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "SharedSecretCiphertextBlob": blob,
        "EncapsulationAlgorithm": request["EncapsulationAlgorithm"],
    }


async def decapsulate(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    private = await materials.private(key)
    secret = asymmetric.decapsulate(private, request["SharedSecretCiphertextBlob"])
    carry_out_unless_dry_run(request)
    request.used = (key.current.id,)
    return {"KeyId": key.arn, "SharedSecret": secret, "EncapsulationAlgorithm": request["EncapsulationAlgorithm"]}
