"""What the passwords of an account's users have to be.

Source: IAM user guide, id_credentials_passwords_account-policy; IAM API reference, UpdateAccountPasswordPolicy.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """The account's own policy. The defaults are those of UpdateAccountPasswordPolicy.

    `minimum_length` is in characters and `max_age` in days (0: a password never expires). `reuse_prevention` says how many
    earlier passwords of a user cannot be used again. With `hard_expiry`, only an administrator can replace a password that
    has expired.
    """

    minimum_length: int = 6
    symbols: bool = False
    numbers: bool = False
    uppercase: bool = False
    lowercase: bool = False
    users_may_change: bool = False
    max_age: int = 0
    reuse_prevention: int = 0
    hard_expiry: bool = False
