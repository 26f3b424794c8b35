"""The alias aggregate and the rules for its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.errors import InvalidAliasName, InvalidRequest

PREFIX = "alias/"
RESERVED = "alias/aws/"
_CHARACTERS = re.compile(r"[A-Za-z0-9/_-]+")
"""The service model also allows a colon; the documentation of AliasName does not."""


@dataclass(frozen=True, slots=True)
class Alias:
    """`name` includes the prefix `alias/`; times are microseconds since the epoch."""

    account: str
    name: str
    arn: str
    key: str
    created: int
    updated: int


def whole_pattern(wanted: str) -> str:
    """A pattern of names with `*` in it, for one that may lack the prefix."""
    return wanted if wanted.startswith((PREFIX, "*")) else PREFIX + wanted


def require_prefix(name: str) -> None:
    """Raises InvalidRequest if the name lacks the prefix of an alias. This is checked before anything is looked up."""
    if not name.startswith(PREFIX):
        raise InvalidRequest(
            'Alias must start with the prefix "alias/". Please see '
            "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
        )


def require_name(name: str) -> None:
    """Raises if a customer may not make this alias (API reference, CreateAlias, AliasName)."""
    if name == PREFIX:
        raise InvalidRequest("Alias must not be empty")
    if not _CHARACTERS.fullmatch(name):
        raise InvalidRequest(f"{name} contains invalid characters for an alias")
    if name.startswith(RESERVED):
        raise InvalidAliasName("Alias names that begin with alias/aws/ are reserved for keys managed by a service.")
