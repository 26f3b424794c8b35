"""What a change of a trail wants to be so before it, and what it makes so: the service's own rules, as far as they tell in which
order changes of one second came.

Source: IAM API reference (a name is taken once; what is deleted has nothing attached, no policies, members or access keys), KMS
API reference (a key is made before it is named; states in which an operation is refused).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from domain.arn import iam_arn
from domain.cloudtrail import unseen
from domain.cloudtrail.meeting import key_id
from domain.cloudtrail.people import NOUNS, given
from domain.cloudtrail.record import Reading
from domain.identities.identity import GROUP, POLICY, ROLE, USER
from domain.world import World

Slot = tuple[str, ...]
"""A place that a change writes: what it is, whose, and which."""
Value = str | None
"""What stands in it; None for nothing."""
PRESENT, ABSENT = True, False
OWNED = frozenset({"inline", "attached", "member", "members", "access key"})
"""Slots that begin with what they are and whose: a kind, an account and a name."""
MAKES, CHANGES, TAKES, ENDS = range(4)
"""In which order changes come that could come in any."""


@dataclass(slots=True)
class Step:
    """`needs`: slots that are full or empty before it. `clear`: no slot that begins so is full."""

    id: str
    rank: int = CHANGES
    needs: dict[Slot, bool] = field(default_factory=dict)
    clear: tuple[Slot, ...] = ()
    writes: dict[Slot, Value] = field(default_factory=dict)


def _once(step: Step, slot: Slot) -> None:
    """It makes what has an id of its own, which is never given again."""
    step.needs[slot] = step.needs[("used", *slot)] = ABSENT


def _gone(step: Step, slot: Slot) -> None:
    step.rank = TAKES
    step.needs[slot] = PRESENT
    step.writes[slot], step.writes[("used", *slot)] = None, "yes"


def _mark(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def step_of(reading: Reading) -> Step:
    step = Step(reading.id)
    found = _STEPS.get(reading.operation)
    if found is not None:
        found(reading, step)
    # Whoever makes a change is there, and a key is made before anything is done to it.
    if reading.role:
        step.needs.setdefault(_who(ROLE, reading.account, reading.role.rpartition("/")[2]), PRESENT)
    elif ":user/" in reading.principal:
        step.needs.setdefault(_who(USER, reading.account, reading.principal.rpartition("/")[2]), PRESENT)
    return step


def needed_by(reading: Reading) -> set[Slot]:
    """Who calls, and the keys that are used."""
    found: set[Slot] = {("key", key_id(arn)) for arn in (*reading.resources, reading.key) if ":key/" in arn}
    if reading.role:
        found.add(_who(ROLE, reading.account, reading.role.rpartition("/")[2]))
    elif ":user/" in reading.principal:
        found.add(_who(USER, reading.account, reading.principal.rpartition("/")[2]))
    return found


def _who(kind: str, account: str, name: str) -> Slot:
    return ("identity", kind, account, name.lower())


def _named(reading: Reading, kind: str) -> str:
    name = given(reading.parameters, f"{NOUNS[kind]}Name")
    if not name and kind == USER:
        name = reading.principal.rpartition("/")[2]
    return name


def _makes(kind: str) -> Callable[[Reading, Step], None]:
    def step(reading: Reading, step: Step) -> None:
        who = _who(kind, reading.account, _named(reading, kind))
        step.rank = MAKES
        step.needs[who] = ABSENT
        step.writes[who] = reading.id
        _bound(reading, step, who)
        _names_there(given(reading.parameters, "AssumeRolePolicyDocument"), step)

    return step


def _bound(reading: Reading, step: Step, who: Slot) -> None:
    boundary = given(reading.parameters, "PermissionsBoundary")
    if boundary:
        step.needs[("policy", boundary)] = PRESENT
        step.writes[("boundary", *who[1:])] = boundary


def _ends(kind: str) -> Callable[[Reading, Step], None]:
    def step(reading: Reading, step: Step) -> None:
        who = _who(kind, reading.account, _named(reading, kind))
        step.rank = ENDS
        step.needs[who] = PRESENT
        step.clear = tuple((what, *who[1:]) for what in ("inline", "attached", "member", "access key", "members"))
        step.writes[who] = None

    return step


def _on(kind: str, more: Callable[[Reading, Step, Slot], None]) -> Callable[[Reading, Step], None]:
    def step(reading: Reading, step: Step) -> None:
        who = _who(kind, reading.account, _named(reading, kind))
        step.needs[who] = PRESENT
        more(reading, step, who)

    return step


def _put(reading: Reading, step: Step, who: Slot) -> None:
    name = given(reading.parameters, "PolicyName")
    step.writes[("inline", *who[1:], name)] = _mark(given(reading.parameters, "PolicyDocument"))


def _taken(reading: Reading, step: Step, who: Slot) -> None:
    step.rank = TAKES
    slot = ("inline", *who[1:], given(reading.parameters, "PolicyName"))
    step.needs[slot], step.writes[slot] = PRESENT, None


def _attach(reading: Reading, step: Step, who: Slot) -> None:
    arn = given(reading.parameters, "PolicyArn")
    step.needs[("policy", arn)] = PRESENT
    step.writes[("attached", *who[1:], arn)] = arn
    step.writes[("attached to", arn, *who[1:])] = arn


def _detach(reading: Reading, step: Step, who: Slot) -> None:
    arn = given(reading.parameters, "PolicyArn")
    step.rank = TAKES
    step.needs[("policy", arn)] = PRESENT
    step.needs[("attached", *who[1:], arn)] = PRESENT
    step.writes[("attached", *who[1:], arn)] = step.writes[("attached to", arn, *who[1:])] = None


def _boundary(reading: Reading, step: Step, who: Slot) -> None:
    _bound(reading, step, who)


def _unbound(reading: Reading, step: Step, who: Slot) -> None:
    step.rank = TAKES
    step.writes[("boundary", *who[1:])] = None


def _trust(reading: Reading, step: Step, who: Slot) -> None:
    text = given(reading.parameters, "PolicyDocument")
    step.writes[("trust", *who[1:])] = _mark(text)
    _names_there(text, step)


def _moved(reading: Reading, step: Step, who: Slot) -> None:
    new = given(reading.parameters, f"New{NOUNS[who[1]]}Name")
    if new and new.lower() != who[3]:
        other = _who(who[1], reading.account, new)
        step.needs[other] = ABSENT
        step.writes[who], step.writes[other] = None, reading.id


def _joined(reading: Reading, step: Step, who: Slot) -> None:
    user = _who(USER, reading.account, given(reading.parameters, "UserName"))
    step.needs[user] = PRESENT
    step.writes[("member", *user[1:], who[3])] = who[3]
    step.writes[("members", *who[1:], user[3])] = user[3]


def _left(reading: Reading, step: Step, who: Slot) -> None:
    user = _who(USER, reading.account, given(reading.parameters, "UserName"))
    step.rank = TAKES
    step.needs[user] = PRESENT
    for slot in (("member", *user[1:], who[3]), ("members", *who[1:], user[3])):
        step.needs[slot], step.writes[slot] = PRESENT, None


def _key_made(reading: Reading, step: Step, who: Slot) -> None:
    key = reading.response.get("accessKey")
    name = given({n.lower(): v for n, v in key.items()}, "accesskeyid") if isinstance(key, dict) else ""
    slot = ("access key", *who[1:], name)
    _once(step, slot)
    step.writes[slot] = "Active"


def _key_set(reading: Reading, step: Step, who: Slot) -> None:
    slot = ("access key", *who[1:], given(reading.parameters, "AccessKeyId"))
    step.needs[slot], step.writes[slot] = PRESENT, given(reading.parameters, "Status")


def _key_gone(reading: Reading, step: Step, who: Slot) -> None:
    _gone(step, ("access key", *who[1:], given(reading.parameters, "AccessKeyId")))


def _tagged(reading: Reading, step: Step, who: Slot) -> None:
    for name, value in _tags(reading).items():
        step.writes[("tag", *who[1:], name)] = value


def _untagged(reading: Reading, step: Step, who: Slot) -> None:
    for name in reading.parameters.get("TagKeys") or ():
        if isinstance(name, str):
            step.writes[("tag", *who[1:], name)] = None


def _tags(reading: Reading) -> Mapping[str, str]:
    found = {}
    for each in reading.parameters.get("Tags") or ():
        if isinstance(each, dict):
            found[str(each.get("TagKey", each.get("Key")))] = str(each.get("TagValue", each.get("Value")))
    return found


def _service_role(reading: Reading, step: Step) -> None:
    made = reading.response.get("role")
    name = given(made, "roleName") if isinstance(made, dict) else ""
    step.rank = MAKES
    step.writes[_who(ROLE, reading.account, name)] = reading.id


def _policy_tagged(reading: Reading, step: Step, arn: str) -> None:
    for name, value in _tags(reading).items():
        step.writes[("policy tag", arn, name)] = value
    for name in reading.parameters.get("TagKeys") or ():
        if isinstance(name, str):
            step.writes[("policy tag", arn, name)] = None


def _policy_made(reading: Reading, step: Step) -> None:
    made = reading.response.get("policy")
    arn = given(made, "arn") if isinstance(made, dict) else ""
    told = reading.parameters
    arn = arn or iam_arn(reading.account, POLICY, given(told, "Path") or "/", given(told, "PolicyName"))
    step.rank = MAKES
    step.needs[("policy", arn)] = ABSENT
    step.writes[("policy", arn)] = reading.id
    step.writes[("default", arn)] = "v1"


def _on_policy(more: Callable[[Reading, Step, str], None]) -> Callable[[Reading, Step], None]:
    def step(reading: Reading, step: Step) -> None:
        arn = given(reading.parameters, "PolicyArn")
        step.needs[("policy", arn)] = PRESENT
        more(reading, step, arn)

    return step


def _version(reading: Reading, step: Step, arn: str) -> None:
    made = reading.response.get("policyVersion")
    version = given(made, "versionId") if isinstance(made, dict) else ""
    slot = ("version", arn, version or reading.id)
    _once(step, slot)
    step.writes[slot] = reading.id
    if version[1:].isdigit():  # versions are counted, and their numbers are not used again
        step.writes[("version", arn, "counted", version)] = version
        step.needs[("version", arn, "counted", f"v{int(version[1:]) + 1}")] = ABSENT
    if reading.parameters.get("SetAsDefault") is True:
        step.writes[("default", arn)] = version or reading.id


def _default(reading: Reading, step: Step, arn: str) -> None:
    version = given(reading.parameters, "VersionId")
    if version != "v1":
        step.needs[("version", arn, version)] = PRESENT
    step.writes[("default", arn)] = version


def _version_gone(reading: Reading, step: Step, arn: str) -> None:
    version = given(reading.parameters, "VersionId")
    step.rank = TAKES
    if version != "v1":
        _gone(step, ("version", arn, version))


def _policy_gone(reading: Reading, step: Step, arn: str) -> None:
    step.rank = ENDS
    step.needs[("policy", arn)] = PRESENT
    step.clear = (("attached to", arn),)
    step.writes[("policy", arn)] = None


# -- KMS ----------------------------------------------------------------------------------------------------------------


def _key(reading: Reading) -> str:
    return key_id(reading.key)


def _create_key(reading: Reading, step: Step) -> None:
    made = reading.response.get("keyMetadata") or reading.response.get("KeyMetadata")
    arn = reading.key or (given({n.lower(): v for n, v in made.items()}, "arn") if isinstance(made, dict) else "")
    key = key_id(arn)
    text = given(reading.parameters, "Policy")
    step.rank = MAKES
    step.needs[("key", key)], step.writes[("key", key)] = ABSENT, reading.id
    step.writes[("key policy", key)] = _mark(text)
    _names_there(text, step)


def _on_key(*written: tuple[str, Value], rank: int = CHANGES, **needs: bool) -> Callable[[Reading, Step], None]:
    """Of a key: what it writes; `needs`: whether a deletion must be scheduled."""

    def step(reading: Reading, step: Step) -> None:
        key = _key(reading)
        step.rank = rank
        if key:
            step.needs[("key", key)] = PRESENT
            for name, wanted in needs.items():
                step.needs[(name, key)] = wanted
            for name, value in written:
                step.writes[(name, key)] = value

    return step


def _policy_put(reading: Reading, step: Step) -> None:
    _on_key()(reading, step)
    text = given(reading.parameters, "Policy")
    step.writes[("key policy", _key(reading))] = _mark(text)
    _names_there(text, step)


_NAMED = re.compile(r'"arn:aws[\w-]*:iam::(\d{12}):(user|role)/(?:[^"*/]+/)*([^"*/]+)"')


def _names_there(policy: str, step: Step) -> None:
    """A key policy names only who is there."""
    for account, kind, name in _NAMED.findall(policy):
        step.needs.setdefault(_who(kind, account, name), PRESENT)


def _described(reading: Reading, step: Step) -> None:
    _on_key(deletion=ABSENT)(reading, step)
    step.writes[("description", _key(reading))] = given(reading.parameters, "Description")


def _key_tagged(reading: Reading, step: Step) -> None:
    _on_key(deletion=ABSENT)(reading, step)
    for name, value in _tags(reading).items():
        step.writes[("key tag", _key(reading), name)] = value


def _key_untagged(reading: Reading, step: Step) -> None:
    _on_key(deletion=ABSENT)(reading, step)
    for name in reading.parameters.get("TagKeys") or ():
        if isinstance(name, str):
            step.writes[("key tag", _key(reading), name)] = None


def _alias(reading: Reading) -> Slot:
    name = given(reading.parameters, "AliasName")
    return ("alias", reading.region, reading.account, name[name.find("alias/") :])


def _alias_made(reading: Reading, step: Step) -> None:
    _on_key()(reading, step)
    slot = _alias(reading)
    step.rank = CHANGES if _key(reading) else MAKES
    step.needs[slot], step.writes[slot] = ABSENT, _key(reading)


def _alias_moved(reading: Reading, step: Step) -> None:
    slot, target = _alias(reading), given(reading.parameters, "TargetKeyId")
    key = key_id(target) if target else _key(reading)
    step.needs[("key", key)] = PRESENT
    step.needs[slot], step.writes[slot] = PRESENT, key


def _alias_gone(reading: Reading, step: Step) -> None:
    slot = _alias(reading)
    step.rank = TAKES
    step.needs[slot], step.writes[slot] = PRESENT, None


def _grant_made(reading: Reading, step: Step) -> None:
    _on_key()(reading, step)
    grant = str({n.lower(): v for n, v in reading.response.items()}.get("grantid") or reading.id)
    step.writes[("grant", grant)] = grant
    if not given(reading.parameters, "Name"):  # of a name that a grant has, it gives the same grant again
        _once(step, ("grant", grant))


def _grant_gone(reading: Reading, step: Step) -> None:
    response = {n.lower(): v for n, v in reading.response.items()}
    grant = (
        given(reading.parameters, "GrantId") or given(reading.extra, "grantId") or str(response.get("grantid") or "")
    )
    _gone(step, ("grant", grant))


_STEPS: Mapping[str, Callable[[Reading, Step], None]] = {
    **{f"Create{noun}": _makes(kind) for kind, noun in NOUNS.items()},
    **{f"Delete{noun}": _ends(kind) for kind, noun in NOUNS.items()},
    **{f"Put{noun}Policy": _on(kind, _put) for kind, noun in NOUNS.items()},
    **{f"Delete{noun}Policy": _on(kind, _taken) for kind, noun in NOUNS.items()},
    **{f"Attach{noun}Policy": _on(kind, _attach) for kind, noun in NOUNS.items()},
    **{f"Detach{noun}Policy": _on(kind, _detach) for kind, noun in NOUNS.items()},
    **{f"Put{NOUNS[kind]}PermissionsBoundary": _on(kind, _boundary) for kind in (USER, ROLE)},
    **{f"Delete{NOUNS[kind]}PermissionsBoundary": _on(kind, _unbound) for kind in (USER, ROLE)},
    **{f"Tag{NOUNS[kind]}": _on(kind, _tagged) for kind in (USER, ROLE)},
    **{f"Untag{NOUNS[kind]}": _on(kind, _untagged) for kind in (USER, ROLE)},
    **{f"Update{NOUNS[kind]}": _on(kind, _moved) for kind in (USER, GROUP)},
    "UpdateAssumeRolePolicy": _on(ROLE, _trust),
    "AddUserToGroup": _on(GROUP, _joined),
    "RemoveUserFromGroup": _on(GROUP, _left),
    "CreateAccessKey": _on(USER, _key_made),
    "UpdateAccessKey": _on(USER, _key_set),
    "DeleteAccessKey": _on(USER, _key_gone),
    "CreateServiceLinkedRole": _service_role,
    "TagPolicy": _on_policy(_policy_tagged),
    "UntagPolicy": _on_policy(_policy_tagged),
    "CreatePolicy": _policy_made,
    "CreatePolicyVersion": _on_policy(_version),
    "SetDefaultPolicyVersion": _on_policy(_default),
    "DeletePolicyVersion": _on_policy(_version_gone),
    "DeletePolicy": _on_policy(_policy_gone),
    "CreateKey": _create_key,
    "PutKeyPolicy": _policy_put,
    "EnableKey": _on_key(("enabled", "yes"), deletion=ABSENT),
    "DisableKey": _on_key(("enabled", None), deletion=ABSENT),
    "UpdateKeyDescription": _described,
    "TagResource": _key_tagged,
    "UntagResource": _key_untagged,
    # A key whose deletion is scheduled is disabled, and stays so when that is cancelled.
    "ScheduleKeyDeletion": _on_key(("deletion", "yes"), ("enabled", None), rank=ENDS, deletion=ABSENT),
    "CancelKeyDeletion": _on_key(("deletion", None), ("enabled", None), deletion=PRESENT),
    "DeleteKey": _on_key(("key", None), rank=ENDS),
    "EnableKeyRotation": _on_key(("rotation", "yes"), enabled=PRESENT),
    "DisableKeyRotation": _on_key(("rotation", None), enabled=PRESENT),
    "RotateKey": _on_key(),
    "RotateKeyOnDemand": _on_key(enabled=PRESENT),
    "ImportKeyMaterial": _on_key(("material", "yes")),
    "DeleteImportedKeyMaterial": _on_key(("material", None), rank=TAKES, material=PRESENT),
    "DeleteExpiredKeyMaterial": _on_key(("material", None), rank=TAKES),
    "CreateAlias": _alias_made,
    "UpdateAlias": _alias_moved,
    "DeleteAlias": _alias_gone,
    "CreateGrant": _grant_made,
    "RevokeGrant": _grant_gone,
    "RetireGrant": _grant_gone,
    "ReplicateKey": _on_key(),
}
"""By operation: every operation that changes something."""


def before(slot: Slot, world: World) -> Value | bool:
    """What stands in a slot before a second; True where something does, or where nobody knows (UNKNOWN)."""
    what, directory = slot[0], world.directory
    if what in ("identity", "inline", "attached", "member", "access key"):
        held = directory.find(slot[1], slot[2], slot[3])
        if what == "identity":
            return UNKNOWN if held is None else held.id
        if held is None:
            return UNKNOWN
        full = {
            "inline": lambda: slot[4] in held.inline,
            "attached": lambda: slot[4] in held.attached,
            "member": lambda: any(
                directory.identities[group].name.lower() == slot[4]
                for group in held.groups
                if group in directory.identities
            ),
            "access key": lambda: slot[4] in held.access_keys,
        }[what]()
        return "yes" if full else UNKNOWN if unseen.NAME in held.inline else None
    if what == "policy":
        return "yes" if slot[1] in directory.policies else UNKNOWN
    if what == "key":
        return "yes" if slot[1] in world.keys else None if slot[1] in world.deleted else UNKNOWN
    key = world.keys.get(slot[1]) if len(slot) > 1 else None
    if what in ("deletion", "enabled") and key is not None and not unseen.unseen_of(key.tags):
        return "yes" if (key.deletion if what == "deletion" else key.enabled) else None
    if what == "alias":
        found = world.aliases.get((slot[2], slot[3]))
        return UNKNOWN if found is None else found.key
    if what == "grant":
        return "yes" if any(slot[1] in grants for grants in world.grants.values()) else UNKNOWN
    return UNKNOWN


UNKNOWN = True
"""Nobody knows whether something stands in a slot."""
