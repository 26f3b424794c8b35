"""A key policy allows everyone but those whom it names."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key = change.key
    for at, statement in change.new_statements:
        if key is not None and statement.get("Effect") == "Allow" and "NotPrincipal" in statement:
            sid = statement.get("Sid", "")
            summary = f"statement {at} {sid!r} allows everyone whom its NotPrincipal does not name, of any account"
            yield Finding(f"{key.arn}#{at}", summary, about=("*",), evidence={"statement": statement}, **on_key(key))
