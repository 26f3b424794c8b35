"""Who calls: checks the signature against the secret of its credential, and finds the credential's caller on the live
state.

The vault has the secret of a long-term credential; a session token holds that of a temporary one. Callers are kept
until the directory changes, so that a deleted user, a disabled access key or a changed policy takes effect at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.context import Via
from domain.commands.console_codes import EXPIRED as EXPIRED_CODE
from domain.errors import CredentialDisabled, CredentialExpired
from domain.state.callers import (
    EXPIRED_TOKEN,
    SIGNED_OUT,
    Session,
    UnreadableSession,
    caller_of,
    is_known,
    is_signed_out,
    known_as,
    session_from,
    via_of,
)
from services import signing
from services.adapters.tokens import SESSION, Tokens
from services.adapters.vault import Vault
from services.clock import Clock
from services.kms_api.console_codes import ConsoleCode, opened_code
from services.kms_api.live_state import LiveState
from services.kms_api.presigned_url import Presigned
from services.kms_api.stages import next_stage

HELD = 10_000
"""The most long-term credentials whose secrets are kept."""
SESSIONS = 10_000
SESSIONS_SIZE = 16_777_216
"""The most sessions that are kept, and the most characters of their tokens: a token holds its session's policy and tags."""
UNPROVEN = 64
"""The most long-term credentials that are kept after requests named them, but without a right signature so far."""
LOOK_TOGETHER = 0.02
"""Seconds. Requests with unknown access keys wait this long for each other, to ask for the log's end once."""
BEHALF, SOURCE_ARN, SOURCE_ACCOUNT = "x-amz-keytrail-on-behalf-of", "x-amz-source-arn", "x-amz-source-account"
"""The headers in which a service says for whom it calls. From any other caller they mean nothing."""
TOKEN_HEADER = "x-amz-security-token"  # noqa: S105  # a header's name

KMS_ALONE = "A service principal calls KMS alone."
UNKNOWN_CODE = "The code is not one that this installation made. Run `keytrail console` for a new one."


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A caller whose signature is right. If the credential may no longer be used, `caller` is None, `refusal` says why,
    and `account` and `principal` say whose it was."""

    account: str
    principal: str
    access_key: str
    session: Session | None
    document: dict[str, object] | None
    """The session in the form of a record."""
    caller: Caller | None
    via: Via | None = None
    """The service that signed, for itself or on behalf of `principal`."""
    refusal: CredentialDisabled | CredentialExpired | None = None


@dataclass(slots=True)
class _Credential:
    """A credential in memory: its secret, its session, and its caller when the directory had made `changes`. `under`: the secret
    that its token was sealed under; "" for one without a token."""

    access_key: str
    secret: str
    session: Session | None
    under: str = ""
    changes: int = -1
    who: Authenticated | None = None


class _HeldCredentials:
    """Credentials by the name that came in a request. Each was verified before it is kept. So made-up names cannot fill
    this, or push out the credentials of others."""

    def __init__(self, most: int, most_size: int) -> None:
        self._most = most
        self._most_size = most_size
        self._size = 0
        self._kept: dict[str, _Credential] = {}
        self.get = self._kept.get

    def keep(self, name: str, credential: _Credential) -> None:
        """If there are too many, the one that was kept first is dropped."""
        if name in self._kept:
            return
        self._kept[name] = credential
        self._size += len(name)
        while len(self._kept) > self._most or self._size > self._most_size:
            first = next(iter(self._kept))
            del self._kept[first]
            self._size -= len(first)


class Authenticator:
    """Verifies requests for one region. The secrets of credentials in use are kept in memory."""

    def __init__(self, live: LiveState, vault: Vault, tokens: Tokens, region: str, clock: Clock) -> None:
        self._clock = clock
        self._live = live
        self._vault = vault
        self._tokens = tokens
        self._region = region
        # Two stores: a token that is spelled like an access key is not that key.
        self._long_term = _HeldCredentials(HELD, HELD * 128)
        self._sessions = _HeldCredentials(SESSIONS, SESSIONS_SIZE)
        # Found in the vault for a caller who did not prove to know the secret. These are only existing credentials, so
        # that several wrong signatures cost one look into the vault, not one each.
        self._unproven = _HeldCredentials(UNPROVEN, UNPROVEN * 128)
        self._look: asyncio.Task[None] | None = None

    async def authenticate(self, request: signing.Signed, services: frozenset[str]) -> Authenticated:
        """Raises SignatureRefused, NotFresh (the access key may be too new to know), Unavailable."""
        headers = request.headers
        given, signature = signing.authorization(headers)
        signing.require_scope(given, self._region, services)
        stamp = signing.require_time(given, headers, time.time())
        token = headers.get(TOKEN_HEADER)
        held = self._long_term.get(given.access_key) if token is None else self._sessions.get(token)
        credential = held
        if credential is None:
            credential = await self._find(given.access_key) if token is None else self._open(token)
        if credential.access_key != given.access_key:
            raise signing.SignatureRefused(signing.UNKNOWN, signing.UNKNOWN_KEY)
        signing.require_signature(request, given, signature, stamp, credential.secret)
        if held is None:
            if token is None:
                self._long_term.keep(given.access_key, credential)
            else:
                self._sessions.keep(token, credential)
        # The caller is looked up only now: it has to be the caller at the position of the decision.
        await next_stage()
        self._require_token_counts(credential)
        if given.access_key in self._live.world.services:
            return await self._through(credential, headers, given.service)
        if credential.session is None and credential.changes == self._live.world.directory.changes:
            assert credential.who is not None, "whoever is known by its changes was found"
            return credential.who
        return await self._who(credential)

    def without_services(self, who: Authenticated) -> Authenticated:
        """The same where no service may call, for itself or for anybody: a request may be signed for KMS and sent elsewhere."""
        if who.via is None:
            return who
        return self._refused(_Credential(who.access_key, "", None), CredentialDisabled(KMS_ALONE))

    async def authenticate_presigned(self, request: signing.Signed) -> Authenticated:
        """The same for a signature in a URL. Raises SignatureRefused, NotFresh, Unavailable."""
        presigned = Presigned(request, self._region, time.time())
        access_key, token = presigned.given.access_key, presigned.token
        credential = self._long_term.get(access_key) if token is None else self._sessions.get(token)
        if credential is None:
            credential = await self._find(access_key) if token is None else self._open(token)
        if credential.access_key != access_key:
            raise signing.SignatureRefused(signing.UNKNOWN, signing.UNKNOWN_KEY)
        presigned.require_right(credential.secret)
        self._require_token_counts(credential)
        return await self._who(credential)

    async def authenticate_code(self, text: str) -> tuple[Authenticated, ConsoleCode]:
        """Who asked for a console code: its seal stands for the signature. Raises SignatureRefused (also for a code that
        has expired), NotFresh, Unavailable."""
        code = opened_code(self._tokens, text)
        if code is None:
            raise signing.SignatureRefused(signing.UNKNOWN, UNKNOWN_CODE)
        if self._clock.now() >= code.expires:
            raise signing.SignatureRefused(signing.UNKNOWN, EXPIRED_CODE)
        return await self._who(_Credential(code.access_key, "", code.session)), code

    async def authenticate_session(self, session: Session) -> Authenticated:
        """The user of a session that begins with a right password. Raises NotFresh."""
        return await self._who(_Credential("", "", session))

    async def _find(self, access_key: str) -> _Credential:
        """A long-term credential. Raises SignatureRefused, NotFresh, Unavailable."""
        found = self._unproven.get(access_key)
        if found is not None:
            return found
        if not is_known(self._live.world, access_key):
            await self._look_together()
            if not is_known(self._live.world, access_key):
                raise signing.SignatureRefused(signing.UNKNOWN, signing.UNKNOWN_KEY)
        secret = await self._vault.secret(access_key)
        if secret is None:
            raise signing.SignatureRefused(signing.UNKNOWN, signing.UNKNOWN_KEY)
        found = _Credential(access_key, secret, None)
        self._unproven.keep(access_key, found)
        return found

    async def _look_together(self) -> None:
        """Uses one barrier for all requests that came before it. Anybody can name any number of unknown access keys,
        and each question to the broker costs as much as a call. Raises NotFresh."""
        if self._look is None:
            self._look = asyncio.create_task(self._look_once())
        await asyncio.shield(self._look)

    async def _look_once(self) -> None:
        await asyncio.sleep(LOOK_TOGETHER)
        self._look = None
        await self._live.barrier()

    def _open(self, token: str) -> _Credential:
        """A session's credential. Raises SignatureRefused, NotFresh."""
        document = self._tokens.open(SESSION, token)
        if document is None:
            self._live.require_fresh()  # a worker that was away may lack the secret that others seal under by now
            raise signing.SignatureRefused(signing.UNKNOWN, signing.UNKNOWN_KEY)
        try:
            session = session_from(document["session"])
        except UnreadableSession:  # credentials from before an upgrade
            raise signing.SignatureRefused(signing.UNKNOWN, signing.UNKNOWN_KEY) from None
        return _Credential(document["access_key"], document["secret"], session, self._tokens.under(token))

    def _require_token_counts(self, credential: _Credential) -> None:
        """A token may be held that counted when it came. Raises SignatureRefused."""
        if credential.under and not self._tokens.counts(credential.under):
            raise signing.SignatureRefused(signing.UNKNOWN, signing.UNKNOWN_KEY)

    async def _through(self, credential: _Credential, headers: Mapping[str, str], api: str) -> Authenticated:
        """A service's call, for itself or for a principal. The principal is looked up each time."""
        said = (headers.get(name, "")[:2048] for name in (BEHALF, SOURCE_ARN, SOURCE_ACCOUNT))
        via = via_of(self._live.world, credential.access_key, *said)
        if api != "kms":
            return self._refused(credential, CredentialDisabled(KMS_ALONE))
        try:
            caller = caller_of(self._live.world, credential.access_key, None, self._clock.now(), via)
        except CredentialDisabled:
            # Another worker may have created this principal a millisecond ago.
            await self._live.barrier()
            try:
                caller = caller_of(self._live.world, credential.access_key, None, self._clock.now(), via)
            except CredentialDisabled as fault:
                return self._refused(credential, fault)
        return Authenticated(caller.account, caller.principal, credential.access_key, None, None, caller, via)

    async def _who(self, credential: _Credential) -> Authenticated:
        now, session = self._clock.now(), credential.session
        if session is not None and now >= session.expires:
            return self._refused(credential, CredentialExpired(EXPIRED_TOKEN))
        # A sign-out is no change of the directory, and nothing takes it back: no barrier is needed to refuse for it.
        if session is not None and is_signed_out(self._live.world, credential.access_key, session):
            return self._refused(credential, CredentialDisabled(SIGNED_OUT))
        directory = self._live.world.directory
        if credential.who is not None and credential.changes == directory.changes:
            return credential.who
        try:
            return self._found(credential, now)
        except CredentialDisabled:
            # Another worker may have enabled it a millisecond ago, so a refusal needs a barrier.
            await self._live.barrier()
        try:
            return self._found(credential, now)
        except CredentialDisabled as fault:
            return self._refused(credential, fault)

    def _found(self, credential: _Credential, now: int) -> Authenticated:
        world = self._live.world
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
        account, principal = known_as(self._live.world, credential.access_key, session)
        document = None if session is None else session.document()
        return Authenticated(account, principal, credential.access_key, session, document, None, None, fault)
