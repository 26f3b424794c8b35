"""Whoever reads the output of a command may have seen enough of it before its end."""

from __future__ import annotations

import os
import sys


class ReadByNobody(Exception):
    """Whoever reads has seen enough (`| head`): that is no failure, and no file that cannot be written."""


def read_by_nobody() -> None:
    """What is left to write at the end goes nowhere: who read it has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
