"""HMAC under a KMS key (RFC 2104). Source: KMS API reference, GenerateMac and VerifyMac."""

from __future__ import annotations

import hmac

from domain.errors import InvalidMac


def generate(secret: bytes, algorithm: str, message: bytes) -> bytes:
    """`algorithm` is `HMAC_SHA_224`, `_256`, `_384` or `_512`."""
    return hmac.digest(secret, message, "sha" + algorithm.rpartition("_")[2])


def verify(secret: bytes, algorithm: str, message: bytes, mac: bytes) -> None:
    """Raises InvalidMac."""
    if not hmac.compare_digest(generate(secret, algorithm, message), mac):
        raise InvalidMac
