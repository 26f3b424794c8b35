"""Decides one request, in the order of `evaluation_order`.

- A Deny in any policy refuses (#explicit-deny-wins).
- In the same account, a statement that names the caller's user, its session or everyone allows by itself. A statement
  that names the caller's role needs the boundary and the session policy to allow as well
  (#implicit-deny-limits-a-role). A statement that names the account leaves it to identity policies, within boundary and
  session policy (#delegation-leaves-it-to-identity-policies, #no-delegation-no-identity-allow,
  #delegation-is-no-wider-than-its-actions).
- Across accounts, an identity policy at home has to allow as well (#foreign-user-needs-an-allow-at-home,
  #everyone-from-abroad-needs-an-allow-at-home, #cross-account-operations).
- A grant allows by itself, across accounts too (#grants-only-allow). A grant to a role has the same limits as a
  statement that names the role. A grant to an account leaves it to that account's identity policies. (In the guide's
  cross-account example, service-linked roles have no KMS permissions of their own, so their grant is enough.)

Source: IAM user guide, reference_policies_evaluation-logic; KMS developer guide, policy-evaluation and grants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.authorization.caller import Caller
from domain.authorization.evaluation_order import BY_STATEMENT, CLOSED, FIRST_OPEN, GRANT, WayIn, reach_of
from domain.authorization.question import Question, Resource
from domain.authorization.trace import near_miss
from domain.authorization.verdict import (
    ACCOUNT_ROOT,
    NO_BOUNDARY,
    NO_IDENTITY_POLICY,
    NO_RESOURCE_POLICY,
    NO_SESSION_POLICY,
    OTHER_ACCOUNT,
    Verdict,
)
from domain.grants.grant import Grant
from domain.policy.compile import DIRECT, Permissions, ResourceEntry, StatementSource
from domain.policy.variables import BEFORE_NULL_SETS, Context


def may(
    caller: Caller,
    action: str,
    resource: Resource,
    extra: Context | None = None,
    encryption_context: Mapping[str, str] | None = None,
) -> Verdict:
    """May the caller do `action` (`service:Name`) with the resource? `extra` and `encryption_context` are what the
    request says about this resource only."""
    context = dict(caller.context)  # a copy and updates are quicker than unpacking everything
    context.update(caller.request)
    context.update(resource.context)
    if extra:
        context.update(extra)
    pairs = caller.encryption_context if encryption_context is None else encryption_context
    verdict = evaluate(caller, Question(action, resource, context, pairs))
    verdict.about, verdict.asked = resource, extra
    return verdict


def evaluate(caller: Caller, question: Question) -> Verdict:
    """The verdict. An implicit deny also names the near miss, if there was exactly one."""
    action, resource, context = question.action, question.resource, question.context
    arn, policy, identity, names = resource.arn, resource.policy, caller.identity, caller.names
    # Every call comes through here. So both indexes are looked up once, and the grants only if there are any.
    own = identity.by_action.get(action) or identity.covering(action)
    limited = caller.boundary is not None or caller.session is not None

    # 1. Explicit deny: in the resource's policy, an identity policy, the boundary or the session policy.
    if policy is not None:
        stated = policy.by_action.get(action) or policy.covering(action)
        for who, holds, by in stated.denies:
            if (who is None or who(names)) and (holds is None or holds(context)):
                return Verdict(False, action, arn, by)
    if own.denies and (denied := _first(own.denies, arn, context)):
        return Verdict(False, action, arn, denied)
    if limited and (denied := _denied_by_limit(caller, question)):
        return Verdict(False, action, arn, denied)
    if policy is None:
        return _in_account(caller, question)

    # 2. Way in: by the statement or the grant that means the caller most closely.
    reach = CLOSED
    opening: StatementSource | Grant | None = None
    for who, holds, by in stated.allows:
        means = DIRECT if who is None else who(names)
        if means > reach and (holds is None or holds(context)):
            reach, opening = means, by
            if reach == DIRECT:
                break
    if reach and caller.account != resource.account and caller.account:
        reach = reach_of(reach, at_home=False, needs_policies=caller.needs_policies)
    if reach != DIRECT and resource.grants:
        way, opening = _with_grants(caller, question, reach, opening)
    else:
        way = BY_STATEMENT[reach]
    if opening is None:
        return _no(caller, question, NO_RESOURCE_POLICY)
    if way.limits:
        # 3. Limits: boundary and session policy.
        if limited and (short := _limit(caller, question)):
            return _no(caller, question, short)
        # 4. Identity policies.
        if way.identity_policy:
            allowing = _first(own.allows, arn, context)
            if allowing is None:
                return _no(caller, question, NO_IDENTITY_POLICY)
            return Verdict(True, action, arn, allowing, opening)
    return Verdict(True, action, arn, opening)


def _no(caller: Caller, question: Question, rule: str) -> Verdict:
    return Verdict(False, question.action, question.resource.arn, rule, near=near_miss(caller, question))


def _first(entries: Sequence[ResourceEntry], arn: str, context: Context) -> StatementSource | None:
    """The first of an identity's statements that matches the question."""
    for covers, holds, by in entries:
        if (covers is None or covers(arn, context)) and (holds is None or holds(context)):
            return by
    return None


def _denied_by_limit(caller: Caller, question: Question) -> StatementSource | None:
    for permissions in (caller.boundary, caller.session):
        if permissions is not None:
            found = _first(permissions.covering(question.action).denies, question.resource.arn, question.context)
            if found is not None:
                return found
    return None


def _first_allow(permissions: Permissions, question: Question) -> StatementSource | None:
    return _first(permissions.covering(question.action).allows, question.resource.arn, question.context)


def _limit(caller: Caller, question: Question) -> str | None:
    """The rule by which the boundary or the session policy denies implicitly, or None."""
    if caller.boundary is not None and _first_allow(caller.boundary, question) is None:
        return NO_BOUNDARY
    if caller.session is not None and _first_allow(caller.session, question) is None:
        return NO_SESSION_POLICY
    return None


def _with_grants(
    caller: Caller, question: Question, reach: int, statement: StatementSource | Grant | None
) -> tuple[WayIn, StatementSource | Grant | None]:
    """The first open way and what opens it; `reach` is the reach of the closest statement."""
    grant_reach, grant = _closest_grant(caller, question)
    way = FIRST_OPEN[reach][grant_reach]
    return way, grant if way.opened_by is GRANT else statement


def _closest_grant(caller: Caller, question: Question) -> tuple[int, Grant | None]:
    """(its reach, the grant): of the grants that let the request through, the one that means the caller most closely."""
    by_name = question.resource.grants
    closest, found = CLOSED, None
    source = question.context.get("aws:sourcearn", (None,))[0]
    lets = Grant.let_before if BEFORE_NULL_SETS in question.context else Grant.lets
    for name, means in caller.names.items():
        if means > closest:
            for grant in by_name.get(name, ()):
                if lets(grant, question.action, question.encryption_context, source):
                    closest, found = means, grant
                    break
    return closest, found


def _in_account(caller: Caller, question: Question) -> Verdict:
    """For a resource without a policy of its own (CreateKey, an alias, a user). Identity policies decide, and a root
    user may call every operation."""
    if caller.account != question.resource.account:
        return _no(caller, question, OTHER_ACCOUNT)
    if not caller.needs_policies:
        return Verdict(True, question.action, question.resource.arn, ACCOUNT_ROOT)
    if short := _limit(caller, question):
        return _no(caller, question, short)
    by = _first_allow(caller.identity, question)
    if by is None:
        return _no(caller, question, NO_IDENTITY_POLICY)
    return Verdict(True, question.action, question.resource.arn, by)
