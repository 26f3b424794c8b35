"""The keys that authenticate records, from the vault."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from domain.log.authenticity import KeyMissing, Keyring, key_of
from domain.log.record import Record
from domain.ports import Stored
from domain.state.fold import Fold
from services.adapters.vault import Vault


class RecordSecrets(Protocol):
    """What a keyring asks of the vault."""

    async def record_secrets(self) -> list[bytes]: ...


class VaultKeyring(Keyring):
    """The keys of one process. A key that a rotation adds is read when the log, or a value on another topic, first names it."""

    def __init__(self, vault: RecordSecrets, secrets: Iterable[bytes], *, strict: bool) -> None:
        super().__init__(secrets, strict=strict)
        self._vault = vault

    async def read_again(self) -> None:
        """Raises Unavailable, MasterKeyRefused."""
        self.renew(await self._vault.record_secrets())

    async def know_those_of(self, values: Iterable[bytes]) -> None:
        """Read the keys again if one of these values names an unknown key. They are read once for all values, so that values
        which a stranger made up cost only one question. Raises Unavailable, MasterKeyRefused."""
        unusual = [value for value in values if not self.is_usual(value)]
        if unusual and any(name not in self for name in {key_of(value) for value in unusual} - {""}):
            await self.read_again()

    async def know_that_of(self, mac: str) -> None:
        """Read the keys again if a row's MAC names an unknown key. Raises Unavailable, MasterKeyRefused."""
        if mac.partition(":")[0] not in self:
            await self.read_again()


async def open_keyring(vault: Vault) -> VaultKeyring:
    """Open the keys of a vault that is prepared. Raises Unavailable, MasterKeyRefused."""
    return VaultKeyring(vault, await vault.record_secrets(), strict=await vault.is_authentic())


async def read(fold: Fold, stored: Stored, keys: VaultKeyring) -> tuple[dict[str, Any], Record] | None:
    """`Fold.read`; reads the keys again if the log goes on under an unknown key.

    Raises Unreadable, Unavailable; KeyMissing if the vault does not have that key.
    """
    try:
        return fold.read(stored.offset, stored.value)
    except KeyMissing:
        await keys.read_again()
        return fold.read(stored.offset, stored.value)


async def take(fold: Fold, stored: Stored, keys: VaultKeyring) -> Record | None:
    """`Fold.take`; reads the keys again if the log goes on under an unknown key.

    Raises Unreadable, Unavailable; KeyMissing if the vault does not have that key.
    """
    try:
        record = fold.take(stored.offset, stored.value)
    except KeyMissing:
        await keys.read_again()
        record = fold.take(stored.offset, stored.value)
    key = fold.chain.authority.key
    if key and key not in keys:  # a process that folds may write next, and then needs the key
        await keys.read_again()
        if key not in keys:
            raise KeyMissing(key)
    return record
