"""One fork server for all installations of a run of the tests. Each `keytrail up` has one that is forked from it, and so has
imported everything.

It belongs to the process that starts it, and ends with its standard input.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile

from services.supervisor.fork_server import METRICS, Imports, Main, serve

PEER = struct.Struct("3i")


def offer(listening: socket.socket) -> Main | None:
    """Returns, in a fork, what it has to run."""
    imports = Imports()
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in ready:
            return None
        connection, _ = listening.accept()
        _reach_all(imports)
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            pid, _, _ = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
            try:
                os.chdir(f"/proc/{pid}/cwd")  # where its own would have been started
            except (FileNotFoundError, ProcessLookupError):
                return None  # the test killed it just then
            return serve(connection, imports)
        connection.close()


def _reach_all(imports: Imports) -> None:
    """The files of metrics that the imports make are nobody's: no fork finds their folder."""
    are_missing = not imports.are_whole
    if are_missing:
        os.environ[METRICS] = tempfile.mkdtemp()
    while not imports.are_whole:
        imports.go_on()
    if are_missing:
        shutil.rmtree(os.environ[METRICS])


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    become = offer(socket.socket(fileno=int(sys.argv[1])))
    raise SystemExit(become() if become is not None else 0)
