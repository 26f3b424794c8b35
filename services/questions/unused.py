"""Unused permissions: what each statement and grant in force allows, and which calls it has let in since a time.

Every call that was let in is decided again on the present state, and counts for the statement that lets it in today. So a
statement keeps its use when the policy around it is replaced. If another statement covers it, it has no use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from domain.arn import account_in, parse_arn
from domain.authorization.audience import Audience, stranger
from domain.authorization.caller import Caller
from domain.decisions.again import Callers, decide_again, decide_for
from domain.errors import NoSuchEntity
from domain.identities.identity import GROUP
from domain.keys.key import Key
from domain.keys.states import KEY_ACTIONS
from domain.policy.compile import ROLE, CompiledStatement
from domain.policy.glob import compile_glob
from domain.policy.unseen import is_unseen
from domain.state.callers import caller_for
from domain.state.principals import canonical
from domain.state.world import World
from projections.decisions import queries as decisions
from projections.decisions import uses as uses_of
from projections.history.arn_holders import HeldArn, held_arns
from projections.log.schema import AskedLog
from services.rendering import utc
from services.turns import Turn

NOT_USED_FOR = 90
"""How many days a question looks back by default."""
AT_A_TIME = 200
PermissionName = tuple[str, str, str]


def _name(by: Mapping[str, Any]) -> PermissionName:
    """The name of a statement or grant, which does not depend on its policy's version: (kind, policy or grant, index)."""
    return by.get("kind", ""), str(by.get("policy") or by.get("grant") or ""), str(by.get("index", ""))


@dataclass(slots=True)
class Use:
    """How often a statement or grant let each action in, and which principals it let in."""

    actions: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    principals: set[str] = field(default_factory=set)


UsePeriod = tuple[datetime, datetime]
"""From the first time on, and before the second."""
Given = tuple[str, Mapping[str, Any]]
"""An action, and the statement or grant that lets it in today."""
Decide = Callable[[dict[str, Any], World, datetime], Iterable[Given]]


def of_our_own(audience: Audience) -> Decide:
    """Decides a case of our own log as of today. For a call from another account, only the key's side is decided, with the
    caller that the record describes: that account's policies and principals are not read."""
    callers = Callers()

    def decide(case: dict[str, Any], world: World, last: datetime) -> Iterator[Given]:
        at = round(last.timestamp() * 1_000_000)
        if audience.owns(case["account"]):
            reasons = decide_again(case, world, at, callers).reasons
        else:
            reasons = decide_for(_recorded(case), case, world, at).reasons
        for reason in reasons if audience.owns(case["account"]) else audience.reasons(reasons):
            for by in (reason["by"], reason.get("delegation")):
                if by is not None and reason["effect"] == "allow":
                    yield reason["action"], by

    return decide


def _recorded(case: Mapping[str, Any]) -> Caller:
    """The caller that the record of another account's call describes, with policies that leave everything to the key's policy."""
    context = {name: tuple(values) for name, values in case["inputs"]["context"].items()}
    unique, _, session = context.get("aws:userid", ("",))[0].partition(":")
    caller = stranger(case["account"], case["principal"], context.get("aws:userid", ()))
    role = {name: ROLE for name in (unique, *context.get("aws:principalarn", ())) if name} if session else {}
    return replace(caller, names={**caller.names, **role}, context=context)


async def _uses(
    log: AskedLog, world: World, rows: Sequence[Any], decide: Decide, audience: Audience
) -> dict[PermissionName, Use]:
    found: dict[PermissionName, Use] = {}
    turn = Turn()
    for begin in range(0, len(rows), AT_A_TIME):
        some = rows[begin : begin + AT_A_TIME]
        documents = await decisions.cases(log, [row["case_id"] for row in some])
        for row in some:
            case = orjson.loads(documents[row["case_id"]])
            for action, by in decide(case, world, row["last"]):
                who = audience.who(case["account"], case["principal"])
                _count(found.setdefault(_name(by), Use()), action, who, row)
            await turn.give_way()
    return found


def _count(use: Use, action: str, principal: str, row: Any) -> None:
    calls, last = use.actions.get(action, (0, row["last"]))
    use.actions[action] = (calls + row["calls"], max(last, row["last"]))
    use.principals.add(principal)


async def unused_of_key(
    log: AskedLog, world: World, key: Key, audience: Audience, times: UsePeriod, decide: Decide
) -> list[dict[str, Any]]:
    """A row for each Allow statement of the key policy and each grant, with its use."""
    rows_of = await uses_of.let_in_with(log, key.id, key.arn, *times)
    uses = await _uses(log, world, rows_of, decide, audience)
    resource = world.resource(key)
    assert resource.policy is not None, "a key has its policy"
    rows = of_rules(resource.policy.statements, uses)
    for grant in resource.grants_in_order():
        by = dict(grant.document()) | {"name": grant.name, "grantee": grant.grantee_shown}
        rows.append(_row(by, sorted(grant.operations), uses.get(_name(by), Use()), []))
    return rows


async def unused_of_principal(
    log: AskedLog, world: World, principal: str, audience: Audience, times: UsePeriod, decide: Decide
) -> list[dict[str, Any]]:
    """A row for each Allow statement in the policies of a user or role and of its groups. Raises NoSuchEntity."""
    name = canonical(principal)
    if not audience.owns(account_in(name) or audience.account):
        raise NoSuchEntity(f"There is no user, role or account {principal} here.")
    caller = caller_for(world, name)
    id = world.directory.by_arn.get(name)
    held = [HeldArn(name, name)] if id is None else await held_arns(log, [id])
    uses = await _uses(log, world, await uses_of.let_in_of(log, held, *times), decide, audience)
    return of_rules(caller.identity.statements, uses)


def keys_in(world: World, account: str) -> list[str]:
    """The ids of an account's keys, in order; of every account's if `account` is ""."""
    return list(world.key_ids(account)) if account else sorted(world.keys)


def callers_in(world: World, account: str) -> list[str]:
    """The ARNs of an account's users and roles, in order; of every account's if `account` is ""."""
    identities = world.directory.identities.values()
    return sorted(each.arn for each in identities if each.kind != GROUP and account in ("", each.account))


def of_rules(rules: Iterable[CompiledStatement], uses: dict[PermissionName, Use]) -> list[dict[str, Any]]:
    rows = []
    for rule in rules:
        if rule.denies or rule.elsewhere or rule.acts is None or is_unseen(rule):
            continue
        allowed = [action for action in KEY_ACTIONS if rule.acts(action.lower())]
        by = dict(rule.by.document())
        use = uses.get(_name(by), Use())
        named = rule.statement.principal.names if rule.statement.principal is not None else frozenset()
        row = _row(by, allowed, use, sorted(each for each in named if not _met(each, use.principals)))
        beside = _not_counted(rule, use)
        rows.append(row | {"not_counted": beside, "never_used": row["never_used"] and not (beside and not allowed)})
    return rows


def _not_counted(rule: CompiledStatement, use: Use) -> list[str]:
    """The patterns, as written, by which a statement allows other things than actions on keys. Their use is not counted."""
    if rule.statement.not_action:
        return [f"everything but {', '.join(rule.statement.not_action)}"]
    beside = []
    for pattern in rule.statement.action or ():
        matches = compile_glob(pattern.lower())
        if not any(matches(action.lower()) for action in (*KEY_ACTIONS, *use.actions)):
            beside.append(pattern)
    return sorted(beside)


def _met(name: str, principals: Iterable[str]) -> bool:
    """Whether a caller matches a name in a Principal element."""
    arn = parse_arn(name)
    if arn is None or arn.resource == "root":
        return any(f"::{arn.account}:" in each or each == arn.account if arn else each in name for each in principals)
    if arn.account in principals:
        return True  # for another account, only the account is shown, not the caller
    if arn.resource.startswith("role/"):
        role = f":assumed-role/{arn.resource.rpartition('/')[2]}/"
        return any(f"::{arn.account}{role}" in each for each in principals)
    return name in principals


def _row(by: dict[str, Any], allowed: list[str], use: Use, unmet: list[str]) -> dict[str, Any]:
    used = {action: {"calls": calls, "last": utc(last)} for action, (calls, last) in sorted(use.actions.items())}
    return {
        "by": by,
        "used": used,
        "unused": [action for action in allowed if action not in used],
        "principals_unused": unmet,
        "never_used": not used,
        "not_counted": [],
    }
