"""Says what a change let in and took away, in words for people who do not program; on request also in the exact form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from domain.keys.states import KEY_ACTIONS
from domain.policy import unseen
from services.wording.condition_words import ShownPart, conditions, test, wish
from services.wording.names import cut, key_of, short, shortened, statement
from services.wording.principal_words import ANY_OTHER, but, in_a_row, is_one, listed, made_twice, people

FIRST = (
    "Decrypt", "Encrypt", "GenerateDataKey", "Sign", "PutKeyPolicy", "CreateGrant", "ScheduleKeyDeletion", "DisableKey",
)  # fmt: skip
"""The operations that come first if there is no room for all."""
MOST = 6
"""How many operations a sentence lists. It only counts the others; the exact form has them all."""
WITHIN = "within their boundary and session policy"
ON_IAM = "depends on their IAM policies"
BUT_FOR_GRANTS = "unless by a grant"
VERBS: dict[tuple[str, str], tuple[str, str]] = {
    # key policies (domain/policy_analysis/compare.py has the answers)
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
    ("allowed", "not allowed"): ("no longer may", BUT_FOR_GRANTS),
    ("allowed within boundary and session policy", "not allowed"): ("no longer may", BUT_FOR_GRANTS),
    ("left to identity policies", "not allowed"): (
        "no longer may",
        f"whatever their IAM policies say, {BUT_FOR_GRANTS}",
    ),
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
    # grants, and statements of identity policies (services/questions/access_changes.py)
    ("not given", "given"): ("now may", ""),
    ("given", "not given"): ("no longer may", ""),
    ("not given", "refused"): ("no longer may", "refused outright"),
    ("refused", "not given"): ("are no longer refused", ""),
    ("outside the boundary", "within the boundary"): (
        "are no longer kept by their boundary from",
        "their policies decide",
    ),
    ("within the boundary", "outside the boundary"): (
        "are now kept by their boundary from",
        "whatever their policies say",
    ),
}
REST = "rest"
"""In an effect on an account's root: the effect on the account's users and roles, for the same sentence."""
NOT_ALLOWED, LEFT, ALLOWED, DENIED = "not allowed", "left to identity policies", "allowed", "denied"
TOGETHER = {
    (NOT_ALLOWED, ALLOWED, NOT_ALLOWED, LEFT): "users and roles as their own IAM policies let them",
    (
        ALLOWED,
        NOT_ALLOWED,
        LEFT,
        NOT_ALLOWED,
    ): f"nor may its users and roles, whatever their IAM policies say, {BUT_FOR_GRANTS}",
    (DENIED, ALLOWED, DENIED, LEFT): "was refused outright; users and roles as their own IAM policies let them",
    (ALLOWED, DENIED, LEFT, DENIED): "refused outright, its users and roles too",
}
"""What one sentence says about a whole account, by the answers for its root and for its users and roles."""
GRANT_ID = 64
ALIKE = "let nobody in and took nothing away"
OF_ITSELF = {
    **dict.fromkeys(("CreateUser", "CreateRole", "CreateGroup"), "created, with no policy of its own"),
    **dict.fromkeys(("UpdateUser", "UpdateGroup"), "renamed or moved, with its policies"),
    **dict.fromkeys(("DeleteUser", "DeleteRole", "DeleteGroup"), "deleted: what policies gave to it, nobody has now"),
}
"""The words for a change that by itself gives and takes nothing, by its operation."""


def sentences(row: ShownPart, name: str, account: str, *, detail: bool = False) -> list[str]:
    """One sentence for each thing that a change let in (`gained`) or took away (`lost`)."""
    twice = made_twice((*row["gained"], *row["lost"]))
    return [_sentence(each, account, twice, kind=row["kind"], detail=detail) for each in _ordered(row[name])]


def besides(row: ShownPart, account: str) -> list[str]:
    """What else a change did that lets nobody in by itself, and what is not known of it."""
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
    unclear = dict.fromkeys(_unclear(each, account) for each in row.get("unclear", ()))
    found += unclear or [f"not known exactly: {shortened(each, account)}" for each in row["unknown"]]
    if not (row["gained"] or row["lost"] or found):
        did = str(row.get("change", {}).get("operation") or "")
        found.append(OF_ITSELF.get(did, ALIKE))
    return found


def close_misses(call: ShownPart, account: str) -> str:
    """For a refused call: the statement that would have let it in except for one condition, and what that condition wanted."""
    near = (each["near"] for each in call.get("reasons") or () if "near" in each)
    return "; ".join(f"{statement(each['by'], account)}: {wish(each['condition'])}" for each in near)


def subject(row: ShownPart, account: str, *, whole: bool = True, grant: int = GRANT_ID) -> str:
    """What was changed: the key, by its aliases, with the versions of its policy; or the holder of the policies. A grant's id is
    cut to `grant` characters."""
    keys = [key_of(each, whole=whole) for each in row["keys"]]
    named = [*keys, *(() if keys else (short(each, account) for each in row["about"][:3]))]
    if row.get("alias") and not any(row["alias"] in each["key_aliases"] for each in row["keys"]):
        named.insert(0, row["alias"])
    what = ", ".join(dict.fromkeys(named))
    if "to_version" in row:
        old, new = row["from_version"], row["to_version"]
        versions = f"v{old} → v{new}" if old and new else "made with v1" if new else "deleted"
        return f"{what} policy {versions}"
    if "grant" in row:
        return f"{what} grant {cut(str(row['grant']), grant)}"
    if row.get("policy"):
        policy = str(row["policy"])
        return f"{what} {short(policy, account)}" if policy.startswith("arn:") else f'{what} inline policy "{policy}"'
    return f"{what} {row['kind']}" if row["kind"] != "identity" else what


def _ordered(effects: Iterable[ShownPart]) -> list[ShownPart]:
    """Puts the effects on everybody first, and joins the effect on an account's root with the effect on its users and roles."""
    alike: dict[str, list[ShownPart]] = {}
    for each in effects:
        same = [each.get(name) for name in ("actions", "conditions", "resources")]
        alike.setdefault(json.dumps(same), []).append(each)
    found = [each for some in alike.values() for each in _together(some)]
    return sorted(found, key=lambda each: not _is_of_everybody(each))


def _together(some: list[ShownPart]) -> Iterator[ShownPart]:
    """Joins effects that have the same operations and conditions."""
    left = list(some)
    while left:
        one = left.pop(0)
        for other in left:
            root, rest = (one, other) if "root" in _kinds_of(one) else (other, one)
            if _goes_with(root, rest):
                left.remove(other)
                one = {**root, REST: rest}
                break
        yield one


def _goes_with(root: ShownPart, rest: ShownPart) -> bool:
    """Whether `root` is about the roots of accounts, and `rest` about the users and roles of the same accounts."""
    if (root["before"], root["after"], rest["before"], rest["after"]) not in TOGETHER:
        return False
    roots = [each for each in root["principals"] if each["kind"] == "root"]
    if (
        any("meets" in each for each in roots)
        or any(map(is_one, rest["principals"]))
        or any("with" in each for each in rest["principals"])
    ):
        return False
    accounts = {each["account"] for each in roots}
    kinds = {(each["account"], each["kind"]) for each in rest["principals"]}
    return bool(accounts) and kinds == {(account, kind) for account in accounts for kind in ("user", "role")}


def _kinds_of(effect: ShownPart) -> set[str]:
    return {str(each.get("kind")) for each in effect.get("principals", ())}


def _is_of_everybody(effect: ShownPart) -> bool:
    return any(each.get("account") == ANY_OTHER for each in effect.get("principals", ()))


def _who(effect: ShownPart, account: str, twice: frozenset[str]) -> str:
    shown = effect.get("who", effect.get("principals", ()))
    if REST not in effect:
        return people(shown, account, twice)
    # A whole account: its root, and its users and roles within their own policies.
    roots = [each for each in shown if each.get("kind") == "root"]
    left = [other for each in (*roots, *effect[REST]["principals"]) for other in each.get("but", ())]
    words = [_whole(each) for each in roots]
    words[-1] += but(left, account, twice)
    return in_a_row([*words, *listed((each for each in shown if each not in roots), account, twice)])


def _whole(root: ShownPart) -> str:
    return "anyone of any other account" if root["account"] == ANY_OTHER else f"account {root['account']}"


def _sentence(effect: ShownPart, account: str, twice: frozenset[str], *, kind: str, detail: bool) -> str:
    verb, note = VERBS.get((effect["before"], effect["after"]), (f"{effect['before']} → {effect['after']}:", ""))
    who = _who(effect, account, twice)
    if " and " not in who and "," not in who and not who.startswith("every"):
        verb = verb.replace("are ", "is ", 1)
    if (effect["before"], effect["after"]) == ("given", "not given"):  # another policy or grant may still give it
        verb += " by this grant" if kind == "grant" else " by this policy"
    words = [who, verb, _operations(effect["actions"], whole=detail)]
    if "resources" in effect:
        words.append(_where(effect, account))
    asked = conditions(effect)
    if asked:
        words.append(f"if {asked}")
    if (
        kind == "identity"
        and verb == "now may"
        and not note
        and any(each.startswith(("kms:", "*")) for each in effect["actions"])
    ):
        note = "depends on the key's policy"
    if REST in effect:
        note = TOGETHER[_answers(effect)]
    note = "; ".join(each for each in (note, *_beside(effect, account)) if each)
    if note:
        words.append(f"({note})")
    if detail:
        answers = f"{effect['before']} → {effect['after']}"
        if REST in effect:
            answers = f"root: {answers}; users and roles: {effect[REST]['before']} → {effect[REST]['after']}"
        words.append(f"[{answers}]")
    return " ".join(words)


def _unclear(each: ShownPart, account: str) -> str:
    """Says what is not known, about whom, and what it depends on."""
    allowed = "allowed" in each
    effect = each["allowed" if allowed else "denied"]
    verb = "now may" if allowed else "no longer may"
    who = people(effect["principals"], account, made_twice([effect]))
    words = f"not known: whether {who} {verb} {_operations(effect['actions'], whole=False)}"
    asked = conditions(effect)
    hangs = dict.fromkeys(
        _hangs_on(its, statement["why"]) for statement in each["statements"] for its in (statement["condition"],)
    )
    why = f"it depends on {shortened(' and '.join(hangs), account)}" if hangs else each.get("why", "")
    return f"{words}{f' if {asked}' if asked else ''}: {why}"


def _hangs_on(condition: ShownPart, why: str) -> str:
    if condition["key"] == unseen.KEY:
        return f"{condition['wanted'][0]}, {unseen.NEVER}"
    return f"whether {test(condition['key'], condition['operator'], condition['wanted'])} ({why})"


def _beside(effect: ShownPart, account: str) -> Iterator[str]:
    """What the other policies of the holder and of its groups say about the same operations after the change: on these resources
    or others, also under other conditions."""
    still = "still refused" if effect["before"] == "refused" else "still may"
    for name, words in (("still", still), ("refused", "but refused")):
        for each in effect.get(name, ()):
            asked = conditions(each)
            where = f"{_operations(each['actions'], whole=False)} {_where(each, account)}"
            by = f" by {short(each['by'], account)}" if "by" in each else ""
            yield f"{words} {where}{by}{f' if {asked}' if asked else ''}"


def _answers(effect: ShownPart) -> tuple[str, str, str, str]:
    rest = effect[REST]
    return effect["before"], effect["after"], rest["before"], rest["after"]


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


def _where(effect: ShownPart, account: str) -> str:
    resources = effect["resources"]
    if effect.get("all_but"):
        return f"everywhere but on {_names(resources, account)}"
    if resources in (["*"], []):
        return "on every key" if all(each.startswith("kms:") for each in effect["actions"]) else "on everything"
    return f"on {_names(resources, account)}"


def _names(names: Iterable[str], account: str) -> str:
    return ", ".join(short(each, account) for each in names)


def exact(row: ShownPart) -> str:
    """The findings themselves, for a reader who wants to check the words."""
    return json.dumps({name: row[name] for name in ("gained", "lost", "unknown")}, ensure_ascii=True)
