"""Changes that IAM and KMS allowed within one second are shuffled, and come out in an allowed order.

The service here is a second implementation, written from the API references without the slots of the first. It plays a
second in every order that it allows, and counts the different states at the end.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cloudtrail.order import ordered
from domain.cloudtrail.slots import before
from domain.cloudtrail.steps import step_of
from tests.domain.test_cloudtrail import fold, reading
from tests.domain.test_trail_order import T, at_nine, iam, kms
from tests.e2e.test_history import allow, document
from tests.e2e.test_trails import A, created, key_arn

State = dict[str, Any]
Change = tuple[str, tuple[Any, ...]]
TRUST = [
    document({"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole", "Sid": f"T{n}"}) for n in range(2)
]
DOCUMENTS = [document({"Effect": "Allow", "Action": f"kms:{each}", "Resource": "*"}) for each in ("*", "Decrypt")]
MANAGED = f"arn:aws:iam::{A}:policy/m"
PLACES = [("User", "u"), ("Group", "g"), ("Role", "r")]
CHANGES: list[Change] = [
    *[(f"{verb}{noun}", (name,)) for noun, name in PLACES for verb in ("Create", "Delete")],
    *[(f"Put{noun}Policy", (name, n)) for noun, name in PLACES for n in range(2)],
    *[(f"{verb}{noun}Policy", (name,)) for noun, name in PLACES for verb in ("Delete", "Attach", "Detach")],
    *[(f"{verb}Role", ("r", value)) for verb in ("Tag", "Untag") for value in ("a",)],
    *[("UpdateAssumeRolePolicy", ("r", n)) for n in range(2)],
    *[(each, ("u", "g")) for each in ("AddUserToGroup", "RemoveUserFromGroup")],
    *[(each, ("u",)) for each in ("CreateAccessKey", "DeleteAccessKey")],
    *[("UpdateAccessKey", ("u", each)) for each in ("Active", "Inactive")],
    *[("CreatePolicy", (n,)) for n in range(2)],
    *[("CreatePolicyVersion", (chosen, n)) for chosen in (True, False) for n in range(2)],
    *[(each, (f"v{n}",)) for each in ("SetDefaultPolicyVersion", "DeletePolicyVersion") for n in (1, 2, 3)],
    ("DeletePolicy", ()),
    *[("CreateKey", (n, origin)) for n in (1, 2) for origin in ("AWS_KMS", "EXTERNAL")],
    *[("PutKeyPolicy", (n, who)) for n in (1, 2) for who in ("root", "role/r", "user/u")],
    *[(each, (1,)) for each in ("EnableKey", "DisableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "CreateGrant", "RevokeGrant", "EnableKeyRotation", "DisableKeyRotation", "ImportKeyMaterial", "DeleteImportedKeyMaterial")],
    *[("TagResource", (1, value)) for value in "ab"],
    ("UntagResource", (1,)),
    *[(each, (n,)) for each in ("CreateAlias", "UpdateAlias") for n in (1, 2)],
    ("DeleteAlias", ()),
]  # fmt: skip
FAMILIES = {
    "identities": CHANGES[: CHANGES.index(("CreatePolicy", (0,)))],
    "managed policies": [each for each in CHANGES if "Policy" in each[0] and "Key" not in each[0]] + CHANGES[:6],
    "keys": CHANGES[CHANGES.index(("CreateKey", (1, "AWS_KMS"))) :],
    "everything": CHANGES,
}


def begun() -> State:
    return {"who": {}, "policies": {}, "keys": {}, "aliases": {}, "grants": {}, "used": set()}


def play(state: State, change: Change, name: int, told: dict[str, Any]) -> State | None:
    """The service's state after the change, or None if it refuses. `name` distinguishes this change from similar ones;
    `told` is the answer to it."""
    after = pickle.loads(pickle.dumps(state))  # a copy, and a quick one
    return after if _played(after, *change, name, told) else None


def _played(state: State, operation: str, what: tuple[Any, ...], name: int, told: dict[str, Any]) -> bool:
    if operation == "UpdateAssumeRolePolicy":
        return _of_somebody(state, "Trust", "Role", what, name)
    for noun, _ in PLACES:
        if noun in operation and operation != "AddUserToGroup" and operation != "RemoveUserFromGroup":
            return _of_somebody(state, operation.replace(noun, ""), noun, what, name)
    if "Policy" in operation and operation != "PutKeyPolicy":
        return _of_policies(state, operation, what, name, told)
    if "AccessKey" in operation or "UserToGroup" in operation or "UserFromGroup" in operation:
        return _of_users(state, operation, what, name, told)
    return _of_keys(state, operation, what, name, told)


def _of_somebody(state: State, verb: str, noun: str, what: tuple[Any, ...], name: int) -> bool:
    who = state["who"]
    if verb == "Create":
        if noun in who:
            return False
        who[noun] = {
            "made": name,
            "inline": None,
            "attached": False,
            "groups": False,
            "keys": {},
            "tags": False,
            "trust": 0,
        }
        return True
    held = who.get(noun)
    if held is None:
        return False
    match verb:
        case "Delete":
            inside = noun == "Group" and who.get("User", {}).get("groups")
            if held["inline"] is not None or held["attached"] or held["groups"] or held["keys"] or inside:
                return False
            del who[noun]
        case "PutPolicy":
            held["inline"] = what[1]
        case "DeletePolicy":
            if held["inline"] is None:
                return False
            held["inline"] = None
        case "AttachPolicy":
            if not state["policies"]:
                return False
            held["attached"] = True
        case "DetachPolicy":
            if not held["attached"]:
                return False
            held["attached"] = False
        case "Tag" | "Untag":
            held["tags"] = verb == "Tag"
        case "Trust":
            held["trust"] = what[1]
    return True


def _of_users(state: State, operation: str, what: tuple[Any, ...], name: int, told: dict[str, Any]) -> bool:
    user, group = state["who"].get("User"), state["who"].get("Group")
    if user is None:
        return False
    match operation:
        case "AddUserToGroup" | "RemoveUserFromGroup":
            if group is None or (operation.startswith("Remove") and not user["groups"]):
                return False
            user["groups"] = operation.startswith("Add")
        case "CreateAccessKey":
            user["keys"][told["key"]] = "Active"
        case "DeleteAccessKey":
            return user["keys"].pop(told["key"], None) is not None
        case "UpdateAccessKey":
            if told["key"] not in user["keys"]:
                return False
            user["keys"][told["key"]] = what[1]
    return True


def _of_policies(state: State, operation: str, what: tuple[Any, ...], name: int, told: dict[str, Any]) -> bool:
    held = state["policies"]
    if operation == "CreatePolicy":
        if held:
            return False
        held |= {"made": name, "versions": {"v1": what[0]}, "default": "v1", "latest": 1}
        return True
    if not held:
        return False
    match operation:
        case "CreatePolicyVersion":
            held["latest"] += 1
            version = f"v{held['latest']}"
            if told["version"] != version or len(held["versions"]) == 5:
                return False
            held["versions"][version] = what[1]
            held["default"] = version if what[0] else held["default"]
        case "SetDefaultPolicyVersion":
            if what[0] not in held["versions"]:
                return False
            held["default"] = what[0]
        case "DeletePolicyVersion":
            if what[0] not in held["versions"] or held["default"] == what[0]:
                return False
            del held["versions"][what[0]]
        case "DeletePolicy":
            if set(held["versions"]) != {held["default"]} or any(each["attached"] for each in state["who"].values()):
                return False
            held.clear()
    return True


def _of_keys(state: State, operation: str, what: tuple[Any, ...], name: int, told: dict[str, Any]) -> bool:
    keys, aliases, grants = state["keys"], state["aliases"], state["grants"]
    if operation == "DeleteAlias":
        return aliases.pop("a", None) is not None
    if operation == "CreateKey":
        if what[0] in keys:
            return False
        keys[what[0]] = {
            "policy": "default",
            "enabled": what[1] == "AWS_KMS",
            "deletion": False,
            "material": what[1] == "AWS_KMS",
            "rotation": False,
            "tag": None,
            "external": what[1] != "AWS_KMS",
        }
        return True
    key = keys.get(what[0])
    if key is None:
        return False
    if operation == "PutKeyPolicy":
        noun = {"root": "", "role/r": "Role", "user/u": "User"}[what[1]]
        key["policy"] = what[1]
        return not noun or noun in state["who"]
    if operation == "RevokeGrant":
        return grants.pop(told["grant"], None) is not None
    if operation == "CancelKeyDeletion":
        was, key["deletion"], key["enabled"] = key["deletion"], False, False
        return bool(was)
    if operation == "DeleteImportedKeyMaterial":
        key["material"] = False
        return bool(key["external"])
    if key["deletion"]:
        return False
    used = operation in ("CreateGrant", "EnableKeyRotation", "DisableKeyRotation")
    if (used and not key["enabled"]) or ((used or operation in ("EnableKey", "DisableKey")) and not key["material"]):
        return False
    match operation:
        case "EnableKey" | "DisableKey":
            key["enabled"] = operation == "EnableKey"
        case "ScheduleKeyDeletion":
            key["deletion"], key["enabled"] = True, False
        case "EnableKeyRotation" | "DisableKeyRotation":
            key["rotation"] = operation == "EnableKeyRotation"
            return not key["external"]
        case "ImportKeyMaterial":
            if not key["material"]:  # what was missing comes in, and the key is enabled
                key["material"] = key["enabled"] = True
            return bool(key["external"])
        case "TagResource" | "UntagResource":
            key["tag"] = what[1] if operation == "TagResource" else None
        case "CreateGrant":
            grants[told["grant"]] = what[0]
        case "CreateAlias":
            if "a" in aliases:
                return False
            aliases["a"] = what[0]
        case "UpdateAlias":
            if "a" not in aliases:
                return False
            aliases["a"] = what[0]
    return True


def answer(state: State, change: Change, number: int) -> dict[str, Any]:
    """The service's answer to a change, and the names of existing things in a request."""
    operation, _ = change
    user = state["who"].get("User", {"keys": {}})
    key = f"AKIA{number}" if operation == "CreateAccessKey" else next(iter(user["keys"]), "AKIA")
    grant = f"g{number}" if operation == "CreateGrant" else next(iter(state["grants"]), "g")
    return {"key": key, "grant": grant, "version": f"v{state['policies'].get('latest', 0) + 1}"}


def recorded(change: Change, told: dict[str, Any], number: int) -> dict[str, Any]:
    return _recorded(*change, told) | {"eventID": f"{number:04d}", "userIdentity": {"type": "Root", "arn": f"arn:aws:iam::{A}:root", "accountId": A, "principalId": A}}  # fmt: skip


def _recorded(operation: str, what: tuple[Any, ...], told: dict[str, Any]) -> dict[str, Any]:
    if operation == "UpdateAssumeRolePolicy":
        return iam(operation, roleName="r", policyDocument=TRUST[what[1]])
    for noun, name in PLACES:
        if noun in operation and "UserToGroup" not in operation and "UserFromGroup" not in operation:
            more: dict[str, Any] = {f"{noun.lower()}Name": name}
            if operation == "CreateRole":
                more["assumeRolePolicyDocument"] = TRUST[0]
            elif operation.startswith(("Attach", "Detach")):
                more["policyArn"] = MANAGED
            elif operation.endswith("Policy"):
                more["policyName"] = "p"
                if operation.startswith("Put"):
                    more["policyDocument"] = DOCUMENTS[what[1]]
            elif operation.startswith("Tag"):
                more["tags"] = [{"key": "a", "value": "a"}]
            elif operation.startswith("Untag"):
                more["tagKeys"] = ["a"]
            return iam(operation, **more)
    match operation:
        case "AddUserToGroup" | "RemoveUserFromGroup":
            return iam(operation, userName="u", groupName="g")
        case "CreateAccessKey":
            return iam(operation, userName="u", response={"accessKey": {"accessKeyId": told["key"], "userName": "u"}})
        case "DeleteAccessKey":
            return iam(operation, userName="u", accessKeyId=told["key"])
        case "UpdateAccessKey":
            return iam(operation, userName="u", accessKeyId=told["key"], status=what[1])
        case "CreatePolicy":
            return iam(
                operation, policyName="m", policyDocument=DOCUMENTS[what[0]], response={"policy": {"arn": MANAGED}}
            )
        case "CreatePolicyVersion":
            return iam(
                operation,
                policyArn=MANAGED,
                policyDocument=DOCUMENTS[what[1]],
                setAsDefault=what[0],
                response={"policyVersion": {"versionId": told["version"]}},
            )
        case "SetDefaultPolicyVersion" | "DeletePolicyVersion":
            return iam(operation, policyArn=MANAGED, versionId=what[0])
        case "DeletePolicy":
            return iam(operation, policyArn=MANAGED)
        case "CreateKey":
            return created(what[0], T, origin=what[1])
        case "PutKeyPolicy":
            return kms(
                operation,
                what[0],
                policy=allow(f"arn:aws:iam::{A}:{what[1]}", "kms:*")
                and document(allow(f"arn:aws:iam::{A}:{what[1]}", "kms:*")),
            )
        case "ScheduleKeyDeletion":
            return kms(operation, pendingWindowInDays=7)
        case "TagResource":
            return kms(operation, tags=[{"tagKey": "a", "tagValue": what[1]}])
        case "UntagResource":
            return kms(operation, tagKeys=["a"])
        case "CreateGrant":
            return kms(
                operation,
                granteePrincipal=f"arn:aws:iam::{A}:root",
                operations=["Decrypt"],
                response={"grantId": told["grant"]},
            )
        case "RevokeGrant":
            return kms(operation, grantId=told["grant"])
        case "CreateAlias" | "UpdateAlias":
            return kms(operation, what[0], aliasName="alias/a", targetKeyId=key_arn(what[0]))
        case "DeleteAlias":
            return kms(operation, aliasName="alias/a", keyId=None) | {"resources": []}
    return kms(operation, what[0])


def starts(state: State, second: list[tuple[Change, dict[str, Any]]]) -> Iterator[State]:
    """The state, including what existed before the trail began and no record shows."""
    made = [
        each
        for each, _ in second
        if each[0] in ("CreateUser", "CreateGroup", "CreateRole", "CreatePolicy", "CreateAlias")
    ]
    for count in range(len(made) + 1):
        for some in itertools.combinations(made, count):
            now: State | None = state
            for number, change in enumerate(some):
                if now is not None and change[0] == "CreateAlias":
                    now = now | {"aliases": {"a": 0}}
                elif now is not None:
                    now = play(now, change, -1 - number, {})
            if now is not None:
                yield now


def ends(state: State, second: list[tuple[Change, dict[str, Any]]]) -> Iterator[tuple[tuple[int, ...], State]]:
    """Every order that is allowed, and the service's state after it."""
    for order in itertools.permutations(range(len(second))):
        now = state
        for number in order:
            after = play(now, second[number][0], number, second[number][1])
            if after is None:
                break
            now = after
        else:
            yield order, now


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_a_shuffled_second_comes_out_as_the_service_allows_it(family: str, data: st.DataObject) -> None:
    state, earlier = begun(), list[dict[str, Any]]()
    second = list[tuple[Change, dict[str, Any]]]()
    length, of_second = data.draw(st.integers(0, 10)), data.draw(st.integers(2, 5))
    first = state
    for number in range(length + of_second):
        if number == length:
            first = state
        state, change, told = _next(
            state, data.draw(st.integers(0, len(FAMILIES[family]) - 1)), FAMILIES[family], number
        )
        if number < length:
            earlier.append(at_nine(recorded(change, told, number)))
        else:
            second.append((change, told))
    ids = data.draw(st.permutations(range(of_second)))
    world = fold(*earlier)
    records = [recorded(*second[number], ids[number]) for number in range(of_second)]
    found = ordered([step_of(reading(each)) for each in records], lambda slot: before(slot, world))
    numbers = {each["eventID"]: number for number, each in enumerate(records)}
    order = tuple(numbers[each] for each in found.ids)
    allowed = [each for start in starts(first, second) for each in ends(start, second)]
    said = [each for each, _ in second]
    assert found.unfit == [], said
    assert order in [each for each, _ in allowed], said
    different = [each for _, each in allowed if each != allowed[0][1]]
    assert bool(found.open) == bool(different), said


def _next(state: State, begin: int, changes: list[Change], number: int) -> tuple[State, Change, dict[str, Any]]:
    """The first change that is allowed, from one on."""
    for change in (*changes[begin:], *changes[:begin]):
        told = answer(state, change, number)
        after = play(state, change, number, told)
        if after is not None:
            return after, change, told
    raise AssertionError("one is always allowed")
