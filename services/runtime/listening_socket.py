"""The socket that the API listens on, which its workers share."""

from __future__ import annotations

import errno
import socket

from services.settings import BadSetting, Settings

BACKLOG = 2048


def listen(settings: Settings) -> socket.socket:
    """Raises BadSetting."""
    listening = socket.socket(socket.AF_INET6 if ":" in settings.bind else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.bind, settings.port))
        listening.listen(BACKLOG)
    except OSError as fault:
        listening.close()
        if isinstance(fault, socket.gaierror) or fault.errno == errno.EADDRNOTAVAIL:
            raise BadSetting(
                f"KEYTRAIL_HOST: {settings.bind} is no address of this machine ({fault.strerror})."
            ) from None
        raise BadSetting(
            f"Port {settings.port} cannot be bound ({fault.strerror}): choose another with KEYTRAIL_PORT."
        ) from None
    return listening
