"""An attacker with an own account puts policies, or asks about drafts, that take half a minute each to understand. The
alert that another account waits for would come after them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from domain.alerts import change_document
from domain.alerts.change import Change
from domain.alerts.engine.judge import Judge
from domain.alerts.rule import OnChange
from domain.alerts.rules.table import RULES
from domain.alerts.severities import CRITICAL
from domain.alerts.wide_identity_policy import gives_in_steps, gives_rights_in_steps
from domain.authorization.caller import Caller
from domain.authorization.question import Resource
from domain.authorization.simulate import context_keys
from domain.errors import MalformedPolicy
from domain.log.events import KeyCreated, PolicyReplaced
from domain.policy.check import check_policy
from domain.policy.compile import DIRECT, compile_key_policy
from domain.policy.default import default_key_policy
from domain.policy.parse import KEY, MANAGED, PolicyKind, parse_policy
from domain.policy_analysis.budget import Budget, OutOfSteps, spending
from domain.policy_analysis.space import Side
from domain.policy_analysis.who_could import could
from services.alert_worker.events import AT_ONCE, SHARE
from services.questions import policy_change
from tests.attacks.costly import KINDS, STATEMENTS, TEXTS, long_text, policy
from tests.attacks.counted import seconds, steps
from tests.counts import with_all_in_soak
from tests.given import ACCOUNT, a_key, given, key_id

PUBLIC = {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
UNCLEAR = "key-policy-unclear"
MOST_SECONDS = 0.1


def change(text: str, position: int = 10) -> Change:
    world = given(a_key()).world
    event = PolicyReplaced(key_id(), 2, text, False, False, {})
    return Change(event, world, world.at, position, caller="somebody", account=ACCOUNT, operation="PutKeyPolicy")


def _readable(text: str, kind: PolicyKind) -> bool:
    try:
        check_policy(text, kind)
    except MalformedPolicy:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("name", TEXTS)
def test_a_policy_is_checked_in_time(name: str, kind: PolicyKind) -> None:
    """The writer checks it before it decides anything else. One session policy of 90 characters took it 0.2 s, and each four
    further ones twice as long: no change of any account went through. Spaces in a variable took their number's cube."""
    text = long_text(name, kind)
    assert seconds(lambda: _readable(text, kind), 2) < MOST_SECONDS


@pytest.mark.parametrize("name", TEXTS)
def test_a_policy_that_was_put_is_understood_in_time(name: str) -> None:
    """The rule for wide identity policies took 3.5 s for 600 spaces, and again after each restart: no account was told of
    anything. `who-can` and GetContextKeysForCustomPolicy kept an API worker as busy."""
    text = long_text(name, MANAGED)
    if _readable(text, MANAGED):
        statements = parse_policy(text, MANAGED).statements
        for asked in (
            partial(gives_in_steps.__wrapped__, text, ACCOUNT, "us-east-1"),
            partial(gives_rights_in_steps.__wrapped__, text, ACCOUNT),
            partial(context_keys, statements),
        ):
            assert seconds(asked, 2) < MOST_SECONDS
    held = f"arn:aws:iam::{ACCOUNT}:user/a"
    caller = Caller(ACCOUNT, held, {held: DIRECT}, "AIDA")
    readable = long_text(name, KEY)
    check_policy(readable, KEY)
    resource = Resource(key_id(), ACCOUNT, compile_key_policy(readable, key_id(), 1))
    assert seconds(lambda: could(caller, "kms:Decrypt", resource), 2) < MOST_SECONDS


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_policy_takes_no_more_steps_than_it_is_given(name: str) -> None:
    """Six of them delayed the alerts of every other account by two minutes."""
    budget = Budget(AT_ONCE)
    found = Judge("log").within(change(policy(STATEMENTS[name])), {}, budget)
    assert found.unfinished
    assert budget.spent < 2 * AT_ONCE, "no single piece of work is larger than the budget"
    (unclear,) = [each for each in found.alerts if each.rule.id == UNCLEAR]
    assert unclear.severity == CRITICAL
    assert seconds(lambda: Judge("log").within(change(policy(STATEMENTS[name])), {}, Budget(AT_ONCE)), 2) < 2.0


@pytest.mark.parametrize("name", with_all_in_soak(STATEMENTS, list(STATEMENTS)[:2]))
def test_a_step_is_worth_about_as_much_wherever_it_is_counted(name: str, soak: bool) -> None:
    """Uncounted work has no budget: a step stands for some lines of Python, and never for hundreds."""
    text = policy(STATEMENTS[name], 6_000 if soak else 1_500)
    budget = Budget(None)

    def judged() -> None:
        Judge("log").within(change(text), {}, budget)

    lines = steps(judged)
    assert lines < 30 * budget.spent + 200_000, (lines, budget.spent)


def test_findings_from_the_text_alone_need_no_budget() -> None:
    """A key that is open to everyone hides behind 300 statements that nobody can afford to understand."""
    text = policy(STATEMENTS["patterns of callers"], 32_700, PUBLIC)
    not_principal = PUBLIC | {"NotPrincipal": {"AWS": ACCOUNT}}
    del not_principal["Principal"]
    for first, rule in ((PUBLIC, "key-policy-public"), (not_principal, "key-policy-not-principal")):
        text = policy(STATEMENTS["patterns of callers"], 32_700, first)
        found = Judge("log").within(change(text), {}, Budget(0))
        assert {rule, UNCLEAR} <= {each.rule.id for each in found.alerts}
    delegated = json.dumps({"Statement": [PUBLIC | {"Principal": {"AWS": ACCOUNT}, "Action": "kms:*crypt"}]})
    before = given(
        a_key(policy=json.dumps({"Statement": [PUBLIC | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/a"}}]}))
    )
    event = PolicyReplaced(key_id(), 2, delegated, True, False, {})
    found = Judge("log").within(Change(event, before.world, 0, 10, caller="x"), {}, Budget(0))
    assert {"key-policy-delegated", "key-policy-lockout"} <= {each.rule.id for each in found.alerts}


def test_postponed_policies_are_judged_like_others() -> None:
    """A policy that is costly enough would never be judged, or under other names than the log gives them."""
    text = policy(STATEMENTS["accounts"], 4_000, PUBLIC)
    whole = Judge("log").of_change(change(text), {})
    early = Judge("log").within(change(text), {}, Budget(0))
    document = json.loads(
        json.dumps(change_document.document(change(text), {"offset": 10}, [each.id for each in early.alerts]))
    )
    judge = Judge("log")
    later = judge.within(change_document.change_from(document, judge.settings), document["source"], Budget(None))
    assert not later.unfinished
    assert [each.document() | {"source": {}} for each in later.alerts] == [each.document() for each in whole]
    assert {each.id for each in early.alerts} - {each.id for each in whole} == {
        each.id for each in early.alerts if each.rule.id == UNCLEAR
    }


def test_a_new_key_is_put_off_and_judged_like_any_other() -> None:
    event: KeyCreated = a_key(2, policy=policy(STATEMENTS["accounts"], 4_000, PUBLIC))
    world = given(a_key()).world
    whole = Judge("log").of_change(Change(event, world, 5, 10, account=ACCOUNT), {})
    document = json.loads(json.dumps(change_document.document(Change(event, world, 5, 10, account=ACCOUNT), {}, [])))
    judge = Judge("log")
    later = judge.within(change_document.change_from(document, judge.settings), {}, Budget(None))
    assert [each.document() for each in later.alerts] == [each.document() for each in whole]
    assert "key-policy-public" in {each.rule.id for each in whole}


def test_the_same_budget_ends_at_the_same_step() -> None:
    """A limit in seconds would raise other alerts in a replay."""
    text = policy(STATEMENTS["sets of names"])
    spent = []
    for _ in range(2):
        budget = Budget(AT_ONCE)
        with pytest.raises(OutOfSteps), spending(budget):
            _ = change(text).policy
        spent.append(budget.spent)
    assert spent[0] == spent[1]


def test_an_ordinary_policy_is_judged_at_once() -> None:
    """If ordinary work reached the limit, nobody would read the alarm any more."""
    users = [PUBLIC | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/u{each}"}} for each in range(8)]
    budget = Budget(None)
    text = json.dumps(
        {"Version": "2012-10-17", "Statement": [*json.loads(default_key_policy(ACCOUNT))["Statement"], *users]}
    )
    assert not Judge("log").within(change(text), {}, budget).unfinished
    assert budget.spent * 5 < AT_ONCE < SHARE


def test_a_comparison_that_takes_too_many_steps_is_not_known() -> None:
    """One account's `diff` of two such policies kept the worker, and everybody's calls, busy."""
    key = given(a_key()).world.keys[key_id()]
    old = policy_change.ComparedPolicy(Side(default_key_policy(ACCOUNT)), {})
    new = policy_change.ComparedPolicy(Side(policy(STATEMENTS["patterns of callers"])), {})
    with spending(Budget(AT_ONCE)):
        found = policy_change.difference(key, old, new, [], of_trail=False)
    assert found["answer"] == "unknown"


def test_every_rule_that_asks_for_meaning_has_a_budget() -> None:
    """A rule that reads the sets of requests without being marked so would have no limit."""
    folder = Path(__file__).parents[2] / "domain" / "alerts" / "rules"
    for rule in RULES.values():
        path = folder / f"{rule.id.replace('-', '_')}.py"
        if rule.id.startswith("key-policy-") and path.exists():
            code = path.read_text()
            asks = "change.policy" in code or "Space(" in code or "other_accounts" in code
            assert isinstance(rule.kind, OnChange), rule.id
            assert rule.kind.costly is asks, rule.id
