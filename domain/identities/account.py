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
    """`access_keys`: the root's access keys, from id to status (Active, Inactive), in the order in which they were made. `alias`:
    "" if the account has none. `password_policy`: None if it has no policy of its own. `ends`: when an active access key will be
    disabled (microseconds since the epoch)."""

    id: str
    created: int
    access_keys: Mapping[str, str] = field(default_factory=dict)
    alias: str = ""
    password_policy: PasswordPolicy | None = None
    ends: Mapping[str, int] = field(default_factory=dict)

    def with_access_key(self, access_key: str, status: str) -> Account:
        ends = {key: at for key, at in self.ends.items() if key != access_key}
        return replace(self, access_keys={**self.access_keys, access_key: status}, ends=ends)

    def ending(self, access_key: str, at: int) -> Account:
        return replace(self, ends={**self.ends, access_key: at})
