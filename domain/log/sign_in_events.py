"""The events of signing in: what passwords have to be, and what people showed. Wire names are in catalogue.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MfaCodeUsed:
    """A user (a unique id) proved to have an MFA device. `used` is the step of the code, and neither it nor an earlier one
    is good again."""

    account: str
    serial: str
    user: str
    used: int


@dataclass(frozen=True, slots=True)
class PasswordPolicySet:
    """What the passwords of the account's users have to be from now on. A password that a user has already stays good.
    `policy` has the members of PasswordPolicy."""

    account: str
    policy: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PasswordPolicyDeleted:
    """The account has no password policy of its own any more."""

    account: str


@dataclass(frozen=True, slots=True)
class ConsoleSignedOut:
    """A user signed out: the console session with this temporary access key is over, with every role's session that it switched
    to. `owner` is whose it was: the unique id of the user or role (for a root, the account's id)."""

    account: str
    access_key: str
    owner: str
