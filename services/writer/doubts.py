"""When a writer ends its process. `reason_to_stop` decides this for everything that a writer observes.

If a writer cannot be sure of something, it ends its process at once: the next writer folds the log and knows what
counts. Nothing is cleaned up first (`os._exit`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, assert_never

from services.logs import logger_of
from services.writer.election import SESSION_MS

log = logger_of("writer")

READ_BACK_DEADLINE = 10.0
"""Seconds in which an appended record has to be read back."""

End = Callable[[str], NoReturn]


@dataclass(frozen=True, slots=True)
class OtherRecord:
    """The record at `offset` is not the next of this writer's own. `valid`: it follows the last valid record and is
    authentic. `own_under_way`: some of this writer's records are not read back yet."""

    offset: int
    writer: str
    valid: bool
    own_under_way: bool


@dataclass(frozen=True, slots=True)
class SendFailed:
    fault: Exception


@dataclass(frozen=True, slots=True)
class AppendFailed:
    fault: BaseException


@dataclass(frozen=True, slots=True)
class OldestUnread:
    """How many seconds ago the oldest record was appended that is not read back yet."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NotRun:
    """For how many seconds this process did not run."""

    seconds: float


@dataclass(frozen=True, slots=True)
class FenceUnread:
    """The records of the writer's start were not read back within READ_BACK_DEADLINE."""


@dataclass(frozen=True, slots=True)
class LogUnreadable:
    fault: Exception


@dataclass(frozen=True, slots=True)
class RecordUnreadable:
    fault: Exception


@dataclass(frozen=True, slots=True)
class CommandsUnreadable:
    fault: Exception


@dataclass(frozen=True, slots=True)
class Deposed:
    """The consumer group gave `commands` to another writer."""


@dataclass(frozen=True, slots=True)
class TermEnded:
    fault: BaseException | None


@dataclass(frozen=True, slots=True)
class StartRefused:
    fault: BaseException


Observation = (
    OtherRecord
    | SendFailed
    | AppendFailed
    | OldestUnread
    | NotRun
    | FenceUnread
    | LogUnreadable
    | RecordUnreadable
    | CommandsUnreadable
    | Deposed
    | TermEnded
    | StartRefused
)


def reason_to_stop(observed: Observation) -> str | None:
    """Why the process has to end; None if the writer may go on."""
    match observed:
        case OtherRecord(offset, writer, valid=True):
            return f"the record at {offset} is valid and of writer {writer}: another one leads"
        case OtherRecord(offset, own_under_way=True):
            # The records under way were decided for offsets that are now one too low: `seen` would name the wrong
            # record.
            return f"a void record at {offset} came between this writer's own"
        case OtherRecord():
            return None
        case SendFailed(fault):
            return f"a record could not be sent: {fault!r}"
        case AppendFailed(fault):
            return f"a record could not be appended: {fault!r}"
        case OldestUnread(seconds):
            return "an appended record was not read back in time" if seconds > READ_BACK_DEADLINE else None
        case NotRun(seconds):
            # What it appends now would be void, and come between the records of the writer that leads by now: that one would
            # have to end, too.
            away = f"this process did not run for {seconds:.0f} s: another writer may lead by now"
            return away if seconds > SESSION_MS / 1000 else None
        case FenceUnread():
            return "the writer's start was not read back in time"
        case LogUnreadable(fault):
            return f"the log cannot be read: {fault}"
        case RecordUnreadable(fault):
            return str(fault)
        case CommandsUnreadable(fault):
            return f"the commands cannot be read: {fault}"
        case Deposed():
            return "another writer was elected"
        case TermEnded(fault):
            return f"leading ended: {fault!r}"
        case StartRefused(fault):
            return f"cannot start: {fault}"
    assert_never(observed)


def end_process(reason: str) -> NoReturn:
    """The supervisor starts another writer, which begins from the log."""
    log.error("writer stops", reason=reason)
    os._exit(75)  # EX_TEMPFAIL: try again


def require_certain(observed: Observation, end: End = end_process) -> None:
    """Returns if the writer may go on; otherwise ends the process."""
    reason = reason_to_stop(observed)
    if reason is not None:
        end(reason)
