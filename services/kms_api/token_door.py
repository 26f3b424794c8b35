"""The door for calls that come with a provider's token in the place of a signature: AssumeRoleWithWebIdentity.

Source: STS API reference, AssumeRoleWithWebIdentity.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.arn import parse_arn
from domain.errors import InvalidIdentityToken, Refusal
from domain.log.record import Call
from domain.ports import Unavailable
from services.clock import Clock
from services.kms_api import errors, query
from services.kms_api.authentication import Authenticated, Authenticator
from services.kms_api.live_state import NotFresh
from services.kms_api.refused_attempts import RefusedAttempts
from services.kms_api.web_identity import TokenRefused, WebIdentities
from services.metrics import UNAUTHENTICATED

WITH_TOKEN = "AssumeRoleWithWebIdentity"  # noqa: S105  # an operation's name
_MARK = WITH_TOKEN.encode()
NOT_AUTHENTICATED = "The caller could not be authenticated now; try again."


def token_in(body: bytes) -> Mapping[str, str] | None:
    """The fields of a call with a token; None for any other form."""
    if _MARK not in body:
        return None
    try:
        found = query.fields(body)
    except Refusal:
        return None
    return found if found.get("Action") == WITH_TOKEN else None


class TokenDoor:
    def __init__(
        self, identities: WebIdentities, authenticator: Authenticator, attempts: RefusedAttempts, clock: Clock
    ) -> None:
        self._identities = identities
        self._authenticator = authenticator
        self._attempts = attempts
        self._clock = clock

    async def authenticate(
        self, fields: Mapping[str, str], call: str, source: str, agent: str, secure: bool
    ) -> Authenticated:
        """The sender of the token, at the provider that the role's account has registered. Raises WireError. A token that
        names such a provider and is refused is on record, or counted there."""
        role = parse_arn(fields.get("RoleArn", ""))
        token = fields.get("WebIdentityToken", "")
        account = role.account if role is not None else ""
        try:
            session = await self._identities.session_of(token, account, self._clock.now())
            return await self._authenticator.authenticate_session(session)
        except TokenRefused as refused:
            UNAUTHENTICATED.labels(InvalidIdentityToken.kind).inc()
            if refused.provider is not None:
                whose = refused.provider
                said = {"RoleArn": fields.get("RoleArn", "")[:2048]}
                attempt = Call(call, "", whose.arn, whose.account, source, agent, WITH_TOKEN, said, secure=secure)
                await self._attempts.refused(attempt, refused.fault)
            raise errors.on_record(refused.fault) from None
        except (NotFresh, Unavailable):
            raise errors.not_now(NOT_AUTHENTICATED) from None
