"""Makes a decision again: the same call on the world of its time, or on another world.

On the world of its time the answer and every reason must match the record (`keytrail recheck`). On a world with a draft
in place it is the answer that the draft would have given (`keytrail what-if`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.authorization.caller import ORGANIZATION, Caller
from domain.authorization.context import Via
from domain.authorization.evaluate import evaluate
from domain.authorization.question import Question, Resource, in_account
from domain.authorization.verdict import (
    AUTHENTICATION,
    DUE,
    ITS_OWN,
    NO_BOUNDARY,
    NO_IDENTITY_POLICY,
    NO_PERMISSION_NEEDED,
    NO_SESSION_POLICY,
    OTHER_ACCOUNT,
    OWN_PASSWORD,
    RETIRING,
    Verdict,
)
from domain.commands.identity_permissions import role_resource
from domain.commands.login_profiles import own_password
from domain.decisions.case import READS_TIME, timed
from domain.errors import NOT_PROVEN, CredentialDisabled, CredentialExpired
from domain.keys.key import nobodys
from domain.policy.compile import BOUNDED, DELEGATED
from domain.policy.conditions import BEFORE_MAPPED
from domain.policy.variables import BEFORE_NULL_SETS, Context
from domain.state.callers import Session, UnreadableSession, caller_of, session_from
from domain.state.world import World

BY_RULE = frozenset({NO_PERMISSION_NEEDED, DUE, ITS_OWN, AUTHENTICATION})
"""Rules that read no policy, so a changed policy does not change their answer."""
_AT_HOME = frozenset({NO_IDENTITY_POLICY, NO_BOUNDARY, NO_SESSION_POLICY})
_NOT_OF_THE_CALLER = frozenset({"aws:viaawsservice"})
"""Condition keys of the caller that a request may override."""

CaseDocument = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Again:
    """`allowed`: whether every permission that the call needed is given. `reasons` are in the record's form, one for
    each permission of then. `differences` say in words where the record and this world disagree about the caller or a
    resource. `reads_time`: a call at another time could have another answer. `read` are the resources whose policies
    decided."""

    allowed: bool
    reasons: tuple[Mapping[str, Any], ...]
    differences: tuple[str, ...] = ()
    reads_time: bool = False
    read: tuple[Resource, ...] = ()


class _Noting(dict[str, tuple[str, ...]]):
    """A context that notes whether a condition read the time."""

    asked_time = False

    def get(self, key: str, default: Any = None) -> Any:
        if key in READS_TIME:
            self.asked_time = True
        return dict.get(self, key, default)


def was_allowed(case: CaseDocument) -> bool:
    """Whether every permission was given then. The call may still have been refused, for another reason."""
    return case["kind"] != AUTHENTICATION and all(reason["effect"] == "allow" for reason in case["reasons"])


class Callers:
    """The callers by their credentials. A caller without a session is kept until the directory changes."""

    def __init__(self) -> None:
        self._changes = -1
        self._held: dict[str, Caller] = {}

    def of(self, case: CaseDocument, world: World, at: int) -> Caller:
        """Raises CredentialDisabled, CredentialExpired, UnreadableSession."""
        access_key: str = case["access_key"]
        session: Session | None = session_from(case["session"]) if case.get("session") else None
        via = Via(**case["via"]) if case.get("via") else None
        if session is not None or via is not None:
            return caller_of(world, access_key, session, at, via)
        if self._changes != world.directory.changes:
            self._held.clear()
            self._changes = world.directory.changes
        held = self._held.get(access_key)
        if held is None:
            held = self._held[access_key] = caller_of(world, access_key, None, at)
        return held


def decide_again(case: CaseDocument, world: World, at: int, callers: Callers) -> Again:
    """`case` is a result of `case_of`, for a call at `at` (microseconds since the epoch)."""
    reasons: Sequence[Mapping[str, Any]] = case["reasons"]
    inputs = case.get("inputs") or {}
    if not case["access_key"] and not case.get("session"):  # Keytrail's own work that was due
        return Again(was_allowed(case), tuple(reasons))
    if case.get("error") in NOT_PROVEN:  # no policy changes what a password, a code or a token proves
        return Again(was_allowed(case), tuple(reasons))
    if not inputs and case["kind"] != AUTHENTICATION:  # refused before any permission was asked
        return Again(True, tuple(reasons))
    expires = bool(case.get("session"))
    try:
        caller = callers.of(case, world, at)
    except (CredentialDisabled, CredentialExpired):
        return Again(False, _unauthenticated(case), reads_time=expires)
    except UnreadableSession as fault:
        return Again(False, _unauthenticated(case), (f"nobody knows whose call it was: {fault}",))
    if case["kind"] == AUTHENTICATION:
        return Again(True, (), reads_time=expires)
    return decide_for(caller, case, world, at)


def is_of_signed_out(case: CaseDocument, world: World) -> bool:
    """Whether the session of the case's calls was signed out. Only this ends a session without a change of the directory."""
    console = (case.get("session") or {}).get("console")
    return console is not None and world.sign_outs.has_ended(case["access_key"], console.get("session", ""))


def _unauthenticated(case: CaseDocument) -> tuple[Mapping[str, Any], ...]:
    """The API records a reason. The writer does not, where a credential ended while its command was under way."""
    if case["kind"] == AUTHENTICATION and not case["reasons"]:
        return ()
    by = {"kind": AUTHENTICATION, "rule": AUTHENTICATION}
    return ({"action": case["operation"], "resource": case["principal"], "effect": "deny", "by": by},)


def decide_for(caller: Caller, case: CaseDocument, world: World, at: int) -> Again:
    """The same for a known caller, and a case that has its inputs."""
    reasons, inputs = case["reasons"], case["inputs"]
    again = _permissions(asked_again(caller, case, world, at), caller.account)
    if list(again.reasons) == list(reasons):
        return again
    differences = _differing("the caller", caller.context, _recorded(case, at))
    for resource in again.read:
        known = inputs.get("resources", {}).get(resource.arn)
        if known is not None:
            differences += _differing(resource.arn, resource.context, _context(known))
    return replace(again, differences=tuple(differences))


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """A permission that a call needed, asked again: the record's reason, and the question."""

    reason: Mapping[str, Any]
    caller: Caller
    question: Question


def asked_again(caller: Caller, case: CaseDocument, world: World, at: int) -> Iterator[AskedAgain]:
    """Every permission that the call needed, in that order. Where record and world differ about the caller, the record
    counts: a draft changes only policies."""
    inputs = case["inputs"]
    recorded = _recorded(case, at)
    asking = caller.asking(recorded, inputs.get("encryption_context", {}))
    if ORGANIZATION in recorded:  # of every caller, in records of earlier versions
        asking.request = {**asking.request, ORGANIZATION: recorded[ORGANIZATION]}
    if inputs.get("evaluator", 1) < 3 and BOUNDED in asking.names:
        asking.names = {name: how for name, how in asking.names.items() if name != BOUNDED}
    rules: dict[str, tuple[str, ...]] = {BEFORE_MAPPED: ()} if inputs.get("evaluator", 1) < 2 else {}
    if inputs.get("evaluator", 1) < 4:
        rules[BEFORE_NULL_SETS] = ()
    asked = inputs.get("asked")
    for reason in case["reasons"]:
        action, arn = reason["action"], reason["resource"]
        resource = _resource(action, arn, world, inputs, asking.account)
        context = _Noting(rules)
        context.update(asking.context)
        context.update(asking.request)
        context.update(resource.context)
        if asked is not None:
            context.update(_context(asked.get(f"{action} {arn}", {})))
        yield AskedAgain(reason, asking, Question(action, resource, context, asking.encryption_context))


def asks_policies(reason: Mapping[str, Any], resource: Resource, account: str) -> bool:
    """Whether policies decided, rather than a rule that comes before them."""
    rule = reason["by"].get("rule")
    return not (rule in BY_RULE or (rule == OTHER_ACCOUNT and resource.account != account))


def _recorded(case: CaseDocument, at: int) -> dict[str, tuple[str, ...]]:
    """What conditions could read of the caller and the request, with the time, which a case leaves out."""
    recorded = _context(case["inputs"]["context"])
    return recorded if recorded.keys() & READS_TIME else recorded | timed(at)


def _permissions(questions: Iterable[AskedAgain], account: str) -> Again:
    """The answer to all permissions, each asked again."""
    found: list[Mapping[str, Any]] = []
    read: list[Resource] = []
    reads_time = False
    for each in questions:
        reason, question = each.reason, each.question
        if not asks_policies(reason, question.resource, account):
            found.append(reason)
            continue
        found.append(_verdict(reason, each.caller, question).document())
        reads_time = reads_time or (isinstance(question.context, _Noting) and question.context.asked_time)
        if question.resource.policy is not None:
            read.append(question.resource)
    allowed = all(each["effect"] == "allow" for each in found)
    return Again(allowed, tuple(found), (), reads_time, tuple(read))


def _context(document: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(values) for key, values in document.items()}


def _differing(whose: str, now: Context, then: Context) -> list[str]:
    """The values of the caller or resource that were different then."""
    return [
        f"{key} of {whose} was {list(then.get(key, ()))}, and is {list(values)} on the log"
        for key, values in sorted(now.items())
        if then.get(key) != values and key not in _NOT_OF_THE_CALLER
    ]


def _verdict(reason: Mapping[str, Any], caller: Caller, question: Question) -> Verdict:
    if question.action == "kms:RetireGrant" and question.resource.policy is not None:
        found = _retiring(reason["by"], caller, question)
        if found is not None:
            return found
    found = evaluate(caller, question)
    if reason["by"].get("rule") == OWN_PASSWORD:
        return own_password(found)
    return found


def _resource(action: str, arn: str, world: World, inputs: Mapping[str, Any], caller: str) -> Resource:
    parts = arn.split(":", 5)
    account, name = (parts[4], parts[5]) if len(parts) == 6 else ("", arn)
    if action.startswith("kms:") and name.startswith("key/"):
        key = world.keys.get(name.removeprefix("key/"))
        if key is not None and key.arn == arn:
            return world.resource(key)
    if action.startswith("kms:") and name.startswith(("key/", "alias/")) and account != caller:
        return nobodys(arn, account)  # another account's, which did not exist
    if action.startswith("sts:") and arn != "*":  # GetAccessKeyInfo concerns no role
        return role_resource(arn, world)
    read = _context(inputs.get("resources", {}).get(arn, {}))
    # The permission to make an account is asked in the hosting account. The record says whose the resource was.
    (owner,) = read.get("aws:resourceaccount", (account,))
    return in_account(arn, owner, read)


def _retiring(by: Mapping[str, Any], caller: Caller, question: Question) -> Verdict | None:
    """For RetireGrant the grant is asked before the policies (`domain.commands.grants`); None if the policies decide."""
    action, resource = question.action, question.resource
    denied = evaluate(caller, question)
    if not denied.allowed and not isinstance(denied.by, str):
        return denied
    held = [grant for grants in resource.grants.values() for grant in grants]
    if by.get("rule") == RETIRING:
        retires = any(caller.names.get(grant.retiring, 0) > DELEGATED for grant in held)
        return Verdict(True, action, resource.arn, RETIRING) if retires else None
    lent = next((grant for grant in held if grant.id == by.get("grant")), None)
    if lent is not None and caller.names.get(lent.grantee, 0) > DELEGATED:
        return Verdict(True, action, resource.arn, lent)
    if by["kind"] in ("identity-policy", "account-root") or by.get("rule") in _AT_HOME:
        at_home = in_account(resource.arn, caller.account, resource.context)
        return evaluate(caller, replace(question, resource=at_home))
    return None
