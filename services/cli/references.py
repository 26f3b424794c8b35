"""Decides whether a word names a key or a principal."""

from __future__ import annotations

import re

from domain.arn import ACCOUNT_ID
from domain.policy.parse import UNIQUE_ID
from services.cli.client import Client

OF_A_PRINCIPAL = ("arn:aws:iam:", "arn:aws:sts:", "user/", "role/", "group/", "policy/", "assumed-role/")


def is_principal(reference: str) -> bool:
    """Whether it is written like a principal (or a managed policy) rather than a key."""
    return reference.startswith(OF_A_PRINCIPAL) or bool(
        UNIQUE_ID.fullmatch(reference) or ACCOUNT_ID.fullmatch(reference)
    )


def is_key(reference: str) -> bool:
    """Whether it is written like a key, an alias, or the beginning of a key's id."""
    bare = reference.rstrip("…")
    return reference.startswith(("arn:aws:kms:", "alias/", "mrk-")) or bool(
        re.fullmatch(r"[0-9a-f-]*\d[0-9a-f-]*", bare)
    )


def kind_of(client: Client, reference: str, trail: str | None) -> str:
    """Returns "keys" or "principals". For a word like bob or payroll, the server knows which."""
    if is_principal(reference):
        return "principals"
    if is_key(reference):
        return "keys"
    return str(client.get("/v1/names", name=reference, trail=trail)["kind"])
