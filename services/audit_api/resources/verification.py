"""Verifies the whole installation, as `keytrail verify` does on the host, and says how far it is."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from domain.authorization.audience import Told
from domain.verification.log import Expected
from services.audit_api.answer_shapes import Lines
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter, RouteRow
from services.audit_api.schemas import TRUE_OR_FALSE, Member
from services.kms_api import errors
from services.verification.own_process import AlreadyVerifying, NotVerified, alone, verifying

ONE_AT_A_TIME = (
    "A verification is running already. It reads every record, so there is one at a time; try again when it has ended."
)
ENDING = "This worker is ending; try again."
HEAD = "([0-9]{1,17}):([0-9a-f]{64})"
POSITIONS = 1000
"""Of how many void or strange values the positions are told."""


async def verify_installation(audit: AuditContext, request: AuditRequest) -> AsyncGenerator[Told, None]:
    """Raises WireError."""
    audit.require_host(request)
    return _lines(audit, request)


async def _lines(audit: AuditContext, request: AuditRequest) -> AsyncGenerator[Told, None]:
    projections = request.one_of("projections", ("true", "false")) != "false"
    expected = _expected(request.text("expect"))
    async with audit.long_questions.place(request):
        try:
            async with (
                alone(audit.settings),
                aclosing(verifying(audit.settings, expected, projections=projections)) as lines,
            ):
                async for each in lines:
                    yield request.audience.public({"result": _told(each["result"])} if "result" in each else each)
                    if audit.streams.stopping():
                        raise errors.not_now(ENDING)
        except AlreadyVerifying:
            raise errors.not_now(ONE_AT_A_TIME) from None
        except NotVerified as fault:
            raise errors.not_now(f"The verification could not be made ({fault}); the worker's log says why.") from None


def _expected(text: str | None) -> Expected | None:
    """Raises WireError."""
    if text is None:
        return None
    found = re.fullmatch(HEAD, text)
    if found is None:
        raise invalid("expect takes POSITION:DIGEST, as an earlier verification gave it")
    return Expected(int(found[1]), found[2])


def _told(found: dict[str, Any]) -> dict[str, Any]:
    """Counts and places, and nothing that a record or a row says: it may be another account's. `keytrail verify` shows that on
    the host."""
    differing = found["projections"]
    return found | {
        "detail": "",
        "voids": found["voids"][:POSITIONS],
        "strange": found["strange"][:POSITIONS],
        "projections": None if differing is None else [each | {"examples": []} for each in differing],
    }


VERIFY = RouteRow(
    "GET",
    "/v1/verify",
    "verify",
    verify_installation,
    "Every record of every topic checked, and the tables compared with the topics; a JSON object a line",
    tag="installation",
    action="keytrail:Verify",
    parameters=(
        Parameter(
            "expect",
            "a head of the log that was noted down earlier, POSITION:DIGEST: the log must still contain it",
            {"type": "string", "pattern": f"^{HEAD}$"},
        ),
        Parameter(
            "projections",
            "false: check the topics alone, and do not compare the tables",
            TRUE_OR_FALSE,
        ),
    ),
    answer=Lines(
        (
            Member("step", "text", "what is being done"),
            Member("done", "integer", "how much of it is done, `of` how much; 0 of 0 where it is not counted"),
            Member(
                "result",
                "object",
                "at last: whole, what is known of the log (its head among it), decisions, the other topics, the transparency "
                "log (tree; null where there is none), and the tables that differ (projections; null where they were not "
                "compared)",
            ),
        )
    ),
)


ROUTES = (VERIFY,)
