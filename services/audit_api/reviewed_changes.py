"""Changes of access in a span, as an endpoint asks for them by the parameters `key`, `principal`, `from` and `to`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

from domain.arn import parse_arn, root_arn
from domain.authorization.audience import Told
from domain.errors import NoSuchEntity, Refusal
from domain.identities.identity import GROUP, POLICY, ROLE, USER
from domain.keys.key import Key
from projections.history import queries as history
from services.audit_api.context import AuditContext
from services.audit_api.faults import not_found
from services.audit_api.freshness import fresh
from services.audit_api.operation_names import KMS_ACTIONS
from services.audit_api.read_models import changes_read
from services.audit_api.request import AuditRequest
from services.questions.access_changes import AccessReview
from services.questions.effects import ChangeScope
from services.questions.moments import NoSuchMoment, read_moment
from services.questions.policy_change import ComparedPolicy, difference
from services.questions.source import Source

UNIVERSE = sorted(f"kms:{name}" for name in KMS_ACTIONS)


async def access_changes(
    audit: AuditContext, request: AuditRequest, *, has_place: bool = False
) -> AsyncGenerator[Told, None]:
    """`has_place`: the question is part of a long one that has its place. Raises WireError, AccessRefused."""
    async with fresh(audit.live):
        source = await audit.sources.of(request)
        await source.moment(None)  # it waits for the history
        first = await _before(source, request.text("from"), -1)
        last = await _before(source, request.text("to"), source.end)
        scope = await _scope(audit, request, source)
        since = request.text("from")
        began = await source.before_it_began(read_moment(since)[1] if since else None)
    return _changes(audit, request, source, scope, first, last, began, has_place=has_place)


async def _changes(
    audit: AuditContext,
    request: AuditRequest,
    source: Source,
    scope: ChangeScope,
    first: int,
    last: int,
    began: dict[str, str],
    *,
    has_place: bool,
) -> AsyncGenerator[Told, None]:
    if not source.is_trail:
        await changes_read(audit, last)

    async def compare(key: Key, old: ComparedPolicy, new: ComparedPolicy) -> dict[str, Any]:
        return await audit.long_questions.compute(request, difference, key, old, new, [], of_trail=source.is_trail)

    still = source.still(audit.settings) if has_place else audit.long_questions.snapshot(request, source)
    async with still as found:
        reviewed = AccessReview(found.log, source.audience, UNIVERSE, compare)
        async for each in reviewed.changes(first, last, scope):
            if "result" in each:
                each |= began
                if not source.is_trail:
                    each["result"]["log"] = audit.live.world.log
            yield source.audience.own(source.account, each)


async def _before(source: Source, text: str | None, otherwise: int) -> int:
    """The last position before a time or a position; -1 if that is before the log begins. Raises NoSuchMoment."""
    if not text:
        return otherwise
    position, at = read_moment(text)
    if at is not None:
        position = await history.position_at(source.log, at - timedelta(microseconds=1))
        return -1 if position is None else position
    assert position is not None, "it is one of the two"
    if position > source.end + 1:
        raise NoSuchMoment(f"the log ends at @{source.end}")
    return position - 1


async def _scope(audit: AuditContext, request: AuditRequest, source: Source) -> ChangeScope:
    """The key or the principal in the question; it exists, or existed once. Raises WireError, Refusal."""
    key, principal = request.text("key"), request.text("principal")
    if key:
        return await _scope_of_key(audit, request, source, key)
    if principal:
        source.audience.require_reference(principal)
        name = await audit.principals.principal(request, source, principal, (USER, ROLE, GROUP, POLICY))
        if name != root_arn(getattr(parse_arn(name), "account", "")) and not await history.ever(source.log, name):
            raise NoSuchEntity(f"This account has no user, group, role or policy {principal}, and never had one.")
        return ChangeScope(principal=name)
    return ChangeScope()


async def _scope_of_key(audit: AuditContext, request: AuditRequest, source: Source, text: str) -> ChangeScope:
    """Raises WireError, AccessRefused."""
    if source.is_trail:
        found = await audit.keys.of_trail(request, text)
        row = await history.one(source.log, source.end, "key", found)
        if row is None:
            await audit.keys.require_recorded(source, found, text)
        return ChangeScope(key=found, key_arn="" if row is None else row["arn"] or "")
    try:
        found, account = audit.live.world.once(audit.keys.written(text, source.account), source.account)
    except Refusal as fault:
        raise not_found(fault, audit.keys.near(text, source.account)) from None
    source.audience.require(account)
    return ChangeScope(key=found, key_arn=f"arn:aws:kms:{source.region}:{account}:key/{found}")
