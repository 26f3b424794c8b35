"""Checks whether a log is whole. Reads values and trusts nothing else: no broker and no database.

Without a key, only the links count. With the installation's keys, authenticity counts too: a value that somebody else wrote
is reported (`strange`), and changes nothing, since every reader leaves it out.

A healthy log has void records in two cases. A deposed writer may still have appended. A writer that lost the race for the
lead leaves its void fence, but no record of a call: it answers no call before its fence is read back as valid. A copy of an
earlier value, byte for byte, was made by somebody else (`strange`). Any other void record does not link because something
before it was changed, removed, inserted or moved. Only the last record has no later record that names it. To have it
checked too, keep the head that `keytrail verify` prints (it is short) and give it back with `--expect`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from domain.log.authenticity import KeyMissing, Keyring
from domain.log.authority import Authority
from domain.log.chain import Chain, digest
from domain.log.codec import parse
from domain.log.events import CommandsSkipped, DecisionsAnchored, TreeKeyRotated
from domain.log.lane import LaneName, Reached, anchors_of
from domain.log.levels import FIRST
from domain.state.fold import Fold

INNER = ("digests", "anchors", "authority", "next_command", "level", "tree_keys")
"""Fields of a report that only the rest of the verification reads."""


@dataclass(slots=True)
class Report:
    """`fault`: the first thing that is wrong, in words, "" for none; `at`: the position. `detail`: what the code says of it,
    which may quote the record. Counts cover everything that was read. `strange`: positions of values that somebody else wrote
    or copied. `anchors`: how far each lane of decisions reaches, according to the log."""

    log: str = ""
    records: int = 0
    valid: int = 0
    voids: list[int] = field(default_factory=list)
    position: int = -1
    head: str = ""
    fault: str = ""
    detail: str = ""
    at: int | None = None
    strange: list[int] = field(default_factory=list)
    writers: set[str] = field(default_factory=set, repr=False)
    digests: set[bytes] = field(default_factory=set, repr=False)
    """The digests of every value that was valid or void; a value that comes a second time is a copy."""
    anchors: dict[LaneName, Reached] = field(default_factory=dict, repr=False)
    authority: Authority = field(default_factory=Authority, repr=False)
    next_command: int = 0
    level: int = FIRST
    tree_keys: list[TreeKeyRotated] = field(default_factory=list, repr=False)

    @property
    def whole(self) -> bool:
        return not self.fault

    def listed(self) -> dict[str, Any]:
        """What people are shown of it, as JSON has it."""
        found = {name: getattr(self, name) for name in self.__slots__ if name not in INNER}
        return found | {"writers": len(self.writers), "whole": self.whole}


@dataclass(frozen=True, slots=True)
class Expected:
    """A head that was written down earlier: the digest of the record at a position."""

    position: int
    digest: str


class LogVerifier:
    """Takes every value of the log, in the order of the topic. Nothing after the first fault counts; `finish` adds what is
    missing at the end. What it keeps is the state that the log leads to, and a digest of each value."""

    def __init__(self, expected: Expected | None = None, keys: Keyring | None = None) -> None:
        """If `keys` is None, only the links are checked."""
        self.report = Report()
        self._expected = expected
        self._fold = Fold(chain=Chain(keys=keys))

    def take(self, offset: int, value: bytes) -> None:
        report = self.report
        if report.fault:
            return
        report.records += 1
        report.fault = _step(report, self._fold, offset, value, self._expected)
        if report.fault:
            report.at = offset

    def finish(self) -> Report:
        report, fold, expected = self.report, self._fold, self._expected
        report.log, report.position, report.head = fold.world.log, fold.chain.position, fold.chain.head
        report.authority, report.next_command = fold.chain.authority, fold.world.next_command
        report.level = fold.world.level
        if not report.fault and expected is not None and expected.position >= fold.next:
            report.fault = f"the log ends before position {expected.position}, which was noted down: its end was cut"
            report.at = fold.next
        if not report.fault and not report.valid:
            report.fault, report.at = "no record of a log is there: what an installation begins with was removed", 0
        return report


def verify(
    values: Iterable[tuple[int, bytes]], expected: Expected | None = None, keys: Keyring | None = None
) -> Report:
    """`values`: (offset, value) in the order of the topic. Reads no further than the first fault."""
    verifier = LogVerifier(expected, keys)
    for offset, value in values:
        verifier.take(offset, value)
        if verifier.report.fault:
            break
    return verifier.finish()


def _step(report: Report, fold: Fold, offset: int, value: bytes, expected: Expected | None) -> str:
    if offset != fold.next:
        lost = offset - fold.next
        if lost == 1:
            return "a record is missing before it"
        return f"{lost} records are missing before it" if lost > 1 else "it stands out of order"
    if expected is not None and offset == expected.position and digest(value) != expected.digest:
        return "it is not the record whose digest was noted down"
    document = parse(value)
    in_force, before = fold.world.writer, (fold.world.at, fold.world.next_command)
    try:
        record = fold.take(offset, value)
    except Exception as fault:  # noqa: BLE001  # whatever a changed record makes the fold raise, it is the one that is wrong
        report.detail = f"{type(fault).__name__}: {fault}"
        return "it links to the log and cannot be taken in"
    if record is None and fold.chain.keys is not None and not _is_authentic(fold, value, document):
        report.strange.append(offset)
        return ""
    itself = bytes.fromhex(digest(value))
    if record is None and itself in report.digests:
        report.strange.append(offset)
        return ""
    report.digests.add(itself)
    if record is None:
        report.voids.append(offset)
        if document is None:
            return "it is no record at all"
        writer = document.get("writer")
        deposed = writer in report.writers and writer != in_force
        lost_fence = writer not in report.writers and in_force and document.get("call") is None
        if deposed or lost_fence:
            return ""
        return (
            f"it does not link to the valid record before it (position {fold.chain.position}), and no deposed writer "
            "left it: that record was changed, or one was removed, inserted or moved"
        )
    report.valid += 1
    report.writers.add(fold.world.writer)
    if isinstance(record.event, DecisionsAnchored) and document is not None:
        for name, each in anchors_of(document["event"]["data"]).items():
            if each.number > report.anchors.get(name, Reached()).number:
                report.anchors[name] = each
    if isinstance(record.event, TreeKeyRotated):
        report.tree_keys.append(record.event)
    if (record.at, record.next_command) < before and record.at < before[0]:
        return "its time is before that of the record before it"
    # A restored log has a new command channel, whose offsets begin again from the start; an operator's skip says so.
    if record.next_command < before[1] and not isinstance(record.event, CommandsSkipped):
        return "it goes back to a command that was answered before"
    return ""


def _is_authentic(fold: Fold, value: bytes, document: dict[str, Any] | None) -> bool:
    assert fold.chain.keys is not None, "only they can tell"
    try:
        return document is not None and fold.chain.authority.admits(fold.chain.keys, value, document)
    except KeyMissing:
        return False
