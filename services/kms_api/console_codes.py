"""One-time codes for the console. A code is a sealed document, so a guess costs one failed opening, and no state."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from domain.state.callers import Session, session_from
from services.adapters.tokens import CONSOLE_CODE, Tokens

LONGEST_CODE = 12_288
"""In characters. A code holds a session without its secret, and a session token has at most 8,192."""
_IN_URLS = str.maketrans("+/", "-_")
_SEALED = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class ConsoleCode:
    """What a code stands for: the credential of the user who asked for it, without the secret. `seconds` is how long
    the console session is to last, `expires` (microseconds since the epoch) when the code does, and `seen` the position
    at which the user asked for it."""

    id: str
    access_key: str
    session: Session | None
    seconds: int
    expires: int
    seen: int


def new_code_id() -> str:
    return secrets.token_hex(16)


def sealed_code(tokens: Tokens, code: ConsoleCode) -> str:
    """The code as text for a URL's fragment."""
    session = None if code.session is None else code.session.document()
    document = {
        "id": code.id,
        "access_key": code.access_key,
        "session": session,
        "seconds": code.seconds,
        "expires": code.expires,
        "seen": code.seen,
    }
    return tokens.seal(CONSOLE_CODE, document).translate(_IN_URLS)


def opened_code(tokens: Tokens, text: str) -> ConsoleCode | None:
    """None for a text that this installation did not seal as a code."""
    document = tokens.open(CONSOLE_CODE, text.translate(_SEALED)) if len(text) <= LONGEST_CODE else None
    if document is None:
        return None
    session = None if document["session"] is None else session_from(document["session"])
    return ConsoleCode(**{**document, "session": session})
