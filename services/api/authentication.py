"""Who calls: the signature checked against the present's access keys and the vault's secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from domain.access import Caller, root_of
from domain.identities.account import ACTIVE
from services.adapters.vault import Vault
from services.api import sigv4
from services.api.present import Present


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A caller whose signature is right. `active`: the access key may be used; a disabled one is refused, on record."""

    caller: Caller
    access_key: str
    active: bool


class Authenticator:
    """Verifies requests for one region. Secrets of the access keys in use are held in memory."""

    def __init__(self, present: Present, vault: Vault, region: str) -> None:
        self._present = present
        self._vault = vault
        self._region = region
        self._secrets: dict[str, str] = {}
        self._known: dict[str, Authenticated] = {}

    async def authenticate(
        self, request: sigv4.Signed, headers: dict[str, str], services: frozenset[str]
    ) -> Authenticated:
        """Raises SignatureRefused, NotFresh (the access key may be too new to know), Unavailable."""
        given = sigv4.authorization(headers)
        sigv4.require_scope(given, self._region, services)
        stamp = sigv4.require_time(given, headers, datetime.now(UTC))
        world = self._present.world
        account = world.access_keys.get(given.access_key)
        if account is None:
            await self._present.barrier()
            account = world.access_keys.get(given.access_key)
            if account is None:
                raise sigv4.SignatureRefused(sigv4.UNKNOWN, sigv4.UNKNOWN_KEY)
        if "x-amz-security-token" in headers:
            raise sigv4.SignatureRefused(sigv4.UNKNOWN, sigv4.UNKNOWN_KEY)
        sigv4.require_signature(request, given, headers, stamp, await self._secret(given.access_key))
        active = world.accounts[account].access_keys[given.access_key] == ACTIVE
        who = self._known.get(given.access_key)
        if who is None or who.active != active:
            who = self._known[given.access_key] = Authenticated(root_of(account), given.access_key, active)
        return who

    async def _secret(self, access_key: str) -> str:
        secret = self._secrets.get(access_key)
        if secret is None:
            found = await self._vault.secret(access_key)
            if found is None:
                raise sigv4.SignatureRefused(sigv4.UNKNOWN, sigv4.UNKNOWN_KEY)
            secret = self._secrets[access_key] = found
        return secret
