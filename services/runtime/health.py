"""Asks the API on this machine whether it answers."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass

MOST_READ = 10_000


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """`certificate` (DER) is what the API showed; empty without TLS."""

    code: int
    text: bytes
    certificate: bytes


def ask_health(host: str, port: int, *, tls: bool, patience: float = 2.0) -> HealthAnswer:
    """What the API that listens there answers at /healthz. `patience`: seconds. Raises OSError, HTTPException."""
    # The certificate names the outside address; this only asks our own socket on our own machine whether it answers.
    context = ssl._create_unverified_context() if tls else None  # noqa: S323  # see above
    connection = (
        http.client.HTTPSConnection(host, port, timeout=patience, context=context)
        if tls
        else http.client.HTTPConnection(host, port, timeout=patience)
    )
    try:
        connection.connect()
        shown = connection.sock.getpeercert(binary_form=True) if isinstance(connection.sock, ssl.SSLSocket) else None
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return HealthAnswer(answer.status, answer.read(MOST_READ), shown or b"")
    finally:
        connection.close()
