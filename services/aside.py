"""Work that takes milliseconds of processor time or more, in threads beside the event loop.

The library lets other threads run while it computes. The threads give way to the loop (niceness), so that one client's
RSA keys do not hold up another's Encrypt; what makes key pairs has threads of its own, so that a key of 4096 bits, which
takes a second, does not hold up a signature, which takes a millisecond.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

NICENESS = 10
P = ParamSpec("P")
T = TypeVar("T")


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # on Linux a thread has its own


_SHORT = ThreadPoolExecutor(os.cpu_count() or 1, "aside", _give_way)
_LONG = ThreadPoolExecutor(os.cpu_count() or 1, "aside-long", _give_way)


async def aside(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """A signature, a decryption."""
    return await asyncio.get_running_loop().run_in_executor(_SHORT, lambda: function(*arguments, **options))


async def long_aside(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """A new key pair."""
    return await asyncio.get_running_loop().run_in_executor(_LONG, lambda: function(*arguments, **options))
