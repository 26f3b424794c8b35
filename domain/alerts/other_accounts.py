"""The principals of other accounts that a key policy lets in, for the rules on known and unknown accounts."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.policy_analysis.callers import Someone
from domain.policy_analysis.dimensions import CALLER_AT


def judge(change: Change, known: bool) -> Iterator[Finding]:
    """One finding for each account that the policies name, and one for those that only a pattern means: nobody knows them.
    What the policy lets everyone do is left to the rule about that."""
    key, policy = change.key, change.policy
    if key is None or policy.why:
        return
    own = change.known_accounts | change.world.accounts.keys()
    callers = policy.callers(lambda each: each.of not in ("", key.account))
    accounts = {each.of for each in policy.people(callers)} - {"", key.account}
    meant = accounts & policy.invented
    groups = [frozenset({each}) for each in sorted(accounts - meant) if (each in own) is known]
    for group in [*groups, frozenset(meant)] if meant and not known else groups:

        def is_theirs(caller: Someone, group: frozenset[str] = group) -> bool:
            return caller.of in group

        theirs = policy.beyond_public(policy.let_in(policy.callers(is_theirs)))
        if not theirs:
            continue
        bits = 0
        for each in theirs:
            bits |= each.box[CALLER_AT]
        people = policy.named(bits, is_theirs)
        whom = f"accounts by a pattern, {' and '.join(people)}" if group & meant else f"account {min(group)}"
        subject = key.arn if group & meant else min(group)
        summary = f"the policy lets in {whom}: {', '.join(policy.actions_of(theirs))}"
        yield Finding(subject, summary, about=tuple(people), evidence=policy.shown(theirs), **on_key(key))
