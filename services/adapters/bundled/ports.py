"""Ports of this machine: free ones for a server, and the ones on which a process listens."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

import psutil

OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""The ports that Linux gives to outgoing connections: the first and the last."""
LOWEST = 10_000


def free_ports(count: int) -> list[int]:
    """Ports that no process listens on. All of them are held until the last is chosen, so they differ.

    They are below those of outgoing connections. Such a connection could take the port before the server does, and for as long as
    it lasts the server could not start, however often it tries.
    """
    with contextlib.ExitStack() as stack:
        return [_held(stack) for _ in range(count)]


def _held(stack: contextlib.ExitStack) -> int:
    for _ in range(100):
        held = stack.enter_context(socket.socket())
        with contextlib.suppress(OSError):
            held.bind(("127.0.0.1", _drawn()))
            return int(held.getsockname()[1])
    raise OSError("no port is free")


def _drawn() -> int:
    """0 lets the kernel choose: another system, or one whose outgoing connections may have nearly every port."""
    first = int(OUTGOING.read_text().split()[0]) if OUTGOING.exists() else 0
    return random.randrange(LOWEST, first) if first > LOWEST else 0  # noqa: S311  # no secret


def listening(pid: int) -> set[int]:
    """The ports on which a process listens."""
    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return set()
    return {each.laddr.port for each in found if each.status == psutil.CONN_LISTEN}
