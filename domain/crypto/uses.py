"""The operations that use a key, by the usage that the key must have. All code that must know whether an operation uses a
key reads this.

Source: API reference, CreateKey (KeyUsage); GetKeyLastUsage, KeyLastUsageTrackingOperation.
"""

from __future__ import annotations

from domain.crypto.specs import (
    ENCAPSULATE_DECAPSULATE,
    ENCRYPT_DECRYPT,
    GENERATE_VERIFY_MAC,
    KEY_AGREEMENT,
    SIGN_VERIFY,
)

DATA_KEYS = (
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
)
USES_BY_USAGE: dict[str, tuple[str, ...]] = {
    ENCRYPT_DECRYPT: ("Encrypt", "Decrypt", "ReEncrypt", *DATA_KEYS),
    SIGN_VERIFY: ("Sign", "Verify"),
    GENERATE_VERIFY_MAC: ("GenerateMac", "VerifyMac"),
    KEY_AGREEMENT: ("DeriveSharedSecret",),
    ENCAPSULATE_DECAPSULATE: ("Encapsulate", "Decapsulate"),
}
USES = tuple(operation for operations in USES_BY_USAGE.values() for operation in operations)
"""Every operation that uses a key."""
_PERMISSIONS = {"ReEncrypt": ("ReEncryptFrom", "ReEncryptTo")}


def permissions_of(*operations: str) -> frozenset[str]:
    """The permissions of these operations, without `kms:`. Each operation has one permission of its own name, except
    ReEncrypt, which has two."""
    return frozenset(name for operation in operations for name in _PERMISSIONS.get(operation, (operation,)))
