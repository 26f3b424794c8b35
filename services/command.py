"""Where the `keytrail` command begins. Until it can tell anybody anything, Ctrl-C ends it at once and without a traceback."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have it ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from services.cli import main  # loading it takes a moment in which somebody may press Ctrl-C

__all__ = ["main"]
