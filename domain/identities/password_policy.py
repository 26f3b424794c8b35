"""What the passwords of an account's users have to be.

Source: IAM user guide, id_credentials_passwords_account-policy (the default policy, and the symbols); IAM API reference,
UpdateAccountPasswordPolicy.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

from domain.durations import DAY_MICROS

SYMBOLS = frozenset("!@#$%^&*()_+-=[]{}|'")
MOST_CHARACTERS = 128
POSSIBLE = re.compile(r"[\t\n\r\x20-\xff]*")
"""The characters of a password (IAM API reference, ChangePassword)."""
MOST_FORMER = 24
"""The most earlier passwords that a policy can exclude; no more of a user's are kept."""


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

    def has_expired(self, changed: int, now: int) -> bool:
        """Whether a password that was set at `changed` has to be replaced at `now`. Both are microseconds since the epoch."""
        return bool(self.max_age) and now - changed >= self.max_age * DAY_MICROS


DEFAULT_LENGTH, DEFAULT_KINDS = 8, 3
"""Without a policy of its own, an account's passwords have eight characters, and characters of three of the four kinds."""


def faults_of(password: str, policy: PasswordPolicy | None, user: str) -> Iterator[str]:
    """What is wrong with a password, each in a sentence. `policy` is None for an account without a policy of its own."""
    kinds = {
        "uppercase letter": any(each in string.ascii_uppercase for each in password),
        "lowercase letter": any(each in string.ascii_lowercase for each in password),
        "number": any(each in string.digits for each in password),
        "symbol": any(each in SYMBOLS for each in password),
    }
    if len(password) > MOST_CHARACTERS:
        yield f"Password should have at most {MOST_CHARACTERS} characters"
    if not POSSIBLE.fullmatch(password):
        yield "Password should have no control characters, and no characters beyond U+00FF"
    if password.casefold() == user.casefold():
        yield "Password should not be the user's name"
    if policy is None:
        if len(password) < DEFAULT_LENGTH:
            yield f"Password should have a minimum length of {DEFAULT_LENGTH}"
        if sum(kinds.values()) < DEFAULT_KINDS:
            yield (
                f"Password should have at least {DEFAULT_KINDS} of these: an uppercase letter, a lowercase letter, a number, "
                "a symbol"
            )
        return
    if len(password) < policy.minimum_length:
        yield f"Password should have a minimum length of {policy.minimum_length}"
    required = {
        "uppercase letter": policy.uppercase,
        "lowercase letter": policy.lowercase,
        "number": policy.numbers,
        "symbol": policy.symbols,
    }
    for kind, is_required in required.items():
        if is_required and not kinds[kind]:
            yield f"Password should have at least one {kind}"
