"""What an identity policy or a boundary allows on every key, and on every identity, for the rules that ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from domain.alerts.compared import DECRYPTING
from domain.alerts.unnamed import OptionalParts, contexts, unnamed_ids, unnamed_words
from domain.arn import account_in, iam_arn, key_arn, root_arn
from domain.authorization.caller import Caller
from domain.authorization.question import Resource, in_account
from domain.identities.identity import GROUP, POLICY, ROLE, USER
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
from domain.policy.variables import Context
from domain.policy_analysis.budget import Budget, OutOfSteps, spend, spending
from domain.policy_analysis.possible import met_by_one, name_of
from domain.policy_analysis.who_could import Open, could

ASKED = (*sorted(DECRYPTING), "kms:CreateGrant", "kms:PutKeyPolicy")
TO_MORE_RIGHTS = {
    USER: (
        "iam:AttachUserPolicy",
        "iam:CreateAccessKey",
        "iam:CreateLoginProfile",
        "iam:DeleteUserPermissionsBoundary",
        "iam:PutUserPermissionsBoundary",
        "iam:PutUserPolicy",
        "iam:UpdateLoginProfile",
    ),
    GROUP: ("iam:AddUserToGroup", "iam:AttachGroupPolicy", "iam:PutGroupPolicy"),
    ROLE: (
        "iam:AttachRolePolicy",
        "iam:DeleteRolePermissionsBoundary",
        "iam:PutRolePermissionsBoundary",
        "iam:PutRolePolicy",
        "iam:UpdateAssumeRolePolicy",
        "sts:AssumeRole",
    ),
    POLICY: ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"),
}
"""How somebody comes to more rights than a policy gives them, on which kind of resource: by other policies, another limit,
another identity's credentials or another role."""
OUT_OF_A_BOUNDARY = {
    USER: ("iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"),
    ROLE: ("iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"),
    POLICY: TO_MORE_RIGHTS[POLICY],
}
"""What takes a boundary away from whoever may do it to himself, or to the boundary's own policy. Other policies and other groups
of his own give him nothing beyond the boundary."""
MOST_STEPS, MOST_STEPS_OF_RIGHTS = 500_000, 200_000
"""Ordinary policies take some hundred steps. Nothing is put off here, so other accounts wait for the rest. What a boundary is
asked about rights comes on top."""
ALIASES = "kms:resourcealiases"
ANY_USER = "any-user"
DIFFER = frozenset({"kms:keyspec", "kms:keyusage"})
"""What keys differ in without anybody's doing: the conditions on it stay open."""
TAG, TAG_OF_IAM = "aws:resourcetag/", "iam:resourcetag/"


AskedAbout = tuple[str, Iterable[Resource]]
"""An action, and the resources to ask it about."""
WideAccess = Mapping[str, tuple[Open, ...]]
"""By action, the sets of conditions under which it is allowed, the fewest first."""
InSteps = tuple[WideAccess | None, int]
"""What a document allows, None if that takes too many steps; and the steps that it took."""
AskedDocument = Callable[[], InSteps]
Newly = dict[str, list[str] | None]
"""By action, the keys of the conditions that are left; None if that takes too many steps."""


class Tagged(NamedTuple):
    """`tags` are pairs of name and value."""

    kind: str
    arn: str
    tags: tuple[tuple[str, str], ...]


class Bounded(NamedTuple):
    """An identity and the policy that is its boundary, as far as conditions read them."""

    who: Tagged
    boundary: Tagged


def newly_given(before: Sequence[str], after: Sequence[str], account: str, region: str) -> Newly:
    """What one of the documents `after` allows on every key and none `before` did, or only under further conditions ("" is a
    document that is not there). Each document is asked for itself: a Deny of another is not considered."""
    was, now = (
        [partial(gives_in_steps, each, account, region) for each in documents if each] for documents in (before, after)
    )
    return _newly(was, now, ASKED)


def newly_gives_rights(before: str, after: str, account: str) -> Newly:
    """The same for the ways to more rights, on every user, group, role and policy of the account."""
    was, now = ([partial(gives_rights_in_steps, each, account)] if each else [] for each in (before, after))
    return _newly(was, now, [action for actions in TO_MORE_RIGHTS.values() for action in actions])


def newly_frees(before: str, after: str, bounded: Iterable[tuple[Bounded, Bounded]], account: str) -> Newly:
    """By which ways out of a boundary the document `after` newly lets one of those whom it bounds. Each is there as it is bounded
    by `before` and by `after`; with thousands, the steps may end."""
    wider: dict[str, list[Open]] = {}
    if not _speaks_of_ways_out(after, account):
        return {}
    try:
        with spending(Budget(2 * MOST_STEPS)):
            for by_before, by_after in bounded:
                now = _together([partial(frees_in_steps, after, account, by_after)])
                was = _together([partial(frees_in_steps, before, account, by_before)]) if now and before else {}
                wider |= _wider(was, now)
    except OutOfSteps:
        return {action: None for actions in OUT_OF_A_BOUNDARY.values() for action in actions}
    return _asking(wider)


def _newly(was: Sequence[AskedDocument], now: Sequence[AskedDocument], asked: Sequence[str]) -> Newly:
    try:
        with spending(Budget(2 * MOST_STEPS)):
            allowed = _together(now)
            before = _together(was) if allowed else {}
        with spending(Budget(MOST_STEPS)):
            return _asking(_wider(before, allowed))
    except OutOfSteps:
        return dict.fromkeys(asked)


def _wider(was: WideAccess, now: WideAccess) -> dict[str, list[Open]]:
    """The ways that were not open before. Raises OutOfSteps."""
    found = {
        action: [each for each in ways if not met_by_one(was.get(action, ()), each)] for action, ways in now.items()
    }
    return {action: ways for action, ways in found.items() if ways}


def _asking(wider: Mapping[str, Sequence[Open]]) -> Newly:
    return {action: sorted({each["key"] for each in ways[0]}) for action, ways in wider.items()}


def _together(documents: Sequence[AskedDocument]) -> WideAccess:
    """What the documents allow, each by itself. A remembered one costs the steps that it took once: what comes out does not
    depend on what is remembered. Raises OutOfSteps."""
    found: dict[str, tuple[Open, ...]] = {}
    for each in documents:
        allowed, steps = each()
        spend(steps)
        if allowed is None:
            raise OutOfSteps
        for action, ways in allowed.items():
            found[action] = tuple(sorted((*found.get(action, ()), *ways), key=len))
    return found


def gives(document: str, account: str, region: str) -> WideAccess:
    """What the document allows on keys that it does not name and that leave access to identity policies.

    Keys are asked about that nobody has. A policy covers their ids only by a pattern. A part of all keys, such as those whose
    ids begin with one digit, is as good as all: ids come by chance, and in time a key falls to the part. A tag or an alias
    makes a part of its own, so a policy may ask for those, if it says which. Raises OutOfSteps."""
    given, _ = gives_in_steps(document, account, region)
    if given is None:
        raise OutOfSteps
    return given


@lru_cache(maxsize=1024)
def gives_in_steps(document: str, account: str, region: str) -> InSteps:
    rules = _compiled(document, account)
    return _in_steps(rules, account, _on_keys(document, account, region, rules), MOST_STEPS)


@lru_cache(maxsize=1024)
def gives_rights_in_steps(document: str, account: str) -> InSteps:
    """Which ways to more rights the document allows on users, groups, roles and policies that it does not name. A tag makes a
    part of its own, as a key's does."""
    rules = _compiled(document, account)
    return _in_steps(rules, account, _on_identities(document, account, rules), MOST_STEPS_OF_RIGHTS)


@lru_cache(maxsize=1024)
def frees_in_steps(document: str, account: str, bounded: Bounded) -> InSteps:
    """Which ways out of his boundary the document leaves to whom it bounds: he is one whom it may name."""
    rules = _compiled(document, account)
    asked: list[AskedAbout] = []
    for kind, arn, tags in bounded:
        context = {key: values for name, value in tags for key, values in _of_tag(name.lower())(value).items()}
        own = (
            [in_account(arn, account, context)] if account_in(arn) == account else []
        )  # nobody changes what AWS manages
        asked += [(action, own) for action in OUT_OF_A_BOUNDARY[kind]]
    return _in_steps(rules, account, asked, MOST_STEPS_OF_RIGHTS)


def _speaks_of_ways_out(document: str, account: str) -> bool:
    actions = [action.lower() for some in OUT_OF_A_BOUNDARY.values() for action in some]
    allowing = (rule.acts for rule in _compiled(document, account) if not rule.denies)
    return any(acts is not None and any(map(acts, actions)) for acts in allowing)


def _in_steps(rules: tuple[CompiledStatement, ...], account: str, asked: Iterable[AskedAbout], most: int) -> InSteps:
    budget = Budget(most)  # its own, since what is remembered must not depend on who else asked
    try:
        with spending(budget):
            return _ways(rules, account, asked), budget.spent
    except OutOfSteps:
        return None, budget.spent


@lru_cache(maxsize=64)  # the questions about one document follow each other, thousands where it bounds as many
def _compiled(document: str, account: str) -> tuple[CompiledStatement, ...]:
    return compile_identity_policy(document, IDENTITY_POLICY, _any_user(account), 0, INLINE)


def _any_user(account: str) -> str:
    return iam_arn(account, USER, "/", ANY_USER)


def _ways(rules: tuple[CompiledStatement, ...], account: str, asked: Iterable[AskedAbout]) -> WideAccess:
    principal, root = _any_user(account), root_arn(account)
    who = Caller(account, principal, {principal: DIRECT, root: DELEGATED}, ANY_USER, identity=Permissions(rules))
    found: dict[str, dict[object, Open]] = {}
    for action, resources in asked:
        ways = found.setdefault(action, {})
        for resource in resources:
            spend(3 * len(rules))  # beside what `could` counts: with many statements and tags, that is too little
            for path in could(who, action, resource, unknown=DIFFER).paths:
                ways[tuple(map(name_of, path.open))] = path.open
            if () in ways:
                break  # every other way asks for more
    return {action: tuple(sorted(ways.values(), key=len)) for action, ways in found.items() if ways}


def _on_keys(document: str, account: str, region: str, rules: Sequence[CompiledStatement]) -> Iterator[AskedAbout]:
    """Each action on keys that nobody has."""
    arns = (key_arn(region, account, id) for id in unnamed_ids(document))
    policies = {arn: compile_key_policy(default_key_policy(account), arn, 1) for arn in arns}
    tags = {name: _tag(f"{TAG}{name}") for name in _tags(rules)}
    parts: OptionalParts = {**tags, ALIASES: lambda word: {ALIASES: (f"alias/{word}",)}}
    of_all: Context = {"aws:resourceaccount": (account,)}

    def having(context: Context) -> Iterator[Resource]:
        return (Resource(arn, account, policy, {**of_all, **context}, {}) for arn, policy in policies.items())

    yield from _on_each(list(unnamed_words(document)), rules, ASKED, parts, having)


def _on_identities(document: str, account: str, rules: Sequence[CompiledStatement]) -> Iterator[AskedAbout]:
    """Each way to more rights, on identities and policies that nobody has."""
    parts: OptionalParts = {name: _of_tag(name) for name in _tags(rules)}
    words = list(unnamed_words(document))

    def having(kind: str, context: Context) -> Iterator[Resource]:
        return (in_account(iam_arn(account, kind, "/", name), account, context) for name in words)

    for kind, actions in TO_MORE_RIGHTS.items():
        yield from _on_each(words, rules, actions, parts, partial(having, kind))


def _tags(rules: Iterable[CompiledStatement]) -> list[str]:
    """The names of the tags that the statements read."""
    keys = {test.key.lower() for rule in rules for test in rule.tests or ()}
    return sorted({key.removeprefix(tag) for key in keys for tag in (TAG, TAG_OF_IAM) if key.startswith(tag)})


def _tag(*keys: str) -> Callable[[str], Context]:
    return lambda word: dict.fromkeys(keys, (word,))


def _of_tag(name: str) -> Callable[[str], Context]:
    """A tag of an identity or a policy."""
    return _tag(f"{TAG}{name}", f"{TAG_OF_IAM}{name}")


def _on_each(
    words: Sequence[str],
    rules: Sequence[CompiledStatement],
    actions: Sequence[str],
    parts: OptionalParts,
    having: Callable[[Context], Iterable[Resource]],
) -> Iterator[AskedAbout]:
    """The actions, each with one resource for each set of statements that cover one. `having` makes resources of what conditions
    read of their tags and aliases."""
    made: dict[object, list[Resource]] = {}
    for action in actions:
        acting = [rule for rule in rules if rule.acts is not None and rule.acts(action.lower())]
        yield action, _once_each(rules, contexts(acting, parts, words), having, made)


def _once_each(
    rules: Sequence[CompiledStatement],
    those: Iterable[Context],
    having: Callable[[Context], Iterable[Resource]],
    made: dict[object, list[Resource]],
) -> Iterator[Resource]:
    seen = set()
    for context in those:
        name = frozenset(context.items())
        if name not in seen:
            seen.add(name)
            if name not in made:
                made[name] = _of_each_sort(rules, having(context))
            yield from made[name]


def _of_each_sort(rules: Sequence[CompiledStatement], resources: Iterable[Resource]) -> list[Resource]:
    found: dict[tuple[bool, ...], Resource] = {}
    for each in resources:
        spend(1 + len(rules) // 10)
        found.setdefault(tuple(rule.covers is None or rule.covers(each.arn, each.context) for rule in rules), each)
    return list(found.values())
