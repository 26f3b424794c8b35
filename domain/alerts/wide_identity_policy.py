"""What an identity policy allows on every key, for the rule that checks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import product

from domain.alerts.compared import DECRYPTING
from domain.arn import key_arn, root_arn
from domain.authorization.caller import Caller
from domain.authorization.question import Resource
from domain.policy.compile import (
    DELEGATED,
    DIRECT,
    IDENTITY_POLICY,
    CompiledStatement,
    Permissions,
    compile_identity_policy,
    compile_key_policy,
)
from domain.policy.default import default_key_policy
from domain.policy.parse import INLINE
from domain.policy_analysis.budget import Budget, OutOfSteps, spend, spending
from domain.policy_analysis.possible import met_by, name_of
from domain.policy_analysis.who_could import Open, could

WideAccess = Mapping[str, tuple[Open, ...]]
"""By action, the sets of conditions under which it is allowed."""
ASKED = (*sorted(DECRYPTING), "kms:CreateGrant", "kms:PutKeyPolicy")
MOST_STEPS = 500_000
"""Ordinary policies take some thousand steps. Nothing is put off here, so other accounts wait for the rest."""
ANY_USER = "any-user"
DIFFER = frozenset({"kms:keyspec", "kms:keyusage"})
"""What keys differ in without anybody's doing: the conditions on it stay open."""
DIGITS = "0123456789abcdef"
TAG = "aws:resourcetag/"


def newly_given(before: Sequence[str], after: Sequence[str], account: str, region: str) -> dict[str, list[str] | None]:
    """What one of the documents `after` allows and none `before` did, or only under further conditions ("" is a document that
    is not there): by action, the keys of the conditions that are left; None if that takes too many steps. Each document is
    asked for itself: a Deny of another is not considered."""
    try:
        with spending(Budget(2 * MOST_STEPS)):
            now = _together(after, account, region)
            was = _together(before, account, region) if now else {}
        with spending(Budget(MOST_STEPS)):
            wider = {
                action: [each for each in ways if not any(met_by(mine, each) for mine in was.get(action, ()))]
                for action, ways in now.items()
            }
    except OutOfSteps:
        return dict.fromkeys(ASKED)
    return {action: sorted({each["key"] for each in ways[0]}) for action, ways in wider.items() if ways}


def _together(documents: Sequence[str], account: str, region: str) -> WideAccess:
    """What the documents allow, each by itself. A remembered one costs the steps that it took once: what comes out does not
    depend on what is remembered. Raises OutOfSteps."""
    found: dict[str, tuple[Open, ...]] = {}
    for each in documents:
        if not each:
            continue
        given, steps = gives_in_steps(each, account, region)
        spend(steps)
        if given is None:
            raise OutOfSteps
        for action, ways in given.items():
            found[action] = tuple(sorted((*found.get(action, ()), *ways), key=len))
    return found


def gives(document: str, account: str, region: str) -> WideAccess:
    """What the document allows on keys that it does not name and that leave access to identity policies: by action, the sets
    of conditions under which it does, the fewest first.

    Keys are asked about that nobody has. A policy covers their ids only by a pattern. A part of all keys, such as those whose
    ids begin with one digit, is as good as all: ids come by chance, and in time a key falls to the part. A tag or an alias
    makes a part of its own, so a policy may ask for those, if it says which. Raises OutOfSteps."""
    given, _ = gives_in_steps(document, account, region)
    if given is None:
        raise OutOfSteps
    return given


@lru_cache(maxsize=1024)
def gives_in_steps(document: str, account: str, region: str) -> tuple[WideAccess | None, int]:
    """What the document allows, None if that takes too many steps; and the steps that it took."""
    budget = Budget(MOST_STEPS)  # its own, since what is remembered must not depend on who else asked
    try:
        with spending(budget):
            return _gives(document, account, region), budget.spent
    except OutOfSteps:
        return None, budget.spent


def _gives(document: str, account: str, region: str) -> WideAccess:
    principal, root = f"arn:aws:iam::{account}:user/{ANY_USER}", root_arn(account)
    rules = compile_identity_policy(document, IDENTITY_POLICY, principal, 0, INLINE)
    who = Caller(account, principal, {principal: DIRECT, root: DELEGATED}, ANY_USER, identity=Permissions(rules))
    found: dict[str, dict[object, Open]] = {}
    for resource, action in product(_keys(document, account, region, rules), ASKED):
        for path in could(who, action, resource, unknown=DIFFER).paths:
            found.setdefault(action, {})[tuple(map(name_of, path.open))] = path.open
    return {action: tuple(sorted(ways.values(), key=len)) for action, ways in found.items()}


def _keys(document: str, account: str, region: str, rules: Sequence[CompiledStatement]) -> Iterator[Resource]:
    """Keys that nobody has, one for each set of statements that cover one: some without tags and aliases, some with every
    tag that the document names and an alias, of values that it does not name."""
    ids = list(unnamed_ids(document))
    tags = sorted({key for rule in rules for test in rule.tests or () if (key := test.key.lower()).startswith(TAG)})
    seen = set()
    for id, tagged in product(ids, (False, True)):
        arn = key_arn(region, account, id)
        context: dict[str, tuple[str, ...]] = {"aws:resourceaccount": (account,)}
        if tagged:
            context |= {"kms:resourcealiases": (f"alias/{id}",)} | dict.fromkeys(tags, (id,))
        sort = (tagged, tuple(rule.covers is None or rule.covers(arn, context) for rule in rules))
        if sort not in seen:
            seen.add(sort)
            yield Resource(arn, account, compile_key_policy(default_key_policy(account), arn, 1), context, {})


def unnamed_ids(document: str) -> Iterator[str]:
    """Ids as keys have them, which the document cannot name, since they follow from it. Each digit is in each place once, so a
    pattern that settles one digit covers one of them."""
    seed = sha256(document.encode("utf-8", "surrogatepass")).digest()
    for turn in range(len(DIGITS)):
        digits = [DIGITS[(turn + byte) % len(DIGITS)] for byte in seed]
        digits[12], digits[16] = "4", "89ab"[(turn + seed[16]) % 4]
        text = "".join(digits)
        yield f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
