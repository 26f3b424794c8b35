"""The proof of one call's record, for somebody who has to believe it without access to Keytrail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.authorization.audience import Told
from domain.errors import AccessRefused, NoSuchEntity
from domain.log.authenticity import DECISIONS, EVENTS
from domain.log.codec import Unreadable
from domain.ports import OutOfRange
from domain.transparency.leaves import LeafPlace, parts_of_value
from domain.transparency.proofs import ShownParts
from services.audit_api.answer_shapes import One
from services.audit_api.context import AuditContext
from services.audit_api.faults import denied, missing
from services.audit_api.freshness import fresh
from services.audit_api.request import AuditRequest
from services.audit_api.route import RouteRow
from services.audit_api.schemas import Member
from services.evidence.proofs import NotProven
from services.kms_api.errors import WireError
from services.questions.past_call import on_record

OF_EVENTS = -1
"""The `origin` of a row whose record stands on `events`; of others, it is the partition of `decisions`."""
CALLER, RESOURCE, REST = "caller", "resource", "rest"


async def prove_call(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError, AccessRefused."""
    if not audit.settings.notaries:
        raise missing("This installation has no transparency log: KEYTRAIL_NOTARIES is 0.")
    async with fresh(audit.live):
        row = await on_record(audit.log, request.account, request.place("call"))
        if row is None:
            raise NoSuchEntity(f"No call of this account has the id {request.place('call')}.")
        return request.audience.own(request.account, await _document(audit, request, row))


async def _document(audit: AuditContext, request: AuditRequest, row: Any) -> Mapping[str, Any]:
    """Raises WireError, Unavailable."""
    origin, position = row["origin"], row["record"]
    place = LeafPlace(EVENTS, 0, position) if origin == OF_EVENTS else LeafPlace(DECISIONS, origin, position)
    try:
        value = await audit.proofs.value(place)
        shown: bytes | ShownParts = value
        if parts_of_value(value) is not None:
            parts = _shown(request.account, row)
            shown = await audit.proofs.parts(place, value, parts, audit.live.world.log)
        return await audit.proofs.document(place, value, shown)
    except (NotProven, OutOfRange, Unreadable) as fault:
        raise WireError(409, "ConflictException", f"This call cannot be proven: {fault}.") from None


def _shown(account: str, row: Any) -> frozenset[str]:
    """The parts of a record across accounts that this account may see. A caller who was refused does not learn whether what it
    named exists, which is in the part for both. Raises WireError."""
    if len(row["owners"]) > 2:
        raise denied(
            "This call concerned more than two accounts; whoever runs Keytrail can prove it, with all of its parts."
        )
    if account != row["account"]:
        return frozenset({RESOURCE, REST})
    return frozenset({CALLER} if row["error"] == AccessRefused.kind else {CALLER, REST})


PROVE = RouteRow(
    "GET",
    "/v1/proofs/{call}",
    "prove",
    prove_call,
    "The record of one call with its proof, which anybody can check offline; asks keytrail:ReadDecisions as well",
    tag="decisions",
    action="keytrail:Prove",
    also=("keytrail:ReadDecisions",),  # the answer shows a decision
    answer=One(
        (
            Member("format", "text", "the form of this document: keytrail-proof/v1"),
            Member("key", "text", "the verifier key of the transparency log (C2SP signed-note)"),
            Member("proof", "text", "the leaf's number, the hashes from it to the root, and the signed checkpoint"),
            Member(
                "record",
                "object",
                "where the record stands, and its value, or the parts of it that the account may see",
            ),
        )
    ),
)


ROUTES = (PROVE,)
"""Every route of this file."""
