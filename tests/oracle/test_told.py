"""What `keytrail changes` says when a key policy is replaced, compared with the evaluator. A reader has only the
sentences. They must not say that somebody lost or gained what they have as before, and must not leave out anybody's
change.

The reader below knows the words, and nothing of how they were made. 150 pairs of policies in `make test`, 2,500 in
`make soak`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.arn import root_arn, session_arn
from domain.authorization.caller import Caller
from domain.policy.compile import BOUNDED, DELEGATED, DIRECT, ROLE, compile_key_policy
from domain.policy_analysis.compare import DENIES, SILENT, compare
from domain.policy_analysis.space import Side, Space
from services.wording.change_words import TOGETHER, VERBS, sentences
from tests import counts
from tests.given import ACCOUNT, OTHER, arn
from tests.oracle.test_meaning import answer_of
from tests.policies import delegating, named, policy, role_arn, statement, user_arn

THIRD = "777788889999"
ACTIONS = ["kms:Decrypt", "kms:Encrypt", "kms:DescribeKey", "kms:PutKeyPolicy"]
CARRYING = {"Decrypt", "Encrypt"}
IDS = {user_arn("alice"): "AIDAALICE", user_arn("bob"): "AIDABOB", role_arn(): "AROAAPP"}
APP, TEAM = "kms:EncryptionContext:app", "kms:EncryptionContext:team"
CONDITIONS: list[dict[str, Any]] = [
    {},
    {},
    {"StringEquals": {APP: "pay"}},
    {"StringEquals": {APP: ["pay", "roll or rock"]}},
    {"StringNotEquals": {APP: "pay"}},
    {"StringLike": {APP: "p*"}},
    {"StringEqualsIfExists": {APP: "pay"}},
    {"Null": {APP: "true"}},
    {"StringEquals": {APP: "pay", TEAM: ["a", "b"]}},
    {"StringEqualsIgnoreCase": {TEAM: "A"}},
    {"ArnLike": {"aws:PrincipalArn": user_arn("*")}},
    {"StringEquals": {"aws:PrincipalAccount": OTHER}},
    {"StringEquals": {"aws:PrincipalArn": [user_arn("alice"), user_arn("carol")]}},
]
CONTEXTS = [
    {},
    {APP: "pay"},
    {APP: "PAY"},
    {APP: "roll or rock"},
    {APP: "x", TEAM: "a"},
    {APP: "pay", TEAM: "A"},
    {TEAM: "b"},
]


# -- who asks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asking:
    """`name`: the principal's name in the sentences. `today`: whether it is the one whom the policies named when they
    were put."""

    name: str
    kind: str
    account: str
    caller: Caller
    today: bool = True
    bounded: bool = False


def person(name: str, kind: str, account: str, names: dict[str, int], own: str, *, today: bool = True) -> Asking:
    context = {
        "aws:principalarn": (role_arn(account=account) if kind == "role" else own,),
        "aws:principalaccount": (account,),
        "kms:calleraccount": (account,),
    }
    caller = Caller(account, own, names, "AIDAX", needs_policies=kind != "root", context=context)
    return Asking(name, kind, account, caller, today)


def user_asking(name: str, account: str = ACCOUNT, *, today: bool = True) -> Asking:
    own = user_arn(name, account)
    unique = IDS.get(own, "AIDAOTHER") if today else "AIDAAGAIN"
    shown = f"user/{name}" if account == ACCOUNT else f"{account}:user/{name}"
    return person(shown, "user", account, {own: DIRECT, unique: DIRECT, root_arn(account): DELEGATED}, own, today=today)


def role_asking(*, today: bool = True) -> Asking:
    own, unique = session_arn(ACCOUNT, "app", "s1"), "AROAAPP" if today else "AROAAGAIN"
    names = {own: DIRECT, f"{unique}:s1": DIRECT, role_arn(): ROLE, unique: ROLE, root_arn(ACCOUNT): DELEGATED}
    return person("role/app", "role", ACCOUNT, names, own, today=today)


def root_asking(account: str) -> Asking:
    own = root_arn(account)
    return person("root", "root", account, {own: DIRECT}, own)


def bounded(asking: Asking) -> Asking:
    caller = asking.caller
    names = {**caller.names, BOUNDED: 0}
    limited = Caller(caller.account, caller.principal, names, "AIDAX", needs_policies=True, context=caller.context)
    return replace(asking, caller=limited, bounded=True)


EVERYBODY = [
    *(root_asking(each) for each in (ACCOUNT, OTHER, THIRD)),
    *(user_asking(name, today=today) for name in ("alice", "bob") for today in (True, False)),
    *(user_asking(name) for name in ("carol", "nobody")),
    *(user_asking("eve", account) for account in (OTHER, THIRD)),
    *(role_asking(today=today) for today in (True, False)),
]
EVERYBODY += [bounded(each) for each in EVERYBODY if each.kind != "root"]


# -- the policies ------------------------------------------------------------------------------------------------------


def policies(chance: random.Random) -> tuple[str, str]:
    """Two policies that have some statements in common."""
    drawn = [_statement(chance) for _ in range(4)]
    sides = [[delegating(), *(each for each in drawn if chance.random() < 0.5)] for _ in range(2)]
    return policy(*sides[0]), policy(*sides[1])


def _statement(chance: random.Random) -> dict[str, Any]:
    whom = chance.sample([user_arn("alice"), user_arn("bob"), role_arn(), root_arn(OTHER), root_arn(ACCOUNT)], 2)
    made = statement() if chance.random() < 0.3 else named(*whom)
    made |= {"Action": chance.sample(ACTIONS, chance.randint(1, 3)), "Condition": chance.choice(CONDITIONS)}
    if chance.random() < 0.2:
        made["Effect"] = "Deny"
        if chance.random() < 0.4:
            made["NotPrincipal"] = {"AWS": [user_arn("alice"), root_arn(ACCOUNT)]}
            del made["Principal"]
    return made


# -- a reader of the sentences -------------------------------------------------------------------------------------------

VERB = re.compile(
    r" (now may only|now may|no longer may by this policy alone|no longer may|(?:is|are) no longer refused|(?:is|are) now refused) "
)
NOTES = sorted({note for _, note in VERBS.values()} | set(TOGETHER.values()), key=len, reverse=True)
PRINCIPAL = r"(?:\d{12}:)?(?:user|role)/[\w/.-]+"
WHO = re.compile(
    rf"(?P<anyone>anyone of any other account)|(?P<whole>account \d{{12}})|(?P<own>the account's root)"
    r"|the root of (?P<root>any other account|account \d{12})"
    r"|every(?: other)? (?P<kinds>\w+(?: and (?!role/|user/)(?:the )?\w+)*) of (?P<of>any other account|account \d{12})"
    rf"|(?P<service>every other service)|(?P<like>whoever is like (?:{PRINCIPAL}|(?:a user|a role|the root) of account \d{{12}}))|(?P<name>{PRINCIPAL})"
    r"|(?P<left>(?:users|roles|the root)(?:(?:, | and )(?:users|roles|the root))* of account \d{12})"
)
NO_BOUNDARY, BOUNDARY = " (with no permissions boundary)", " (with a permissions boundary)"


@dataclass
class Sentence:
    items: list[Item]
    verb: str
    actions: list[str]
    condition: str
    note: str


@dataclass
class Item:
    found: re.Match[str]
    bounded: bool | None = None
    again: bool = False
    but: list[Item] | None = None
    only_again: list[str] | None = None

    def names(self, name: str) -> str | Any:
        return self.found.group(name)


def read(text: str) -> Sentence:
    who, verb, rest = VERB.split(text, maxsplit=1)
    note = next((each for each in NOTES if each and rest.endswith(f" ({each})")), "")
    rest = rest.removesuffix(f" ({note})") if note else rest
    actions, _, condition = rest.partition(" if ")
    return Sentence(list(items(who)), re.sub("^is ", "are ", verb), actions.split(", "), condition, note)


def items(text: str) -> Iterator[Item]:
    at = 0
    while at < len(text):
        found = WHO.match(text, at)
        assert found, (text, text[at:])
        item, at = Item(found), found.end()
        while True:
            if text.startswith(NO_BOUNDARY, at):
                item.bounded, at = False, at + len(NO_BOUNDARY)
            elif text.startswith(BOUNDARY, at):
                item.bounded, at = True, at + len(BOUNDARY)
            elif text.startswith(" (", at):
                end = closing(text, at + 1)
                inside(item, text[at + 2 : end])
                at = end + 1
            else:
                break
        yield item
        joint = re.compile(r", | and |$").match(text, at)
        assert joint, (text, text[at:])
        at = joint.end()


def inside(item: Item, text: str) -> None:
    for part in split(text, "; "):
        if part == "if it is made again":
            item.again = True
        elif part.startswith("but not "):
            item.but = list(items(part.removeprefix("but not ")))
        elif found := re.fullmatch(r"(.*) only if (?:it is|they are) made again", part):
            item.only_again = re.split(r", | and ", found[1])
        else:
            assert item.names("like"), part  # what an example covers


def closing(text: str, at: int) -> int:
    depth, quoted = 0, False
    for place in range(at, len(text)):
        if text[place] == '"':
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(text[place], 0)
            if depth == 0:
                return place
    raise AssertionError(text)


def split(text: str, joint: str) -> list[str]:
    """Split the text where it has no brackets and no quotes."""
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "(":
            at = closing(text, at)
        elif text[at] == '"':
            at = text.index('"', at + 1)
        elif text.startswith(joint, at):
            parts.append(text[start:at])
            start, at = at + len(joint), at + len(joint) - 1
        at += 1
    return [*parts, text[start:]]


CLAIMED, PERHAPS, NOT = 2, 1, 0


def means(sentence: Sentence, asking: Asking) -> int:
    return max((of_item(each, asking) for each in sentence.items), default=NOT)


def of_item(item: Item, asking: Asking) -> int:
    if item.bounded is not None and item.bounded is not asking.bounded:
        return NOT
    if any(of_item(each, asking) for each in item.but or ()):
        return NOT
    if item.only_again and asking.name in item.only_again and asking.today:
        return NOT
    if item.names("name"):
        if item.names("name") != asking.name:
            return NOT
        if item.again:
            return NOT if asking.today else CLAIMED
        return CLAIMED if asking.today else PERHAPS
    if item.names("like"):
        return PERHAPS
    if item.names("own"):
        return CLAIMED if (asking.kind, asking.account) == ("root", ACCOUNT) else NOT
    where = item.names("of") or item.names("root") or item.names("whole") or item.names("left") or "any other account"
    if item.names("service"):
        return NOT
    there = asking.account != ACCOUNT if where == "any other account" else where.endswith(asking.account)
    kinds = item.names("kinds") or item.names("left") or ("root" if item.names("root") else "root user role")
    # A name in the policy means today's principal. "Every other" may or may not include one made again under the name.
    sure = CLAIMED if asking.today else PERHAPS
    return sure if there and asking.kind in kinds else NOT


def holds(text: str, context: dict[str, str]) -> bool:
    if not text:
        return True
    parts = split(text, " and ")
    if len(parts) > 1:
        return all(holds(each, context) for each in parts)
    if text.startswith("not (") and closing(text, len("not ")) == len(text) - 1:
        return not holds(text[len("not (") : -1], context)
    if text.startswith("(") and closing(text, 0) == len(text) - 1:
        return holds(text[1:-1], context)
    either: list[str] = []
    for part in split(text, " or "):
        if not either or part.startswith(("(", "not (")) or re.match(r"\S+ is ", part):
            either.append(part)
        else:
            either[-1] += f" or {part}"
    if len(either) > 1:
        return any(holds(each, context) for each in either)
    return one_holds(text, context)


def one_holds(text: str, context: dict[str, str]) -> bool:
    optional, fold = " (where there is one)", " (in capitals or not)"
    key, _, rest = text.removesuffix(optional).removesuffix(fold).partition(" is ")
    mine = context.get(f"kms:{key}")
    if rest in ("there", "absent"):
        return (mine is not None) is (rest == "there")
    negated, rest = rest.startswith("not "), rest.removeprefix("not ")
    if mine is None:
        return negated or text.endswith(optional)
    like, rest = rest.startswith("like "), rest.removeprefix("like ")
    values = [each.strip('"') for each in split(rest, " or ")]
    if fold in text:
        mine, values = mine.lower(), [each.lower() for each in values]
    found = any(fnmatchcase(mine, each) if like else mine == each for each in values)
    return found is not negated


# -- what it says is so, and what is so it says ----------------------------------------------------------------------------


def is_true(sentence: Sentence, before: int, after: int) -> bool:
    match sentence.verb:
        case "now may":
            if after <= SILENT or before >= after:
                return False
            depends = "depends on their IAM" in sentence.note or "as their own IAM" in sentence.note
            return after > DELEGATED or depends
        case "now may only":
            return (before, after) == (DIRECT, ROLE)
        case "no longer may by this policy alone":
            return after == DELEGATED and before > DELEGATED
        case "no longer may":
            return before > SILENT >= after
        case "are now refused":
            return after == DENIES
        case "are no longer refused":
            return before == DENIES
    raise AssertionError(sentence.verb)


SOAK = counts.are_full()


@settings(max_examples=2500 if SOAK else 150)
@given(st.randoms(use_true_random=False))
def test_changes_agrees_with_the_evaluator(chance: random.Random) -> None:
    texts = policies(chance)
    found = compare(Space(tuple(Side(each, IDS) for each in texts), ACCOUNT, ACTIONS, arn()))
    row = {"kind": "key policy", "gained": found["allowed"], "lost": found["denied"]}
    said = [(each, read(each)) for name in ("gained", "lost") for each in sentences(row, name, ACCOUNT)]
    compiled = [compile_key_policy(each, arn(), 1, IDS) for each in texts]
    for asking in EVERYBODY:
        for action in ACTIONS:
            name = action.removeprefix("kms:")
            for pairs in CONTEXTS if name in CARRYING else [{}]:
                context = {**asking.caller.context, **{key.lower(): (its,) for key, its in pairs.items()}}
                before, after = (answer_of(each, asking.caller, action, context) for each in compiled)
                about = [
                    (text, sentence, sure)
                    for text, sentence in said
                    if name in sentence.actions
                    and (sure := means(sentence, asking))
                    and holds(sentence.condition, pairs)
                ]
                case = (
                    json.loads(texts[0]),
                    json.loads(texts[1]),
                    asking.name,
                    asking.today,
                    asking.bounded,
                    action,
                    pairs,
                )
                for text, sentence, sure in about:
                    assert sure == PERHAPS or is_true(sentence, before, after), (text, before, after, *case)
                told = max(before, SILENT) != max(after, SILENT)
                assert about or not told or found["unknown"], (
                    "kept quiet",
                    [each for each, _ in said],
                    before,
                    after,
                    *case,
                )
