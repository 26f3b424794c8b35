"""The keys that authenticate records, from the vault."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, TypeVarTuple

from domain.log.authenticity import KeyMissing, Keyring, key_of
from domain.log.record import Record
from domain.ports import Stored
from domain.state.fold import Fold
from services.adapters.vault import Vault

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


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

    async def attempted(self, attempt: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        """`attempt(*arguments)`. If it finds a value under an unknown key, the keys are read again, and it is made once more.
        Raises what it raises; Unavailable, MasterKeyRefused; KeyMissing if the vault does not have the key."""
        try:
            return attempt(*arguments)
        except KeyMissing:
            await self.read_again()
            return attempt(*arguments)

    async def know_those_of(self, values: Iterable[bytes]) -> None:
        """Read the keys again if one of these values names an unknown key. They are read once for all values, so that values
        which a stranger made up cost only one question. Raises Unavailable, MasterKeyRefused."""
        unusual = [value for value in values if not self.is_usual(value)]
        if unusual and any(name not in self for name in {key_of(value) for value in unusual} - {""}):
            await self.read_again()

    async def know(self, name: str) -> None:
        """Read the keys again if this one is unknown. Raises Unavailable, MasterKeyRefused; KeyMissing if the vault does not have
        it."""
        if name not in self:
            await self.read_again()
            if name not in self:
                raise KeyMissing(name)

    async def know_that_of(self, mac: str) -> None:
        """Read the keys again if a row's MAC names an unknown key. Raises Unavailable, MasterKeyRefused."""
        if mac.partition(":")[0] not in self:
            await self.read_again()


async def open_keyring(vault: Vault) -> VaultKeyring:
    """Raises NoVault, Unavailable, MasterKeyRefused."""
    await vault.require_made()
    return VaultKeyring(vault, await vault.record_secrets(), strict=await vault.is_authentic())


async def read(fold: Fold, stored: Stored, keys: VaultKeyring) -> tuple[dict[str, Any], Record] | None:
    """`Fold.read`; reads the keys again if the log goes on under an unknown key.

    Raises Unreadable, Unavailable; KeyMissing if the vault does not have that key.
    """
    return await keys.attempted(fold.read, stored.offset, stored.value)


async def take(fold: Fold, stored: Stored, keys: VaultKeyring) -> Record | None:
    """`Fold.take`; reads the keys again if the log goes on under an unknown key.

    Raises Unreadable, Unavailable; KeyMissing if the vault does not have that key.
    """
    record = await keys.attempted(fold.take, stored.offset, stored.value)
    await know_key_in_force(fold, keys)
    return record


async def know_key_in_force(fold: Fold, keys: VaultKeyring) -> None:
    """A process that folds may write next, and then needs the key. Whoever goes on with a fold after `take` raised Unavailable
    asks for it first: the record of the rotation may be folded already. Raises Unavailable, MasterKeyRefused; KeyMissing if the
    vault does not have that key."""
    if key := fold.chain.authority.key:
        await keys.know(key)
