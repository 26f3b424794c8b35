"""Tokens that only this installation can make: session tokens of temporary credentials, grant tokens, import tokens,
and codes for the console.

A token is a sealed document. It needs no state and says nothing to its holder. It does not open if it was made up or changed.
Every process that has the vault's root secret opens them.
"""

from __future__ import annotations

import hmac
import zlib
from base64 import b64decode, b64encode
from typing import Any
from uuid import UUID

import orjson

from domain.crypto import symmetric
from domain.errors import InvalidCiphertext

SESSION, GRANT, IMPORT, CONSOLE_CODE = "session", "grant", "import", "console-code"
_NO_KEY = str(UUID(int=0))
_NO_MATERIAL = "00" * 8


class Tokens:
    """Seals tokens with a key derived from the vault's root secret, and with a message key for each token
    (domain/crypto/symmetric.py)."""

    def __init__(self, root: bytes) -> None:
        # SP 800-108 with HMAC-SHA-256 for one block: the label keeps the purposes apart.
        self._secret = hmac.digest(root, b"\0\0\0\1keytrail tokens\0\0\0\1\0", "sha256")

    def __repr__(self) -> str:
        return "Tokens(...)"

    def seal(self, kind: str, document: dict[str, Any]) -> str:
        """Seal a document. Raises nothing. `kind` is bound, so that a token of one kind never passes for another."""
        body = zlib.compress(orjson.dumps(document), 6)
        return b64encode(symmetric.encrypt(self._secret, _NO_KEY, _NO_MATERIAL, body, {"kind": kind})).decode()

    def digest(self, kind: str, text: str) -> str:
        """A digest in hex that only this installation can make: it says nothing about a text that can be guessed."""
        return hmac.digest(self._secret, f"{kind}\0{text}".encode(), "sha256").hex()

    def open(self, kind: str, token: str) -> dict[str, Any] | None:
        """The document; None if this installation did not seal the token as this kind."""
        try:
            sealed = b64decode(token, validate=True)
            symmetric.name_of(sealed)
            body = symmetric.decrypt(self._secret, sealed, {"kind": kind})
        except (ValueError, InvalidCiphertext):
            return None
        document: dict[str, Any] = orjson.loads(zlib.decompress(body))
        return document
