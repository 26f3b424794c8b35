"""Ports of this machine: free ones for a server, and the ones on which a process listens."""

from __future__ import annotations

import contextlib
import socket

import psutil


def free_ports(count: int) -> list[int]:
    """Ports that no process listens on. All of them are held until the last is chosen, so they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def listening(pid: int) -> set[int]:
    """The ports on which a process listens."""
    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return set()
    return {each.laddr.port for each in found if each.status == psutil.CONN_LISTEN}
