"""What the API makes and hands out: ids, sealed material and secrets for commands; session and grant tokens."""

from __future__ import annotations

import secrets
import string
from base64 import b64decode
from typing import Any
from uuid import uuid4

from domain.crypto.material import NewMaterial, generate, imported, load_private
from domain.crypto.specs import RSA, SPECS, SYMMETRIC_DEFAULT, Spec
from domain.crypto.wrapping import unwrap
from domain.errors import (
    IncorrectKeyMaterial,
    InvalidCiphertext,
    InvalidGrantToken,
    InvalidImportToken,
    PackedPolicyTooLarge,
    Refusal,
)
from domain.identities.identity import PREFIXES
from domain.ports import Unavailable
from domain.state.callers import Session
from services.adapters.tokens import GRANT, IMPORT, SESSION, Tokens
from services.adapters.vault import Vault
from services.aside import aside, long_aside
from services.kms_api.console_codes import ConsoleCode, sealed_code
from services.kms_api.mfa_codes import MfaCodes
from services.kms_api.passwords import Passwords
from services.operations.rows import Answer, Preparation
from services.runtime.data_folder import new_access_key_id, new_secret

LONGEST_TOKEN = 8192
"""The most characters of a session token: it has to fit into a header with everything else."""
_LETTERS = string.ascii_uppercase + string.digits
TEMPORARY = "ASIA"


class VaultMaker:
    """Implements the operations' ports Maker and Issuer."""

    def __init__(self, vault: Vault, tokens: Tokens, mfa: MfaCodes, passwords: Passwords) -> None:
        self._vault = vault
        self._tokens = tokens
        self._mfa = mfa
        self._passwords = passwords

    async def material(self, spec: str, account: str) -> Preparation:
        """Raises Unavailable."""
        key, wanted = str(uuid4()), SPECS[spec]
        new = await long_aside(account, generate, wanted) if wanted.family == RSA else generate(wanted)
        await self._vault.put_material(key, new.id, new.secret)
        return {"key": key, "material": new.id, "fingerprint": new.fingerprint, "public_key": new.public_key}

    async def rotated(self, key: str) -> Preparation:
        """Raises Unavailable."""
        new = generate(SPECS[SYMMETRIC_DEFAULT])
        await self._vault.put_material(key, new.id, new.secret)
        return {"material": new.id, "fingerprint": new.fingerprint}

    async def imported(self, token: bytes, wrapped: bytes, account: str) -> Preparation:
        """Raises Unavailable."""
        document = self._tokens.open(IMPORT, token.decode("latin-1"))
        if document is None:
            return _fault(InvalidImportToken("The import token is not one that GetParametersForImport returned."))
        known: Preparation = {"key": document["key"], "expires": str(document["expires"])}
        private = load_private(b64decode(document["private"]))
        try:
            secret = await aside(unwrap, private, document["algorithm"], wrapped)
            new = await self._checked(SPECS[document["spec"]], document["key"], secret, account)
        except (InvalidCiphertext, IncorrectKeyMaterial) as fault:
            return {**known, **_fault(fault)}
        # Each import has its own name, so that an earlier deletion never removes this one from the vault.
        stored = secrets.token_hex(32)
        await self._vault.put_material(document["key"], stored, new.secret)
        return {
            **known,
            "material": new.id,
            "stored": stored,
            "fingerprint": new.fingerprint,
            "public_key": new.public_key,
        }

    async def _checked(self, spec: Spec, key: str, secret: bytes, account: str) -> NewMaterial:
        """Raises IncorrectKeyMaterial. A caller's bytes may take long to read whatever the spec is."""
        if spec.secret_bytes:
            return imported(spec, key, secret)
        return await long_aside(account, imported, spec, key, secret)

    async def access_key(self) -> Preparation:
        """Raises Unavailable."""
        access_key = new_access_key_id()
        await self._vault.put_secret(access_key, new_secret())
        return {"access_key": access_key}

    async def mfa_seed(self) -> Preparation:
        """Raises Unavailable."""
        return await self._mfa.new_seed()

    async def mfa_codes(self, serial: str, account: str, holder: str, codes: tuple[str, str]) -> Preparation:
        """Raises Unavailable, NotFresh, Throttled."""
        return await self._mfa.found(serial, account, holder, codes)

    async def password(self, account: str, user: str, password: str) -> Preparation:
        """Raises Unavailable, NotFresh, Throttled."""
        return await self._passwords.made(account, user, password)

    async def changed_password(self, account: str, user: str, old: str, new: str) -> Preparation:
        """Raises Unavailable, NotFresh, Throttled."""
        return await self._passwords.changed(account, user, old, new)

    def unique_id(self, kind: str) -> Preparation:
        return {"id": PREFIXES[kind] + _letters(17)}

    def grant_id(self) -> Preparation:
        return {"grant": secrets.token_hex(32)}

    def granted(self, token: str) -> Preparation:
        """Raises InvalidGrantToken."""
        document = self._opened(token)
        return {"key": document["key"], "grant": document["grant"]}

    def position_of(self, token: str) -> int:
        """The position of the token's grant on the log. Raises InvalidGrantToken."""
        return int(self._opened(token)["position"])

    def _opened(self, token: str) -> dict[str, Any]:
        document = self._tokens.open(GRANT, token)
        if document is None:
            raise InvalidGrantToken("The grant token is not one that CreateGrant returned.")
        return document

    async def secret(self, access_key: str) -> str:
        """Raises Unavailable."""
        found = await self._vault.secret(access_key)
        if found is None:
            raise Unavailable(f"the vault holds no secret of {access_key}")
        return found

    def grant_token(self, key: str, grant: str, position: int) -> str:
        return self._tokens.seal(GRANT, {"key": key, "grant": grant, "position": position})

    def console_code(self, code: ConsoleCode) -> str:
        return sealed_code(self._tokens, code)

    def credentials(self, session: Session) -> Answer:
        """Raises PackedPolicyTooLarge."""
        access_key, secret = TEMPORARY + _letters(16), new_secret()
        token = self._tokens.seal(SESSION, {"access_key": access_key, "secret": secret, "session": session.document()})
        if len(token) > LONGEST_TOKEN:
            raise PackedPolicyTooLarge(
                f"Packed size of session policies and tags consumes {len(token) * 100 // LONGEST_TOKEN}% of allotted space."
            )
        return {
            "AccessKeyId": access_key,
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": session.expires / 1_000_000,
        }


def _fault(fault: Refusal) -> Preparation:
    """The fault with which the writer refuses, after it has asked the permission: a caller who may not import learns
    nothing about a token."""
    return {"fault": fault.kind, "message": fault.message}


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))
