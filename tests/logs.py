"""Logs for tests, made in memory by the writer's own step."""

from __future__ import annotations

import json
from typing import Any

from domain.log.authenticity import Keyring
from domain.log.command import Command, encode
from domain.log.events import AccountCreated, LogCreated, WriterStarted
from domain.log.own_commands import own_call
from domain.log.record import Call
from domain.policy.default import default_key_policy
from domain.state.fold import Fold
from services.writer.step import WriterStep
from tests.given import ACCOUNT, REGION, key_id
from tests.keys import keyring

NOW = 1_800_000_000_000_000
SECOND = 1_000_000


def call(number: int, operation: str, parameters: dict[str, Any], invocation: str = "") -> Call:
    principal = f"arn:aws:iam::{ACCOUNT}:root"
    return Call(
        f"call-{number}", "AKIAONE", principal, ACCOUNT, "127.0.0.1", "tests", operation, parameters, invocation
    )


def command(
    number: int,
    operation: str,
    parameters: dict[str, Any],
    made: dict[str, str] | None = None,
    invocation: str = "",
    not_after: int = NOW + 3600 * SECOND,
) -> bytes:
    return encode(Command(call(number, operation, parameters, invocation), made or {}, not_after))


def created(number: int, key: int, **parameters: Any) -> bytes:
    made = {"key": key_id(key), "material": f"{key:064x}", "fingerprint": f"{key:064x}", "public_key": ""}
    return command(number, "CreateKey", parameters, made)


class Log:
    """A log made by one writer after another. `values` are those on the topic. `with_macs` is False for a log of an
    earlier version."""

    def __init__(self, keys: Keyring | None = None, *, with_macs: bool = True) -> None:
        self.keys = keys or keyring()
        self.with_macs = with_macs
        self.values: list[bytes] = []
        self.now = NOW
        self.lead("writer-a")
        self._append(self.deciding.record(self.now, 0, None, None, LogCreated("the-log", REGION)))
        self._append(self.deciding.record(self.now, 0, None, None, WriterStarted("writer-a", 0)))
        self._append(self.deciding.record(self.now, 0, None, None, AccountCreated(ACCOUNT, "AKIAONE")))
        self.offset = 0

    def lead(self, writer: str) -> None:
        """A writer that has folded the log so far."""
        fold = self.fold()
        if not self.with_macs:
            fold.chain.keys = None
        self.deciding = WriterStep(fold, writer)

    def take_over(self, writer: str) -> None:
        self.lead(writer)
        next_command = self.deciding.fold.world.next_command
        self._append(self.deciding.record(self.now, next_command, None, None, WriterStarted(writer, next_command)))

    def answer(self, value: bytes) -> bytes | None:
        """Decide the next command. Returns the appended value, or None if the command was answered before."""
        self.now += SECOND
        decided = self.deciding.answer(self.offset, value, self.now)
        self.offset += 1
        if decided is None:
            return None
        self.values.append(decided.value)
        return decided.value

    def _append(self, decided: Any) -> None:
        self.values.append(decided.value)

    def fold(self) -> Fold:
        fold = Fold.under(self.keys)
        for offset, value in enumerate(self.values):
            fold.take(offset, value)
        return fold

    def numbered(self) -> list[tuple[int, bytes]]:
        return list(enumerate(self.values))


def a_log(keys: Keyring | None = None, *, with_macs: bool = True) -> Log:
    """A log with keys, policies, aliases, refusals, and a takeover followed by a void record."""
    log = Log(keys, with_macs=with_macs)
    log.answer(created(1, 1, Description="one", Tags=[{"TagKey": "a", "TagValue": "b"}]))
    log.answer(created(2, 2))
    log.answer(command(3, "PutKeyPolicy", {"KeyId": key_id(1), "Policy": default_key_policy(ACCOUNT)}))
    log.answer(command(4, "CreateAlias", {"AliasName": "alias/a", "TargetKeyId": key_id(1)}))
    log.answer(command(5, "EnableKey", {"KeyId": "nope"}))
    deposed, fork = log.deciding, len(log.values)
    log.take_over("writer-b")
    deposed.fold.next = fork
    late = deposed.answer(log.offset, command(6, "DisableKey", {"KeyId": key_id(2)}), log.now)
    assert late is not None
    log.values.append(late.value)
    log.lead("writer-b")
    log.answer(command(6, "DisableKey", {"KeyId": key_id(2)}))
    log.answer(command(7, "UpdateAlias", {"AliasName": "alias/a", "TargetKeyId": key_id(2)}))
    log.answer(command(8, "UpdateKeyDescription", {"KeyId": key_id(1), "Description": "other"}))
    return log


def changed(value: bytes, **fields: Any) -> bytes:
    return json.dumps(json.loads(value) | fields, sort_keys=True, separators=(",", ":")).encode()


def own(log: Log, operation: str, *, not_after: int = NOW * 2, **parameters: Any) -> bytes:
    """A command of Keytrail's own, whose call's id says at which offset it stands."""
    body = encode(Command(own_call(f"own-{log.offset}", operation, parameters), {}, not_after))
    authority = log.fold().chain.authority
    return log.keys.seal(authority.key or log.keys.newest, "commands", authority.log).sealed(body)[0]
