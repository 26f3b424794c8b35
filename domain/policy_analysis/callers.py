"""Who could call: one caller for every way in which two policies can tell callers apart.

A caller is an account's root, a user, some session of a role, a service, or a user of an identity provider. With a caller
go the names by which a Principal element can mean it, and the condition keys that follow from its identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from domain.arn import ACCOUNT_ID, parse_arn, root_arn, session_arn
from domain.authorization.caller import Caller
from domain.policy.compile import BOUNDED, DELEGATED, DIRECT, ROLE
from domain.policy.conditions import NULL, Test, operator
from domain.policy.parse import UNIQUE_ID, Principals
from domain.policy.variables import Context
from domain.policy_analysis import words
from domain.policy_analysis.budget import spend
from domain.policy_analysis.outcomes import RECREATED
from domain.policy_analysis.values import patterns_of
from domain.policy_analysis.words import Element, Pattern

ARN, ACCOUNTS, NAME = "aws:principalarn", ("aws:principalaccount", "kms:calleraccount"), "aws:username"
FOLLOWING = frozenset(
    {ARN, *ACCOUNTS, NAME, "aws:principaltype", "aws:principalisawsservice", "aws:principalservicename"}
)
"""Condition keys whose values follow from the caller."""
SOMEBODY, SOME_SESSION = "somebody-else", "some-session"
STRANGERS = range(999_999_999_999, 0, -1)
"""Candidates for the account that represents every account that no policy names; the first one that is not named is used."""
SERVICE, FEDERATED, CANONICAL = "Service:", "Federated:", "CanonicalUser:"

_DIGITS: Pattern = (words.DIGIT,) * 12
_IAM = words.literal("arn:aws:iam::")
_WITHIN = Element(frozenset(":"), other=True, many=True)
_NAME: Pattern = (_WITHIN, Element(frozenset(":/"), other=True))
"""A name with its path; a name is never empty."""


@dataclass(frozen=True, slots=True)
class Someone:
    """A caller as an example, and in words. `kind` is root, user, role, service or federated; `arn` is the principal
    itself, "" for a caller that represents others of its kind; `of` is its account, "" for accounts that no policy names.
    `example`: no policy names this caller; it represents all who match the same patterns of conditions."""

    kind: str
    of: str
    arn: str
    principal: str
    account: str
    names: Mapping[str, int]
    context: Context
    unique: str = ""
    example: bool = False
    of_examples: bool = False
    """Whether its account is an example, too: one of the accounts that match the patterns."""

    @property
    def needs_policies(self) -> bool:
        return self.kind not in ("root", "service")

    def caller(self) -> Caller:
        return Caller(
            self.account,
            self.principal,
            self.names,
            self.unique or "AIDAEXAMPLE",
            needs_policies=self.needs_policies,
            context=dict(self.context),
        )

    def document(self) -> dict[str, str]:
        result = (
            {"kind": self.kind, "account": self.of or "any other"} if self.kind != "service" else {"kind": self.kind}
        )
        if self.arn:
            result["principal"] = self.arn
        if self.unique:
            result["id"] = self.unique
        if BOUNDED in self.names:
            result["with"] = "a permissions boundary"
        return result


@dataclass(slots=True)
class Named:
    """What policies name: accounts, and within them users, roles and role sessions; also services and the rest."""

    accounts: dict[str, None] = field(default_factory=dict)
    users: dict[str, None] = field(default_factory=dict)
    roles: dict[str, None] = field(default_factory=dict)
    sessions: dict[str, None] = field(default_factory=dict)
    federated: dict[str, None] = field(default_factory=dict)
    others: dict[str, None] = field(default_factory=dict)
    uniques: dict[str, None] = field(default_factory=dict)
    examples: set[str] = field(default_factory=set)
    """The ARNs, accounts and services among these that no policy names: words of patterns."""

    def add(self, name: str) -> None:
        """Adds a name from a Principal element, or an ARN that a condition compares with."""
        if name.startswith((SERVICE, FEDERATED, CANONICAL)):
            self.others[name] = None
            return
        if UNIQUE_ID.fullmatch(name):
            self.uniques[name] = None
            return
        arn = parse_arn(name)
        if arn is None or not ACCOUNT_ID.fullmatch(arn.account):
            return
        self.accounts[arn.account] = None
        kind, _, rest = arn.resource.partition("/")
        own = rest.rpartition("/")[2] and ":" not in rest
        if kind == "user" and own:
            self.users[name] = None
        elif kind == "role" and own:
            self.roles[name] = None
        elif kind == "assumed-role" and "/" in rest:
            self.sessions[name] = None
        elif kind == "federated-user" and rest:
            self.federated[name] = None


def someones(
    principals: Iterable[Principals],
    tests: Sequence[tuple[Test, str]],
    ids: Iterable[tuple[str, str]],
    account: str,
    more: Iterable[str] = (),
    *,
    bounded: bool = False,
) -> list[Someone]:
    """`account` is the key's own; `tests` are those of keys that follow from the caller; `ids` are the unique ids that
    principals' ARNs meant; `more` are further principals to tell apart. `bounded`: also tells apart callers with a
    permissions boundary, which a Deny with NotPrincipal never spares. Raises Unmodelled, TooMany."""
    named = Named(accounts={account: None})
    for each in principals:
        for name in sorted(each.names):
            named.add(name)
    for name in more:
        named.add(name)
    meant: dict[str, dict[str, None]] = {}
    for arn, unique in ids:
        named.add(arn)
        meant.setdefault(arn, {})[unique] = None
        named.uniques.pop(unique, None)
    names = _from_tests(named, tests)
    named.accounts |= dict.fromkeys(_accounts_in_patterns(tests))
    stranger = next(text for each in STRANGERS if (text := f"{each:012}") not in named.accounts)
    named.accounts.setdefault(stranger)
    for owner in named.accounts:
        spend(len(names))
        for name in names:
            named.users.setdefault(f"arn:aws:iam::{owner}:user/{name}")
    if any(not _is_plain(test) for test, _ in tests):
        known = {*named.accounts, *named.users, *named.roles, *named.others}
        _from_patterns(named, tests)
        named.examples = {*named.accounts, *named.users, *named.roles, *named.others} - known
    people = [
        replace(each, example=True, of_examples=each.of in named.examples) if _is_example(each, named) else each
        for each in _people(named, meant, stranger)
    ]
    if bounded:
        people += [_within_boundary(each) for each in people if each.kind in ("user", "role")]
    return [*people, *_rest(named)]


def _is_example(someone: Someone, named: Named) -> bool:
    """Whether no policy has this name, or the name is valid in any account."""
    return bool(someone.arn and not someone.of) or not named.examples.isdisjoint((someone.of, someone.arn))


def _within_boundary(someone: Someone) -> Someone:
    return replace(someone, names={**someone.names, BOUNDED: 0})


def _is_plain(test: Test) -> bool:
    name = operator(test.operator).name
    if name == NULL or name == "Bool":
        return True
    return "IgnoreCase" not in name and not any(sign in each for each in test.wanted for sign in "*?")


def _from_tests(named: Named, tests: Sequence[tuple[Test, str]]) -> list[str]:
    """Adds what conditions name without wildcards, and returns the user names among it."""
    names = []
    for test, _ in tests:
        key = test.key.lower()
        for text in test.wanted if _is_plain(test) else ():
            if key == ARN:
                named.add(text)
            elif key in ACCOUNTS and ACCOUNT_ID.fullmatch(text):
                named.accounts[text] = None
            elif key == NAME and text and "/" not in text and ":" not in text:
                names.append(text)  # no user has another kind of name
            elif key == "aws:principalservicename":
                named.others[SERVICE + text] = None
    return names


def _accounts_in_patterns(tests: Sequence[tuple[Test, str]]) -> Iterator[str]:
    """The accounts that patterns of ARNs name, wildcards elsewhere."""
    for test, _ in tests:
        for text in test.wanted if test.key.lower() == ARN else ():
            parts = text.split(":", 5)
            if len(parts) == 6 and ACCOUNT_ID.fullmatch(parts[4]):
                yield parts[4]


def _from_patterns(named: Named, tests: Sequence[tuple[Test, str]]) -> None:
    """Adds callers for what conditions say with wildcards: words of the language of ARNs, by kind. Here every test's
    patterns cover the whole ARN: the patterns of an account or a name are extended by the rest of the ARN."""
    groups: list[list[Pattern]] = []
    for test, version in tests:
        key = test.key.lower()
        if operator(test.operator).name == NULL:
            continue
        patterns = patterns_of(test, version)
        if key == ARN:
            groups.append(patterns)
        elif key in ACCOUNTS:
            groups.append([(*_IAM, *each, *words.literal(":"), words.MANY) for each in patterns])
        elif key == NAME:
            around = (*_IAM, *_DIGITS, *words.literal(":user/"))
            groups.append([(*around, *each) for each in patterns])
            groups.append([(*around, words.MANY, *words.literal("/"), *each) for each in patterns])
        elif key == "aws:principalservicename":
            for each in words.samples([patterns]):
                named.others[SERVICE + each] = None
    groups += [[(*_IAM, *words.literal(f"{account}:"), words.MANY)] for account in named.accounts]
    groups += [[words.literal(arn)] for arn in (*named.users, *named.roles)]
    for arn in named.sessions:
        account, role, _ = session_parts(arn)
        head = (*_IAM, *words.literal(f"{account}:role/"))
        groups.append([(*head, *words.literal(role)), (*head, words.MANY, *words.literal(f"/{role}"))])
    for kind in (
        words.literal("root"),
        (*words.literal("user/"), *_NAME),
        (*words.literal("role/"), *_NAME),
    ):
        within = (*_IAM, *_DIGITS, *words.literal(":"), *kind)
        for arn in words.samples(groups, within):
            named.add(arn)


def session_parts(arn: str) -> tuple[str, str, str]:
    """(account, role, session) of a session's ARN."""
    parsed = parse_arn(arn)
    assert parsed is not None, arn
    _, role, *rest = parsed.resource.split("/")
    return parsed.account, role, "/".join(rest)


def _context(arn: str, account: str, kind: str) -> dict[str, tuple[str, ...]]:
    return {
        "aws:principalarn": (arn,),
        "aws:principalaccount": (account,),
        "aws:principaltype": (kind,),
        "aws:principalisawsservice": ("false",),
        "kms:calleraccount": (account,),
    }


def _people(named: Named, meant: Mapping[str, Mapping[str, None]], stranger: str) -> Iterator[Someone]:
    for account in named.accounts:
        root, of = root_arn(account), "" if account == stranger else account
        yield Someone("root", of, root if of else "", root, account, {root: DIRECT}, _context(root, account, "Account"))
        prefix = f"arn:aws:iam::{account}:"
        spend(20 + (len(named.users) + len(named.roles) + len(named.sessions) + len(named.federated)) // 8)
        users = [each for each in named.users if each.startswith(prefix)]
        for arn in (*users, f"{prefix}user/{SOMEBODY}"):
            spend(4)
            for unique in _uniques(arn, meant, named.uniques if arn.endswith(SOMEBODY) else ()):
                names = {arn: DIRECT, root: DELEGATED} | ({unique: DIRECT} if unique else {})
                context = _context(arn, account, "User") | {NAME: (arn.rpartition("/")[2],)}
                yield Someone("user", of, arn if arn in users else "", arn, account, names, context, unique)
        roles = [each for each in named.roles if each.startswith(prefix)]
        of_sessions = [session_parts(each) for each in named.sessions if f"::{account}:" in each]
        known = {each.rpartition("/")[2] for each in roles}
        roles += [
            f"{prefix}role/{role}" for role in dict.fromkeys(role for _, role, _ in of_sessions) if role not in known
        ]
        for arn in (*roles, f"{prefix}role/{SOMEBODY}"):
            role = arn.rpartition("/")[2]
            spend(4 + len(of_sessions) // 8)
            sessions = [session for _, of_role, session in of_sessions if of_role == role]
            of_role_ids = _with_sessions(arn, [session_arn(account, role, each) for each in sessions], meant)
            for unique in _uniques(arn, of_role_ids, named.uniques if arn.endswith(SOMEBODY) else ()):
                for session in (*sessions, SOME_SESSION):
                    own = session_arn(account, role, session)
                    names = {own: DIRECT, arn: ROLE, root: DELEGATED}
                    if unique:
                        names |= {f"{unique}:{session}": DIRECT, unique: ROLE}
                    told = own if session in sessions else arn if arn in roles else ""
                    yield Someone("role", of, told, own, account, names, _context(arn, account, "AssumedRole"), unique)
        for arn in named.federated:
            if f"::{account}:" in arn:
                names = {arn: DIRECT, root: DELEGATED}
                yield Someone("federated", of, arn, arn, account, names, _context(arn, account, "FederatedUser"))


def _with_sessions(
    role: str, sessions: Iterable[str], meant: Mapping[str, Mapping[str, None]]
) -> dict[str, dict[str, None]]:
    """The unique ids that a role's ARN meant, and the role's ids in those that its sessions' ARNs meant (`id:session`)."""
    ids = dict(meant.get(role, {}))
    for each in sessions:
        ids |= {unique.partition(":")[0]: None for unique in meant.get(each, {})}
    return {role: ids}


def _uniques(arn: str, meant: Mapping[str, Mapping[str, None]], also: Iterable[str]) -> Iterator[str]:
    """The unique ids that an ARN may have: those that it had when a policy was put, and one other."""
    known = meant.get(arn, {})
    yield from known
    yield from also
    yield RECREATED if known else ""


def _rest(named: Named) -> Iterator[Someone]:
    for name in (*named.others, f"{SERVICE}{SOMEBODY}.amazonaws.com"):
        kind, _, rest = name.partition(":")
        told = "" if SOMEBODY in rest else rest
        if f"{kind}:" == SERVICE:
            context: Context = {"aws:principalisawsservice": ("true",), "aws:principalservicename": (rest,)}
            yield Someone("service", "", told, rest, "", {name: DIRECT}, context, example=name in named.examples)
        else:
            yield Someone("federated", "", told, rest, "", {name: DIRECT}, {})
