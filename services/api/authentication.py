"""Who calls: the signature checked against the secret of its credential, and the credential's caller on the present.

A long-term secret is in the vault, a temporary one in its session token. Callers are held until the directory changes,
so that a deleted user, a disabled key or a changed policy tells at once.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from domain.access.caller import Caller
from domain.access.context import Via
from domain.errors import CredentialDisabled, CredentialExpired
from domain.identities.callers import EXPIRED_TOKEN, Session, caller_of, is_known, known_as, session_from, via_of
from services.adapters.tokens import SESSION, Tokens
from services.adapters.vault import Vault
from services.api import sigv4
from services.api.present import Present
from services.api.stages import next_stage
from services.clock import Clock

HELD = 10_000
BEHALF, SOURCE_ARN, SOURCE_ACCOUNT = "x-amz-keytrail-on-behalf-of", "x-amz-source-arn", "x-amz-source-account"
"""What a service says of its call; of anyone else these headers mean nothing."""
TOKEN_HEADER = "x-amz-security-token"  # noqa: S105  # a header's name


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whose signature is right. `caller` is None where the credential may not be used any more: `refusal` says why, and
    account and principal who it was of."""

    account: str
    principal: str
    access_key: str
    session: Session | None
    document: dict[str, object] | None
    """The session as a record holds it."""
    caller: Caller | None
    via: Via | None = None
    """The service that signed, for itself or for whom `principal` names."""
    refusal: CredentialDisabled | CredentialExpired | None = None


@dataclass(slots=True)
class _Credential:
    """What is held of a credential: its secret, its session, and who it was when the directory had made `changes`."""

    access_key: str
    secret: str
    session: Session | None
    changes: int = -1
    who: Authenticated | None = None


class Authenticator:
    """Verifies requests for one region. Secrets of the credentials in use are held in memory."""

    def __init__(self, present: Present, vault: Vault, tokens: Tokens, region: str, clock: Clock) -> None:
        self._clock = clock
        self._present = present
        self._vault = vault
        self._tokens = tokens
        self._region = region
        self._held: OrderedDict[str, _Credential] = OrderedDict()

    async def authenticate(self, request: sigv4.Signed, services: frozenset[str]) -> Authenticated:
        """Raises SignatureRefused, NotFresh (the access key may be too new to know), Unavailable."""
        headers = request.headers
        given, signature = sigv4.authorization(headers)
        sigv4.require_scope(given, self._region, services)
        stamp = sigv4.require_time(given, headers, time.time())
        token = headers.get(TOKEN_HEADER)
        credential = self._held.get(token or given.access_key)
        if credential is None or credential.access_key != given.access_key:
            credential = await self._credential(given.access_key, token)
        sigv4.require_signature(request, given, signature, stamp, credential.secret)
        # Before the caller is looked up, who must be the one of the position that the call is decided on.
        await next_stage()
        if given.access_key in self._present.world.services:
            return await self._through(credential, headers, given.service)
        if credential.session is None and credential.changes == self._present.world.directory.changes:
            assert credential.who is not None, "whoever is known by its changes was found"
            return credential.who
        return await self._who(credential)

    async def _credential(self, access_key: str, token: str | None) -> _Credential:
        held = self._held.get(token or access_key)
        if held is None:
            held = await self._long_term(access_key) if token is None else self._temporary(token)
            self._held[token or access_key] = held
            if len(self._held) > HELD:
                self._held.popitem(last=False)
        if held.access_key != access_key:
            raise sigv4.SignatureRefused(sigv4.UNKNOWN, sigv4.UNKNOWN_KEY)
        return held

    async def _long_term(self, access_key: str) -> _Credential:
        if not is_known(self._present.world, access_key):
            await self._present.barrier()
            if not is_known(self._present.world, access_key):
                raise sigv4.SignatureRefused(sigv4.UNKNOWN, sigv4.UNKNOWN_KEY)
        secret = await self._vault.secret(access_key)
        if secret is None:
            raise sigv4.SignatureRefused(sigv4.UNKNOWN, sigv4.UNKNOWN_KEY)
        return _Credential(access_key, secret, None)

    def _temporary(self, token: str) -> _Credential:
        document = self._tokens.open(SESSION, token)
        if document is None:
            raise sigv4.SignatureRefused(sigv4.UNKNOWN, sigv4.UNKNOWN_KEY)
        return _Credential(document["access_key"], document["secret"], session_from(document["session"]))

    async def _through(self, credential: _Credential, headers: Mapping[str, str], api: str) -> Authenticated:
        """A service's call, for itself or for another: who that is has to be looked up each time."""
        said = (headers.get(name, "")[:2048] for name in (BEHALF, SOURCE_ARN, SOURCE_ACCOUNT))
        via = via_of(self._present.world, credential.access_key, *said)
        if api != "kms":
            return self._refused(credential, CredentialDisabled("A service principal calls KMS alone."))
        try:
            caller = caller_of(self._present.world, credential.access_key, None, self._clock.now(), via)
        except CredentialDisabled:
            # Whom it calls for may have been made through another worker a millisecond ago.
            await self._present.barrier()
            try:
                caller = caller_of(self._present.world, credential.access_key, None, self._clock.now(), via)
            except CredentialDisabled as fault:
                return self._refused(credential, fault)
        return Authenticated(caller.account, caller.principal, credential.access_key, None, None, caller, via)

    async def _who(self, credential: _Credential) -> Authenticated:
        now, session = self._clock.now(), credential.session
        if session is not None and now >= session.expires:
            return self._refused(credential, CredentialExpired(EXPIRED_TOKEN))
        directory = self._present.world.directory
        if credential.who is not None and credential.changes == directory.changes:
            return credential.who
        try:
            return self._found(credential, now)
        except CredentialDisabled:
            # It may have been enabled through another worker a millisecond ago: a refusal is given on a barrier.
            await self._present.barrier()
        try:
            return self._found(credential, now)
        except CredentialDisabled as fault:
            return self._refused(credential, fault)

    def _found(self, credential: _Credential, now: int) -> Authenticated:
        world = self._present.world
        caller = caller_of(world, credential.access_key, credential.session, now)
        session = credential.session
        document = None if session is None else session.document()
        credential.changes = world.directory.changes
        credential.who = Authenticated(
            caller.account, caller.principal, credential.access_key, session, document, caller
        )
        return credential.who

    def _refused(self, credential: _Credential, fault: CredentialDisabled | CredentialExpired) -> Authenticated:
        session = credential.session
        account, principal = known_as(self._present.world, credential.access_key, session)
        document = None if session is None else session.document()
        return Authenticated(account, principal, credential.access_key, session, document, None, None, fault)
