"""Sign and Verify, GenerateMac and VerifyMac."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence

from domain.crypto import asymmetric, mac
from domain.crypto.specs import ED25519_PH_SHA_512, EDWARDS, GENERATE_VERIFY_MAC
from domain.errors import UnsupportedOperation
from domain.keys.key import Key
from domain.state.world import World
from services.aside import aside
from services.operations.encryption import carry_out_unless_dry_run, incompatible
from services.operations.rows import Answer, Materials, Request

QUICK = frozenset({"ECC_NIST_P256", "ECC_NIST_EDWARDS25519"})
"""Specs with signatures so fast that handing them to a thread would take longer (tens of microseconds)."""


def _signable(request: Request, key: Key) -> tuple[str, str, bytes]:
    """(algorithm, message type, the bytes to sign). Raises InvalidKeyUsage, InvalidRequest, UnsupportedOperation."""
    algorithm, kind = request["SigningAlgorithm"], request.get("MessageType", asymmetric.RAW)
    if algorithm == ED25519_PH_SHA_512 and key.spec.family == EDWARDS:
        raise UnsupportedOperation(f"SigningAlgorithm {algorithm} is not supported by this version of Keytrail.")
    if algorithm not in key.spec.signing:
        raise incompatible(algorithm, key)
    return algorithm, kind, asymmetric.signable(request["Message"], kind, algorithm, key.spec.name)


async def sign(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    algorithm, kind, data = _signable(request, key)
    carry_out_unless_dry_run(request)
    private = await materials.private(key)
    if key.spec.name in QUICK:
        signature = asymmetric.sign(private, algorithm, kind, data)
    else:
        signature = await aside(asymmetric.sign, private, algorithm, kind, data)
    request.used = (key.current.id,)
    return {"KeyId": key.arn, "Signature": signature, "SigningAlgorithm": algorithm}


async def verify(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    algorithm, kind, data = _signable(request, key)
    public, signature = b64decode(key.public_key), request["Signature"]
    # A dry run verifies too, since the call succeeds only if the signature fits.
    if key.spec.name in QUICK:
        asymmetric.verify(public, algorithm, kind, data, signature)
    else:
        await aside(asymmetric.verify, public, algorithm, kind, data, signature)
    carry_out_unless_dry_run(request)
    request.used = (key.current.id,)
    return {"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm}


def _mac_algorithm(request: Request, key: Key) -> str:
    algorithm: str = request["MacAlgorithm"]
    if algorithm not in key.spec.algorithms[GENERATE_VERIFY_MAC]:
        raise incompatible(algorithm, key)
    return algorithm


async def generate_mac(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    algorithm = _mac_algorithm(request, key)
    carry_out_unless_dry_run(request)
    code = mac.generate(await materials.secret(key, key.current), algorithm, request["Message"])
    request.used = (key.current.id,)
    return {"KeyId": key.arn, "Mac": code, "MacAlgorithm": algorithm}


async def verify_mac(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    (key,) = found
    algorithm = _mac_algorithm(request, key)
    mac.verify(await materials.secret(key, key.current), algorithm, request["Message"], request["Mac"])
    carry_out_unless_dry_run(request)
    request.used = (key.current.id,)
    return {"KeyId": key.arn, "MacValid": True, "MacAlgorithm": algorithm}
