"""Who administers and uses a key, by a policy in the form that the AWS KMS console makes."""

from __future__ import annotations

from typing import Any

from domain.crypto.specs import SYMMETRIC_DEFAULT
from domain.errors import InvalidRequest
from domain.keys.origins import AWS_KMS, EXTERNAL
from domain.policy.console_changes import not_shown
from domain.policy.console_form import FoundForm, KeyKind, OtherForm, kind_of

NOBODY_TO_DELETE = "The policy would have no key administrators, so it cannot allow them to delete the key."


def kind_by_names(spec: str, usage: str, origin: str, *, multi_region: bool = False) -> KeyKind:
    """The kind of key by the names that CreateKey has. A text that is "" was left out. Raises InvalidRequest."""
    if origin not in ("", AWS_KMS, EXTERNAL):
        raise InvalidRequest(f"The origin is {AWS_KMS} or {EXTERNAL}, not {origin}.")
    return kind_of(spec or SYMMETRIC_DEFAULT, usage, imported=origin == EXTERNAL, multi_region=multi_region)


def shown(found: FoundForm | OtherForm) -> dict[str, Any]:
    """What the console's default view shows of a policy, or why it shows nothing. Statements count from 1."""
    if isinstance(found, OtherForm):
        nothing: dict[str, Any] = {
            "account": None,
            "administrators": [],
            "users": [],
            "accounts": [],
            "may_delete": False,
            "beside": [],
        }
        statement = None if found.index is None else found.index + 1
        return {"shown": False, **nothing, "why": not_shown(found), "sid": found.sid, "statement": statement}
    form = found.form
    return {
        "shown": True,
        "account": form.account,
        "administrators": list(form.administrators),
        "users": list(form.users),
        "accounts": list(form.accounts),
        "may_delete": form.may_delete,
        "beside": [{"statement": each.index + 1, "sid": each.sid} for each in found.beside],
        **dict.fromkeys(("why", "sid", "statement")),
    }
