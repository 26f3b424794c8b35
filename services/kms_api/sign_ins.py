"""Whether a user name and a password are right, and what finding that out may cost.

A name that is no user's takes the same way as a user's with a wrong password: the same look at the log's end, a row of the
vault, a hash, a record. Attempts are counted before anything is hashed, by all workers together: for a user from one
address, so that nobody locks another out, and for an address.

Source: OWASP, Authentication Cheat Sheet (responses, throttling); CloudTrail user guide,
cloudtrail-event-reference-aws-console-sign-in-events (a user name that is no user's).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from domain.identities.identity import USER, Identity, LoginProfile
from domain.state.world import World
from services.adapters.attempts import Attempts, TooManyAttempts
from services.adapters.tokens import Tokens
from services.client_address import group_of
from services.kms_api.errors import Throttled
from services.kms_api.live_state import LiveState
from services.kms_api.passwords import TOO_MANY, Passwords
from services.operations.rows import Preparation

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""Stands in records where somebody typed a name that is no user's: people type passwords there (CloudTrail's word)."""
ATTEMPT, NEW_PASSWORD = "sign-in", "new-password"
"""What the digests of names are for."""

STOPPED_FOR = 1.0
"""Seconds."""
MOST_STOPPED = 10_000


@dataclass(frozen=True, slots=True)
class PasswordGiven:
    """`account` is an account's id or alias, `address` the client's."""

    account: str
    user: str
    password: str
    address: str


@dataclass(frozen=True, slots=True)
class TriedPassword:
    """`account` is "" if there is no such account, and `user` None if that account has no such user with a password. `seen`
    is the position on the log at which the password was compared."""

    account: str
    user: Identity | None
    is_right: bool
    seen: int

    @property
    def principal(self) -> str:
        return HIDDEN if self.user is None else self.user.arn

    @property
    def right_user(self) -> Identity:
        assert self.user is not None, "a right password is a user's"
        return self.user

    @property
    def login(self) -> LoginProfile:
        login = self.right_user.login
        assert login is not None, "a right password is a user's"
        return login


class TooManySignIns(Exception):
    """Nothing was compared. `meant` says whose password it was to be."""

    def __init__(self, meant: TriedPassword) -> None:
        super().__init__()
        self.meant = meant


class SignIns:
    """`of_user` has a bucket for each user from each address, and `of_address` one for each address."""

    def __init__(
        self, live: LiveState, passwords: Passwords, tokens: Tokens, of_user: Attempts, of_address: Attempts
    ) -> None:
        self.passwords = passwords
        self._live = live
        self._tokens = tokens
        self._of_user = of_user
        self._of_address = of_address
        self._stopped: dict[str, float] = {}
        """Subjects without an attempt left, and until when they are refused without asking the database again."""

    async def take_from(self, address: str) -> None:
        """Takes one of the attempts that an address has. Raises TooManySignIns, Unavailable."""
        try:
            await self._take(self._of_address, f"{ATTEMPT} {group_of(address)}")
        except TooManyAttempts:
            raise TooManySignIns(TriedPassword("", None, False, self._live.position)) from None

    async def give_back_to(self, address: str) -> None:
        """The attempt was right: it does not count. Raises Unavailable."""
        await self._of_address.give_back(f"{ATTEMPT} {group_of(address)}")

    async def tried(self, given: PasswordGiven) -> TriedPassword:
        """Raises TooManySignIns, Throttled, NotFresh, Unavailable."""
        address = group_of(given.address)
        from_there = f"{ATTEMPT} {address}"
        # An account's id and its alias are one account. The table of attempts must not hold what was typed, either.
        account = account_named(given.account, self._live.world) or given.account
        named = self._tokens.digest(ATTEMPT, f"{account}\0{given.user.lower()}\0{address}")
        try:
            await self._take(self._of_address, from_there)
            await self._take(self._of_user, named)
        except TooManyAttempts:
            raise TooManySignIns(self._meant(given)) from None
        await self._live.barrier()
        meant = self._meant(given)
        login = None if meant.user is None else meant.user.login
        if not await self.passwords.fits(None if login is None else login.password, given.password, address):
            return meant
        await self.give_back_to(given.address)
        await self._of_user.forget(named)
        return TriedPassword(meant.account, meant.user, True, meant.seen)

    async def fault_of_new(self, user: Identity, password: str, address: str) -> Preparation:
        """What is wrong with a user's new password, {} if nothing. Who asks has shown the present one, and perhaps no code: the
        answer tells whether this was one of the user's former passwords, so it is given as rarely as other guesses are
        compared. Raises Throttled, Unavailable."""
        fault = self.passwords.fault_by_rules(user, password)
        if fault or not self.passwords.excluded(user):
            return fault
        try:
            await self._take(self._of_user, self._tokens.digest(NEW_PASSWORD, f"{user.id}\0{group_of(address)}"))
        except TooManyAttempts:
            raise Throttled(TOO_MANY) from None
        return await self.passwords.fault_by_former(user, password)

    async def _take(self, attempts: Attempts, subject: str) -> None:
        """Raises TooManyAttempts, Unavailable."""
        now = time.monotonic()
        if self._stopped.get(subject, now) > now:
            raise TooManyAttempts(subject)
        try:
            await attempts.take(subject)
        except TooManyAttempts:
            if len(self._stopped) >= MOST_STOPPED:
                self._stopped.clear()
            self._stopped[subject] = now + STOPPED_FOR
            raise

    def _meant(self, given: PasswordGiven) -> TriedPassword:
        world = self._live.world
        account = account_named(given.account, world)
        user = world.directory.find(USER, account, given.user)
        with_password = user if user is not None and user.login is not None else None
        return TriedPassword(account, with_password, False, self._live.position)


def account_named(text: str, world: World) -> str:
    """The id of the account with this id or alias, "" if there is none, or if two have the alias: earlier versions allowed
    that, and nobody's password is for another account to receive or to test."""
    if text in world.accounts:
        return text
    named = [each.id for each in world.accounts.values() if text and each.alias == text]
    return named[0] if len(named) == 1 else ""
