"""The passwords of users: the vault holds their hashes, and the log names each hash by its row and its digest."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import sha256

from domain.errors import AccessRefused, CommandExpired, PasswordPolicyViolation
from domain.identities.identity import USER, Identity, StoredPassword
from domain.identities.password_policy import PasswordPolicy, faults_of
from domain.identities.passwords import NOBODYS_ROW
from domain.ports import Unavailable
from services.adapters.attempts import Attempts, TooManyAttempts
from services.adapters.vault import Vault
from services.kms_api.errors import Throttled
from services.kms_api.live_state import LiveState
from services.kms_api.password_hashes import PasswordHashes
from services.operations.rows import Preparation

PASSWORD_ROW = "password-"  # noqa: S105  # the beginning of the names of hashes in the vault
USED_BEFORE = "Password should not be one of the last {count} passwords"
MADE_MEANWHILE: Preparation = {
    "fault": CommandExpired.kind,
    "message": "The user or its password was made while the call was under way; try again.",
}
"""For a user, or a password, that is not there. If it is there when the writer decides, no hash was made for it."""
TOO_MANY = "Too many passwords of this user were tried. Wait a minute, and try again."


class Passwords:
    """The passwords of every account's users, on the live state."""

    def __init__(self, live: LiveState, vault: Vault, attempts: Attempts) -> None:
        self._live = live
        self._vault = vault
        self._attempts = attempts
        self._hashes = PasswordHashes()

    async def made(self, account: str, name: str, password: str) -> Preparation:
        """`row` and `digest`, or `fault` and `message`. The writer refuses a user who is not there. Raises Unavailable, NotFresh,
        Throttled."""
        user = await self._user(account, name)
        if user is None:
            return MADE_MEANWHILE
        fault = await self.fault_of(user, password)
        return fault or await self._stored(account, password)

    async def changed(self, account: str, name: str, old: str, new: str) -> Preparation:
        """The same for the password that a user changes, with the `version` of the old one. Raises Unavailable, NotFresh,
        Throttled."""
        user = await self._user(account, name)
        if user is None or user.login is None:
            return MADE_MEANWHILE
        subject = f"password {user.id}"
        try:
            await self._attempts.take(subject)
        except TooManyAttempts:
            raise Throttled(TOO_MANY) from None
        if not await self.fits(user.login.password, old, account):
            return {"fault": AccessRefused.kind, "message": "The old password is not right."}
        await self._attempts.forget(subject)
        return await self.fault_of(user, new) or await self.stored(user, new)

    async def stored(self, user: Identity, new: str) -> Preparation:
        """`row` and `digest` of a password that may take the place of the old one, and the old one's `version`. Raises
        Unavailable, Throttled."""
        assert user.login is not None, "the old password was right"
        return {"version": str(user.login.version), **await self._stored(user.account, new)}

    async def fits(self, stored: StoredPassword | None, password: str, whose: str) -> bool:
        """Whether this is the password; None is that of a user who is not there, and no password fits. Both take as long.
        `whose` names the row in which it waits (PasswordHashes). Raises Unavailable, Throttled."""
        held = await self._nobodys(whose) if stored is None else await self._hash(stored)
        return await self._hashes.fits_any(whose, [held], password) and stored is not None

    async def fault_of(self, user: Identity, password: str) -> Preparation:
        """`fault` and `message` if this may not be the user's next password, otherwise {}. Raises Unavailable, Throttled."""
        return self.fault_by_rules(user, password) or await self.fault_by_former(user, password)

    def fault_by_rules(self, user: Identity, password: str) -> Preparation:
        """The same by the account's rules alone, which are no secret."""
        fault = next(faults_of(password, self._policy(user), user.name), "")
        return {"fault": PasswordPolicyViolation.kind, "message": fault} if fault else {}

    def excluded(self, user: Identity) -> Sequence[StoredPassword]:
        """The passwords of the user that may not be the next one."""
        policy = self._policy(user)
        if policy is None or user.login is None:
            return ()
        return (user.login.password, *user.login.former)[: policy.reuse_prevention]

    async def fault_by_former(self, user: Identity, password: str) -> Preparation:
        """The same by the user's own passwords. Raises Unavailable, Throttled."""
        policy, held = self._policy(user), [await self._hash(each) for each in self.excluded(user)]
        if policy is None or not held or not await self._hashes.fits_any(user.account, held, password):
            return {}
        return {"fault": PasswordPolicyViolation.kind, "message": USED_BEFORE.format(count=policy.reuse_prevention)}

    def _policy(self, user: Identity) -> PasswordPolicy | None:
        return self._live.world.accounts[user.account].password_policy

    async def _stored(self, account: str, password: str) -> Preparation:
        row, made = PASSWORD_ROW + secrets.token_hex(16), await self._hashes.made(account, password)
        await self._vault.put_secret(row, made)
        return {"row": row, "digest": sha256(made.encode()).hexdigest()}

    async def _hash(self, stored: StoredPassword) -> str:
        """Raises Unavailable, also for a hash that is not the one that the event names: somebody put another row in its
        place."""
        found = await self._vault.secret(stored.row) or ""
        if sha256(found.encode()).hexdigest() != stored.digest:
            raise Unavailable("the vault does not hold the hash of the password")
        return found

    async def _nobodys(self, whose: str) -> str:
        found = await self._vault.secret(NOBODYS_ROW)
        if found is None:
            found = await self._hashes.made(whose, secrets.token_urlsafe(32))
            await self._vault.put_secret(NOBODYS_ROW, found)
        sha256(found.encode()).hexdigest()  # what a user's hash costs, too
        return found

    async def _user(self, account: str, name: str) -> Identity | None:
        """The user, also if another worker answered its making a moment ago. Raises NotFresh."""
        if self._live.world.directory.find(USER, account, name) is None:
            await self._live.barrier()
        return self._live.world.directory.find(USER, account, name)
