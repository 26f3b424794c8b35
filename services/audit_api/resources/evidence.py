"""A package of evidence: every record about a key or a principal in a span, each with its proof, in one file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from domain.authorization.audience import Told
from domain.characters import visible
from domain.errors import AccessRefused
from domain.identities.identity import GROUP, POLICY, ROLE, USER
from domain.log.authenticity import ALERTS, KeyMissing
from domain.log.codec import Unreadable
from domain.ports import OutOfRange, Unavailable
from domain.transparency.leaves import LeafPlace
from domain.transparency.proofs import ShownParts
from projections.alerts import queries as alerts
from projections.alerts.queries import AlertFilters
from projections.decisions import queries as decisions
from projections.decisions.queries import CallFilters, Cursor
from services.adapters.postgres import INTERRUPTED
from services.audit_api.answer_shapes import FileOf
from services.audit_api.context import AuditContext
from services.audit_api.decided_calls import concerning_principal
from services.audit_api.faults import invalid, missing
from services.audit_api.freshness import fresh
from services.audit_api.raised_alerts import accounts_of
from services.audit_api.read_models import all_read
from services.audit_api.request import AuditRequest
from services.audit_api.reviewed_changes import access_changes
from services.audit_api.route import SPAN, Parameter, RouteRow
from services.audit_api.schemas import TRUE_OR_FALSE
from services.audit_api.shown_records import place_of, shown_to
from services.audit_api.times import span_of
from services.audit_api.written_file import WrittenFile
from services.evidence.package_trees import PackageHeads
from services.evidence.proofs import NotNotarised, NotProven, ProvenTree, no_leaf, removed
from services.kms_api import errors
from services.kms_api.errors import WireError
from services.questions.source import Source
from services.questions.subjects import with_names
from services.rendering import call_of, item, utc
from services.turns import Turn

MOST, MOST_ALERTS = 100_000, 5_000
"""The most calls and alerts of one package."""
OUTAGES: tuple[type[BaseException], ...] = (Unavailable, *INTERRUPTED)
ASK_AGAIN = "The projections could not be asked; make the package again."
GONE = "a call was in the projections when the package was begun, and is no longer there"
PAGE, AT_ONCE = 100, 20
"""Records that are read in one go, and that are proven before calls have a turn."""
ZIP = "application/zip"


@dataclass(frozen=True, slots=True)
class EvidenceSubject:
    """What a package is about: its ARN, how people call it, the filters of its calls (any of which may select one), and of its
    alerts."""

    arn: str
    named: str
    calls: Sequence[CallFilters]
    alerts: AlertFilters


async def evidence(audit: AuditContext, request: AuditRequest) -> WrittenFile:
    """Raises WireError, AccessRefused."""
    if not audit.settings.notaries:
        raise missing("This installation has no transparency log: KEYTRAIL_NOTARIES is 0.")
    whole = request.flag("whole_span")
    if whole:
        audit.require_host(request)
    now = datetime.fromtimestamp(audit.clock.now() / 1_000_000, UTC)
    pages = _pages(audit, request, now, whole=whole)
    return WrittenFile(pages, "services.evidence", (), ZIP, f"evidence-{now:%Y%m%dT%H%M%SZ}.zip")


async def _subject(
    audit: AuditContext, request: AuditRequest, source: Source, since: datetime | None, until: datetime
) -> EvidenceSubject:
    """Raises WireError, AccessRefused."""
    key, principal = request.text("key"), request.text("principal")
    if (key is None) == (principal is None):
        raise invalid("key or principal says what the evidence is about: give one of them")
    named = key or principal or ""
    if visible(named) != named:  # it stands in texts for people
        raise invalid("key and principal have no control characters, and none that are not seen")
    span = CallFilters(since=since, until=until)
    raised = AlertFilters(accounts_of(audit, request), suppressed=True, since=since, until=until)
    if key is not None:
        id = await audit.keys.called(request, key)
        arn = await audit.keys.arn_of(source, key, id)
        of_key, raised = replace(span, key=id, key_arn=arn), replace(raised, key=id)
        found = audit.live.world.keys.get(id)
        if found is None or not request.audience.owns(found.account):
            # Whether another account has such a key must not be seen by what the package calls it.
            return EvidenceSubject(audit.keys.written(key, request.account), "", [of_key], raised)
        (row,) = await audit.keys.with_aliases(source, [{"key_id": id}])
        return EvidenceSubject(arn, ", ".join(row["key_aliases"]), [of_key], raised)
    calls = await audit.principals.calls_of(request, source, principal or "", span)
    about = await audit.principals.principal(request, source, principal or "", (USER, ROLE, GROUP, POLICY))
    changes = await concerning_principal(replace(span, about=about, changes_only=True), source, about)
    return EvidenceSubject(about, "", [calls, changes], replace(raised, about=about))


async def _pages(
    audit: AuditContext, request: AuditRequest, now: datetime, *, whole: bool
) -> AsyncGenerator[Told, None]:
    """What the process that writes the package needs, in its order: the two trees, the leaves between them, the records, the
    changes. Raises WireError, AccessRefused."""
    try:
        async with audit.long_questions.place(request):
            await all_read(audit)
            async with fresh(audit.live):
                source = await audit.sources.of(request)
                since, until = await span_of(source.log, request)
                if since is not None and since >= (until or now):
                    raise invalid("from must be earlier than to, and earlier than now")
                subject = await _subject(audit, request, source, since, until or now)
            calls, raised = await _places(audit, request, source, subject)
            tree = PackageHeads(audit.proofs)
            places = [*(place_of(origin, record) for _, origin, record in calls), *_of_alerts(raised)]
            head, earlier = await tree.between(_outermost(places), since, until)
            about = {
                "account": request.account,
                "about": subject.arn,
                "named": subject.named,
                "from": "" if since is None else utc(since),
                "to": "" if until is None else utc(until),
                "made": utc(now),
            }
            trees = await tree.document(head, earlier, whole=whole)
            yield _told(source, [{"scope": about, "trees": trees}])
            if whole:
                async for some in tree.leaves(head, earlier):
                    yield _told(source, [{"leaves": some}])
            for first in range(0, len(calls), PAGE):
                yield await _calls(audit, request, source, head, calls[first : first + PAGE])
            for first in range(0, len(raised), PAGE):
                yield await _alerts(audit, source, head, raised[first : first + PAGE])
            try:
                async with aclosing(await access_changes(audit, request, has_place=True)) as changes:
                    async for each in changes:
                        if "change" in each.value:
                            yield _told(source, [{"change": each.value}])
            except (WireError, AccessRefused) as fault:  # the records are proven all the same
                yield _told(source, [{"left_out": fault.message}])
            except OUTAGES:
                yield _told(source, [{"left_out": ASK_AGAIN}])
    except NotNotarised as fault:
        raise errors.not_now(str(fault)) from None
    except (NotProven, OutOfRange) as fault:
        raise WireError(409, "ConflictException", f"This cannot be proven: {fault}.") from None


def _told(source: Source, items: Sequence[Mapping[str, Any]]) -> Told:
    return source.audience.own(source.account, {"items": items})


async def _places(
    audit: AuditContext, request: AuditRequest, source: Source, subject: EvidenceSubject
) -> tuple[list[Cursor], list[Any]]:
    """Where the calls are, in the order of time, and the alerts. Raises WireError."""
    found: set[Cursor] = set()
    for filters in subject.calls:
        async with audit.filtered_questions.turn(request):
            found.update(await decisions.places(source.log, request.account, filters, MOST + 1))
    async with audit.filtered_questions.turn(request):
        raised = await alerts.page(source.log, subject.alerts, 2**62, MOST_ALERTS + 1)
    if len(found) > MOST or len(raised) > MOST_ALERTS:
        raise WireError(
            400,
            "LimitExceededException",
            f"These are more than {MOST} calls or {MOST_ALERTS} alerts; ask for a shorter span.",
        )
    return sorted(found), raised[::-1]


def _of_alerts(rows: Iterable[Any]) -> list[LeafPlace]:
    return [LeafPlace(ALERTS, 0, row["number"]) for row in rows]


def _outermost(places: Iterable[LeafPlace]) -> list[LeafPlace]:
    """The first and the last record of each partition: what a tree has to reach, to have all of them. In a partition, the leaves
    are in the order of the records."""
    found: dict[tuple[str, int], tuple[LeafPlace, LeafPlace]] = {}
    for each in places:
        first, last = found.get((each.kind, each.partition), (each, each))
        found[each.kind, each.partition] = (
            min(first, each, key=lambda place: place.position),
            max(last, each, key=lambda place: place.position),
        )
    return [*{each for both in found.values() for each in both}]


async def _calls(
    audit: AuditContext, request: AuditRequest, source: Source, head: ProvenTree, asked: Sequence[Cursor]
) -> Told:
    async with audit.filtered_questions.turn(request):
        rows = await decisions.at_places(source.log, request.account, asked)
    turn = Turn()
    told = await with_names(source, [call_of(row) for row in rows], audit.keys.with_aliases)
    await turn.give_way()
    places = [place_of(row["origin"], row["record"]) for row in rows]
    proven = await _proven(audit, source, head, places, rows, turn)
    gone = [{"unproven": GONE}] * (len(asked) - len(rows))
    told_calls = [each | {"call": source.audience.call(call)} for each, call in zip(proven, told, strict=True)]
    return _told(source, [*told_calls, *gone])


async def _alerts(audit: AuditContext, source: Source, head: ProvenTree, rows: Sequence[Any]) -> Told:
    proven = await _proven(audit, source, head, _of_alerts(rows), None, Turn())
    shown = [{"alert": item(row, ("suppressed", "source"))} for row in rows]
    return _told(source, [each | more for each, more in zip(proven, shown, strict=True)])


async def _proven(
    audit: AuditContext,
    source: Source,
    head: ProvenTree,
    places: Sequence[LeafPlace],
    rows: Sequence[Any] | None,
    turn: Turn,
) -> list[dict[str, Any]]:
    """Of each record: its leaf and its proof, or why it has none. `rows`: the calls, if they are calls."""
    values = await audit.proofs.values(places)
    leaves = await audit.proofs.numbers(places)

    async def of(number: int, place: LeafPlace) -> dict[str, Any]:
        try:
            if place not in values:
                raise removed(place)
            if place not in leaves:
                raise no_leaf(place)
            value = values[place]
            shown: bytes | ShownParts = value
            if rows is not None:
                shown = await shown_to(source.account, rows[number], place, value, audit.proofs, audit.live.world.log)
            return {"leaf": leaves[place], "proof": await head.document(place, leaves[place], value, shown)}
        except (NotProven, Unreadable, KeyMissing) as fault:
            return {"unproven": str(fault)}

    found = list[dict[str, Any]]()
    for first in range(0, len(places), AT_ONCE):
        some = enumerate(places[first : first + AT_ONCE], first)
        found += await asyncio.gather(*(of(number, place) for number, place in some))  # they wait for tiles
        await turn.give_way()
    return found


EVIDENCE = RouteRow(
    "GET",
    "/v1/evidence",
    "evidence",
    evidence,
    "Every record about a key or a principal in a span, each with its proof, as a package that anybody can check offline",
    tag="decisions",
    action="keytrail:Prove",
    also=("keytrail:ReadDecisions", "keytrail:ReadHistory", "keytrail:ReadAlerts"),
    parameters=(
        Parameter("key", "id, ARN or alias of a key"),
        Parameter("principal", "or the ARN of a user, group, role or managed policy"),
        *SPAN,
        Parameter(
            "whole_span",
            "true: with the hash of every leaf of the span, so that anybody can count them; for the first account alone",
            TRUE_OR_FALSE,
        ),
    ),
    answer=FileOf((ZIP,)),
)


ROUTES = (EVIDENCE,)
"""Every route of this file."""
