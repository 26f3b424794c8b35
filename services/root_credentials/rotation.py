"""A new access key for an account's root user, beside the former one, which ends at once or after a while.

The order makes every step one that can be done again: the new credential is in a private file first, then its secret is in the
vault, then the log has the new access key, then the end of the former ones. A command that was killed is run again, and finds in
the file which credential it was making. A secret whose access key never came onto the log is swept after an hour, and put there
again by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from domain.durations import HOUR_MICROS
from domain.identities.account import ACTIVE, INACTIVE, Account
from domain.log.codec import rfc3339
from domain.log.own_commands import CREATE_ROOT_KEY, DISABLE_ROOT_KEY, END_ROOT_KEY
from domain.state.fold import Fold
from services.adapters import snapshots
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.adapters.topics import log_topic
from services.adapters.vault import Vault
from services.adapters.writer_requests import NotYet, ask_writer, recorded
from services.clock import clock_of
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class RootKeyState:
    """An access key of a root. `ends`: when it will be disabled, in microseconds since the epoch; None if it stays."""

    access_key: str
    active: bool
    ends: int | None


class RootKeys:
    """The access keys of one account's root, on the host. Use as a context manager. Its methods raise Unavailable,
    MasterKeyRefused, NotYet, AlreadyRotating."""

    def __init__(self, settings: Settings, pool: Pool, vault: Vault, records: VaultKeyring, account: str) -> None:
        """`records`: the keys of records."""
        self._settings = settings
        self._pool = pool
        self._vault = vault
        self._records = records
        self._account = account
        self._events = log_topic(settings)
        self.changed = False
        """Whether a record was asked for."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._events.close()

    async def rotate(self, access_key: str, secret: str, overlap: float) -> list[RootKeyState]:
        """Make this access key, and let every other end `overlap` hours from now; 0: at once. An access key that was made
        already, and one that ends already, stay as they are. Returns all keys."""
        async with self._vault.rotating(AdvisoryLock.ROTATE_ROOT_KEY, "a root user's access key"):
            fold = await self._now()
            known = self._account_in(fold)
            if known.access_keys.get(access_key) == INACTIVE:
                raise NotYet(f"{access_key} was disabled, which is for good.")
            if await self._vault.secret(access_key) != secret:
                await self._vault.put_secret(access_key, secret)
            if access_key not in known.access_keys:
                await self._ask(
                    fold, CREATE_ROOT_KEY, {"access_key": access_key}, lambda found: access_key in found.access_keys
                )
            others = [key for key in _active(self._account_in(fold)) if key != access_key]
            due = clock_of(self._settings).now() + int(overlap * HOUR_MICROS)
            for other in others:
                if not overlap:
                    await self._disable(fold, other)
                elif other not in self._account_in(fold).ends:
                    asked = {"access_key": other, "due": rfc3339(due)}
                    await self._ask(fold, END_ROOT_KEY, asked, partial(_is_ending, other))
            return self._states(fold)

    async def retire(self, access_key: str) -> list[RootKeyState]:
        """Disable an access key now. One that is disabled stays so. Returns all keys."""
        async with self._vault.rotating(AdvisoryLock.ROTATE_ROOT_KEY, "a root user's access key"):
            fold = await self._now()
            known = self._account_in(fold)
            if access_key not in known.access_keys:
                raise NotYet(f"The root user of account {self._account} has no access key {access_key}.")
            if known.access_keys[access_key] == ACTIVE:
                if len(_active(known)) == 1:
                    raise NotYet(
                        f"{access_key} is the only access key of the root user: run `keytrail root-credential rotate` first."
                    )
                await self._disable(fold, access_key)
            return self._states(fold)

    async def states(self) -> list[RootKeyState]:
        return self._states(await self._now())

    async def _now(self) -> Fold:
        return await snapshots.newest(self._pool, self._events, self._records)

    def _account_in(self, fold: Fold) -> Account:
        found = fold.world.accounts.get(self._account)
        if found is None:
            raise NotYet(f"The log has no account {self._account}.")
        return found

    def _states(self, fold: Fold) -> list[RootKeyState]:
        known = self._account_in(fold)
        return [RootKeyState(key, status == ACTIVE, known.ends.get(key)) for key, status in known.access_keys.items()]

    async def _disable(self, fold: Fold, access_key: str) -> None:
        await self._ask(
            fold, DISABLE_ROOT_KEY, {"access_key": access_key}, lambda found: found.access_keys[access_key] == INACTIVE
        )

    async def _ask(
        self, fold: Fold, operation: str, parameters: Mapping[str, Any], done: Callable[[Account], bool]
    ) -> None:
        """Have the writer record a change, and fold the log until it is there. Raises WriterRefused, Unavailable."""
        self.changed = True
        asked = {"account": self._account, **parameters}
        reader = await self._events.reader(fold.next)
        try:
            call = await ask_writer(self._settings, self._records, fold.chain.authority, operation, asked)
            await recorded(fold, reader, self._records, call, lambda _: done(self._account_in(fold)))
        finally:
            await reader.close()


def _is_ending(access_key: str, account: Account) -> bool:
    return access_key in account.ends


def _active(account: Account) -> Sequence[str]:
    return [key for key, status in account.access_keys.items() if status == ACTIVE]
