"""Which operations a grant can give.

Source: developer guide, grants, grant operations; KMS API reference, CreateGrant, Operations.
"""

from __future__ import annotations

from domain.crypto.specs import SPECS, Spec
from domain.crypto.uses import DATA_KEYS, USES_BY_USAGE, permissions_of

ALWAYS = frozenset({"CreateGrant", "RetireGrant", "DescribeKey"})
"""A grant can give these on every key."""


def grant_operations(spec: Spec, usage: str) -> frozenset[str]:
    """The operations that a grant can give on a key of this spec and usage."""
    used = permissions_of(*USES_BY_USAGE[usage])
    if not spec.pair:
        return ALWAYS | used
    # An asymmetric key's public key makes no data keys.
    return ALWAYS | used - frozenset(DATA_KEYS) | {"GetPublicKey"}


GRANTABLE = frozenset().union(*(grant_operations(spec, usage) for spec in SPECS.values() for usage in spec.usages))
"""The operations that a grant can give on some key."""
