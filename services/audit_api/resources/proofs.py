"""The proof of one call's record, for somebody who has to believe it without access to Keytrail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.authorization.audience import Told
from domain.errors import NoSuchEntity
from domain.log.authenticity import KeyMissing
from domain.log.codec import Unreadable
from domain.ports import OutOfRange
from projections.decisions import queries as decisions
from services.audit_api.answer_shapes import One
from services.audit_api.context import AuditContext
from services.audit_api.faults import denied, missing
from services.audit_api.freshness import fresh
from services.audit_api.request import AuditRequest
from services.audit_api.route import RouteRow
from services.audit_api.schemas import Member
from services.audit_api.shown_records import MORE_THAN_TWO, place_of, shown_to
from services.evidence.proofs import NotNotarised, NotProven
from services.kms_api import errors
from services.kms_api.errors import WireError
from services.questions.moments import read_moment
from services.questions.past_call import on_record


async def prove_call(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError, AccessRefused."""
    if not audit.settings.notaries:
        raise missing("This installation has no transparency log: KEYTRAIL_NOTARIES is 0.")
    async with fresh(audit.live):
        row = await _row(audit, request, request.place("call"))
        return request.audience.own(request.account, await _document(audit, request, row))


async def _row(audit: AuditContext, request: AuditRequest, text: str) -> Any:
    """The call with this id, or the change at this position (@1234). Raises NoSuchEntity, NoSuchMoment."""
    if not text.startswith("@"):
        row = await on_record(audit.log, request.account, text)
        if row is None:
            raise NoSuchEntity(f"No call of this account has the id {text}.")
        return row
    position, _ = read_moment(text)
    assert position is not None, "it begins with @"
    rows = await decisions.events(audit.log, request.account, position - 1, 1)
    if not rows or rows[0]["position"] != position:
        raise NoSuchEntity(
            f"This account made no change at {text}. `keytrail history` lists changes with their positions."
        )
    return rows[0]


async def _document(audit: AuditContext, request: AuditRequest, row: Any) -> Mapping[str, Any]:
    """Raises WireError, Unavailable."""
    place = place_of(row["origin"], row["record"])
    if len(row["owners"]) > 2:
        raise denied(MORE_THAN_TWO)
    try:
        value = await audit.proofs.value(place)
        shown = await shown_to(request.account, row, place, value, audit.proofs, audit.live.world.log)
        return await audit.proofs.document(place, value, shown)
    except NotNotarised as fault:
        raise errors.not_now(str(fault)) from None
    except (NotProven, OutOfRange, Unreadable, KeyMissing) as fault:
        raise WireError(409, "ConflictException", f"This call cannot be proven: {fault}.") from None


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
