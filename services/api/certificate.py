"""The certificate that the API shows. Its files are read again when they change, and no connection notices.

They are looked at every two seconds. A signal was the alternative: what renews certificates (certbot, cert-manager, Kubernetes)
writes files, and would have to find every worker on every machine to send it one.

A new context takes the place of the old one, for handshakes that begin afterwards. `load_cert_chain` on the context that is in
use would leave it with the new certificate and the old key if the new key does not fit.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from services.logs import logger_of
from services.settings import BadSetting

log = logger_of("api")

LOOK_EVERY = 2.0
FileStates = tuple[tuple[int, int, int] | None, ...]
"""Of the certificate's file and the key's: when it was changed, its number and its size; None if it is not there."""


class CertificateRefused(Exception):
    """The message says why."""


class ServedCertificate:
    """`context` is for handshakes that begin now. One task runs `keep_reading`."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises BadSetting."""
        self._files = (certificate, key)
        self._taken = self._changed = self._states()
        try:
            self.context, self._expires = self._read()
        except CertificateRefused as fault:
            raise BadSetting(f"KEYTRAIL_TLS_CERT and KEYTRAIL_TLS_KEY cannot be used: {fault}") from None

    async def keep_reading(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await asyncio.to_thread(self.look)  # the files may be on a slow disk

    def look(self) -> None:
        """Take the files if they have changed and were the same at two looks: somebody may be about to write the second one."""
        before, self._changed = self._changed, self._states()
        if self._changed == self._taken or self._changed != before:
            return
        self._taken = self._changed
        certificate, key = map(str, self._files)
        try:
            context, expires = self._read()
            if expires < time.time():
                raise CertificateRefused(f"it expired at {_shown(expires)}")
        except CertificateRefused as fault:
            log.error(
                "the new certificate is refused, and the API goes on with the one before",
                reason=str(fault),
                certificate=certificate,
                key=key,
                used_until=_shown(self._expires),
            )
            return
        self.context, self._expires = context, expires
        log.info("the API has a new certificate", certificate=certificate, expires=_shown(expires))

    def _states(self) -> FileStates:
        return tuple(map(_state, self._files))

    def _read(self) -> tuple[ssl.SSLContext, float]:
        """A context, and when the first certificate of the file ends. Raises CertificateRefused."""
        certificate, key = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(certificate, key, password="")  # an encrypted key would ask for one on the terminal
            first, *_ = x509.load_pem_x509_certificates(certificate.read_bytes())
        except ssl.SSLError as fault:
            raise CertificateRefused(
                f"{certificate} and {key} are not a certificate and its key ({fault.reason})"
            ) from None
        except (OSError, ValueError) as fault:
            raise CertificateRefused(f"{getattr(fault, 'filename', None) or certificate}: {fault}") from None
        return context, first.not_valid_after_utc.timestamp()


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ctime_ns, found.st_ino, found.st_size


def _shown(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
