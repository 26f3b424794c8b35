"""The account aggregate. An account's root user is the one identity so far.

Access-key ids are public and stand in events; their secrets are in the vault alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

ACTIVE = "Active"
INACTIVE = "Inactive"


@dataclass(frozen=True, slots=True)
class Service:
    """A service principal: its name (`s3.amazonaws.com`), its own account, and what its keys for others are called."""

    name: str
    account: str
    alias: str


@dataclass(frozen=True, slots=True)
class Account:
    """`access_keys`: the root's access keys, id to status (Active, Inactive). `alias`: "" for none."""

    id: str
    created: int
    access_keys: Mapping[str, str] = field(default_factory=dict)
    alias: str = ""

    def with_access_key(self, access_key: str, status: str) -> Account:
        return replace(self, access_keys={**self.access_keys, access_key: status})
