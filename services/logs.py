"""Structured logs: one JSON object on each line of standard error, with the call's id if there is one.

A successful call writes no line: its decision is the log. Fields are chosen where they are written; parameters, bodies and
headers are never among them.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any, TextIO, cast

from domain.characters import visible

# structlog loads rich if it is installed, for tracebacks that no process of ours prints: a tenth of a process's start.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # how Python is told that there is no such module
import structlog  # noqa: E402  # nowhere else: tests/house

del sys.modules["rich"]
if _rich is not None:
    sys.modules["rich"] = _rich


def logger_of(part: str) -> Any:
    """The logger of a part of a process. Its lines name the part."""
    return structlog.get_logger(part)


class _Visible(logging.Formatter):
    """A library's message may quote a caller. Our own lines are ASCII: `JSONRenderer` escapes everything else."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record), lines=True)


class _LossyFile:
    """A file for logs. While its disk is full, or nobody reads it, lines are lost: none of them is worth the process."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._file.flush()


def quiet() -> None:
    """For a command: its parts log only faults, to standard error, so that they never mix with the answer.

    aiokafka's reconnects are not news, and it is intended that a password goes to our own broker over loopback.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def configure() -> None:
    """Called once, at the start of a process. aiokafka's loggers are kept at ERROR: its reconnects are not news."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Visible("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    quiet()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.ExceptionRenderer(),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _LossyFile(sys.stderr))),
        cache_logger_on_first_use=True,
    )
