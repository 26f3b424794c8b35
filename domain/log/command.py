"""A command on its way to the writer: the call, what the API made for it, and how long it may still take effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.log.codec import canonical
from domain.log.record import Call


@dataclass(frozen=True, slots=True)
class Command:
    """`made`: ids, fingerprint and public key of new material. `not_after`: microseconds since the epoch."""

    call: Call
    made: Mapping[str, str]
    not_after: int


def encode(command: Command) -> bytes:
    """The body of the command's value, which `Seal.sealed` authenticates. The call's id and `not_after` are part of the
    body, so a copy is recognised as already seen, or has expired."""
    return canonical({"call": command.call.document(), "made": dict(command.made), "not_after": command.not_after})
