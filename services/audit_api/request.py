"""An authenticated request to the audit API: its caller, and the parameters that every list takes."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request

from domain.authorization.audience import Audience
from domain.authorization.caller import Caller
from services.audit_api.faults import invalid
from services.kms_api.authentication import Authenticated
from services.kms_api.console_codes import ConsoleCode
from services.kms_api.provider_sign_ins import SignInProof
from services.kms_api.sign_ins import TriedPassword
from services.questions.nearest import in_words, nearest

MOST = 1000
USUAL = 100


@dataclass(slots=True)
class OnRecord:
    """Whether a request has its record on `events` or `decisions`. An answered question has none, unless it changes
    something. Otherwise each answer about decisions would add a decision, and a client that follows them would follow
    itself."""

    done: bool = False


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """`http` is the request as it arrived; `id` is its call id. `name` is the route's name, for instance "GET
    /v1/keys"; `action` is the permission that the route needs."""

    http: Request
    caller: Caller
    who: Authenticated
    body: bytes
    name: str
    action: str
    id: str
    record: OnRecord = field(default_factory=OnRecord)
    code: ConsoleCode | None = None
    """The one-time code that stands for the signature."""
    password: TriedPassword | None = None
    """The right password that stands for the signature."""
    proof: SignInProof | None = None
    """What an OpenID Connect provider said, where that stands for the signature."""

    @property
    def account(self) -> str:
        return self.caller.account

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters in the form of a record: the query, and the names in the path."""
        return {**self.http.query_params, **self.http.path_params}

    @property
    def audience(self) -> Audience:
        return Audience(self.caller.account)

    def require_no_nul(self) -> None:
        """Raises WireError. Postgres cannot store U+0000 in a text, so no such name exists."""
        http = self.http
        texts = (http.url.path, *(text for pair in http.query_params.multi_items() for text in pair))
        if b"\\u0000" in self.body or b"\0" in self.body or any("\0" in text for text in texts):
            raise invalid("No name, time or policy contains the character U+0000.")

    def place(self, name: str) -> str:
        """The part of the path that has this name in the route."""
        return str(self.http.path_params[name])

    def text(self, name: str) -> str | None:
        return self.http.query_params.get(name)

    def one_of(self, name: str, values: Sequence[str]) -> str | None:
        """A parameter with one of a few words. Raises WireError, with the nearest word."""
        text = self.text(name)
        if text is None or text in values:
            return text
        raise invalid(f"{name} must be one of {', '.join(values)}, not {text!r}.{in_words(nearest(text, values))}")

    def flag(self, name: str) -> bool:
        """Raises WireError."""
        return self.one_of(name, ("true", "false")) == "true"

    def limit(self) -> int:
        """Raises WireError."""
        text = self.text("limit")
        if text is None:
            return USUAL
        if not text.isascii() or not text.isdigit() or len(text) > 6 or not 1 <= int(text) <= MOST:
            raise invalid(f"limit must be a number from 1 to {MOST}")
        return int(text)

    def cursor(self, *kinds: type) -> list[Any] | None:
        """The parts of the cursor, each of the given kind. Raises WireError."""
        text = self.text("cursor")
        if text is None:
            return None
        try:
            found = orjson.loads(urlsafe_b64decode(text.encode("ascii")))  # it limits the nesting
        except ValueError:
            found = None
        if (
            not isinstance(found, list)
            or len(found) != len(kinds)
            or not all(type(part) is kind for part, kind in zip(found, kinds, strict=True))
            or any(isinstance(part, int) and abs(part) >= 2**62 for part in found)
            or any(isinstance(part, str) and "\0" in part for part in found)
        ):
            raise invalid("the cursor does not come from an earlier answer")
        return found
