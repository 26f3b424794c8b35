"""A virtual MFA device in software, given to a user."""

from __future__ import annotations

import hmac
import time
from base64 import b32decode
from typing import Any


def code(seed: bytes, step: int) -> str:
    """The code that a device shows in a step of 30 seconds (RFC 6238)."""
    digest = hmac.digest(b32decode(seed), step.to_bytes(8), "sha1")
    begin = digest[-1] & 15
    return f"{(int.from_bytes(digest[begin : begin + 4]) & 0x7FFFFFFF) % 1_000_000:06}"


def give_device(iam: Any, user: str, name: str) -> str:
    """The serial number."""
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]
    step = int(time.time()) // 30
    codes = [code(made["Base32StringSeed"], step + ahead) for ahead in (-1, 0)]
    iam.enable_mfa_device(
        UserName=user, SerialNumber=made["SerialNumber"], AuthenticationCode1=codes[0], AuthenticationCode2=codes[1]
    )
    return str(made["SerialNumber"])
