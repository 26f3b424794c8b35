"""IAM's quotas (IAM user guide, reference_iam-quotas), and what tags may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.errors import InvalidInput, LimitExceeded
from domain.identities.identity import GROUP, ROLE, USER, Identity
from domain.policy.parse import MOST_TEXT, size

ACCESS_KEYS = 2
ATTACHED = {USER: 10, GROUP: 10, ROLE: 10}
INLINE = {USER: 2048, GROUP: 5120, ROLE: 10_240}
"""The most characters of all inline policies together, without white space."""
GROUPS_OF_USER = 10
VERSIONS = 5
TAGS = 50
TRUST = 2048
MANAGED = 6144


def require_room(held: int, most: int, what: str) -> None:
    """Raises LimitExceeded."""
    if held >= most:
        raise LimitExceeded(f"Cannot exceed quota for {what}: {most}")


def require_size(text: str, most: int, what: str) -> None:
    """Raises LimitExceeded."""
    if size(text) > most:
        raise LimitExceeded(f"Cannot exceed quota for {what}: {most}")


def require_inline_room(identity: Identity, policy: str, document: str) -> None:
    """Checks the quota for all inline policies of an identity. With white space they may be no longer than one text of
    the greatest length, so that each change counts only short texts. Raises LimitExceeded."""
    most = INLINE[identity.kind]
    texts = [document, *(each.document for name, each in identity.inline.items() if name != policy)]
    if sum(map(len, texts)) > MOST_TEXT:
        raise LimitExceeded(
            f"The inline policies of {identity.kind} {identity.name} have at most {MOST_TEXT} characters together, their "
            "white space included."
        )
    if sum(map(size, texts)) > most:
        raise LimitExceeded(f"Maximum policy size of {most} bytes exceeded for {identity.kind} {identity.name}")


def tags_of(given: Sequence[Mapping[str, str]], held: Mapping[str, str]) -> dict[str, str]:
    """The tags to set. A key that differs from a held one only in case replaces it. Raises InvalidInput (reserved
    prefix, a key twice), LimitExceeded."""
    result: dict[str, str] = {}
    known = {key.lower(): key for key in held}
    seen: set[str] = set()
    for tag in given:
        key, value = tag["Key"], tag["Value"]
        if key.lower().startswith("aws:"):
            raise InvalidInput("aws: prefixed tag key names are not allowed for external use.")
        if key.lower() in seen:
            raise InvalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        seen.add(key.lower())
        result[known.get(key.lower(), key)] = value
    require_room(len({**held, **result}) - 1 if result else 0, TAGS, "TagsPerResource")
    return result
