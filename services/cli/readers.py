"""Who is at the ends of a command: its reader may have seen enough before the end, or nobody was ever there."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Whoever starts a command may have closed its input or output (`<&-`, and some that start services). Python then has None
    there, and the next file that is opened gets the number: what a library prints would stand in that file."""
    for name, flags, mode in (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_WRONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))


class ReadByNobody(Exception):
    """The reader has seen enough (`| head`). That is neither a failure nor a file that cannot be written."""


def read_by_nobody() -> None:
    """Discards the rest of the output, since the reader has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
