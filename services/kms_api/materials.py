"""Key material in the clear, kept in memory for the keys in use (the operations' port Materials)."""

from __future__ import annotations

from base64 import b64encode
from collections import OrderedDict
from collections.abc import Sequence

from domain.crypto.material import PrivateKey, load_private, new_private, private_der, public_der
from domain.crypto.specs import SPECS
from domain.crypto.symmetric import Secret
from domain.keys.key import Key, Material
from services.adapters.tokens import IMPORT, Tokens
from services.adapters.vault import Vault
from services.aside import long_aside

HELD = 10_000


class HeldMaterials:
    """The materials that were read last, by their names in the vault. Any other is read from the vault. `repr` shows no
    material."""

    def __init__(self, vault: Vault, tokens: Tokens) -> None:
        self._vault = vault
        self._tokens = tokens
        self._held: OrderedDict[str, bytes | PrivateKey] = OrderedDict()
        # How often material was forgotten. What was asked for before that may be destroyed material, and is not held.
        self._forgotten = 0

    def __repr__(self) -> str:
        return f"HeldMaterials({len(self._held)} held)"

    async def secret(self, key: Key, material: Material) -> bytes:
        held = self._held.get(material.stored)
        if held is None:
            asked = self._forgotten
            held = Secret(await self._vault.material(key.id, material.stored))
            self._hold(material.stored, held, asked)
        assert isinstance(held, bytes), "secret keys have bytes for material"
        return held

    async def private(self, key: Key) -> PrivateKey:
        stored = key.current.stored
        held = self._held.get(stored)
        if held is None:
            asked = self._forgotten
            held = load_private(await self._vault.material(key.id, stored))
            self._hold(stored, held, asked)
        assert not isinstance(held, bytes), "key pairs have a private key for material"
        return held

    def _hold(self, stored: str, secret: bytes | PrivateKey, asked: int) -> None:
        if asked != self._forgotten:
            return
        self._held[stored] = secret
        if len(self._held) > HELD:
            self._held.popitem(last=False)

    def forget(self, destroyed: Sequence[str]) -> None:
        """Removes destroyed material from memory too, also if the vault is about to give it."""
        self._forgotten += bool(destroyed)
        for stored in destroyed:
            self._held.pop(stored, None)

    async def wrapping(self, key: Key, algorithm: str, spec: str, expires: int) -> tuple[bytes, bytes]:
        private = await long_aside(key.account, new_private, SPECS[spec])
        token = self._tokens.seal(
            IMPORT,
            {
                "key": key.id,
                "spec": key.spec.name,
                "algorithm": algorithm,
                "private": b64encode(private_der(private)).decode(),
                "expires": expires,
            },
        )
        return public_der(private), token.encode()
