"""Virtual MFA devices: something in a user's hand that shows a code of six digits, another one every 30 seconds.

A device has a seed, which stands sealed in the vault. Its events name the seed's row and its digest, so that another row
in its place is refused. A device knows the step of the last code that was taken, and takes no code of that step or an
earlier one (RFC 6238, section 5.2: a code is good once).

Source: IAM user guide, id_credentials_mfa; IAM API reference, CreateVirtualMFADevice and its family.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from domain.arn import iam_arn
from domain.errors import NoSuchEntity

MFA = "mfa"
MOST_OF_USER = 8
"""IAM user guide, reference_iam-quotas."""


@dataclass(frozen=True, slots=True)
class MfaDevice:
    """`seed` names a row of the vault, and `digest` is the SHA-256 of the seed in hex. `user` is the unique id of the user
    who has the device, "" while nobody has it, and `enabled` the time at which that user got it. `drift` is how many steps
    the device's clock is ahead, and `used` the step of the last code that was taken. Times are microseconds since the
    epoch."""

    account: str
    name: str
    path: str
    created: int
    seed: str
    digest: str
    user: str = ""
    enabled: int = 0
    drift: int = 0
    used: int = -1
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The serial number of a virtual device."""
        return iam_arn(self.account, MFA, self.path, self.name)


@dataclass(frozen=True, slots=True)
class FoundCodes:
    """What the API found of two codes: the step of the second one, and how far the device's clock is ahead; or `fault` and
    `message`, if something is wrong with them."""

    step: int = -1
    drift: int = 0
    fault: str = ""
    message: str = ""


@dataclass(slots=True)
class MfaDevices:
    """Every account's devices. Invariant: `by_user` repeats `MfaDevice.user` from the other side."""

    by_serial: dict[str, MfaDevice] = field(default_factory=dict)
    by_user: dict[str, list[str]] = field(default_factory=dict)
    """Serial numbers in order, by the user's unique id."""

    def at(self, serial: str, account: str) -> MfaDevice:
        """One of the account's own devices; another account's counts as missing. Raises NoSuchEntity."""
        found = self.by_serial.get(serial)
        if found is None or found.account != account:
            raise NoSuchEntity(f"VirtualMFADevice with serial number {serial} does not exist.")
        return found

    def add(self, device: MfaDevice) -> None:
        self.by_serial[device.arn] = device
        if device.user:
            insort(self.by_user.setdefault(device.user, []), device.arn)

    def remove(self, serial: str) -> MfaDevice:
        gone = self.by_serial.pop(serial)
        if gone.user:
            self._take_from(gone)
        return gone

    def give(self, serial: str, user: str, now: int, drift: int, used: int) -> None:
        """Give a device that nobody has to a user."""
        self.add(replace(self.by_serial[serial], user=user, enabled=now, drift=drift, used=used))

    def take_back(self, serial: str) -> None:
        """What the device's codes were used for stays known: the same codes are not good for another user either."""
        device = self.by_serial[serial]
        self._take_from(device)
        self.by_serial[serial] = replace(device, user="", enabled=0)

    def change(self, serial: str, **changes: object) -> None:
        self.by_serial[serial] = replace(self.by_serial[serial], **changes)  # type: ignore[arg-type]  # fields by name

    def of(self, user: str) -> Sequence[MfaDevice]:
        return [self.by_serial[serial] for serial in self.by_user.get(user, ())]

    def _take_from(self, device: MfaDevice) -> None:
        held = self.by_user[device.user]
        held.remove(device.arn)
        if not held:
            del self.by_user[device.user]
