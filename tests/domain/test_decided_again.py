"""A decision is made again from its record and the log alone. It comes out the same, for the same reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.authorization.context import RequestOrigin, encryption_context, request_context
from domain.authorization.evaluate import evaluate
from domain.authorization.question import Question, Resource
from domain.commands.grants import CreateGrant
from domain.commands.identity_permissions import with_web_identity
from domain.commands.put_key_policy import PutKeyPolicy
from domain.decisions.again import Callers, decide_again
from domain.identities.oidc_providers import OidcProvider
from domain.log import events, identity_events
from domain.state.callers import Session, caller_of, provider_session, session_from
from tests.given import ACCOUNT, REGION, Given, a_key, arn, given, key_id
from tests.policies import delegating, policy, role_arn, statement, to_identity, user_arn

TRUST = policy({"Effect": "Allow", "Principal": {"AWS": user_arn()}, "Action": "sts:AssumeRole"})
ONLY_TLS = to_identity(
    Condition={"Bool": {"aws:SecureTransport": "true"}, "StringLike": {"aws:PrincipalTag/team": "b*"}}
)
SESSION = Session(
    "AROAAPP", "arn", ACCOUNT, "s1", 0, 10**18, policy(to_identity(Action="kms:Put*")), (), {"Team": "blue"}
)


def a_world() -> Given:
    return given(
        a_key(policy=policy(delegating(), statement(Effect="Deny", Action="kms:DisableKey"))),
        identity_events.UserCreated(ACCOUNT, "AIDAALICE", "alice", "/", {}, ""),
        identity_events.RoleCreated(ACCOUNT, "AROAAPP", "app", "/", TRUST, {}, "", 3600, {"team": "red"}, ""),
        identity_events.InlinePolicyPut(ACCOUNT, "role", "AROAAPP", "use", policy(ONLY_TLS)),
        events.AliasCreated(ACCOUNT, "alias/a", key_id()),
    )


COMMANDS: list[tuple[str, object, dict[str, Any]]] = [
    ("PutKeyPolicy", PutKeyPolicy(key_id(), policy(delegating())), {}),
    (
        "CreateGrant",
        CreateGrant(key_id(), "g", "", (user_arn(), ""), ("", ""), ["Decrypt"], {}, False),
        {"Operations": ["Decrypt"]},
    ),
]


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize(("operation", "command", "parameters"), COMMANDS)
def test_a_record_and_the_log_are_enough(
    operation: str, command: object, parameters: dict[str, Any], secure: bool
) -> None:
    made = a_world()
    origin = RequestOrigin("10.1.2.3", "tests", secure, 1_800_000_000_000_000, REGION)
    caller = caller_of(made.world, "ASIA", SESSION, 0)
    asking = caller.asking(request_context(origin, operation, parameters), encryption_context(operation, parameters))
    made.when(command, by=asking)
    assert made.outcome is not None
    record = json.loads(json.dumps({"session": SESSION.document(), "decision": made.outcome.decision.document()}))

    decision, again = record["decision"], a_world().world
    who = caller_of(again, "ASIA", session_from(record["session"]), 0)
    inputs = decision["inputs"]
    assert inputs["context"]["aws:principaltag/team"] == ["blue"]
    for reason in decision["reasons"]:
        arn = reason["resource"]
        read = {
            **inputs["context"],
            **inputs["resources"][arn],
            **inputs.get("asked", {}).get(f"{reason['action']} {arn}", {}),
        }
        context = {key: tuple(values) for key, values in read.items()}
        key = again.resource(again.keys[key_id()])
        resource = Resource(key.arn, key.account, key.policy, {}, key.grants)
        verdict = evaluate(who, Question(reason["action"], resource, context, inputs.get("encryption_context", {})))
        assert json.loads(json.dumps(verdict.document())) == reason
    assert (decision["effect"], decision["kind"]) == (
        ("allowed", "identity-policy") if secure and operation == "PutKeyPolicy" else ("refused", "implicit-deny")
    )


@pytest.mark.parametrize(
    ("console", "words"),
    [
        ({"access_key": "AKIA", "owner": user_arn()}, "it lacks principal, seen and has the unknown owner"),
        ({"access_key": "AKIA", "principal": user_arn()}, "it lacks seen"),
        ({"access_key": "AKIA", "principal": user_arn(), "seen": 1, "kind": "x"}, "it has the unknown kind"),
    ],
)
def test_a_record_with_a_session_of_another_version_says_so(console: dict[str, Any], words: str) -> None:
    case = {
        "access_key": "ASIA",
        "session": SESSION.document() | {"console": console},
        "operation": "Encrypt",
        "principal": user_arn(),
        "kind": "key-policy",
        "reasons": [{"action": "kms:Encrypt", "resource": arn(), "effect": "allow", "by": {}}],
        "inputs": {"evaluator": 4, "context": {}},
    }
    again = decide_again(case, a_world().world, 0, Callers())
    whose = "nobody knows whose call it was: its console session was written by another version of Keytrail: "
    assert (again.allowed, again.differences) == (False, (whose + words,))


@pytest.mark.parametrize("recorded", [True, False])
def test_a_credential_that_ended_is_refused_again_by_api_and_writer(recorded: bool) -> None:
    """The API records a reason. The writer records none where a session ended while its command was under way, as those of
    two sign-ins that set a new password at once."""
    by = {"kind": "authentication", "rule": "authentication"}
    reason = {"action": "ChangePassword", "resource": user_arn(), "effect": "deny", "by": by}
    case = {
        "access_key": "AKIAGONE",
        "operation": "ChangePassword",
        "principal": user_arn(),
        "kind": "authentication",
        "reasons": [reason] if recorded else [],
    }
    again = decide_again(case, a_world().world, 0, Callers())
    assert (again.allowed, list(again.reasons)) == (False, case["reasons"])


@pytest.mark.parametrize(("evaluator", "effect"), [(1, "deny"), (2, "allow")])
def test_a_decision_of_an_earlier_evaluator_comes_out_by_its_rules(evaluator: int, effect: str) -> None:
    """Evaluator 1 took ::ffff:10.1.2.3 for an IPv6 address, and refused what evaluator 2 allows. Each is right on its
    own records: a recheck that reported the older one would raise a false alarm."""
    office = statement(Principal={"AWS": role_arn()}, Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    made = given(
        a_key(policy=policy(office)),
        identity_events.RoleCreated(ACCOUNT, "AROAAPP", "app", "/", TRUST, {}, "", 3600, {}, ""),
    )
    session = Session("AROAAPP", role_arn(), ACCOUNT, "s1", 0, 10**18, "", (), {})
    context = request_context(RequestOrigin("::ffff:10.1.2.3", "tests", True, 0, REGION), "Encrypt", {})
    case = {
        "access_key": "ASIA",
        "session": session.document(),
        "operation": "Encrypt",
        "kind": "key-policy",
        "reasons": [{"action": "kms:Encrypt", "resource": arn(), "effect": effect, "by": {}}],
        "inputs": {"evaluator": evaluator, "context": json.loads(json.dumps(context))},
    }
    again = decide_again(case, made.world, 0, Callers())
    assert [reason["effect"] for reason in again.reasons] == [effect]


@pytest.mark.parametrize(("evaluator", "effect"), [(2, "allow"), (3, "deny")])
def test_an_earlier_evaluator_spared_principals_with_a_boundary(evaluator: int, effect: str) -> None:
    """A Deny with NotPrincipal spared a user with a permissions boundary before evaluator 3."""
    names = [user_arn(), f"arn:aws:iam::{ACCOUNT}:root"]
    deny = {"Sid": "D", "Effect": "Deny", "NotPrincipal": {"AWS": names}, "Action": "kms:*", "Resource": "*"}
    allow = statement(Principal={"AWS": user_arn()})
    all_of_it = to_identity(Action="*")
    made = given(
        a_key(policy=policy(allow, deny), principals={user_arn(): "AIDAALICE"}),
        identity_events.ManagedPolicyCreated(ACCOUNT, "ANPAALL", "all", "/", "", policy(all_of_it), {}),
        identity_events.UserCreated(ACCOUNT, "AIDAALICE", "alice", "/", {}, f"arn:aws:iam::{ACCOUNT}:policy/all"),
        identity_events.UserAccessKeyCreated(ACCOUNT, "AIDAALICE", "AKIAALICE"),
    )
    case = {
        "access_key": "AKIAALICE",
        "operation": "Encrypt",
        "kind": "key-policy",
        "reasons": [{"action": "kms:Encrypt", "resource": arn(), "effect": effect, "by": {}}],
        "inputs": {"evaluator": evaluator, "context": {}},
    }
    again = decide_again(case, made.world, 0, Callers())
    assert [reason["effect"] for reason in again.reasons] == [effect]


@pytest.mark.parametrize(("evaluator", "effect"), [(3, "deny"), (4, "allow")])
@pytest.mark.parametrize(
    ("condition", "tags", "pairs"),
    [
        ({"ForAllValues:StringEquals": {"aws:PrincipalTag/team": "a"}}, {"team": ""}, {}),
        ({"Null": {"aws:PrincipalTag/team": "true"}}, {"team": ""}, {}),
        ({"StringNotEquals": {"aws:PrincipalTag/team": "${kms:EncryptionContextKeys}"}}, {"team": "a"}, {"a": "b"}),
    ],
)
def test_an_earlier_evaluator_read_conditions_differently(
    evaluator: int, effect: str, condition: dict[str, Any], tags: dict[str, str], pairs: dict[str, str]
) -> None:
    """Empty values, and keys of many values as variables, before evaluator 4."""
    made = given(
        a_key(policy=policy(statement(Principal={"AWS": user_arn()}, Condition=condition)), principals={user_arn(): "AIDAALICE"}),
        identity_events.UserCreated(ACCOUNT, "AIDAALICE", "alice", "/", tags, ""),
        identity_events.UserAccessKeyCreated(ACCOUNT, "AIDAALICE", "AKIAALICE"),
    )  # fmt: skip
    assert effect_again(made, evaluator, pairs) == effect


@pytest.mark.parametrize(("evaluator", "effect"), [(3, "deny"), (4, "allow")])
@pytest.mark.parametrize("constraint", ["EncryptionContextEquals", "EncryptionContextSubset"])
def test_to_an_earlier_evaluator_the_names_of_a_grants_pairs_had_case(
    evaluator: int, effect: str, constraint: str
) -> None:
    nobody = policy(statement(Principal={"AWS": "arn:aws:iam::999999999999:root"}))
    made = given(
        a_key(policy=nobody),
        identity_events.UserCreated(ACCOUNT, "AIDAALICE", "alice", "/", {}, ""),
        identity_events.UserAccessKeyCreated(ACCOUNT, "AIDAALICE", "AKIAALICE"),
        events.GrantCreated(key_id(), "g1", "", user_arn(), "AIDAALICE", "", "", ["Encrypt"], {constraint: {"App": "x"}}, ACCOUNT, ACCOUNT, ""),
    )  # fmt: skip
    assert effect_again(made, evaluator, {"app": "x"}) == effect


def effect_again(made: Given, evaluator: int, pairs: dict[str, str]) -> str:
    """The result of Alice's Encrypt with these pairs, if this evaluator had decided it."""
    context = request_context(
        RequestOrigin("10.0.0.1", "tests", True, 0, REGION), "Encrypt", {"EncryptionContext": pairs}
    )
    caller = caller_of(made.world, "AKIAALICE", None, 0)
    case = {
        "access_key": "AKIAALICE",
        "operation": "Encrypt",
        "kind": "key-policy",
        "reasons": [{"action": "kms:Encrypt", "resource": arn(), "effect": "", "by": {}}],
        "inputs": {
            "evaluator": evaluator,
            "context": json.loads(json.dumps({**caller.context, **context})),
            "encryption_context": pairs,
        },
    }
    (reason,) = decide_again(case, made.world, 0, Callers()).reasons
    return str(reason["effect"])


SENDER = provider_session(
    OidcProvider(ACCOUNT, "id.example.com", 0, ("me",), ()), "ada", "me", {}, 0, 4_000_000_000_000_000
)
OF_THE_ORGANIZATION = {"StringEquals": {"aws:PrincipalOrgID": "o-ours00000"}}


@pytest.mark.parametrize(("of_the_organization", "effect"), [(True, "allow"), (False, "deny")])
def test_the_sender_of_a_token_was_of_the_organization_where_the_record_says_so(
    of_the_organization: bool, effect: str
) -> None:
    """Earlier versions gave aws:PrincipalOrgID to every request. Their records come out as they were."""
    federated = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/id.example.com"}
    admits = {"Effect": "Allow", "Principal": federated, "Action": "sts:*", "Condition": OF_THE_ORGANIZATION}
    made = given(
        identity_events.OidcProviderCreated(ACCOUNT, "id.example.com", ["me"], [], {}),
        identity_events.RoleCreated(ACCOUNT, "AROAAPP", "app", "/", policy(admits), {}, "", 3600, {}, ""),
    )
    origin = RequestOrigin("10.0.0.1", "tests", True, 0, REGION, "o-ours00000")
    context = request_context(origin, "AssumeRoleWithWebIdentity", {})
    sender = caller_of(made.world, "", SENDER, 0).asking(context, {})
    asked = role_arn()
    assert not with_web_identity(sender, asked, made.world).allowed
    case = {
        "access_key": "",
        "session": SENDER.document(),
        "operation": "AssumeRoleWithWebIdentity",
        "kind": "trust-policy",
        "reasons": [{"action": "sts:AssumeRoleWithWebIdentity", "resource": asked, "effect": effect, "by": {}}],
        "inputs": {
            "evaluator": 4,
            "context": json.loads(
                json.dumps({**sender.context, **(context if of_the_organization else sender.request)})
            ),
        },
    }
    (reason,) = decide_again(case, made.world, 0, Callers()).reasons
    assert reason["effect"] == effect
