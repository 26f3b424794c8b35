"""Is this log whole? Reads values and trusts nothing else: no broker, no database, no key.

Void records are part of a healthy log: a writer that was deposed may still have appended. What is not healthy is a void
record of the writer in force, whose every record links to the one before it; something before it was then changed,
removed, inserted or moved. The last record alone has nothing behind it that names it: keep the head that `keytrail
verify` prints (it is short) and give it back with `--expect` to have that checked too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.trail.chain import digest
from domain.trail.codec import Unreadable, parse
from domain.trail.reading import Fold


@dataclass(slots=True)
class Report:
    """`fault`: the first record that is wrong, in words, "" for none; `at` its position. Counts are of all that was read."""

    log: str = ""
    records: int = 0
    valid: int = 0
    voids: list[int] = field(default_factory=list)
    position: int = -1
    head: str = ""
    fault: str = ""
    at: int | None = None

    @property
    def whole(self) -> bool:
        return not self.fault


@dataclass(frozen=True, slots=True)
class Expected:
    """A head that was noted down earlier: the digest of the record at a position."""

    position: int
    digest: str


def verify(values: Iterable[tuple[int, bytes]], expected: Expected | None = None) -> Report:
    """`values`: (offset, value) in the order they stand. Stops at the first fault."""
    report, fold = Report(), Fold()
    for offset, value in values:
        report.records += 1
        fault = _step(report, fold, offset, value, expected)
        if fault:
            report.fault, report.at = fault, offset
            break
    report.log, report.position, report.head = fold.world.log, fold.chain.position, fold.chain.head
    if not report.fault and expected is not None and expected.position >= fold.next:
        report.fault = f"the log ends before position {expected.position}, which was noted down: its end was cut"
        report.at = fold.next
    return report


def _step(report: Report, fold: Fold, offset: int, value: bytes, expected: Expected | None) -> str:
    if offset != fold.next:
        return f"{offset - fold.next} records are missing before it" if offset > fold.next else "it stands out of order"
    if expected is not None and offset == expected.position and digest(value) != expected.digest:
        return "it is not the record whose digest was noted down"
    document = parse(value)
    in_force, before = fold.world.writer, (fold.world.at, fold.world.next_command)
    try:
        record = fold.take(offset, value)
    except (Unreadable, KeyError, TypeError, ValueError) as fault:
        return f"it links to the log and cannot be read: {fault}"
    if record is None:
        report.voids.append(offset)
        if document is None:
            return "it is no record at all"
        if document.get("writer") == in_force or not in_force:
            return (
                "it is of the writer in force and does not link to the valid record before it "
                f"(position {fold.chain.position}): that one was changed, or a record was removed, inserted or moved"
            )
        return ""
    report.valid += 1
    if (record.at, record.next_command) < before and record.at < before[0]:
        return "its time is before that of the record before it"
    if record.next_command < before[1]:
        return "it goes back to a command that was answered before"
    return ""
