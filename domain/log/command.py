"""A command on its way to the writer: the call, what the API made for it, and how long it may still take effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.log.codec import canonical
from domain.log.record import Call

CLOCKS_APART = 120_000_000
"""Microseconds by which the writer's clock may be ahead of that of the worker that set a command's deadline. Without them, one
writer with a wrong clock would refuse every change. They cost little: whoever gave up waiting was told that the change may still
take effect, and commands take effect in the order in which they were sent."""


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
