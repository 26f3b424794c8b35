"""An Ed25519 key in AWS KMS, or in another Keytrail, that signs for us. Its private half never comes here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from domain.arn import region_in
from domain.ports import Unavailable, reason_of
from services.settings import BadSetting, Settings

CONNECT_WITHIN, ANSWER_WITHIN = 3.0, 5.0
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class KmsKey:
    """`endpoint` "": AWS's in the region of the ARN."""

    arn: str
    endpoint: str

    @property
    def region(self) -> str:
        return region_in(self.arn)

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]


class KmsSigner:
    """Asks by a thread of its own. The credentials are those of the settings, or of the machine's role."""

    def __init__(self, settings: Settings) -> None:
        self._credentials = {
            "aws_access_key_id": settings.tree_key_access_key_id or None,
            "aws_secret_access_key": settings.tree_key_secret_access_key or None,
        }
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kms-signer")
        self._clients: dict[KmsKey, Any] = {}

    async def public(self, key: KmsKey) -> bytes:
        """The 32 bytes of its public half. Raises Unavailable, BadSetting."""
        found = await self._asked(key, lambda client: client.get_public_key(KeyId=key.arn))
        public = load_der_public_key(found["PublicKey"])
        if not isinstance(public, Ed25519PublicKey):
            raise BadSetting(
                f"KEYTRAIL_TREE_KEY: {key.arn} is a key of {found['KeySpec']}, not of ECC_NIST_EDWARDS25519."
            )
        return public.public_bytes_raw()

    async def signature(self, key: KmsKey, public: bytes, message: bytes) -> bytes:
        """Of Ed25519 (RFC 8032) by the key with this public half. Raises Unavailable."""
        asked = {"KeyId": key.arn, "Message": message, "MessageType": "RAW", "SigningAlgorithm": "ED25519_SHA_512"}
        found = await self._asked(key, lambda client: client.sign(**asked))
        signature: bytes = found["Signature"]
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except InvalidSignature:
            raise Unavailable(f"{key.arn} gave a signature that does not hold under its public key") from None
        return signature

    async def _asked(self, key: KmsKey, ask: Callable[[Any], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, key, ask)

    def _ask(self, key: KmsKey, ask: Callable[[Any], Any]) -> Any:
        """Raises Unavailable."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if key not in self._clients:
                self._clients[key] = self._client(key)
            return ask(self._clients[key])
        except (BotoCoreError, ClientError, OSError) as fault:
            raise Unavailable(f"{key.arn} cannot be used: {reason_of(fault)[:LONGEST_REASON]}") from None

    def _client(self, key: KmsKey) -> Any:
        from botocore.config import Config
        from botocore.session import get_session  # it takes 25 MB, and most installations have their key in the vault

        config = Config(
            connect_timeout=CONNECT_WITHIN,
            read_timeout=ANSWER_WITHIN,
            retries={"total_max_attempts": 1},
            ignore_configured_endpoint_urls=True,  # an address in the environment may be our own
        )
        return get_session().create_client(
            "kms", region_name=key.region, endpoint_url=key.endpoint or None, config=config, **self._credentials
        )
