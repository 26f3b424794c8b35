"""Signing in with an OpenID Connect provider: an authorization code becomes an ID token, and that a proof of who signed in.

The browser makes state, nonce and the code's verifier, and keeps them; the server exchanges the code, so that the page needs
no connection to the provider. The proof is a sealed document, so nothing is kept between the two requests. It works once:
that its code was used stands on the log before anybody gets credentials for it.

Source: OpenID Connect Core 1.0, section 3.1; RFC 7636 (PKCE); RFC 9700, section 2.1.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from domain.durations import MINUTE_MICROS
from domain.errors import AccessRefused, IdpCommunicationError, InvalidIdentityToken
from domain.state.callers import Session, audience_of, session_from
from services.adapters.oidc_fetch import PATIENCE, NotFetched, OidcFetch
from services.adapters.sign_in_providers import SignInProvider
from services.adapters.tokens import Tokens
from services.clock import Clock
from services.kms_api.web_identity import TokenRefused, WebIdentities

PROOF = "provider-sign-in"
"""What the sealed documents and the digests of codes are for."""
LASTS = 5 * MINUTE_MICROS
"""How long a proof can be used. The world remembers used codes for ten minutes."""
LONGEST_PROOF = 12_288
CONFIGURATION_KEPT, RETRY = 600.0, 10.0
"""Seconds."""
NEVER: tuple[float, dict[str, Any] | None] = (float("-inf"), None)
NOT_OURS = "The proof is not one that this installation made, or it has expired. Sign in again."
UNKNOWN = "The sign-in page offers no provider of this name."


@dataclass(frozen=True, slots=True)
class GivenCode:
    """What the browser brought back from the provider, and what it kept meanwhile."""

    provider: str
    code: str
    verifier: str
    nonce: str
    redirect: str


@dataclass(frozen=True, slots=True)
class SignInProof:
    """Who signed in with a provider. `id` is a digest of the authorization code, `expires` microseconds since the epoch, and
    `role` the one that the settings name, "" if the user chooses."""

    id: str
    session: Session
    role: str
    expires: int


class ProviderSignIns:
    """One worker's."""

    def __init__(
        self,
        providers: Sequence[SignInProvider],
        fetch: OidcFetch,
        identities: WebIdentities,
        tokens: Tokens,
        clock: Clock,
    ) -> None:
        self._providers = {each.name: each for each in providers}
        self._fetch = fetch
        self._identities = identities
        self._tokens = tokens
        self._clock = clock
        self._configurations: dict[str, tuple[float, dict[str, Any] | None]] = {}
        self._asking = {each.issuer: asyncio.Lock() for each in providers}

    async def offered(self) -> list[dict[str, Any]]:
        """What the sign-in page needs of each provider. The endpoint is None while the provider does not answer."""
        return await asyncio.gather(*(self._offer(each) for each in self._providers.values()))

    async def _offer(self, provider: SignInProvider) -> dict[str, Any]:
        configuration = await self._configuration(provider.issuer)
        endpoint = None if configuration is None else configuration.get("authorization_endpoint")
        return {
            "name": provider.name,
            "issuer": provider.issuer,
            "client_id": provider.client_id,
            "scope": provider.scope,
            "authorization_endpoint": endpoint if _is_https(endpoint) else None,
        }

    async def exchanged(self, given: GivenCode) -> SignInProof:
        """Raises AccessRefused (no such provider), TokenRefused, NotFresh."""
        provider = self._providers.get(given.provider)
        if provider is None:
            raise AccessRefused(UNKNOWN)
        token = await self._token(provider, given)
        now = self._clock.now()
        session = await self._identities.session_of(token, provider.account, now)
        claims = jwt.decode(token, options={"verify_signature": False})  # session_of has verified it
        nonce = claims.get("nonce")
        if nonce != given.nonce:  # no secret from whoever sends it: the browser made it
            raise TokenRefused(InvalidIdentityToken("The ID token is the answer to another sign-in (nonce)."))
        if audience_of(session) != provider.client_id:
            raise TokenRefused(InvalidIdentityToken("Incorrect token audience"))
        used = self._tokens.digest(PROOF, f"{provider.issuer}\0{given.code}")[:32]
        return SignInProof(used, session, provider.role, min(now + LASTS, session.expires))

    def sealed(self, proof: SignInProof) -> str:
        document = {"id": proof.id, "session": proof.session.document(), "role": proof.role, "expires": proof.expires}
        return self._tokens.seal(PROOF, document)

    def opened(self, text: str) -> SignInProof:
        """Raises AccessRefused."""
        document = self._tokens.open(PROOF, text) if len(text) <= LONGEST_PROOF else None
        if document is None or self._clock.now() >= document["expires"]:
            raise AccessRefused(NOT_OURS)
        return SignInProof(**{**document, "session": session_from(document["session"])})

    async def _token(self, provider: SignInProvider, given: GivenCode) -> str:
        """The ID token. Raises TokenRefused."""
        configuration = await self._configuration(provider.issuer)
        endpoint = None if configuration is None else configuration.get("token_endpoint")
        form = {
            "grant_type": "authorization_code",
            "code": given.code,
            "redirect_uri": given.redirect,
            "client_id": provider.client_id,
            "code_verifier": given.verifier,
        }
        if provider.client_secret:
            form["client_secret"] = provider.client_secret
        try:
            if not isinstance(endpoint, str):
                raise NotFetched(f"{provider.issuer} does not answer")
            async with asyncio.timeout(PATIENCE):
                token = (await self._fetch.exchanged(endpoint, form)).get("id_token")
        except (NotFetched, TimeoutError) as fault:
            why = str(fault) or f"{provider.issuer} did not answer within {PATIENCE:.0f} seconds"
            raise TokenRefused(IdpCommunicationError(f"The code could not be exchanged: {why}.")) from None
        if not isinstance(token, str):
            raise TokenRefused(IdpCommunicationError("The provider gave no ID token."))
        return token

    async def _configuration(self, issuer: str) -> dict[str, Any] | None:
        """None while the provider does not answer; it is then asked again after a while."""
        fetched, found = self._configurations.get(issuer, NEVER)
        if time.monotonic() - fetched < (RETRY if found is None else CONFIGURATION_KEPT):
            return found
        async with self._asking[issuer]:
            if self._configurations.get(issuer, NEVER)[0] > fetched:  # somebody asked meanwhile
                return self._configurations[issuer][1]
            try:
                async with asyncio.timeout(PATIENCE):
                    found = await self._fetch.configuration(issuer)
            except (NotFetched, TimeoutError):
                found = None
            self._configurations[issuer] = (time.monotonic(), found)
        return found


def _is_https(text: object) -> bool:
    return isinstance(text, str) and text.startswith("https://")
