"""The socket that the API listens on, which its workers share."""

from __future__ import annotations

import socket

from services.settings import Settings

BACKLOG = 2048


def listen(settings: Settings) -> socket.socket:
    """Raises OSError if the address is taken."""
    listening = socket.socket(socket.AF_INET6 if ":" in settings.bind else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.bind, settings.port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
