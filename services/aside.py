"""Work that takes milliseconds of processor time or more, in threads beside the event loop.

The library lets other threads run while it computes. The threads give way to the loop (niceness), so that one client's RSA keys
do not delay another's Encrypt. Key pairs are made and imported in separate threads, so that a key of 4096 bits, which takes a
second, does not delay a signature, which takes a millisecond. The accounts share these threads, so that forty such keys of one
account do not delay a key of another.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from services.shares import Shares, give_way

P = ParamSpec("P")
T = TypeVar("T")

_SHORT = ThreadPoolExecutor(os.cpu_count() or 1, "aside", give_way)
_LONG = Shares("aside-long")


async def aside(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run short work: a signature or a decryption."""
    return await asyncio.get_running_loop().run_in_executor(_SHORT, lambda: function(*arguments, **options))


async def long_aside(account: str, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run long work in the account's turn: a new or imported key pair."""
    return await _LONG.run(account, function, *arguments, **options)
