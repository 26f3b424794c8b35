"""Reads a backup to its end and says whether it can be restored, before anything is written."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.log.authenticity import KeyMissing
from domain.log.codec import Unreadable
from domain.log.levels import FIRST, LEVEL, why_unknown
from domain.ports import MasterKey
from domain.state.fold import Fold
from services.adapters import vault_copy
from services.adapters.master_key import MasterKeyRefused
from services.backup.decision_topic import MissingDecisions
from services.backup.sealed_file import BadBackup, read


def check(path: Path, master: MasterKey) -> dict[str, Any]:
    """Return the members of a backup's first and last parts, and besides: `lacking`, the names of the secrets that its log names
    and its vault lacks; `removed`, how many decisions a retention had removed. Raises BadBackup, MasterKeyRefused, OSError."""
    return _Check(path, master).run()


class _Check:
    def __init__(self, path: Path, master: MasterKey) -> None:
        self._path = path
        self._master = master
        self._under: set[tuple[str, str]] = set()
        """The tables and master keys of which a row was opened."""
        self._keys: dict[str, list[Sequence[str]]] = {"seal": [], "record_secrets": []}
        self._held: dict[str, set[str]] = {table: set() for table in vault_copy.NAMED}
        self._fold: Fold | None = None
        self._unreadable = ""
        self._decisions = MissingDecisions()
        self._removed = 0

    def run(self) -> dict[str, Any]:
        first: dict[str, Any] = {}
        last: dict[str, Any] = {}
        for document in read(self._path, self._master):
            first = first or document
            last = document
            self._take(document)
        if first.get("kind") != "start" or last.get("kind") != "end":
            raise BadBackup(f"{self._path} is not complete.")
        level = last.get("level", FIRST)  # Keytrail 0.1.0 wrote none
        if level > LEVEL:
            raise self._refused(f"{why_unknown(level, last['level_version'])}")
        if self._unreadable:
            raise self._refused(self._unreadable)
        if (fold := self._fold) is None:
            raise self._refused("it has no log")
        if (fold.next, fold.chain.head) != (last["next"], last["head"]):
            raise self._refused("its log does not end where it says")
        key = fold.chain.authority.key
        if key and fold.chain.keys is not None and key not in fold.chain.keys:  # the last record named it
            raise self._lacks_key(key)
        lacking = sorted(fold.world.secrets - self._held["secrets"])
        return {**first, **last, "lacking": lacking, "removed": self._removed}

    def _refused(self, why: str) -> BadBackup:
        return BadBackup(f"{self._path} cannot be restored: {why}.")

    def _lacks_key(self, name: str) -> BadBackup:
        return self._refused(
            f"its log goes on under the key {name}, and its vault lacks that one. Keys were rotated while it was taken. Restore "
            "another backup"
        )

    def _take(self, document: dict[str, Any]) -> None:
        match document["kind"]:
            case "vault":
                self._take_rows(document["table"], document["rows"])
            case "decisions":
                count = len(document["values"])
                self._removed += self._decisions.before(document["partition"], document["offset"], count)
            case "events":
                self._take_events(document["offset"], [b64decode(value) for value in document["values"]])

    def _take_rows(self, table: str, rows: Sequence[Sequence[str]]) -> None:
        for row in rows:
            under = vault_copy.master_key_of(table, row)
            if (table, under) not in self._under:
                self._under.add((table, under))
                self._open(table, row, under)
            if table in self._held:
                self._held[table].add(row[0])
        if table in self._keys:
            self._keys[table] += rows

    def _open(self, table: str, row: Sequence[str], under: str) -> None:
        """Raises BadBackup. A rotation may have come while an earlier version took the backup, or was not at its end."""
        try:
            vault_copy.require_opens(self._master, table, row)
        except MasterKeyRefused:
            raise self._refused(
                f"rows of its vault are sealed under master key {under}, and the file of the master key does not have that one. "
                "It may be in master.key.retired: put that line first in the file of the master key"
            ) from None

    def _take_events(self, offset: int, values: Sequence[bytes]) -> None:
        if self._fold is None:  # only now: the keys are in the vault's rows, which come first
            if not self._keys["seal"]:
                raise self._refused("it has no seal of the vault")
            (seal,) = self._keys["seal"]
            self._fold = Fold.under(vault_copy.keyring_of(self._master, seal, self._keys["record_secrets"]))
        if self._unreadable:
            return
        try:
            for at, value in enumerate(values, offset):
                self._fold.take(at, value)
        except KeyMissing as fault:
            raise self._lacks_key(str(fault)) from None
        except Unreadable as fault:  # of a level that is not known, probably, which the last part says
            self._unreadable = str(fault)
