"""Sign and Verify."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Sequence

from domain.crypto import asymmetric
from domain.crypto.specs import SIGN_VERIFY
from domain.errors import InvalidKeyUsage, UnsupportedOperation
from domain.keys.key import Key
from domain.world import World
from services.operations.encryption import carry_out_unless_dry_run
from services.operations.rows import Answer, Materials, Request, Target


def sign_targets(request: Request, world: World) -> Sequence[Target]:
    return [Target("kms:Sign", world.key(request["KeyId"], request.caller.account, aliases=True), SIGN_VERIFY)]


def verify_targets(request: Request, world: World) -> Sequence[Target]:
    return [Target("kms:Verify", world.key(request["KeyId"], request.caller.account, aliases=True), SIGN_VERIFY)]


def _digest(request: Request, key: Key) -> bytes:
    """What is signed. Raises InvalidKeyUsage, InvalidRequest, UnsupportedOperation."""
    algorithm = request["SigningAlgorithm"]
    if algorithm not in key.spec.signing:
        raise InvalidKeyUsage(f"Algorithm {algorithm} and key spec {key.spec.name} are incompatible.")
    kind = request.get("MessageType", asymmetric.RAW)
    if kind not in (asymmetric.RAW, asymmetric.DIGEST):
        raise UnsupportedOperation(f"MessageType {kind} is not supported for {algorithm}.")
    return asymmetric.digest_of(request["Message"], kind, algorithm)


async def sign(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    algorithm, digest = request["SigningAlgorithm"], _digest(request, key)
    carry_out_unless_dry_run(request)
    private = await materials.private(key)
    # An RSA signature takes milliseconds: in a thread, which the library lets run beside the event loop.
    signature = await asyncio.to_thread(asymmetric.sign, private, algorithm, digest)
    return {"KeyId": key.arn, "Signature": signature, "SigningAlgorithm": algorithm}


async def verify(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    algorithm, digest = request["SigningAlgorithm"], _digest(request, key)
    carry_out_unless_dry_run(request)
    asymmetric.verify(b64decode(key.public_key), algorithm, digest, request["Signature"])
    return {"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm}
