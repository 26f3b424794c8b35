"""The account aggregate, with the access keys of its root user.

Access-key ids are public and appear in events. Only the vault has their secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from domain.identities.password_policy import PasswordPolicy

ACTIVE = "Active"
INACTIVE = "Inactive"


@dataclass(frozen=True, slots=True)
class Service:
    """A service principal: its name (`s3.amazonaws.com`), its own account, and the alias of the keys that it manages
    for others."""

    name: str
    account: str
    alias: str


@dataclass(frozen=True, slots=True)
class Account:
    """`access_keys`: the root's access keys, from id to status (Active, Inactive). `alias`: "" if the account has none.
    `password_policy`: None if it has no policy of its own."""

    id: str
    created: int
    access_keys: Mapping[str, str] = field(default_factory=dict)
    alias: str = ""
    password_policy: PasswordPolicy | None = None

    def with_access_key(self, access_key: str, status: str) -> Account:
        return replace(self, access_keys={**self.access_keys, access_key: status})
