"""The principals of other accounts that a key policy lets in, for the rules on known and unknown accounts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from domain.alerts.change import Change, on_key
from domain.alerts.compared import named
from domain.alerts.finding import Finding
from domain.policy_analysis.callers import Someone
from domain.policy_analysis.dimensions import CALLER_AT


def judge(change: Change, known: bool) -> Iterator[Finding]:
    """One finding for each account. What the policy lets everyone do is left to the rule about that."""
    key, policy = change.key, change.policy
    if key is None or policy.why:
        return
    own = change.known_accounts | change.world.accounts.keys()
    callers = policy.callers(lambda each: each.of not in ("", key.account))
    accounts = sorted({each.of for each in policy.people(callers)} - {"", key.account})
    for account in accounts:
        if (account in own) is not known:
            continue
        theirs = policy.beyond_public(policy.let_in(policy.callers(partial(_is_of, account))))
        if not theirs:
            continue
        actions = policy.actions_of(theirs)
        summary = f"the policy lets in account {account}: {', '.join(actions)}"
        people = tuple(
            sorted(
                {named(each) for found in theirs for each in policy.people(found.box[CALLER_AT]) if each.of == account}
            )
        )
        yield Finding(account, summary, about=people, evidence=policy.shown(theirs), **on_key(key))


def _is_of(account: str, caller: Someone) -> bool:
    return caller.of == account
