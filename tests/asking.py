"""How a process asks the server in forking.py. This module is separate, so that a shim that imports it starts at
once."""

from __future__ import annotations

import json
import os
import socket

KIND = (socket.AF_UNIX, socket.SOCK_SEQPACKET)


def ask(server: socket.socket, command: list[str], environment: dict[str, str], streams: list[int]) -> None:
    """Write the request to a file, since it may be longer than a message. Two answers come: the process id and the exit
    code."""
    asked = os.memfd_create("asked")
    os.write(asked, json.dumps({"command": command, "environment": environment, "folder": os.getcwd()}).encode())
    socket.send_fds(server, [b"run"], [asked, *streams])
    os.close(asked)
