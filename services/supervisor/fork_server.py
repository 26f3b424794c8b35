"""`python -m services.supervisor.fork_server DESCRIPTOR`: imports what our processes are made of, once, and forks each of
them. It works for whoever holds the other end of the socket DESCRIPTOR (forks.py), and ends when that is closed.

It starts no thread, opens no connection and reads no secret, since a fork would have a copy of each. A fork gets its
environment, streams and descriptors as a process that is started does, leads a session of its own, and runs the `main` of its
module.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.inherited import FROM_FILE

STEPS = ("services.runtime.bootstrap", "services.supervisor.start_steps")
"""The steps of a start, after what they import when they run."""
PROGRAMS = tuple(
    f"services.{each}.__main__"
    for each in ("writer", "projector", "api", "notary", "alert_worker", "notifier", "audit_devices")
)
"""In an order in which the first ones can begin to work while the others are imported."""
MOST_DESCRIPTORS = 64
LONGEST_REQUEST = 128 << 10
METRICS = "PROMETHEUS_MULTIPROC_DIR"
Main = Callable[[], object]


class Imports:
    """What is imported so far. Without its collector an import takes a tenth less time, and modules are no garbage."""

    def __init__(self) -> None:
        gc.disable()
        self._missing = deque((*STEPS, *PROGRAMS))

    @property
    def are_whole(self) -> bool:
        return not self._missing

    def go_on(self) -> None:
        importlib.import_module(self._missing.popleft())
        if not self._missing:
            gc.collect()

    def reach(self, program: str) -> None:
        """Import what comes before a program too, since it is asked for next."""
        while program in self._missing:
            self.go_on()


def serve(connection: socket.socket, imports: Imports) -> Main | None:
    """Fork what is asked for. Returns None when the other end is closed; in a fork, what it has to run."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # as `keytrail up` does for what it starts
    ends = _ends()
    while True:
        ready, _, _ = select.select([connection, ends], [], [], None if imports.are_whole else 0)
        if ends in ready:
            ends.recv(4096)
            _tell_of_ends(connection)
        if connection in ready:
            message, descriptors, _, _ = socket.recv_fds(connection, LONGEST_REQUEST, MOST_DESCRIPTORS)
            if not message:
                os.close(
                    signal.set_wakeup_fd(-1)
                )  # a fork that ends now would be told to a socket that nobody reads any more
                return None
            asked = json.loads(message)
            imports.reach(asked["program"])
            gc.freeze()  # a fork's collector would write to, and so copy, every page of what is imported here
            pid = os.fork()
            if pid == 0:
                os.close(signal.set_wakeup_fd(-1))
                connection.close()
                ends.close()
                return _become(asked, descriptors)
            for each in descriptors:
                os.close(each)
            held = os.pidfd_open(pid)
            with suppress(OSError):  # as above
                socket.send_fds(connection, [json.dumps({"started": pid}).encode()], [held])
            os.close(held)
        elif not imports.are_whole:
            imports.go_on()


def _ends() -> socket.socket:
    """Can be read once a fork has ended."""
    ends, waking = socket.socketpair()
    for each in (ends, waking):
        each.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)  # a signal without a handler writes to no socket
    signal.set_wakeup_fd(waking.detach(), warn_on_full_buffer=False)
    return ends


def _tell_of_ends(connection: socket.socket) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            with suppress(OSError):  # nobody is there any more, and so this process ends too
                connection.send(json.dumps({"ended": pid, "code": os.waitstatus_to_exitcode(status)}).encode())


def _become(asked: dict[str, Any], descriptors: list[int]) -> Main:
    """What the fork has to run, once it is as a process that was started. The descriptors are those of its output, of its errors,
    of its secrets and of other variables, in this order."""
    gc.enable()
    os.setsid()
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output, errors, *others = descriptors
    for descriptor, place in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (errors, 2)):
        os.dup2(descriptor, place)
        os.close(descriptor)
    environment: dict[str, str] = asked["environment"]
    secrets, passed = others[: len(asked["secrets"])], others[len(asked["secrets"]) :]
    environment |= {name + FROM_FILE: f"/dev/fd/{each}" for name, each in zip(asked["secrets"], secrets, strict=True)}
    environment |= {name: str(each) for name, each in zip(asked["passed"], passed, strict=True)}
    os.environ.clear()
    os.environ.update(environment)
    _name(asked["name"])
    sys.argv = [asked["program"], *asked["arguments"]]
    importlib.import_module("services.metrics").in_fork()
    main: Main = importlib.import_module(asked["program"]).main
    return main


def _name(name: str) -> None:
    """As `top` and `ps -e` show it, where the kernel has such a thing."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def main() -> None:
    # What ends a whole session, container or service reaches this process too. `keytrail up` needs it until the last fork
    # ended, and then closes its socket.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    _name("fork-server")
    become = serve(socket.socket(fileno=int(sys.argv[1])), Imports())
    # Only here, where nothing of the server is left on the stack
    raise SystemExit(become() if become is not None else 0)


if __name__ == "__main__":
    main()
