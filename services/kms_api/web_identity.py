"""Who sent a token of an OpenID Connect provider: its signature and its claims, checked against the account's provider.

Nothing is fetched for an issuer that the role's account has not registered, or for a token that would be refused anyway.

Source: OpenID Connect Core 1.0, section 3.1.3.7 (the checks); RFC 8725 (algorithms); STS API reference,
AssumeRoleWithWebIdentity (the errors); IAM user guide, reference_policies_iam-condition-keys (`ISSUER:sub` and others).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from domain.durations import SECOND_MICROS
from domain.errors import ExpiredIdentityToken, IdpCommunicationError, InvalidIdentityToken, Refusal
from domain.identities.oidc_providers import HTTPS, OidcProvider, provider_arn
from domain.state.callers import Session, provider_session
from services.adapters.oidc_fetch import NotFetched
from services.kms_api.live_state import LiveState
from services.kms_api.provider_keys import KINDS, ProviderKeys

LEEWAY = 10
"""Seconds that the provider's clock may differ from ours."""
LONGEST_TOKEN = 20_000
BLANK = " \t\r\n"
"""A file of AWS_WEB_IDENTITY_TOKEN_FILE often ends in a line break, which SDKs send with the token."""
LONGEST_NAME = 255
INVALID = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
NOT_VERIFIED = "Couldn't retrieve verification key from your identity provider, please reference {issuer}: {why}."
NO_PROVIDER = "No OpenIDConnect provider found in your account for {issuer}"


class TokenRefused(Exception):
    """`provider` is the account's provider that the token names, None if it names none."""

    def __init__(self, fault: Refusal, provider: OidcProvider | None = None) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.provider = provider


class WebIdentities:
    def __init__(self, live: LiveState, keys: ProviderKeys) -> None:
        self._live = live
        self._keys = keys

    async def session_of(self, token: str, account: str, now: int) -> Session:
        """The sender, as a session of the account's provider. `now` is microseconds since the epoch. Raises TokenRefused,
        NotFresh."""
        token = token.strip(BLANK)
        header, claims = _unverified(token)
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or len(issuer) > LONGEST_NAME + len(HTTPS) or not issuer.startswith(HTTPS):
            raise TokenRefused(InvalidIdentityToken("Issuer of the ID token is not an https URL"))
        provider = await self._provider(account, issuer)
        if provider is None:
            raise TokenRefused(InvalidIdentityToken(NO_PROVIDER.format(issuer=issuer)))
        try:
            return await self._verified(token, header, claims, provider, now)
        except Refusal as fault:
            raise TokenRefused(fault, provider) from None

    async def _provider(self, account: str, issuer: str) -> OidcProvider | None:
        """The provider, also if another worker registered it a moment ago. Raises NotFresh."""
        arn = provider_arn(account, issuer.removeprefix(HTTPS))
        if account in self._live.world.accounts and arn not in self._live.world.directory.oidc:
            await self._live.barrier()
        return self._live.world.directory.oidc.get(arn)

    async def _verified(
        self, token: str, header: Mapping[str, Any], claims: Mapping[str, Any], provider: OidcProvider, now: int
    ) -> Session:
        """Raises InvalidIdentityToken, ExpiredIdentityToken, IdpCommunicationError."""
        audience = _audience(claims, provider)
        _require_times(claims, now // SECOND_MICROS)
        subject = _name(claims, "sub")
        algorithm, issuer = str(header["alg"]), HTTPS + provider.name
        kid = header.get("kid", "")
        if not isinstance(kid, str):
            raise InvalidIdentityToken(INVALID)
        try:
            key = await self._keys.key(issuer, algorithm, kid)
        except NotFetched as fault:
            raise IdpCommunicationError(NOT_VERIFIED.format(issuer=issuer, why=fault)) from None
        if key is None:
            raise InvalidIdentityToken(NOT_VERIFIED.format(issuer=issuer, why="it has no such key"))
        try:
            jwt.decode(token, key, [algorithm], options=SIGNATURE_ALONE)
        except jwt.PyJWTError:
            raise InvalidIdentityToken("Provided Token's signature cannot be verified") from None
        more = {"amr": _texts(claims, "amr"), "email": _texts(claims, "email") if _is_of_subject(claims) else ()}
        return provider_session(provider, subject, audience, more, now, int(claims["exp"]) * SECOND_MICROS)


SIGNATURE_ALONE: Any = {
    "verify_signature": True,
    "verify_exp": False,  # the claims were checked before, so that nothing is fetched for a token that has expired
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _unverified(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """(header, claims), of which nobody has vouched for anything. Raises TokenRefused."""
    try:
        if len(token) > LONGEST_TOKEN:
            raise ValueError
        whole = jwt.decode_complete(token, options={"verify_signature": False})
        header, claims = whole["header"], whole["payload"]
        if str(header.get("alg")) not in KINDS or "crit" in header or "b64" in header:
            raise ValueError
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenRefused(InvalidIdentityToken(INVALID)) from None
    return header, claims


def _audience(claims: Mapping[str, Any], provider: OidcProvider) -> str:
    """The audience that the token is for. Raises InvalidIdentityToken."""
    given = claims.get("aud")
    audiences = [given] if isinstance(given, str) else given
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        raise InvalidIdentityToken("Incorrect token audience")
    party = claims.get("azp")
    if party is not None or len(audiences) != 1:  # a token for several names the one that it was made for
        audiences = [party]
    if audiences[0] not in provider.client_ids:
        raise InvalidIdentityToken("Incorrect token audience")
    return str(audiences[0])


def _require_times(claims: Mapping[str, Any], now: int) -> None:
    """Raises InvalidIdentityToken, ExpiredIdentityToken."""
    expires, issued, begins = (_time(claims, name) for name in ("exp", "iat", "nbf"))
    if expires is None or issued is None:
        raise InvalidIdentityToken("Token must say when it was issued (iat) and when it expires (exp)")
    if now >= expires + LEEWAY:
        raise ExpiredIdentityToken("Token expired: current date/time must be before the expiration date/time")
    if max(issued, begins or 0) > now + LEEWAY:
        raise InvalidIdentityToken("Token is not valid yet")


def _time(claims: Mapping[str, Any], name: str) -> int | None:
    """Seconds since the epoch. Raises InvalidIdentityToken."""
    found = claims.get(name)
    if found is None:
        return None
    if type(found) is not int or not 0 <= found < 2**40:
        raise InvalidIdentityToken(f"Token {name} must be an integer number of seconds")
    return found


def _name(claims: Mapping[str, Any], name: str) -> str:
    """Raises InvalidIdentityToken."""
    found = claims.get(name)
    if not isinstance(found, str) or not 1 <= len(found) <= LONGEST_NAME or not found.isprintable():
        raise InvalidIdentityToken(f"Token {name} must be a text of 1 to {LONGEST_NAME} characters")
    return found


def _is_of_subject(claims: Mapping[str, Any]) -> bool:
    """Whether the e-mail address is the subject's: the provider says that it checked it (OpenID Connect Core 1.0, section 5.1;
    some write the value as a text). One that does not say so may let people enter any address."""
    return str(claims.get("email_verified")).lower() == "true"


def _texts(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The values of a claim that conditions may read; none for one of another form."""
    found = claims.get(name)
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or len(texts) > 10:
        return ()
    return tuple(each for each in texts if isinstance(each, str) and len(each) <= LONGEST_NAME and each.isprintable())
