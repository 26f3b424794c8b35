"""Tokens that only this installation can make: session tokens of temporary credentials, grant tokens, import tokens,
and codes for the console.

A token is a sealed document. It needs no state and says nothing to its holder. It does not open if it was made up or changed.
Every process that has the secrets of the vault opens them. A token names the secret that it is sealed under, and once the log has
retired that secret (`keytrail log-keys rotate`), it opens no more: a thief of the secret would make tokens of any user for ever.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from typing import Any
from uuid import UUID

import orjson

from domain.crypto import symmetric
from domain.crypto.keyed_hash import KeyedHash
from domain.crypto.symmetric import Secret
from domain.errors import InvalidCiphertext
from domain.log.authenticity import Keyring
from domain.log.levels import FIRST
from domain.state.fold import Fold

SESSION, GRANT, IMPORT, CONSOLE_CODE = "session", "grant", "import", "console-code"
_NO_KEY = str(UUID(int=0))
_FIRST_KEY = "00" * 8
"""In the place of a secret's name: the root secret. Earlier versions made every token under it, and named none."""


class Tokens:
    """Seals tokens with a key derived from one of the vault's secrets, and with a message key for each token
    (domain/crypto/symmetric.py). `fold` is a process's own, whose log says which secrets count."""

    def __init__(self, keys: Keyring, fold: Fold) -> None:
        self._keys = keys
        self._fold = fold
        self._secrets: dict[str, Secret] = {}
        # Not under the secret in force: a provider's code that was redeemed before a rotation would be good once more after it.
        # Nobody is believed for such a digest; it only keeps what can be guessed from whoever reads it.
        self._digests = KeyedHash(self._secret(keys.names()[0]))

    def __repr__(self) -> str:
        return "Tokens(...)"

    def seal(self, kind: str, document: dict[str, Any]) -> str:
        """Seal a document. Raises nothing. `kind` is bound, so that a token of one kind never passes for another."""
        body = zlib.compress(orjson.dumps(document), 6)
        under = self._in_force()
        return b64encode(symmetric.encrypt(self._secret(under), _NO_KEY, under, body, {"kind": kind})).decode()

    def digest(self, kind: str, text: str) -> str:
        """A digest in hex that only this installation can make: it says nothing about a text that can be guessed."""
        return self._digests.digest(f"{kind}\0{text}".encode()).hex()

    def open(self, kind: str, token: str) -> dict[str, Any] | None:
        """The document; None if this installation did not seal the token as this kind, or its secret was retired."""
        try:
            sealed = b64decode(token, validate=True)
            under = self._named(sealed)
            if not self.counts(under):
                return None
            body = symmetric.decrypt(self._secret(under), sealed, {"kind": kind})
        except (ValueError, InvalidCiphertext):
            return None
        document: dict[str, Any] = orjson.loads(zlib.decompress(body))
        return document

    def under(self, token: str) -> str:
        """The name of the secret that a token was sealed under. For tokens that `open` has opened."""
        return self._named(b64decode(token))

    def counts(self, under: str) -> bool:
        """Whether tokens under this secret open now."""
        if under not in self._keys:
            return False
        return under not in self._fold.chain.authority.retired or (self._is_first_level() and self._is_first(under))

    def _in_force(self) -> str:
        """The oldest secret that is not retired. Not the newest: another process may not have read that one from the vault yet.
        Before the log retires a secret, every process that decides has the next one (`LogKeys.rotate`)."""
        names, retired = self._keys.names(), self._fold.chain.authority.retired
        if self._is_first_level():
            return names[0]
        return next((name for name in names if name not in retired), names[-1])

    def _is_first_level(self) -> bool:
        """Versions that know only this level seal and open tokens under the root secret alone, and one may still run."""
        return self._fold.world.level == FIRST

    def _is_first(self, under: str) -> bool:
        return under == self._keys.names()[0]

    def _named(self, sealed: bytes) -> str:
        """Raises InvalidCiphertext."""
        named = symmetric.name_of(sealed).material
        return self._keys.names()[0] if named == _FIRST_KEY else named

    def _secret(self, name: str) -> Secret:
        if name not in self._secrets:
            self._secrets[name] = Secret(self._keys.derived(name, "tokens"))
        return self._secrets[name]
