"""The four readers of `authorization.evaluation_order` agree: `evaluate`, who could, the trail's judge and the sets of
policies, on generated policies, callers and grants that are all known.

Other tests check the order itself: the documented rules (tests/domain/test_policy_rules.py) and the second evaluator
(tests/oracle/test_oracle.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.arn import root_arn
from domain.authorization.caller import Caller, root_of
from domain.authorization.evaluate import evaluate
from domain.authorization.question import Question, Resource, in_account
from domain.authorization.verdict import Verdict
from domain.cloudtrail.judge import ALLOWED, REFUSED, SeenPolicies, judge
from domain.cloudtrail.trail_call import TrailCall
from domain.grants.grant import Grant
from domain.policy.compile import (
    BOUNDED,
    DELEGATED,
    DIRECT,
    NO_PERMISSIONS,
    ROLE,
    StatementSource,
    compile_key_policy,
)
from domain.policy_analysis.boxes import Box
from domain.policy_analysis.callers import Someone
from domain.policy_analysis.compare import DENIES, SILENT
from domain.policy_analysis.dimensions import ACTION, CALLER
from domain.policy_analysis.space import Side, Space
from domain.policy_analysis.who_could import could
from tests import counts
from tests.given import ACCOUNT, OTHER, arn
from tests.policies import (
    V2012,
    boundary,
    grant,
    permissions,
    role_arn,
    session_of,
    session_policy,
    to_identity,
    user,
    user_arn,
)

SESSION = session_of().principal
SERVICE = "Service:logs.amazonaws.com"
ACTIONS = ["kms:Encrypt", "kms:Decrypt", "kms:PutKeyPolicy"]
TAG = {"aws:resourcetag/team": ("blue",)}
PRINCIPALS: list[Any] = [
    "*",
    {"AWS": user_arn()},
    {"AWS": [user_arn("bob"), SESSION]},
    {"AWS": role_arn()},
    {"AWS": [role_arn(), role_arn("other")]},
    {"AWS": ACCOUNT},
    {"AWS": [root_arn(OTHER), user_arn(account=OTHER)]},
    {"Service": "logs.amazonaws.com"},
]
CONDITIONS: list[dict[str, Any]] = [
    *[{}] * 8,
    {"StringEquals": {"aws:ResourceTag/team": "blue"}},
    {"StringNotEquals": {"aws:ResourceTag/team": "blue"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
    {"StringEquals": {"kms:CallerAccount": ACCOUNT}},
]
"""All of them read what is known about caller and key."""


@st.composite
def statements(draw: st.DrawFn, *, of_key: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Effect": draw(st.sampled_from(["Allow"] * 6 + ["Deny"])),
        "Action": draw(st.sampled_from([*ACTIONS, "kms:*", "kms:*"])),
        "Resource": draw(st.sampled_from(["*", "*", "*", arn(), arn(2)])),
    }
    if of_key:
        name = draw(st.sampled_from(["Principal"] * 9 + ["NotPrincipal"]))
        made[name] = draw(st.sampled_from(PRINCIPALS))
    condition = draw(st.sampled_from(CONDITIONS))
    return made | ({"Condition": condition} if condition else {})


key_policies = st.lists(statements(of_key=True), min_size=1, max_size=4).map(
    lambda each: json.dumps({"Version": V2012, "Statement": each})
)
of_identity = st.lists(statements(of_key=False), max_size=2)
limits = st.one_of(st.none(), st.lists(statements(of_key=False), min_size=1, max_size=2))
grants = st.lists(
    st.tuples(
        st.sampled_from([user_arn(), role_arn(), SESSION, root_arn(ACCOUNT), user_arn(account=OTHER), root_arn(OTHER)]),
        st.sampled_from(["Encrypt", "Decrypt"]),
    ),
    max_size=2,
)


@st.composite
def callers(draw: st.DrawFn) -> Caller:
    kind = draw(
        st.sampled_from(["user", "user", "session", "session", "session", "foreign", "root", "foreign root", "service"])
    )
    if kind in ("root", "foreign root"):
        return root_of(ACCOUNT if kind == "root" else OTHER)
    if kind == "service":
        absent: dict[str, tuple[str, ...]] = {"aws:principalarn": (), "kms:calleraccount": ()}
        return Caller("", SERVICE.partition(":")[2], {SERVICE: DIRECT}, "", needs_policies=False, context=absent)
    own, bound = draw(of_identity), draw(limits)
    limit = None if bound is None else boundary(*bound)
    if kind == "session":
        inside = draw(limits)
        made = session_of(*own, limit=limit, policies=None if inside is None else session_policy(*inside))
    else:
        made = user(*own, account=OTHER if kind == "foreign" else ACCOUNT, limit=limit)
    return replace(made, names={**made.names, BOUNDED: 0}) if limit is not None else made


def resource_of(text: str, granted: list[tuple[str, str]]) -> Resource:
    by_name: dict[str, list[Grant]] = {}
    for number, (grantee, operation) in enumerate(granted):
        by_name.setdefault(grantee, []).append(grant(grantee, operation, number=number))
    return Resource(arn(), ACCOUNT, compile_key_policy(text, arn(), 1), TAG, by_name)


def decided(caller: Caller, action: str, resource: Resource) -> Verdict:
    return evaluate(caller, Question(action, resource, {**caller.context, **resource.context}))


def let_in_by(verdict: Verdict) -> Mapping[str, Any]:
    assert not isinstance(verdict.by, str)
    found: dict[str, Any] = dict(verdict.by.document())
    return found if verdict.delegation is None else found | {"delegation": verdict.delegation.document()}


@given(key_policies, callers(), grants, st.sampled_from(ACTIONS))
@settings(max_examples=counts.examples() * 7 if counts.are_full() else 1000)
def test_evaluate_who_could_and_the_trails_judge_come_to_the_same(
    text: str, caller: Caller, granted: list[tuple[str, str]], action: str
) -> None:
    resource = resource_of(text, granted)
    verdict = decided(caller, action, resource)

    root = not caller.needs_policies
    call = TrailCall(action, caller.account, caller.names, caller.context, {}, sure=True, root=root)
    judged = judge(call, resource, "", SeenPolicies(caller.identity, caller.boundary, caller.session))
    assert (judged.answer, judged.missing) == (ALLOWED if verdict.allowed else REFUSED, ())

    paths = could(caller, action, resource).paths
    assert bool(paths) is verdict.allowed
    assert not any(path.open for path in paths)

    if verdict.allowed:
        assert judged.by == let_in_by(verdict)
        delegations = [{} if path.delegation is None else {"delegation": path.delegation} for path in paths]
        assert let_in_by(verdict) in [path.by | more for path, more in zip(paths, delegations, strict=True)]
    elif isinstance(verdict.by, StatementSource):
        assert judged.by == verdict.by.document()


@given(callers(), st.sampled_from(ACTIONS), st.sampled_from([ACCOUNT, OTHER]))
def test_without_a_policy_of_the_resource_both_leave_it_to_the_caller_s_own(
    caller: Caller, action: str, account: str
) -> None:
    resource = in_account(arn(), account)
    verdict = decided(caller, action, resource)
    paths = could(caller, action, resource).paths
    assert bool(paths) is verdict.allowed
    if verdict.allowed:
        by = {"rule": verdict.by} if isinstance(verdict.by, str) else let_in_by(verdict)
        assert by in [path.by for path in paths]


def answer_in_sets(space: Space, caller_at: int, action_at: int) -> int:
    """The key policy's answer to one case of callers and of actions, from the sets."""
    (meaning,) = space.meanings
    asked = space.box({CALLER: 1 << caller_at, ACTION: 1 << action_at})

    def has(boxes: list[Box]) -> bool:
        return any(all(bits & its for bits, its in zip(asked, box, strict=True)) for box in boxes)

    if has(meaning.denies):
        return DENIES
    return max((reach for reach, boxes in meaning.allows.items() if has(boxes)), default=SILENT)


EVERYTHING = permissions(to_identity(Action="*"))


def surroundings(someone: Someone, action: str, resource: Resource) -> Iterator[tuple[int, bool]]:
    """The least answer of the key policy that lets the caller in, and whether `evaluate` agrees: under a grant, under
    an identity policy that allows everything, under nothing, and under a boundary that allows nothing."""
    caller = someone.caller()
    name = next(name for name, means in caller.names.items() if means == DIRECT)
    lent = {name: [grant(name, action.partition(":")[2])]}
    yield SILENT, decided(caller, action, replace(resource, grants=lent)).allowed
    if caller.needs_policies:
        yield DELEGATED, decided(replace(caller, identity=EVERYTHING), action, resource).allowed
        yield DIRECT, decided(replace(caller, boundary=NO_PERMISSIONS), action, resource).allowed
    yield ROLE, decided(caller, action, resource).allowed


@given(key_policies)
@settings(max_examples=counts.examples() if counts.are_full() else 200)
def test_the_sets_of_a_key_policy_answer_as_evaluate_does(text: str) -> None:
    space = Space([Side(text)], ACCOUNT, ACTIONS, arn(), fixed=TAG)
    resource = resource_of(text, [])
    for caller_at, everyone in enumerate(space.callers.members):
        for action_at, actions in enumerate(space.actions.members):
            answer = answer_in_sets(space, caller_at, action_at)
            for least, allowed in surroundings(everyone[0], actions[0], resource):
                assert (answer >= least) is allowed, (everyone[0].principal, actions[0], answer, least)
