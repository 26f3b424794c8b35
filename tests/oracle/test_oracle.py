"""Two evaluators, one answer: the compiled one and tests/oracle/reader.py, on generated policies and requests.

Every example is one set of policies and some thirty requests: 200 examples in `make test`, 7,000 (210,000 pairs) in
`make soak`.
"""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.arn import root_arn, session_arn
from domain.authorization.caller import Caller
from domain.authorization.context import carriers, encryption_context_keys
from domain.authorization.evaluate import evaluate
from domain.authorization.question import Question, Resource
from domain.policy.check import check_policy
from domain.policy.compile import (
    BOUNDARY,
    BOUNDED,
    DELEGATED,
    DIRECT,
    IDENTITY_POLICY,
    NO_PERMISSIONS,
    ROLE,
    SESSION_POLICY,
    Permissions,
    compile_identity_policy,
    compile_key_policy,
)
from domain.policy.parse import KEY, MANAGED
from domain.policy_analysis.who_could import could
from tests import counts
from tests.given import ACCOUNT, OTHER, arn
from tests.oracle import reader
from tests.policies import grant, role_arn, user_arn

REQUESTS = 30
SESSION = session_arn(ACCOUNT, "app", "s1")
PRINCIPALS = [user_arn(), user_arn("bob"), role_arn(), SESSION, ACCOUNT, root_arn(OTHER), user_arn(account=OTHER), "*"]
ACTIONS = [
    "kms:Encrypt",
    "kms:*",
    "*",
    "kms:Tag*",
    "KMS:enc*",
    "kms:?ecrypt",
    "kms:Describe*",
    "kms:Decrypt",
    "kms:Re*From",
]
RESOURCES = ["*", arn(), arn(2), "arn:aws:kms:*:*:key/*", "arn:aws:kms:us-east-1:111122223333:*", "arn:aws:kms*", "arn:*:alias/a", "arn:aws:kms:us-east-1:${aws:PrincipalAccount}:key/*"]  # fmt: skip
TEXTS = ["a", "A", "alice", "a*", "*l*c?", "${aws:username}", "${aws:PrincipalTag/team, 'a'}", "${*}", "", "b", "${aws:TagKeys}"]  # fmt: skip
ARNS = [user_arn(), "arn:aws:iam::*:user/*", "arn:*", "arn:aws:iam::*:role/a??", role_arn(), "arn:aws:iam::${aws:PrincipalAccount}:*"]  # fmt: skip
NUMBERS = ["1", "5", "5.0", "10", "-3"]
DATES = ["2026-01-01T00:00:00Z", "2027-06-01", "1800000000"]
ADDRESSES = [
    "10.0.0.0/8",
    "10.1.2.3",
    "2001:db8::/32",
    "203.0.113.0/24",
    "::ffff:10.1.0.0/112",
    "::ffff:0:0/95",
    "::/0",
]
STRING_KEYS = ["aws:username", "aws:PrincipalTag/team", "kms:EncryptionContext:App", "aws:TagKeys", "aws:SourceVpce", "kms:EncryptionContextKeys"]  # fmt: skip
FAMILIES: list[tuple[list[str], list[str], list[str]]] = [
    (["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"], STRING_KEYS, TEXTS),
    (["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"], ["aws:PrincipalArn", "aws:SourceArn"], ARNS),
    ([f"Numeric{each}" for each in reader.COMPARE], ["kms:RotationPeriodInDays", "aws:MultiFactorAuthAge"], NUMBERS),
    ([f"Date{each}" for each in reader.COMPARE], ["aws:CurrentTime", "aws:TokenIssueTime"], DATES),
    (["Bool"], ["aws:SecureTransport", "aws:MultiFactorAuthPresent"], ["true", "false", "True"]),
    (["IpAddress", "NotIpAddress"], ["aws:SourceIp", "aws:VpcSourceIp"], ADDRESSES),
]  # fmt: skip


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 2))):
        if draw(st.integers(0, 9)) == 0:
            result["Null"] = {draw(st.sampled_from(STRING_KEYS)): draw(st.sampled_from(["true", "false"]))}
            continue
        operators, keys, values = draw(st.sampled_from(FAMILIES))
        operator = draw(st.sampled_from(operators))
        key = draw(st.sampled_from(keys))
        each = draw(st.sampled_from(["", "", "", "ForAllValues:", "ForAnyValue:"]))
        if key.startswith("kms:EncryptionContext:"):
            each = ""  # a set operator on a pair is refused (#no-set-operator-on-a-pair)
        operator = each + operator + draw(st.sampled_from(["", "", "IfExists"]))
        wanted = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
        result.setdefault(operator, {})[key] = wanted if draw(st.booleans()) else wanted[0]
    return result


@st.composite
def statements(draw: st.DrawFn, of_key: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))}
    result[draw(st.sampled_from(["Action"] * 5 + ["NotAction"]))] = draw(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2))  # fmt: skip
    result[draw(st.sampled_from(["Resource"] * 5 + ["NotResource"]))] = draw(st.sampled_from(RESOURCES))
    if of_key:
        named = draw(st.lists(st.sampled_from(PRINCIPALS), min_size=1, max_size=3))
        # NotPrincipal with Allow is refused when it is put, but still read where older logs have it.
        result[draw(st.sampled_from(["Principal"] * 6 + ["NotPrincipal"]))] = "*" if named == ["*"] else {"AWS": named}
        if draw(st.integers(0, 19)) == 0:
            result.pop(
                draw(st.sampled_from(["Action", "Resource"])), None
            )  # no effect (#statement-without-action-or-resource)
    if draw(st.integers(0, 2)) == 0:
        result["Condition"] = draw(conditions())
    return result


def policies(of_key: bool, most: int) -> st.SearchStrategy[str]:
    version = st.sampled_from(["2012-10-17", "2012-10-17", "2008-10-17"])
    held = st.lists(statements(of_key), min_size=1, max_size=most)
    return st.builds(lambda each, which: json.dumps({"Version": which, "Statement": each}), held, version)


def request(chance: random.Random) -> tuple[str, dict[str, list[str]], dict[str, str]]:
    """(action, context with folded names, encryption context)."""
    name = chance.choice(["App", "App", "app"])
    pairs = {name: chance.choice(["a", "A", "alice", ""])} if chance.random() < 0.5 else {}
    if pairs and chance.random() < 0.3:
        pairs["other"] = "b"
    context: dict[str, list[str]] = {
        "aws:currenttime": ["2026-11-24T00:00:00Z"],
        "aws:securetransport": [chance.choice(["true", "false"])],
        "aws:sourceip": [chance.choice(["10.1.2.3", "203.0.113.9", "2001:db8::1", "::ffff:10.1.2.3", "::fffe:0:1"])],
    }
    for key, values in (
        ("aws:principaltag/team", ["a", "b", "alice", ""]),
        ("kms:rotationperiodindays", ["1", "5", "x"]),
        ("aws:tokenissuetime", ["2026-11-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
        ("aws:multifactorauthpresent", ["true", "false"]),
    ):
        if chance.random() < 0.5:
            context[key] = [chance.choice(values)]
    if chance.random() < 0.5:
        context["aws:tagkeys"] = chance.sample(["a", "A", "b", "alice"], chance.randint(1, 3))
    action = chance.choice(["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:ReEncryptFrom", "kms:TagResource"])
    return action, context, pairs


def as_a_request_can_be(action: str, context: dict[str, Any]) -> dict[str, Any]:
    """Without the condition keys for which the action has no parameter."""
    operation = action.partition(":")[2]
    return {key: values for key, values in context.items() if operation in (carriers(key) or {operation})}


def callers(
    own: list[str], boundary: str | None, session: str | None, chance: random.Random
) -> tuple[Caller, reader.Asker]:
    kind = chance.choice(["root", "user", "user", "session", "session", "foreign", "foreign root"])
    account = OTHER if kind.startswith("foreign") else ACCOUNT
    if kind.endswith("root"):
        root = root_arn(account)
        facts = {"aws:principalarn": (root,), "aws:principalaccount": (account,)}
        return Caller(account, root, {root: DIRECT}, account, False, context=facts), reader.Asker("root", account, root)
    in_session = kind == "session"
    arn_of, role = (SESSION, role_arn()) if in_session else (user_arn(account=account), "")
    names = {arn_of: DIRECT, root_arn(account): DELEGATED} | ({role: ROLE} if in_session else {})
    if boundary is not None:
        names[BOUNDED] = 0
    rules = [rule for text in own for rule in compile_identity_policy(text, IDENTITY_POLICY, "own", "v1", MANAGED)]
    context = {"aws:principalarn": (role or arn_of,), "aws:principalaccount": (account,)}
    if not in_session:
        context["aws:username"] = ("alice",)
        session = None
    caller = Caller(
        account,
        arn_of,
        names,
        "id",
        identity=Permissions(tuple(rules)) if rules else NO_PERMISSIONS,
        boundary=None
        if boundary is None
        else Permissions(compile_identity_policy(boundary, BOUNDARY, "b", "v1", MANAGED)),
        session=None
        if session is None
        else Permissions(compile_identity_policy(session, SESSION_POLICY, "s", 0, MANAGED)),
        context=context,
    )
    limits = [[each] for each in (boundary, session) if each is not None]
    return caller, reader.Asker(
        "session" if in_session else "user", account, arn_of, role, own, limits, boundary is not None
    )


GRANTEES = [user_arn(), role_arn(), SESSION, user_arn(account=OTHER), root_arn(ACCOUNT)]
CONSTRAINTS: list[dict[str, Any]] = [{}, {}, {"EncryptionContextEquals": {"App": "a"}}, {"EncryptionContextSubset": {"aPP": "a"}}, {"EncryptionContextEquals": {}}]  # fmt: skip
grants = st.lists(
    st.tuples(
        st.sampled_from(GRANTEES),
        st.lists(st.sampled_from(["Encrypt", "Decrypt", "DescribeKey"]), min_size=1, max_size=2),
        st.sampled_from(CONSTRAINTS),
    ),
    max_size=2,
)


def by_grantee(granted: list[Any]) -> dict[str, list[Any]]:
    by_name: dict[str, list[Any]] = {}
    for number, (grantee, operations, constraints) in enumerate(granted):
        by_name.setdefault(grantee, []).append(grant(grantee, *operations, constraints=constraints, number=number))
    return by_name


maybe = st.one_of(st.none(), st.none(), policies(of_key=False, most=2))


@given(
    policies(of_key=True, most=4),
    st.lists(policies(of_key=False, most=2), max_size=3),
    maybe,
    maybe,
    st.one_of(st.just([]), grants),
    st.integers(0, 2**32),
)
@settings(max_examples=counts.examples() * 7 // 5 if counts.are_full() else 200)
def test_both_evaluators_say_the_same(
    key_policy: str, own: list[str], boundary: str | None, session: str | None, granted: list[Any], seed: int
) -> None:
    if not any(each["Effect"] == "Allow" and "NotPrincipal" in each for each in json.loads(key_policy)["Statement"]):
        check_policy(key_policy, KEY)
    compiled = compile_key_policy(key_policy, arn(), 1)
    by_name = by_grantee(granted)
    told = [{"grantee": grantee, "operations": operations, "constraints": constraints} for grantee, operations, constraints in granted]  # fmt: skip
    chance = random.Random(seed)
    for _ in range(REQUESTS):
        caller, asker = callers(own, boundary, session, chance)
        action, context, pairs = request(chance)
        folded = {name: tuple(values) for name, values in context.items()} | encryption_context_keys(pairs) | dict(caller.context)  # fmt: skip
        resource = Resource(arn(), ACCOUNT, compiled, {}, by_name)
        verdict = evaluate(caller, Question(action, resource, folded, pairs))
        slow = {name: list(values) for name, values in folded.items()}
        expected = reader.allows(asker, key_policy, reader.Asked(action, arn(), ACCOUNT, slow, pairs, told))
        assert verdict.allowed == expected, (verdict.document(), caller.principal, action, context, pairs)


@given(
    policies(of_key=True, most=4),
    st.lists(policies(of_key=False, most=2), max_size=3),
    maybe,
    maybe,
    st.one_of(st.just([]), grants),
    st.integers(0, 2**32),
)
@settings(max_examples=counts.examples() * 7 // 5 if counts.are_full() else 200)
def test_who_can_agrees_with_the_evaluator_both_ways(
    key_policy: str, own: list[str], boundary: str | None, session: str | None, granted: list[Any], seed: int
) -> None:
    compiled = compile_key_policy(key_policy, arn(), 1)
    by_name = by_grantee(granted)
    chance = random.Random(seed)
    for _ in range(REQUESTS):
        caller, _ = callers(own, boundary, session, chance)
        action, context, pairs = request(chance)
        if ROLE not in caller.names.values():
            context.pop("aws:principaltag/team", None)  # a user's tags belong to the user, and these users have none
        folded = {name: tuple(values) for name, values in context.items()} | encryption_context_keys(pairs) | dict(caller.context)  # fmt: skip
        resource = Resource(arn(), ACCOUNT, compiled, {}, by_name)
        folded = as_a_request_can_be(action, folded)
        if "kms:encryptioncontextkeys" not in folded:
            pairs = {}
        allowed = evaluate(caller, Question(action, resource, folded, pairs)).allowed
        found = could(caller, action, resource)
        if allowed:
            assert found.paths
        if found.paths and not found.paths[0].open and not found.unless:
            assert allowed
