"""The public keys of OpenID Connect providers, fetched when a token needs them and kept for a while.

A token that names a key which is not known may be signed by a new one, so the provider is asked again, but once a minute at
most: otherwise a stranger could have Keytrail ask it as often as the stranger likes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from services.adapters.oidc_fetch import NotFetched, OidcFetch
from services.clock import lasting

FRESH = 600.0
"""Seconds after which keys are fetched again."""
KEPT = 3600.0
"""Seconds after which keys that could not be fetched again are no longer believed."""
ASK_AGAIN = 60.0
"""Seconds between two questions about keys that were not there."""
RETRY = 10.0
"""Seconds before a provider that did not answer is asked again."""
MOST_WAITING = 64
"""Calls that wait for one provider's answer."""
MOST_PROVIDERS = 1_000
MOST_KEYS = 64
"""Of one provider: the first of those that can be used. Providers have a handful, and each worker keeps them in memory."""
KINDS = {"RS256": "RSA", "ES256": "EC"}
"""From the algorithms that are taken (RFC 7518, section 3.1) to the kind of key (section 6.1)."""
SHORTEST_RSA = 2048
LONGEST = {"kty": 3, "crv": 5, "n": 1368, "e": 12, "x": 44, "y": 44}
"""The members of a public key, and the most characters of each: 8,192 bits of a modulus, 64 of an exponent. All other calls
wait while a signature is verified by a longer one. The members of a private key are not read: the library would look for its
primes, for hours if it is long."""


@dataclass(slots=True)
class _Held:
    """`keys` by kind and `kid` ("" for a key without one). Times are those of `lasting`."""

    keys: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    fetched: float = float("-inf")
    asked: float = float("-inf")
    failed: str = ""
    asking: asyncio.Task[None] | None = None
    waiting: int = 0


class ProviderKeys:
    """One worker's."""

    def __init__(self, fetch: OidcFetch) -> None:
        self._fetch = fetch
        self._held: OrderedDict[str, _Held] = OrderedDict()

    async def key(self, issuer: str, algorithm: str, kid: str) -> Any | None:
        """The public key that a token names; None if the provider has no such key. Raises NotFetched."""
        held = self._of(issuer)
        now = lasting()
        found = _chosen(held, algorithm, kid)
        due = now - held.fetched > FRESH or (found is None and now - held.asked > ASK_AGAIN)
        if due and now - held.asked > (RETRY if held.failed else 0.0):
            if found is None or now - held.fetched > KEPT:
                await self._ask(issuer, held)
                found = _chosen(held, algorithm, kid)
            else:  # these keys are still believed, so the token need not wait for a provider that is slow today
                self._begin(issuer, held)
        if lasting() - held.fetched > KEPT:
            raise NotFetched(held.failed or f"{issuer} was not asked yet")
        return found

    def _of(self, issuer: str) -> _Held:
        held = self._held.setdefault(issuer, _Held())
        self._held.move_to_end(issuer)
        while len(self._held) > MOST_PROVIDERS:
            self._held.popitem(last=False)
        return held

    async def _ask(self, issuer: str, held: _Held) -> None:
        """One question serves all who wait for it. Raises NotFetched if too many wait already."""
        if held.waiting >= MOST_WAITING:
            raise NotFetched(f"{issuer} is slow, and many calls wait for it")
        held.waiting += 1
        try:
            await asyncio.shield(self._begin(issuer, held))
        finally:
            held.waiting -= 1

    def _begin(self, issuer: str, held: _Held) -> asyncio.Task[None]:
        if held.asking is None:
            held.asking = asyncio.create_task(self._fetched(issuer, held))
        return held.asking

    async def _fetched(self, issuer: str, held: _Held) -> None:
        try:
            keys = await self._fetch.keys_of(issuer)
        except NotFetched as fault:
            held.failed = str(fault)
        else:
            held.keys, held.failed, held.fetched = _usable(keys), "", lasting()
        finally:
            held.asked, held.asking = lasting(), None


def _chosen(held: _Held, algorithm: str, kid: str) -> Any | None:
    """The key by its name. A token need not name it where the provider has one key of its kind (OpenID Connect Core 1.0,
    section 10.1)."""
    kind = KINDS[algorithm]
    if kid:
        return held.keys.get((kind, kid))
    of_kind = [key for (each, _), key in held.keys.items() if each == kind]
    return of_kind[0] if len(of_kind) == 1 else None


def _usable(keys: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """The keys that can verify one of the algorithms. The others are left out, whatever is wrong with them."""
    found = {}
    for each in keys:
        kid, kind = each.get("kid", ""), each.get("kty")
        algorithm = next((name for name, of in KINDS.items() if of == kind), None)
        if algorithm is None or not isinstance(kid, str) or each.get("use", "sig") != "sig":
            continue
        if each.get("alg", algorithm) != algorithm or each.get("crv", "P-256") != "P-256":
            continue
        if any(len(str(each.get(name, ""))) > most for name, most in LONGEST.items()):
            continue
        try:
            key = jwt.PyJWK({name: each[name] for name in LONGEST if name in each}, algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        if getattr(key, "key_size", 0) >= (SHORTEST_RSA if kind == "RSA" else 0):
            found[str(kind), kid] = key
        if len(found) == MOST_KEYS:
            break
    return found
