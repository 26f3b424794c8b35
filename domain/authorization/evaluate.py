"""The evaluation, in the documented order: explicit denies, then key policy, grants, identity policies under their
limits.

Source: IAM user guide, reference_policies_evaluation-logic; KMS developer guide, policy-evaluation and grants.

- A Deny anywhere decides (rules 4 and 24).
- In the same account, a statement that names the caller's user, its session or everyone decides alone; one that names
  its role is limited by a boundary's or session policy's implicit deny (rule 11); one that names the account lets
  identity policies decide, within boundary and session policy (rules 1, 4, 5).
- Across accounts a key policy's statement needs an identity policy's Allow at home as well (rules 6, 8, 27).
- A grant allows by itself, in either case; one to a role is limited as a statement that names the role is, one to an
  account lets its identity policies decide. (The guide's cross-account example for service-linked roles, which have no
  KMS permissions of their own, works by a grant alone.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.authorization.caller import Caller
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
from domain.policy.compile import DIRECT, ROLE, Decider, Permissions, Row
from domain.policy.variables import BEFORE_NULL_SETS, Context


def may(
    caller: Caller,
    action: str,
    resource: Resource,
    extra: Context | None = None,
    encryption_context: Mapping[str, str] | None = None,
) -> Verdict:
    """May the caller do `action` (`service:Name`) with the resource? `extra` and `encryption_context` are what the
    request says of this one alone."""
    context = dict(caller.context)  # a copy and updates: quicker than unpacking all
    context.update(caller.request)
    context.update(resource.context)
    if extra:
        context.update(extra)
    pairs = caller.encryption_context if encryption_context is None else encryption_context
    verdict = evaluate(caller, Question(action, resource, context, pairs))
    verdict.about, verdict.asked = resource, extra
    return verdict


def evaluate(caller: Caller, question: Question) -> Verdict:
    """The verdict; an implicit deny names the near miss where there was exactly one."""
    action, resource, context = question.action, question.resource, question.context
    arn, policy, identity = resource.arn, resource.policy, caller.identity
    # Both indexes are looked up once: this is the path of every call.
    own = identity.by_action.get(action) or identity.rows(action)
    denied = _first(own[0], arn, context) if own[0] else None
    if denied is None and (caller.boundary is not None or caller.session is not None):
        denied = _denied_by_limit(caller, question)
    if policy is None:
        return _in_account(caller, question) if denied is None else Verdict(False, action, arn, denied)
    stated_rows = policy.by_action.get(action) or policy.rows(action)
    for who, holds, by in stated_rows[0]:
        if (who is None or who(caller.names)) and (holds is None or holds(context)):
            return Verdict(False, action, arn, by)
    if denied is not None:
        return Verdict(False, action, arn, denied)
    how, stated, names = 0, None, caller.names
    for who, holds, by in stated_rows[1]:
        closer = DIRECT if who is None else who(names)
        if closer > how and (holds is None or holds(context)):
            how, stated = closer, by
            if how == DIRECT:
                break
    at_home = caller.account == resource.account or not caller.account
    if at_home and how == DIRECT and stated is not None:
        return Verdict(True, action, arn, stated)
    grant_how, grant = _grant(caller, question) if resource.grants else (0, None)
    if grant is not None and grant_how == DIRECT:
        return Verdict(True, action, arn, grant)
    if stated is None and grant is None:
        return _no(caller, question, NO_RESOURCE_POLICY)
    if (caller.boundary is not None or caller.session is not None) and (short := _limit(caller, question)):
        return _no(caller, question, short)
    if grant is not None and grant_how == ROLE:
        return Verdict(True, action, arn, grant)
    if stated is not None and (how == ROLE if at_home else not caller.needs_policies):
        return Verdict(True, action, arn, stated)
    allowing = _first(own[1], arn, context)
    if allowing is None:
        return _no(caller, question, NO_IDENTITY_POLICY)
    return Verdict(True, action, arn, allowing, stated or grant)


def _no(caller: Caller, question: Question, rule: str) -> Verdict:
    return Verdict(False, question.action, question.resource.arn, rule, near=near_miss(caller, question))


def _first(rows: Sequence[Row], arn: str, context: Context) -> Decider | None:
    """The first of an identity's statements that speaks of the question."""
    for covers, holds, by in rows:
        if (covers is None or covers(arn, context)) and (holds is None or holds(context)):
            return by
    return None


def _denied_by_limit(caller: Caller, question: Question) -> Decider | None:
    for permissions in (caller.boundary, caller.session):
        if permissions is not None:
            found = _first(permissions.rows(question.action)[0], question.resource.arn, question.context)
            if found is not None:
                return found
    return None


def _first_allow(permissions: Permissions, question: Question) -> Decider | None:
    return _first(permissions.rows(question.action)[1], question.resource.arn, question.context)


def _limit(caller: Caller, question: Question) -> str | None:
    """The rule by which boundary or session policy denies implicitly, or None."""
    if caller.boundary is not None and _first_allow(caller.boundary, question) is None:
        return NO_BOUNDARY
    if caller.session is not None and _first_allow(caller.session, question) is None:
        return NO_SESSION_POLICY
    return None


def _grant(caller: Caller, question: Question) -> tuple[int, Grant | None]:
    """The grant that means the caller most closely and lets the request through, and how it means the caller."""
    by_name = question.resource.grants
    closest, found = 0, None
    source = question.context.get("aws:sourcearn", (None,))[0]
    lets = Grant.let_before if BEFORE_NULL_SETS in question.context else Grant.lets
    for name, how in caller.names.items():
        if how > closest:
            for grant in by_name.get(name, ()):
                if lets(grant, question.action, question.encryption_context, source):
                    closest, found = how, grant
                    break
    return closest, found


def _in_account(caller: Caller, question: Question) -> Verdict:
    """No resource's policy is asked (CreateKey, an alias, a user): identity policies decide, root may everything."""
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
