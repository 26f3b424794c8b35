"""The reader of a command's output may have seen enough before its end."""

from __future__ import annotations

import os
import sys


class ReadByNobody(Exception):
    """The reader has seen enough (`| head`). That is neither a failure nor a file that cannot be written."""


def read_by_nobody() -> None:
    """Discards the rest of the output, since the reader has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
