"""Compares the codes of MFA devices with their seeds, which the vault holds.

A code that fits is good at one step. That it was not used before is decided by the writer (domain/commands/mfa_devices.py).
Attempts on one device are limited over all workers, before the seed is read: six digits can be guessed.
"""

from __future__ import annotations

import secrets
from base64 import b32decode, b32encode
from collections.abc import Callable
from hashlib import sha256

from domain.commands.mfa_devices import INVALID_CODES
from domain.crypto.totp import SEED_BYTES, step_at, step_of
from domain.errors import InvalidMfaCode
from domain.identities.identity import USER
from domain.identities.mfa_devices import MfaDevice
from domain.ports import Unavailable
from services.adapters.attempts import Attempts, TooManyAttempts
from services.adapters.vault import Vault
from services.clock import Clock
from services.kms_api.errors import Throttled
from services.kms_api.live_state import LiveState
from services.operations.rows import Preparation

SEED_ROW = "mfa-"
"""The beginning of the names of seeds in the vault."""
AROUND_NOW = 1
"""How many steps a code may be early or late (RFC 6238, section 5.2, recommends one)."""
AROUND_FIRST = 20
"""How many steps a device's clock may be off when it is given to a user or synchronised: ten minutes."""


class MfaCodes:
    """The codes of every account's devices, on the live state."""

    def __init__(self, live: LiveState, vault: Vault, attempts: Attempts, clock: Clock) -> None:
        self._live = live
        self._vault = vault
        self._attempts = attempts
        self._clock = clock

    async def new_seed(self) -> Preparation:
        """`seed`, the name of a new seed in the vault, and its `digest`. Raises Unavailable."""
        name, seed = SEED_ROW + secrets.token_hex(16), secrets.token_bytes(SEED_BYTES)
        await self._vault.put_secret(name, b32encode(seed).decode())
        return {"seed": name, "digest": sha256(seed).hexdigest()}

    async def found(self, serial: str, account: str, holder: str, codes: tuple[str, str]) -> Preparation:
        """`step` of the second code and `drift`, or `fault` and `message`. `holder` names the user who has the device, "" for
        a device that nobody has. {} if there is no such device: the writer refuses the command by itself, and the attempts
        on somebody else's device stay that user's. Raises Unavailable, NotFresh, Throttled."""
        device = await self._seen(serial, lambda device: device.account == account and self._has(holder, device))
        if device is None:
            return {}
        now = step_at(self._clock.now())
        await self._take(serial)
        first = step_of(await self._seed(device), codes, range(now - AROUND_FIRST, now + AROUND_FIRST))
        if first is None:
            return {"fault": InvalidMfaCode.kind, "message": INVALID_CODES}
        await self.right(serial)
        return {"step": str(first + 1), "drift": str(first + 1 - now)}

    async def step_of(self, device: MfaDevice, code: str) -> int | None:
        """The step that a code is of, None for a code that the device does not show now. Raises Unavailable, Throttled."""
        now = step_at(self._clock.now()) + device.drift
        await self._take(device.arn)
        return step_of(await self._seed(device), (code,), range(now - AROUND_NOW, now + AROUND_NOW + 1))

    async def right(self, serial: str) -> None:
        """A code of the device was taken: what was tried before does not count any more. Raises Unavailable."""
        await self._attempts.forget(f"mfa {serial}")

    async def device_of(self, user: str, serial: str) -> MfaDevice | None:
        """The device that a user (a unique id) has, also if another worker gave it to the user a moment ago. Raises NotFresh."""
        return await self._seen(serial, lambda device: device.user == user)

    def _has(self, holder: str, device: MfaDevice) -> bool:
        if not holder:
            return not device.user
        user = self._live.world.directory.find(USER, device.account, holder)
        return user is not None and device.user == user.id

    async def _seen(self, serial: str, is_meant: Callable[[MfaDevice], bool]) -> MfaDevice | None:
        """The device if it is the one that is meant; before that is denied, by everything that is on the log."""
        for is_last in (False, True):
            device = self._live.world.directory.mfa.by_serial.get(serial)
            if device is not None and is_meant(device):
                return device
            if not is_last:
                await self._live.barrier()
        return None

    async def _take(self, serial: str) -> None:
        """Raises Throttled, Unavailable."""
        try:
            await self._attempts.take(f"mfa {serial}")
        except TooManyAttempts:
            raise Throttled("Too many codes of this MFA device were tried. Wait a minute, and try again.") from None

    async def _seed(self, device: MfaDevice) -> bytes:
        """Raises Unavailable, also for a seed that is not the one that the device's event names: somebody put another row in
        its place."""
        text = await self._vault.secret(device.seed)
        seed = b"" if text is None else b32decode(text)
        if sha256(seed).hexdigest() != device.digest:
            raise Unavailable(f"the vault does not hold the seed of {device.arn}")
        return seed
