"""Rows that are read back as true, as a set: none was changed, added, taken away or put back.

A MAC shows a row that somebody else wrote. It does not show that a row is gone, or that an older one stands in its place. So
whoever writes rows adds up a number for each, and takes away that of each row that goes; the sum is kept in a row of its own,
which has a MAC, and moves in the same transaction. Several writers may each keep a sum: all of them together are the sum of
all rows, whoever wrote which.

This is MSet-Add-Hash of Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash Functions and Their Application
to Memory Integrity Checking" (Asiacrypt 2003), with HMAC-SHA-256 and sums modulo 2**256. A sum that is written down is hidden
by a hash of a number that is used once. In the open, the differences of sums would show the numbers of rows, and with enough
of them other rows of the same sum can be found.
"""

from __future__ import annotations

import hmac
import os

from domain.log.authenticity import Keyring, framed

_MODULUS = 1 << 256
_NONCE = 16
Field = str | int | bytes


class RowSet:
    """The rows of one kind (a constant of domain/log/authenticity). `under`: the name of the key that each of them is under; a
    row under another is nobody's. Where it names none, rows are written under the key that is used now, and read under any."""

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

        Raises KeyMissing: the row names a key that this process has not read from the vault yet, or that never was.
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
        """A sum to keep, in a row that has a MAC: hidden otherwise each time."""
        name, nonce = self.under or self._keys.newest, os.urandom(_NONCE)
        return f"{name}:{nonce.hex()}:{(total + self._mask(name, nonce)) % _MODULUS:064x}"

    def total(self, hidden: str) -> int:
        """The sum that was hidden. The MAC of its row was looked at before. Raises KeyMissing."""
        name, nonce, shown = hidden.split(":")
        return (int(shown, 16) - self._mask(name, bytes.fromhex(nonce))) % _MODULUS

    def _mask(self, name: str, nonce: bytes) -> int:
        return int.from_bytes(self._keys.row_hash(name, self._hiding).digest(nonce), "big")


def added(total: int, *numbers: int) -> int:
    """A sum with what came (a number) and what went (its negative)."""
    return (total + sum(numbers)) % _MODULUS
