"""Key material in the clear, held in memory for the keys in use (port Materials of the operations)."""

from __future__ import annotations

from collections import OrderedDict

from domain.crypto.material import PrivateKey, load_private
from domain.keys.key import Key
from services.adapters.vault import Vault

HELD = 10_000


class HeldMaterials:
    """The most recently used are held; the rest is read from the vault again. Nothing here is printed."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._held: OrderedDict[str, bytes | PrivateKey] = OrderedDict()

    def __repr__(self) -> str:
        return f"HeldMaterials({len(self._held)} held)"

    async def symmetric(self, key: Key) -> bytes:
        held = self._held.get(key.material)
        if held is None:
            held = self._hold(key.material, await self._vault.material(key.id, key.material))
        assert isinstance(held, bytes), "symmetric keys have bytes for material"
        return held

    async def private(self, key: Key) -> PrivateKey:
        held = self._held.get(key.material)
        if held is None:
            held = self._hold(key.material, load_private(await self._vault.material(key.id, key.material)))
        assert not isinstance(held, bytes), "asymmetric keys have a private key for material"
        return held

    def _hold(self, material: str, secret: bytes | PrivateKey) -> bytes | PrivateKey:
        self._held[material] = secret
        if len(self._held) > HELD:
            self._held.popitem(last=False)
        return secret
