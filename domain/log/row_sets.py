"""A set of trusted rows: none was changed, added, taken away or put back.

A MAC exposes a row that somebody else wrote. It does not show that a row is gone, or that an older row has taken its place.
So the writer of rows adds up a number for each row, and subtracts the number of each row that goes. The sum is kept in a
row of its own, which has a MAC, and moves in the same transaction. Several writers may each keep a sum: all sums together
are the sum of all rows, no matter who wrote which row.

This is MSet-Add-Hash of Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash Functions and Their
Application to Memory Integrity Checking" (Asiacrypt 2003), with HMAC-SHA-256 and sums modulo 2**256. A stored sum is hidden
by a hash of a number that is used once. Without that, the differences of sums would show the numbers of rows; with enough
numbers, other rows with the same sum can be found.
"""

from __future__ import annotations

import hmac
import os

from domain.log.authenticity import Keyring, framed

_MODULUS = 1 << 256
_NONCE = 16
Field = str | int | bytes


class RowSet:
    """The rows of one kind (a constant of domain/log/authenticity). `under`: the name of the key that every row must be
    under; a row under another key is not accepted. If it is "", rows are written under the newest key, and read under
    any."""

    def __init__(self, keys: Keyring, kind: str) -> None:
        self._keys = keys
        self.under = ""
        self._mac, self._number, self._hiding = f"row {kind}", f"number of {kind}", f"sum of {kind}"

    def sealed(self, *fields: Field) -> tuple[str, int]:
        """The MAC to keep with a row, and the row's number in the sum."""
        name, message = self.under or self._keys.newest, framed(fields)
        mac = self._keys.row_hash(name, self._mac).digest(message).hex()
        return f"{name}:{mac}", self._number_of(name, message)

    def number(self, mac: str, *fields: Field) -> int | None:
        """A row's number in the sum; None for a row that was not written by us.

        Raises KeyMissing if the row names a key that this process has not read from the vault yet, or that never existed.
        """
        name, _, given = mac.partition(":")
        if self.under and name != self.under:
            return None
        message = framed(fields)
        made = self._keys.row_hash(name, self._mac).digest(message).hex()
        if not hmac.compare_digest(made.encode(), given.encode("utf-8", "replace")):
            return None
        return self._number_of(name, message)

    def _number_of(self, name: str, message: bytes) -> int:
        return int.from_bytes(self._keys.row_hash(name, self._number).digest(message), "big")

    def hidden(self, total: int) -> str:
        """A sum in the form in which it is kept, in a row that has a MAC. It is hidden in a different way each time."""
        name, nonce = self.under or self._keys.newest, os.urandom(_NONCE)
        return f"{name}:{nonce.hex()}:{(total + self._mask(name, nonce)) % _MODULUS:064x}"

    def total(self, hidden: str) -> int:
        """The sum that was hidden. The caller has already checked its row's MAC. Raises KeyMissing."""
        name, nonce, shown = hidden.split(":")
        return (int(shown, 16) - self._mask(name, bytes.fromhex(nonce))) % _MODULUS

    def _mask(self, name: str, nonce: bytes) -> int:
        return int.from_bytes(self._keys.row_hash(name, self._hiding).digest(nonce), "big")


def added(total: int, *numbers: int) -> int:
    """The sum after rows came (their numbers) and went (the negatives of their numbers)."""
    return (total + sum(numbers)) % _MODULUS
