"""Asks a time-stamping authority (RFC 3161) to confirm that a checkpoint existed at a time. Nothing waits for it.

The stamp is of the whole note, as it was kept: `openssl ts -verify -data NOTE -in STAMP -CAfile ROOT` checks it. An answer that
does not lead to the root in the settings is not kept.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.adapters.postgres import Pool
from services.clock import clock_of
from services.logs import logger_of
from services.named_files import unread
from services.notary import kept_heads
from services.notary.kept_heads import KeptHead
from services.outgoing_http import at_most, why_no_answer
from services.settings import BadSetting, Settings

log = logger_of("notary")

PATIENCE, AGAIN_AFTER = 10.0, 60.0
"""Seconds that the authority has to answer, and seconds until it is asked again after it did not."""
LOOK_EVERY = 5.0
LONGEST_ANSWER = 100_000


class NotStamped(Exception):
    """The authority gave no stamp that holds. The message says why."""


class Timestamping:
    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._url, self._every, self._pool = settings.timestamp_url, settings.timestamp_every, pool
        self._ca = Path(settings.timestamp_ca).read_bytes() if settings.timestamp_ca else b""
        self._clock = clock_of(settings)
        self._away = False

    async def run(self) -> None:
        """Runs until it is stopped. Raises Postgres's errors."""
        if not self._url:
            return
        while True:
            found = await kept_heads.to_stamp(self._pool, self._clock)
            pause: float = LOOK_EVERY
            if found is not None:
                pause = self._every if await self._stamp(found) else AGAIN_AFTER
            await asyncio.sleep(pause)

    async def _stamp(self, found: KeptHead) -> bool:
        try:
            stamp = await self._asked(str(found.note).encode())
        except NotStamped as fault:
            if not self._away:
                log.warning("the time-stamping authority gave no stamp", reason=str(fault))
            self._away = True
            return False
        await kept_heads.keep_stamp(self._pool, found.head.size, stamp)
        if self._away:
            log.info("the time-stamping authority gives stamps again")
        self._away = False
        return True

    async def _asked(self, note: bytes) -> bytes:
        """Raises NotStamped."""
        # Only an installation with an authority needs these, and they take some 15 MB.
        import aiohttp
        from cryptography.x509 import load_pem_x509_certificates
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerifierBuilder, decode_timestamp_response
        from rfc3161_client.errors import VerificationError

        request = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256).nonce(nonce=True).build()
        try:
            async with (
                asyncio.timeout(PATIENCE),
                aiohttp.ClientSession(trust_env=False) as session,
                session.post(
                    self._url,
                    data=request.as_bytes(),
                    headers={"content-type": "application/timestamp-query"},
                    allow_redirects=False,
                ) as answer,
            ):
                body = await at_most(answer.content, LONGEST_ANSWER)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            raise NotStamped(why_no_answer(fault)) from None
        if answer.status != 200:
            raise NotStamped(f"it answered {answer.status}")
        try:
            stamp = decode_timestamp_response(body)
            verifier = VerifierBuilder.from_request(request)
            for root in load_pem_x509_certificates(self._ca):
                verifier = verifier.add_root_certificate(root)
            verifier.build().verify_message(stamp, note)
        except (VerificationError, ValueError) as fault:
            raise NotStamped(f"its answer does not hold: {fault}") from None
        return body


def require_authority(settings: Settings) -> None:
    """Raises BadSetting if the file with the authority's root cannot be read."""
    if settings.timestamp_ca:
        from cryptography.x509 import load_pem_x509_certificates

        path = Path(settings.timestamp_ca)
        try:
            load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as fault:
            raise BadSetting(f"KEYTRAIL_TIMESTAMP_CA: {unread(path, fault)}") from None
