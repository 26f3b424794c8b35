"""What a command knows of a password: never the password, and never its hash."""

from __future__ import annotations

from dataclasses import dataclass

NOBODYS_ROW = "password-nobody"  # the name of a row
"""The vault's row of a hash that no password fits. A name that is no user's is compared with it, so that it takes as long as
a user's."""


@dataclass(frozen=True, slots=True)
class HashedPassword:
    """`row` names the row of the vault that holds the hash, and `digest` is the SHA-256 of that hash in hex; or `fault` and
    `message`, if something is wrong with the password."""

    row: str = ""
    digest: str = ""
    fault: str = ""
    message: str = ""
