"""What an account may be shown of a record, as evidence: the whole of its own, and its parts of one across two accounts."""

from __future__ import annotations

from typing import Any

from domain.errors import AccessRefused
from domain.log.authenticity import DECISIONS, EVENTS
from domain.transparency.leaves import LeafPlace, parts_of_value
from domain.transparency.proofs import ShownParts
from services.evidence.proofs import CALLER, RESOURCE, REST, NotProven, ProofMaker

OF_EVENTS = -1
"""The `origin` of a row whose record stands on `events`; of others, it is the partition of `decisions`."""
MORE_THAN_TWO = "This call concerned more than two accounts; whoever runs Keytrail can prove it, with all of its parts."


def place_of(origin: int, record: int) -> LeafPlace:
    return LeafPlace(EVENTS, 0, record) if origin == OF_EVENTS else LeafPlace(DECISIONS, origin, record)


async def shown_to(
    account: str, row: Any, place: LeafPlace, value: bytes, proofs: ProofMaker, log: str
) -> bytes | ShownParts:
    """`row`: the call as it is in `decisions`. Raises NotProven, KeyMissing, Unavailable."""
    if parts_of_value(value) is None:
        return value
    if len(row["owners"]) > 2:
        raise NotProven(MORE_THAN_TWO)
    return await proofs.parts(place, value, _parts(account, row), log)


def _parts(account: str, row: Any) -> frozenset[str]:
    """A caller who was refused does not learn whether what it named exists, which is in the part for both."""
    if account != row["account"]:
        return frozenset({RESOURCE, REST})
    return frozenset({CALLER} if row["error"] == AccessRefused.kind else {CALLER, REST})
