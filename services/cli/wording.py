"""What a change let in and took away, in words for people who do not program; the exact form where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from domain.arn import parse_arn
from domain.keys.states import KEY_ACTIONS
from services.cli.names import key_of, short, statement

Shown = Mapping[str, Any]

FIRST = (
    "Decrypt", "Encrypt", "GenerateDataKey", "Sign", "PutKeyPolicy", "CreateGrant", "ScheduleKeyDeletion", "DisableKey",
)  # fmt: skip
"""What is told first where there is no room for all."""
MOST = 6
"""Operations that a sentence lists; of more it says how many. The exact form has them all."""
WITHIN = "within their boundary and session policy"
ON_IAM = "depends on their IAM policies"
VERBS: dict[tuple[str, str], tuple[str, str]] = {
    # of a key policy (domain/meaning/compare.py has the answers)
    ("not allowed", "allowed"): ("now may", ""),
    ("not allowed", "allowed within boundary and session policy"): ("now may", WITHIN),
    ("not allowed", "left to identity policies"): ("now may", ON_IAM),
    ("left to identity policies", "allowed"): ("now may", "depended on their IAM policies before"),
    ("left to identity policies", "allowed within boundary and session policy"): ("now may", WITHIN),
    ("allowed within boundary and session policy", "allowed"): ("now may", "whatever their boundary says"),
    ("denied", "allowed"): ("now may", "was refused outright"),
    ("denied", "allowed within boundary and session policy"): ("now may", "was refused outright"),
    ("denied", "left to identity policies"): ("now may", f"was refused outright; {ON_IAM}"),
    ("denied", "not allowed"): ("are no longer refused", "a grant may let them in"),
    ("allowed", "not allowed"): ("no longer may", ""),
    ("allowed within boundary and session policy", "not allowed"): ("no longer may", ""),
    ("left to identity policies", "not allowed"): ("no longer may", "whatever their IAM policies say"),
    ("allowed", "left to identity policies"): ("no longer may by this policy alone", ON_IAM),
    ("allowed", "allowed within boundary and session policy"): ("now may only", WITHIN),
    ("allowed within boundary and session policy", "left to identity policies"): (
        "no longer may by this policy alone",
        ON_IAM,
    ),
    ("allowed", "denied"): ("no longer may", "refused outright"),
    ("allowed within boundary and session policy", "denied"): ("no longer may", "refused outright"),
    ("left to identity policies", "denied"): ("no longer may", "refused outright"),
    ("not allowed", "denied"): ("are now refused", "a grant does not let them in either"),
    # of a grant, and of a statement of an identity policy (services/questions/reviewed.py)
    ("not given", "given"): ("now may", ""),
    ("given", "not given"): ("no longer may", ""),
    ("not given", "refused"): ("no longer may", "refused outright"),
    ("refused", "not given"): ("are no longer refused", ""),
}
OPERATORS = {
    "StringEquals": "is", "StringNotEquals": "is not", "StringLike": "is like", "StringNotLike": "is not like",
    "StringEqualsIgnoreCase": "is", "StringNotEqualsIgnoreCase": "is not", "ArnEquals": "is like", "ArnLike": "is like",
    "ArnNotEquals": "is not like", "ArnNotLike": "is not like", "Bool": "is", "IpAddress": "is in",
    "NotIpAddress": "is not in", "DateLessThan": "is before", "DateGreaterThan": "is after", "DateEquals": "is",
    "NumericEquals": "is", "NumericLessThan": "is less than", "NumericGreaterThan": "is more than",
    "NumericLessThanEquals": "is at most", "NumericGreaterThanEquals": "is at least", "NumericNotEquals": "is not",
    "DateNotEquals": "is not", "DateLessThanEquals": "is no later than", "DateGreaterThanEquals": "is no earlier than",
    "BinaryEquals": "is",
}  # fmt: skip
WISHES = {
    "is": "wants", "is like": "wants", "is in": "wants", "is not": "wants anything but",
    "is not like": "wants anything but", "is not in": "wants anything but", "is before": "wants a time before",
    "is after": "wants a time after", "is less than": "wants less than", "is more than": "wants more than",
    "is at most": "wants at most", "is at least": "wants at least", "is no later than": "wants a time no later than",
    "is no earlier than": "wants a time no earlier than",
}  # fmt: skip
"""What a condition wanted that did not hold, by the words of its operator."""


def sentences(row: Shown, name: str, account: str, *, detail: bool = False) -> list[str]:
    """What a change let in (`gained`) or took away (`lost`), a sentence each."""
    of_people = row["kind"] == "identity"
    return [_sentence(each, account, of_people=of_people, detail=detail) for each in row[name]]


def besides(row: Shown, account: str) -> list[str]:
    """What a change did that lets nobody in by itself, and what cannot be told of it."""
    found = []
    if "credential" in row:
        may = "may now sign with" if row["credential"]["may_sign"] else "may no longer sign with"
        found.append(f"{_names(row['about'], account)} {may} access key {row['credential']['access_key']}")
    if "boundary" in row:
        old, new = row["boundary"]["from"], row["boundary"]["to"]
        limit = (
            f"limited to what {short(new, account)} allows" if new else f"no longer limited by {short(old, account)}"
        )
        found.append(f"{_names(row['about'], account)} {'now ' if new else ''}{limit}")
    if "depends" in row:
        found.append(f"may let in or keep out: depends on {row['depends']}")
    if row.get("attached_to_nobody"):
        found.append("nobody has this policy attached")
    found += [f"not known exactly: {each}" for each in row["unknown"]]
    if not (row["gained"] or row["lost"] or found):
        found.append("let nobody in and took nothing away")
    return found


def close_misses(call: Shown, account: str) -> str:
    """Of a refused call: the statement that would have let it in but for one condition, and what that wanted."""
    near = (each["near"] for each in call.get("reasons") or () if "near" in each)
    return "; ".join(f"{statement(each['by'], account)}: {_wish(each['condition'])}" for each in near)


def _wish(condition: Shown) -> str:
    key, wanted = condition["key"].removeprefix("kms:"), " or ".join(map(str, condition["wanted"]))
    of, _, test = condition["operator"].rpartition(":")
    bare = test.removesuffix("IfExists")
    before = {"ForAllValues": "every ", "ForAnyValue": "some "}.get(of, "")
    found = ", ".join(map(str, condition["found"]))
    if bare == "Null":
        return f"{key} is to be {'absent' if wanted == 'true' else 'there'}"
    verb = WISHES.get(OPERATORS.get(bare, ""), f"{bare} wants")
    return f"{before}{key} {verb} {wanted}" + (f" (there is {found})" if found else " (there is none)")


def subject(row: Shown, account: str, *, whole: bool = True) -> str:
    """What was changed: the key by its aliases, with the versions of its policy; or whose policies."""
    keys = [key_of(each, whole=whole) for each in row["keys"]]
    named = [*keys, *(() if keys else (short(each, account) for each in row["about"][:3]))]
    if row.get("alias") and not any(row["alias"] in each["key_aliases"] for each in row["keys"]):
        named.insert(0, row["alias"])
    what = ", ".join(dict.fromkeys(named))
    if "to_version" in row:
        old, new = row["from_version"], row["to_version"]
        versions = f"v{old} → v{new}" if old and new else "made with v1" if new else "deleted"
        return f"{what} policy {versions}"
    return f"{what} {row['kind']}" if row["kind"] != "identity" else what


def _sentence(effect: Shown, account: str, *, of_people: bool, detail: bool) -> str:
    verb, note = VERBS.get((effect["before"], effect["after"]), (f"{effect['before']} → {effect['after']}:", ""))
    who = _people(effect.get("who", effect.get("principals", ())), account)
    if " and " not in who and "," not in who and not who.startswith("every"):
        verb = verb.replace("are ", "is ", 1)
    words = [who, verb, _operations(effect["actions"], whole=detail)]
    if "resources" in effect:
        words.append(_where(effect, account))
    conditions = " and ".join(_conditions(effect))
    if conditions:
        words.append(f"if {conditions}")
    if (
        of_people
        and verb == "now may"
        and not note
        and any(each.startswith(("kms:", "*")) for each in effect["actions"])
    ):
        note = "depends on the key's policy"
    if note:
        words.append(f"({note})")
    if detail:
        words.append(f"[{effect['before']} → {effect['after']}]")
    return " ".join(words)


def _operations(actions: Iterable[str], *, whole: bool) -> str:
    names = set(actions)
    if "*" in names:
        return "everything"
    if names >= set(KEY_ACTIONS) and not whole:
        return "everything with the key"
    bare = {each.removeprefix("kms:") for each in names}
    order = [*(each for each in FIRST if each in bare), *sorted(bare - set(FIRST))]
    if whole or len(order) <= MOST + 1:
        return ", ".join(order)
    return f"{', '.join(order[:MOST])} and {len(order) - MOST} more operations"


def _where(effect: Shown, account: str) -> str:
    resources = effect["resources"]
    if effect.get("all_but"):
        return f"everywhere but on {_names(resources, account)}"
    if resources in (["*"], []):
        return "on every key" if all(each.startswith("kms:") for each in effect["actions"]) else "on everything"
    return f"on {_names(resources, account)}"


def _names(names: Iterable[str], account: str) -> str:
    return ", ".join(short(each, account) for each in names)


def _people(shown: Iterable[Shown], account: str) -> str:
    named: list[str] = []
    kinds: dict[tuple[str, str], set[str]] = {}
    for each in shown:
        if "principal" in each:
            named.append(_person(str(each["principal"]), account) + (f" with {each['with']}" if "with" in each else ""))
        else:
            kinds.setdefault((each.get("account", ""), each.get("with", "")), set()).add(each["kind"])
    for (of, held), some in kinds.items():
        named.append(_kinds(of, some) + (f" with {held}" if held else ""))
    found = list(dict.fromkeys(named))
    return ", ".join(found[:-1]) + (" and " if len(found) > 1 else "") + found[-1] if found else "nobody"


def _person(name: str, account: str) -> str:
    if name == "*":
        return "everyone"
    arn = parse_arn(name)
    if arn is not None and arn.resource == "root":
        return "the account's root" if arn.account == account else f"account {arn.account}"
    return short(name.removeprefix("Service:"), account)


def _kinds(account: str, kinds: set[str]) -> str:
    if kinds == {"service"}:
        return "every other service"
    where = "any other account" if account == "any other" else f"account {account}"
    words = {"user": "user", "role": "role", "root": "root"}
    if kinds == {"root"} and account == "any other":
        return "every other account"
    which = " and ".join(words.get(each, each) for each in sorted(kinds))
    return f"everyone else of {where}" if {"user", "role"} <= kinds else f"every other {which} of {where}"


def _conditions(effect: Shown) -> Iterator[str]:
    for condition in effect.get("conditions", ()):  # of a key policy: cases of a condition key
        yield " or ".join(_case(condition["key"], each) for each in condition["any_of"])
    for operator, keys in effect.get("condition", {}).items():  # of a statement
        for key, values in keys.items():
            yield _test(key, operator, values)
    for name, wanted in (effect.get("constraints") or {}).items():  # of a grant
        if isinstance(wanted, Mapping):
            pairs = ", ".join(f"{key}={value}" for key, value in wanted.items())
            yield f"the encryption context {'is' if name.endswith('Equals') else 'has'} {pairs}"
        else:
            yield f"{name} is {wanted}"


def _case(key: str, case: Shown) -> str:
    words = [_test(key, each["operator"], each["wanted"]) for each in case["holds"]]
    words += [f"not ({_test(key, each['operator'], each['wanted'])})" for each in case["fails"]]
    if "present" in case:
        words.append(f"{key.removeprefix('kms:')} is {'there' if case['present'] else 'absent'}")
    return " and ".join(words) or f"{key.removeprefix('kms:')} is anything else"


def _test(key: str, operator: str, wanted: Iterable[str]) -> str:
    values = " or ".join(map(str, wanted))
    of, _, test = operator.rpartition(":")
    bare = test.removesuffix("IfExists")
    before = {"ForAllValues": "every ", "ForAnyValue": "some "}.get(of, "")
    after = " (where there is one)" if test.endswith("IfExists") else ""
    if bare == "Null":
        return f"{key.removeprefix('kms:')} is {'absent' if values == 'true' else 'there'}"
    if bare not in OPERATORS:
        return f"{key} {operator} {values}"
    return f"{before}{key.removeprefix('kms:')} {OPERATORS[bare]} {values}{after}"


def exact(row: Shown) -> str:
    """What was found, as it was found: for whoever wants to check the words."""
    return json.dumps({name: row[name] for name in ("gained", "lost", "unknown")}, ensure_ascii=True)
