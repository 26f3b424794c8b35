"""What an operator's command has the writer record: the request is sent on `commands`, and the log says what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from domain.log.authenticity import COMMANDS
from domain.log.authority import Authority
from domain.log.codec import rfc3339
from domain.log.command import CLOCKS_APART, Command, encode
from domain.log.own_commands import own_call
from domain.log.record import Record
from domain.ports import Reader, Unavailable
from domain.state.fold import Fold
from services.adapters import cloudevents, keyring
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring
from services.adapters.topics import names
from services.clock import clock_of
from services.settings import Settings

WITHIN = 30.0
"""Seconds to wait for the writer."""
LATEST = int(WITHIN) + CLOCKS_APART // 1_000_000
"""Seconds after which a request surely has no effect any more."""


class NotYet(Exception):
    """It cannot be done now. The message says why, and what to do."""


class WriterRefused(NotYet):
    """The writer refused what it was asked to record. `kind`: the refusal's."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"The writer refused: {message}")
        self.kind = kind


async def ask_writer(
    settings: Settings, keys: VaultKeyring, authority: Authority, operation: str, parameters: Mapping[str, Any]
) -> str:
    """Send the writer a command of Keytrail's own. `authority` is what the log says now. Returns the call's id. Raises
    Unavailable."""
    command = Command(
        own_call(str(uuid4()), operation, parameters), {}, clock_of(settings).now() + int(WITHIN * 1_000_000)
    )
    value, _ = keys.seal(authority.key or keys.newest, COMMANDS, authority.log).sealed(encode(command))
    headers = cloudevents.headers(command.call.id, authority.log, "command", rfc3339(command.not_after))
    commands = KafkaTopic(settings, names(settings).commands)
    try:
        await commands.append(value, headers)
    finally:
        await commands.close()
    return command.call.id


async def recorded(
    fold: Fold, reader: Reader, keys: VaultKeyring, asked: str | None, reached: Callable[[Record | None], bool]
) -> Record | None:
    """Fold the log until what was asked for is reached, and return the record that reached it: None if it was so before.

    `reader` is at the fold's next record, and `asked` is the call's id. `reached` is called with None before anything is read,
    and then with each valid record. Raises WriterRefused; Unavailable if no writer answers.

    """
    try:
        async with asyncio.timeout(WITHIN):
            if reached(None):
                return None
            while True:
                for stored in await reader.read(100):
                    record = await keyring.take(fold, stored, keys)
                    if record is None:
                        continue
                    if reached(record):
                        return record
                    _require_not_refused(record, asked)
    except TimeoutError:
        raise Unavailable(
            f"the writer has not answered within {WITHIN:.0f} s, and may still do what was asked for up to {LATEST} s after the "
            "command began: run the same command again once a writer leads"
        ) from None


def _require_not_refused(record: Record, asked: str | None) -> None:
    call, decision = record.call, record.decision
    if asked is None or call is None or call.id != asked or decision is None or decision.error is None:
        return
    raise WriterRefused(decision.error["kind"], decision.error["message"])
