"""One-time codes by time: RFC 6238 with HMAC-SHA-1, steps of 30 seconds and six digits, as virtual MFA devices show them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1
from hmac import compare_digest, digest

from domain.durations import SECOND_MICROS

STEP_SECONDS = 30
DIGITS = 6
SEED_BYTES = 20
"""RFC 4226, section 4, recommends 160 bits."""


def step_at(at: int) -> int:
    """The step of a time in microseconds since the epoch."""
    return at // (STEP_SECONDS * SECOND_MICROS)


def code_of(seed: bytes, step: int) -> str:
    """RFC 4226, section 5.3: the code of a step, with its leading zeros."""
    mac = digest(seed, step.to_bytes(8, "big"), sha1)
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def step_of(seed: bytes, codes: Iterable[str], steps: Iterable[int]) -> int | None:
    """The first of `steps` from which on the device shows `codes`, one a step; None if it shows them at none. Every step is
    tried, so that the time that this takes says nothing about a code that is nearly right."""
    asked = [code.encode() for code in codes]  # a code from outside may have any characters
    found = None
    for step in steps:
        right = [compare_digest(code_of(seed, step + place).encode(), code) for place, code in enumerate(asked)]
        if all(right) and found is None:
            found = step
    return found
