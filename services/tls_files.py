"""The certificates that settings name for connections to other servers. Where Python cannot use such a file, it says why and not
which file it is."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.named_files import unread
from services.settings import PREFIX, BadSetting, Settings


def require_usable(settings: Settings) -> None:
    """What a start refuses. Raises BadSetting."""
    if settings.kafka and "SSL" in settings.kafka_security:
        context_for_kafka(settings)
    for each in ("postgres_ca", "oidc_ca"):  # asyncpg and the API read them for themselves
        if path := str(getattr(settings, each)):
            _trusting(each, path)


def context_for_kafka(settings: Settings) -> ssl.SSLContext:
    """Raises BadSetting."""
    context = _trusting("kafka_ca", settings.kafka_ca)
    if settings.kafka_cert:
        key = settings.kafka_key or settings.kafka_cert
        with _named("kafka_key" if settings.kafka_key else "kafka_cert", key):
            Path(key).read_bytes()
        with _named("kafka_cert", settings.kafka_cert):
            Path(settings.kafka_cert).read_bytes()
            # Without a passphrase here, OpenSSL asks for one at the terminal, and the start waits.
            context.load_cert_chain(settings.kafka_cert, key, password="")
    return context


def _trusting(field: str, path: str) -> ssl.SSLContext:
    """The file's certificates; the system's if there is none."""
    with _named(field, path):
        if path:
            Path(path).read_bytes()  # OpenSSL says the same of a folder as of a file that holds something else
        return ssl.create_default_context(cafile=path or None)


@contextmanager
def _named(field: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as fault:  # ssl's own errors are some
        raise BadSetting(f"{PREFIX}{field.upper()}: {unread(Path(path), fault)}") from None
