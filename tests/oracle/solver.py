"""Two key policies as a formula: is there a request that the first answers more favourably than the second?

Written from the documents, sharing no code with domain/policy_analysis. A request is made of strings, numbers and sets
of at most `SLOTS` values, and cvc5 searches for one. Policies are given as JSON without policy variables.
"""

from __future__ import annotations

import fnmatch
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_network
from typing import Any

from cvc5 import pythonic as z

SLOTS = 3
"""Values of one condition key. At most as many can matter as there are tests of the key."""
MANY = ("kms:encryptioncontext:", "aws:requesttag/", "aws:resourcetag/")
MANY_NAMED = {"kms:encryptioncontextkeys", "aws:tagkeys", "aws:calledvia", "kms:grantoperations", "kms:resourcealiases"}
EMPTY = ("aws:principaltag/", "aws:requesttag/", "aws:resourcetag/", "kms:encryptioncontext")
"""Only tags and encryption contexts can have empty values."""
NAMES_OF = {"kms:encryptioncontext:": "kms:encryptioncontextkeys", "aws:requesttag/": "aws:tagkeys"}
OF_CALLER = {"aws:principalarn", "aws:principalaccount", "kms:calleraccount", "aws:username"}
ROOT, USER, ROLE, SERVICE = range(4)
WITH_PAIRS = {
    "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext", "kms:CreateGrant", "kms:ReEncryptFrom", "kms:ReEncryptTo",
}  # fmt: skip
CARRIERS = {
    "kms:encryptioncontextkeys": WITH_PAIRS,
    "kms:rotationperiodindays": {"kms:EnableKeyRotation"},
    "aws:tagkeys": {"kms:CreateKey", "kms:TagResource", "kms:UntagResource"},
}


def any_sign() -> Any:
    return z.AllChar()


def _one(character: str, fold: bool) -> Any:
    if fold and character.lower() != character.upper():
        return z.Union(z.Re(character.lower()), z.Re(character.upper()))
    return z.Re(character)


def _concat(parts: list[Any]) -> Any:
    if not parts:
        return z.Re("")
    return parts[0] if len(parts) == 1 else z.Concat(*parts)


def glob(pattern: str, fold: bool = False, wild: bool = True, within: bool = False) -> Any:
    sign = z.Intersect(any_sign(), z.Complement(z.Re(":"))) if within else any_sign()
    parts = []
    for each in pattern:
        if wild and each == "*":
            parts.append(z.Star(sign))
        elif wild and each == "?":
            parts.append(sign)
        else:
            parts.append(_one(each, fold))
    return _concat(parts)


def arn_like(pattern: str) -> Any | None:
    pieces = pattern.split(":", 5)
    if len(pieces) < 6 and not pieces[-1].endswith("*"):
        return None
    parts: list[Any] = []
    for at, piece in enumerate(pieces):
        if at:
            parts.append(z.Re(":"))
        parts.append(glob(piece, within=at < len(pieces) - 1))
    return _concat(parts)


MAPPED = 0xFFFF << 32
"""The first IPv6 address that is an IPv4 address (RFC 4291)."""


def _mapped(value: Any) -> Any:
    return z.And(value >= MAPPED, value < MAPPED + 2**32)


class Key:
    """A condition key's values: `there[i]` says whether slot i has one."""

    def __init__(self, name: str, family: str) -> None:
        folded = name.lower()
        self.name, self.family = folded, family
        count = SLOTS if folded in MANY_NAMED or folded.startswith(MANY) else 1
        self.there = [z.Bool(f"{folded} there {at}") for at in range(count)]
        make = {"words": z.String, "numbers": z.Real, "dates": z.Real, "addresses": z.Int}[family]
        self.values = [make(f"{folded} {at}") for at in range(count)]
        self.readable = [z.Bool(f"{folded} readable {at}") for at in range(count)]
        self.fours = [z.Bool(f"{folded} four {at}") for at in range(count)]
        self.empty = [z.Bool(f"{folded} empty {at}") for at in range(count)]

    def given(self) -> Any:
        return z.Or(*self.there)

    def null(self) -> Any:
        """No value, or only empty ones."""
        return z.And(*(z.Implies(there, empty) for there, empty in zip(self.there, self.empty, strict=True)))

    def rules(self) -> list[Any]:
        result = []
        for value, readable, empty in zip(self.values, self.readable, self.empty, strict=True):
            if not self.name.startswith(EMPTY):
                result.append(z.Not(empty))
                continue
            of_words = self.family == "words"
            result.append(empty == (value == z.StringVal("")) if of_words else z.Implies(empty, z.Not(readable)))
        if self.family == "addresses":
            for value, four in zip(self.values, self.fours, strict=True):
                result.append(
                    z.And(value >= 0, z.If(four, value < 2**32, z.And(value < 2**128, z.Not(_mapped(value)))))
                )
        return result

    def matches(self, at: int, operator: str, wanted: list[str]) -> Any:
        value = self.values[at]
        found = []
        for each in wanted:
            if operator.startswith("String"):
                if operator.endswith("Like"):
                    found.append(z.InRe(value, glob(each)))
                elif operator.endswith("IgnoreCase"):
                    found.append(z.InRe(value, glob(each, fold=True, wild=False)))
                else:
                    found.append(value == z.StringVal(each))
            elif operator.startswith("Arn"):
                expression = arn_like(each)
                found.append(z.BoolVal(False) if expression is None else z.InRe(value, expression))
            elif operator == "Bool":
                found.append(z.InRe(value, glob(each, fold=True, wild=False)))
            elif operator.endswith("IpAddress"):
                network = ip_network(each, strict=False)
                low, high = int(network.network_address), int(network.broadcast_address)
                four = network.version == 4
                if not four and low >= MAPPED and high < MAPPED + 2**32:
                    four, low, high = True, low - MAPPED, high - MAPPED
                of_kind = self.fours[at] if four else z.Not(self.fours[at])
                found.append(z.And(self.readable[at], of_kind, value >= low, value <= high))
            else:
                bound = z.RealVal(str(_number(each) if operator.startswith("Numeric") else _date(each)))
                name = operator.removeprefix("Numeric").removeprefix("Date")
                found.append(z.And(self.readable[at], COMPARE[name](value, bound)))
        return z.Or(*found) if len(found) != 1 else found[0]


COMPARE: dict[str, Any] = {
    "Equals": lambda one, other: one == other,
    "NotEquals": lambda one, other: one == other,
    "LessThan": lambda one, other: one < other,
    "LessThanEquals": lambda one, other: one <= other,
    "GreaterThan": lambda one, other: one > other,
    "GreaterThanEquals": lambda one, other: one >= other,
}
INVERTED = {"StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike", "NumericNotEquals", "DateNotEquals",
            "NotIpAddress", "ArnNotEquals", "ArnNotLike"}  # fmt: skip


def _number(text: str) -> Fraction:
    return Fraction(Decimal(text))


def _date(text: str) -> Fraction:
    if text.isdigit() and len(text) > 4:
        return Fraction(int(text) * 1_000_000)
    moment = datetime.fromisoformat({4: f"{text}-01-01", 7: f"{text}-01"}.get(len(text), text))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Fraction(int(moment.timestamp()) * 1_000_000)


def _family(operator: str) -> str:
    if operator.startswith("Numeric"):
        return "numbers"
    if operator.startswith("Date"):
        return "dates"
    return "addresses" if operator.endswith("IpAddress") else "words"


class Mixed(Exception):
    """Tests of two families on one key, which are not asked here."""


class Formula:
    def __init__(self, texts: list[str], account: str, key: str, actions: list[str]) -> None:
        self.documents = [json.loads(text) for text in texts]
        self.account, self.key, self.actions = account, key, actions
        self.kind = z.Int("kind")
        self.owner, self.name, self.session = z.String("owner"), z.String("name"), z.String("session")
        self.service = z.String("service")
        self.action = z.Int("action")
        prefix = z.Concat(z.StringVal("arn:aws:iam::"), self.owner)
        self.role = self.kind == ROLE
        self.bounded = z.Bool("bounded")
        self.arn = z.If(
            self.kind == ROOT,
            z.Concat(prefix, z.StringVal(":root")),
            z.Concat(z.Concat(prefix, z.If(self.role, z.StringVal(":role/"), z.StringVal(":user/"))), self.name),
        )
        self.keys: dict[str, Key] = {}

    def rules(self) -> list[Any]:
        """The rules that every request obeys."""
        name = z.Plus(z.Intersect(any_sign(), z.Complement(z.Union(z.Re(":"), z.Re("/")))))
        result = [
            self.kind >= ROOT,
            self.kind <= SERVICE,
            self.action >= 0,
            self.action < len(self.actions),
            z.InRe(self.owner, _concat([z.Range("0", "9")] * 12)),
            z.InRe(self.name, name),
            z.InRe(self.session, name),
        ]
        for key in self.keys.values():
            result += key.rules()
            carriers = WITH_PAIRS if key.name.startswith("kms:encryptioncontext:") else CARRIERS.get(key.name)
            if carriers is not None:
                among = [self.action == at for at, each in enumerate(self.actions) if each in carriers]
                result.append(z.Implies(key.given(), z.Or(*among) if among else z.BoolVal(False)))
            for prefix, names in NAMES_OF.items():
                if key.name.startswith(prefix) and names in self.keys:
                    held, word = self.keys[names], key.name.removeprefix(prefix)
                    named = [
                        z.And(there, held.matches(at, "StringEqualsIgnoreCase", [word]))
                        for at, there in enumerate(held.there)
                    ]
                    result.append(key.given() == z.Or(*named))
        return result

    def condition(self, statement: dict[str, Any]) -> Any:
        tests = [
            self._test(operator, key, values)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        ]
        return z.And(*tests) if len(tests) > 1 else tests[0] if tests else z.BoolVal(True)

    def _test(self, operator: str, name: str, values: Any) -> Any:
        wanted = [str(each) for each in (values if isinstance(values, list) else [values])]
        each, _, base = operator.rpartition(":")
        exists = base.endswith("IfExists")
        base = base.removesuffix("IfExists")
        folded = name.lower()
        if folded in OF_CALLER:
            return self._of_caller(folded, each, base, exists, wanted)
        key = self._key(folded, base)
        if base == "Null":
            return z.Or(*(key.null() if value == "true" else z.Not(key.null()) for value in wanted))
        inverted = base in INVERTED
        matched = [z.And(there, key.matches(at, base, wanted)) for at, there in enumerate(key.there)]
        passing = [
            z.Not(key.matches(at, base, wanted)) if inverted else key.matches(at, base, wanted)
            for at in range(len(key.there))
        ]
        if each == "ForAllValues":
            met = z.And(*(z.Implies(there, holds) for there, holds in zip(key.there, passing, strict=True)))
            return z.Or(key.null(), met)
        if each == "ForAnyValue":
            some = z.Or(*(z.And(there, holds) for there, holds in zip(key.there, passing, strict=True)))
            some = z.And(z.Not(key.null()), some)
            return z.Or(some, z.Not(key.given())) if exists else some
        met = z.Or(*matched)
        met = z.Not(met) if inverted else met
        if exists or inverted:
            return z.Or(z.Not(key.given()), met)
        return z.And(key.given(), met)

    def _of_caller(self, name: str, each: str, base: str, exists: bool, wanted: list[str]) -> Any:
        """Keys that follow from the caller: single values, absent for services (user names are absent for all but
        users)."""
        made = Key(name, "words")
        if name == "aws:principalarn":
            made.values, there = [self.arn], self.kind != SERVICE
        elif name == "aws:username":
            made.values, there = [self.name], self.kind == USER
        else:
            made.values, there = [self.owner], self.kind != SERVICE
        if base == "Null":
            return z.Or(*(z.Not(there) if value == "true" else there for value in wanted))
        met = made.matches(0, base, wanted)
        met = z.Not(met) if base in INVERTED else met
        if each == "ForAllValues":
            return z.Implies(there, met)
        if exists or (base in INVERTED and not each):
            return z.Or(z.Not(there), met)
        return z.And(there, met)

    def _key(self, name: str, base: str) -> Key:
        family = "" if base == "Null" else _family(base)
        found = self.keys.get(name)
        if found is None:
            found = self.keys[name] = Key(name, family or self._elsewhere(name))
        elif family and found.family != family:
            raise Mixed(name)
        return found

    def _elsewhere(self, name: str) -> str:
        """The family of the key's other tests."""
        for document in self.documents:
            for statement in document["Statement"]:
                for operator, keys in statement.get("Condition", {}).items():
                    base = operator.rpartition(":")[2].removesuffix("IfExists")
                    if base != "Null" and any(key.lower() == name for key in keys):
                        return _family(base)
        return "words"

    def who(self, statement: dict[str, Any]) -> Any:
        """How the statement names the caller: 3 by its own name, 2 by its role's, 1 by its account's, 0 not."""
        element: Any = statement.get("Principal", statement.get("NotPrincipal"))
        names = [element] if isinstance(element, str) else element["AWS"]
        names = [names] if isinstance(names, str) else names
        anyone = "*" in names
        levels: dict[str, list[Any]] = {"root": [], "user": [], "role": [], "session": []}
        for name in names:
            if name == "*":
                continue
            owner = name if ":" not in name else name.split(":")[4]
            kind, _, rest = ("root", "", "") if ":" not in name else name.split(":", 5)[5].partition("/")
            mine = self.owner == z.StringVal(owner)
            if kind == "root":
                levels["root"].append(mine)
            elif kind in ("user", "role"):
                levels[kind].append(z.And(mine, self.name == z.StringVal(rest)))
            else:
                role, _, session = rest.partition("/")
                levels["session"].append(
                    z.And(mine, self.name == z.StringVal(role), self.session == z.StringVal(session))
                )
        root, user, role, session = (z.Or(*levels[each]) if levels[each] else z.BoolVal(False) for each in levels)
        is_root, is_user, is_role = self.kind == ROOT, self.kind == USER, self.kind == ROLE
        if "Principal" in statement:
            if anyone:
                return z.IntVal(3)
            return z.If(
                z.Or(z.And(is_root, root), z.And(is_user, user), z.And(is_role, session)),
                z.IntVal(3),
                z.If(
                    z.And(is_role, role),
                    z.IntVal(2),
                    z.If(z.And(z.Or(is_user, is_role), root), z.IntVal(1), z.IntVal(0)),
                ),
            )
        if anyone:
            return z.IntVal(0)
        if statement["Effect"] == "Deny":
            # A principal with a permissions boundary is always denied.
            free = z.Not(self.bounded)
            spared = z.Or(
                z.And(is_root, root), z.And(free, is_user, root, user), z.And(free, is_role, root, role, session)
            )
        else:
            spared = z.Or(
                z.And(is_root, root),
                z.And(is_user, z.Or(root, user)),
                z.And(is_role, z.Or(root, role, session)),
            )
        return z.If(spared, z.IntVal(0), z.IntVal(3))

    def acts(self, statement: dict[str, Any]) -> Any:

        element = "Action" if "Action" in statement else "NotAction" if "NotAction" in statement else ""
        if not element or not ("Resource" in statement or "NotResource" in statement):
            return z.BoolVal(False)
        wanted = statement[element]
        wanted = [wanted] if isinstance(wanted, str) else wanted
        covered = [
            any(fnmatch.fnmatchcase(action.lower(), each.lower()) for each in wanted) is (element == "Action")
            for action in self.actions
        ]
        return (
            z.Or(*(self.action == at for at, holds in enumerate(covered) if holds))
            if any(covered)
            else z.BoolVal(False)
        )

    def here(self, statement: dict[str, Any]) -> bool:

        element = "Resource" if "Resource" in statement else "NotResource"
        wanted = statement.get(element, [])
        wanted = [wanted] if isinstance(wanted, str) else wanted

        def covers(pattern: str) -> bool:
            if pattern == "*":
                return True
            pieces = pattern.split(":", 5)
            if len(pieces) < 6 and not pieces[-1].endswith("*"):
                return False
            given = self.key.split(":", len(pieces) - 1)
            return len(given) == len(pieces) and all(
                re.fullmatch(re.escape(one).replace(r"\*", ".*").replace(r"\?", "."), other)
                for one, other in zip(pieces, given, strict=True)
            )

        return any(covers(each) for each in wanted) is (element == "Resource")

    def answer(self, document: dict[str, Any]) -> Any:
        """-1 denied, 0 nothing said, 1 left to identity policies, 2 within limits, 3 allowed."""
        denied, level = [z.BoolVal(False)], z.IntVal(0)
        at_home = z.Or(self.kind == SERVICE, self.owner == z.StringVal(self.account))
        for statement in document["Statement"]:
            if not self.here(statement):
                continue
            how = self.who(statement)
            applies = z.And(self.acts(statement), self.condition(statement))
            if statement["Effect"] == "Deny":
                denied.append(z.And(applies, how > 0))
            else:
                means = z.If(z.Or(at_home, how == 0), how, z.If(self.kind == ROOT, z.IntVal(3), z.IntVal(1)))
                mine = z.If(applies, means, z.IntVal(0))
                level = z.If(mine > level, mine, level)
        return z.If(z.Or(*denied), z.IntVal(-1), level)


def can_rise(old: str, new: str, account: str, key: str, actions: list[str], grantable: set[str]) -> bool | None:
    """Whether there is a request that `new` answers more favourably than `old`; None if the solver does not know.
    "Denied" and "not allowed" differ only if a grant could make the difference."""
    formula = Formula([old, new], account, key, actions)
    one, other = (formula.answer(document) for document in formula.documents)
    by_grant = z.Or(*(formula.action == at for at, each in enumerate(actions) if each in grantable))
    solver = z.Solver()
    solver.setOption("tlimit-per", 20_000)
    solver.add(*formula.rules(), other > one, z.Or(other > 0, by_grant))
    answer = solver.check()
    return None if answer == z.unknown else answer == z.sat
