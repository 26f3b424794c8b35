"""How a process is asked of the server in forking.py; apart, because a shim that imports it is to start at once."""

from __future__ import annotations

import json
import os
import socket

KIND = (socket.AF_UNIX, socket.SOCK_SEQPACKET)


def ask(server: socket.socket, command: list[str], environment: dict[str, str], streams: list[int]) -> None:
    """Say what is wanted, which may be longer than a message, by a file. Two answers come: process id, and exit code."""
    asked = os.memfd_create("asked")
    os.write(asked, json.dumps({"command": command, "environment": environment, "folder": os.getcwd()}).encode())
    socket.send_fds(server, [b"run"], [asked, *streams])
    os.close(asked)
