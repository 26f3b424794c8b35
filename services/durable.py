"""What the disk has for certain, after a power cut too."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_NOT_FLUSHED = frozenset({errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOTSUP})


def flush(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable. A file's own name is one of its folder's: after a rename or
    a link, flush the folder too. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_names(folder: Path) -> None:
    """The same for a folder that somebody else chose. Some file systems flush no folders, and some folders may be written and not
    read: there a name is as durable as it can be. Raises OSError."""
    try:
        flush(folder)
    except OSError as fault:
        if fault.errno not in _NOT_FLUSHED:
            raise
