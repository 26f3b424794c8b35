"""Says whom a change is about, in words that include nobody else: exceptions to "every other user" are named."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from domain.arn import parse_arn
from domain.policy_analysis.outcomes import RECREATED
from services.wording.condition_words import ShownPart, test
from services.wording.names import short

ANY_OTHER = "any other"
"""How answers call the accounts that no policy names."""
KINDS = ("user", "role")
ALL_BUT = "everybody but "
"""Comes before a name from NotPrincipal (domain/policy/statement_set.py)."""


def people(shown: Iterable[ShownPart], account: str, twice: frozenset[str] = frozenset()) -> str:
    """A list of principals. `twice`: ARNs that more than one principal had, one after the other; their ids tell them apart."""
    return in_a_row(listed(shown, account, twice)) or "nobody"


def in_a_row(words: list[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else ""


def listed(shown: Iterable[ShownPart], account: str, twice: frozenset[str] = frozenset()) -> list[str]:
    everyone = list(shown)
    kinds: dict[tuple[str, str], list[ShownPart]] = {}
    for each in everyone:
        if not is_one(each):
            kinds.setdefault((each.get("account", ""), each.get("with", "")), []).append(each)
    again = {each["principal"] for each in everyone if each.get("id") == RECREATED}
    covered = {(of, each["kind"]) for (of, held), some in kinds.items() for each in some if not held}
    now = {
        each["principal"]
        for each in everyone
        if each.get("id") not in (None, RECREATED) and "principal" in each and "with" not in each
    }
    named = [
        person(each, account, twice) + but(each.get("but", ()), account, twice)
        for each in everyone
        if is_one(each) and not _goes_without_saying(each, now - twice, covered)
    ]
    for (of, held), some in kinds.items():
        left = [other for each in some for other in each.get("but", ())]
        named.append(_kinds(of, {each["kind"] for each in some}) + _with(held) + but(left, account, twice, again))
    return list(dict.fromkeys(named))


def is_one(each: ShownPart) -> bool:
    """Whether this is one principal, or an example of one, and not all others of a kind."""
    return not {"principal", "id", "meets"}.isdisjoint(each)


def _goes_without_saying(each: ShownPart, now: set[str], covered: set[tuple[str, str]]) -> bool:
    """Whether a principal that may be made again is covered already: by today's principal of the name, or by all of its kind."""
    if each.get("id") != RECREATED or "with" in each:
        return False
    return each["principal"] in now or (each.get("account", ""), each["kind"]) in covered


def person(each: ShownPart, account: str, twice: frozenset[str] = frozenset()) -> str:
    """A principal that a policy names, or an example of those that its conditions mean."""
    name, id = str(each.get("principal", "")), each.get("id")
    if not name and id:
        return f"the {each['kind']} of account {each['account']} whose id was {id}"
    found = _name(name, account) if name else f"a {each['kind']} of account {each['account']}"
    if id == RECREATED:
        found += " (if it is made again)"
    elif id and name in twice:
        found += f" ({id})"
    if "meets" in each:
        met = " and ".join(test(its["key"], its["operator"], its["wanted"]) for its in each["meets"])
        found = f"whoever is like {found}" + (f" ({met})" if met else "")
    return found + _with(each.get("with", ""))


def with_ids(principals: Iterable[ShownPart]) -> frozenset[str]:
    """The ARNs of all principals with an id, to be shown with it."""
    return frozenset(each["principal"] for each in principals if "id" in each and "principal" in each)


def made_twice(effects: Iterable[ShownPart]) -> frozenset[str]:
    """The ARNs that mean more than one principal in the effects of one change, not counting one that is made again."""
    ids: dict[str, set[str]] = {}
    for each in (each for effect in effects for each in effect.get("who", effect.get("principals", ()))):
        for one in (each, *each.get("but", ())):
            if one.get("id") not in (None, RECREATED):
                ids.setdefault(one.get("principal", ""), set()).add(one["id"])
    return frozenset(name for name, some in ids.items() if len(some) > 1)


def _name(name: str, account: str) -> str:
    if name == "*":
        return "everyone"
    if name.startswith(ALL_BUT):
        return f"{ALL_BUT}{_name(name.removeprefix(ALL_BUT), account)}"
    arn = parse_arn(name)
    if arn is not None and arn.resource == "root":
        return "the account's root" if arn.account == account else f"the root of account {arn.account}"
    return short(name.removeprefix("Service:"), account)


def _kinds(account: str, kinds: set[str]) -> str:
    if kinds == {"service"}:
        return "every other service"
    where = "any other account" if account == ANY_OTHER else f"account {account}"
    if kinds == {"root"}:
        return f"the root of {where}"
    which = [each for each in KINDS if each in kinds] + sorted(kinds - {*KINDS, "root"})
    root = " and the root" if "root" in kinds else ""
    return f"{'every' if account == ANY_OTHER else 'every other'} {' and '.join(which)}{root} of {where}"


def but(
    left: Iterable[ShownPart], account: str, twice: frozenset[str] = frozenset(), again: Collection[str] = frozenset()
) -> str:
    """The exceptions from everybody of a kind. `again`: principals that are exceptions now, but not if they are made again."""
    kinds: dict[tuple[str, str], set[str]] = {}
    each_left = list(left)
    for each in each_left:
        if not is_one(each):
            kinds.setdefault((each.get("account", ""), each.get("with", "")), set()).add(each["kind"])
    words = [_everybody(of, held, some) for (of, held), some in kinds.items()]
    only = []
    for each in each_left:
        if not is_one(each) or each["kind"] in kinds.get((each.get("account", ""), ""), ()):
            continue  # mentioned above, with all of its kind
        if each.get("id") not in (None, RECREATED) and each.get("principal") in again:
            only.append(_name(each["principal"], account))
        else:
            words.append(person(each, account, twice))
    words, only = list(dict.fromkeys(words)), list(dict.fromkeys(only))
    parts = [f"but not {in_a_row(words)}"] if words else []
    if only:
        parts.append(f"{in_a_row(only)} only if {'it is' if len(only) == 1 else 'they are'} made again")
    return f" ({'; '.join(parts)})" if parts else ""


def _everybody(account: str, held: str, kinds: set[str]) -> str:
    which = [f"{each}s" for each in (*KINDS, *sorted(kinds - {*KINDS, "root"})) if each in kinds]
    return f"{in_a_row([*which, *(['the root'] if 'root' in kinds else [])])} of account {account}{_with(held)}"


def _with(held: str) -> str:
    return f" (with {held})" if held else ""
