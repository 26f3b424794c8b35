"""What a change of a trail needs before it, and what it makes: the service's own rules, as far as they decide the order
of the changes of one second.

Source: IAM API reference (a name is used once at a time; a deleted identity has nothing attached, no policies, members
or access keys), KMS API reference (a key is made before it is named; states in which an operation is refused).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from domain.arn import iam_arn
from domain.cloudtrail.first_seen import key_id
from domain.cloudtrail.iam_changes import NOUNS, VERSION_ID, given, named_identity
from domain.cloudtrail.key_steps import KMS_STEPS
from domain.cloudtrail.record import TrailReading
from domain.cloudtrail.slots import (
    ABSENT,
    ENDS,
    MAKES,
    PRESENT,
    TAKES,
    Slot,
    Step,
    ended,
    identity,
    mark,
    names_there,
    once,
    tags_told,
)
from domain.identities.identity import GROUP, POLICY, ROLE, USER

HAS = ("inline", "attached", "member", "access key", "members")
"""What an identity may have, but not when it is deleted."""
MOST_BEFORE = 100
"""How many versions before a new one are counted. At most five exist at a time, and seldom one so old."""
WITH = ("boundary", "tag", "trust")
"""What an identity may have, and what is deleted with it."""


def step_of(reading: TrailReading) -> Step:
    step = Step(reading.id)
    found = STEPS.get(reading.operation)
    if found is not None:
        found(reading, step)
    # The caller of a change exists, and a key is made before anything is done to it.
    if reading.role:
        step.needs.setdefault(identity(ROLE, reading.account, reading.role.rpartition("/")[2]), PRESENT)
    elif ":user/" in reading.principal:
        step.needs.setdefault(identity(USER, reading.account, reading.principal.rpartition("/")[2]), PRESENT)
    return step


def told_by(reading: TrailReading, step: Step) -> Iterator[Slot]:
    """The facts that are out of date after the step: a key's policy or grants, anything that an identity has, a managed
    policy."""
    for slot in step.writes:
        if slot[0] == "key":
            yield from (("key policy", slot[1]), ("grants", slot[1]))
        elif slot[0] == "key policy":
            yield slot
        elif slot[0] == "grant":
            yield ("grants", key_id(reading.key))
        elif slot[0] in ("policy", "default", "version"):
            yield ("managed-policy", slot[1])
        elif slot[0] in ("inline", "attached", "member", "boundary", "tag", "trust", "identity"):
            yield slot[1:4]


def needed_by(reading: TrailReading) -> set[Slot]:
    """The caller, and the keys that are used."""
    found: set[Slot] = {("key", key_id(arn)) for arn in (*reading.resources, reading.key) if ":key/" in arn}
    if reading.role:
        found.add(identity(ROLE, reading.account, reading.role.rpartition("/")[2]))
    elif ":user/" in reading.principal:
        found.add(identity(USER, reading.account, reading.principal.rpartition("/")[2]))
    return found


def _makes(kind: str) -> Callable[[TrailReading, Step], None]:
    def step(reading: TrailReading, step: Step) -> None:
        who = identity(kind, reading.account, named_identity(reading, kind))
        step.rank = MAKES
        step.needs[who] = ABSENT
        step.writes[who] = reading.id
        # A new identity has only what it is made with.
        step.resets = tuple((what, *who[1:]) for what in (*HAS, *WITH))
        for name, value in tags_told(reading).items():
            step.writes[("tag", *who[1:], name)] = value
        if kind == ROLE:
            step.writes[("trust", *who[1:])] = mark(given(reading.parameters, "AssumeRolePolicyDocument"))
        _bound(reading, step, who)
        names_there(given(reading.parameters, "AssumeRolePolicyDocument"), step)

    return step


def _bound(reading: TrailReading, step: Step, who: Slot) -> None:
    boundary = given(reading.parameters, "PermissionsBoundary")
    if boundary:
        step.needs[("policy", boundary)] = PRESENT
        step.writes[("boundary", *who[1:])] = boundary


def _ends(kind: str) -> Callable[[TrailReading, Step], None]:
    def step(reading: TrailReading, step: Step) -> None:
        who = identity(kind, reading.account, named_identity(reading, kind))
        step.rank = ENDS
        step.needs[who] = PRESENT
        step.clear = tuple((what, *who[1:]) for what in HAS)
        step.resets = tuple((what, *who[1:]) for what in WITH)
        step.writes[who] = None

    return step


def _on(kind: str, more: Callable[[TrailReading, Step, Slot], None]) -> Callable[[TrailReading, Step], None]:
    def step(reading: TrailReading, step: Step) -> None:
        who = identity(kind, reading.account, named_identity(reading, kind))
        step.needs[who] = PRESENT
        more(reading, step, who)

    return step


def _put(reading: TrailReading, step: Step, who: Slot) -> None:
    name = given(reading.parameters, "PolicyName")
    step.writes[("inline", *who[1:], name)] = mark(given(reading.parameters, "PolicyDocument"))


def _taken(reading: TrailReading, step: Step, who: Slot) -> None:
    step.rank = TAKES
    slot = ("inline", *who[1:], given(reading.parameters, "PolicyName"))
    step.needs[slot], step.writes[slot] = PRESENT, None


def _attach(reading: TrailReading, step: Step, who: Slot) -> None:
    arn = given(reading.parameters, "PolicyArn")
    step.needs[("policy", arn)] = PRESENT
    step.writes[("attached", *who[1:], arn)] = arn
    step.writes[("attached to", arn, *who[1:])] = arn


def _detach(reading: TrailReading, step: Step, who: Slot) -> None:
    arn = given(reading.parameters, "PolicyArn")
    step.rank = TAKES
    step.needs[("policy", arn)] = PRESENT
    step.needs[("attached", *who[1:], arn)] = step.needs[("attached to", arn, *who[1:])] = PRESENT
    step.writes[("attached", *who[1:], arn)] = step.writes[("attached to", arn, *who[1:])] = None


def _boundary(reading: TrailReading, step: Step, who: Slot) -> None:
    _bound(reading, step, who)


def _unbound(reading: TrailReading, step: Step, who: Slot) -> None:
    step.rank = TAKES
    step.writes[("boundary", *who[1:])] = None


def _trust(reading: TrailReading, step: Step, who: Slot) -> None:
    text = given(reading.parameters, "PolicyDocument")
    step.writes[("trust", *who[1:])] = mark(text)
    names_there(text, step)


def _moved(reading: TrailReading, step: Step, who: Slot) -> None:
    new = given(reading.parameters, f"New{NOUNS[who[1]]}Name")
    if new and new.lower() != who[3]:
        other = identity(who[1], reading.account, new)
        step.needs[other] = ABSENT
        step.writes[who], step.writes[other] = None, reading.id


def _joined(reading: TrailReading, step: Step, who: Slot) -> None:
    user = identity(USER, reading.account, given(reading.parameters, "UserName"))
    step.needs[user] = PRESENT
    step.writes[("member", *user[1:], who[3])] = who[3]
    step.writes[("members", *who[1:], user[3])] = user[3]


def _left(reading: TrailReading, step: Step, who: Slot) -> None:
    user = identity(USER, reading.account, given(reading.parameters, "UserName"))
    step.rank = TAKES
    step.needs[user] = PRESENT
    for slot in (("member", *user[1:], who[3]), ("members", *who[1:], user[3])):
        step.needs[slot], step.writes[slot] = PRESENT, None


def _key_made(reading: TrailReading, step: Step, who: Slot) -> None:
    key = reading.response.get("accessKey")
    name = given({n.lower(): v for n, v in key.items()}, "accesskeyid") if isinstance(key, dict) else ""
    slot = ("access key", *who[1:], name)
    once(step, slot)
    step.writes[slot] = "Active"


def _key_set(reading: TrailReading, step: Step, who: Slot) -> None:
    slot = ("access key", *who[1:], given(reading.parameters, "AccessKeyId"))
    step.needs[slot], step.writes[slot] = PRESENT, given(reading.parameters, "Status")


def _key_gone(reading: TrailReading, step: Step, who: Slot) -> None:
    ended(step, ("access key", *who[1:], given(reading.parameters, "AccessKeyId")))


def _tagged(reading: TrailReading, step: Step, who: Slot) -> None:
    for name, value in tags_told(reading).items():
        step.writes[("tag", *who[1:], name)] = value


def _untagged(reading: TrailReading, step: Step, who: Slot) -> None:
    for name in reading.parameters.get("TagKeys") or ():
        if isinstance(name, str):
            step.writes[("tag", *who[1:], name)] = None


def _service_role(reading: TrailReading, step: Step) -> None:
    made = reading.response.get("role")
    name = given(made, "roleName") if isinstance(made, dict) else ""
    step.rank = MAKES
    step.writes[identity(ROLE, reading.account, name)] = reading.id


def _policy_tagged(reading: TrailReading, step: Step, arn: str) -> None:
    for name, value in tags_told(reading).items():
        step.writes[("policy tag", arn, name)] = value
    for name in reading.parameters.get("TagKeys") or ():
        if isinstance(name, str):
            step.writes[("policy tag", arn, name)] = None


def _policy_made(reading: TrailReading, step: Step) -> None:
    made = reading.response.get("policy")
    arn = given(made, "arn") if isinstance(made, dict) else ""
    told = reading.parameters
    arn = arn or iam_arn(reading.account, POLICY, given(told, "Path") or "/", given(told, "PolicyName"))
    step.rank = MAKES
    step.needs[("policy", arn)] = ABSENT
    step.writes[("policy", arn)] = reading.id
    step.resets = _of_policy(arn)
    step.writes[("default", arn)] = step.writes[("counted", arn, "v1")] = "v1"
    step.writes[("version", arn, "v1")] = mark(given(told, "PolicyDocument"))
    for name, value in tags_told(reading).items():
        step.writes[("policy tag", arn, name)] = value


def _on_policy(more: Callable[[TrailReading, Step, str], None]) -> Callable[[TrailReading, Step], None]:
    def step(reading: TrailReading, step: Step) -> None:
        arn = given(reading.parameters, "PolicyArn")
        step.needs[("policy", arn)] = PRESENT
        more(reading, step, arn)

    return step


def _version(reading: TrailReading, step: Step, arn: str) -> None:
    made = reading.response.get("policyVersion")
    version = given(made, "versionId") if isinstance(made, dict) else ""
    slot = ("version", arn, version or reading.id)
    once(step, slot)
    step.writes[slot] = mark(given(reading.parameters, "PolicyDocument"))
    if VERSION_ID.fullmatch(version):  # versions are counted, and no number is left out or used again
        number = int(version[1:])
        step.writes[("counted", arn, version)] = version
        step.needs[("counted", arn, version)] = step.needs[("counted", arn, f"v{number + 1}")] = ABSENT
        if number > 1:
            step.needs[("counted", arn, f"v{number - 1}")] = PRESENT
        step.room = tuple(("version", arn, f"v{before}") for before in range(max(1, number - MOST_BEFORE), number))
    if reading.parameters.get("SetAsDefault") is True:
        step.writes[("default", arn)] = version or reading.id


def _default(reading: TrailReading, step: Step, arn: str) -> None:
    version = given(reading.parameters, "VersionId")
    step.needs[("version", arn, version)] = PRESENT
    step.writes[("default", arn)] = version


def _version_gone(reading: TrailReading, step: Step, arn: str) -> None:
    version = given(reading.parameters, "VersionId")
    ended(step, ("version", arn, version))
    step.others[("default", arn)] = version


def _policy_gone(reading: TrailReading, step: Step, arn: str) -> None:
    step.rank = ENDS
    step.needs[("policy", arn)] = PRESENT
    step.clear = (("attached to", arn), ("version", arn))
    step.spared = (("version", arn), ("default", arn))
    step.resets = _of_policy(arn)
    step.writes[("policy", arn)] = None


def _of_policy(arn: str) -> tuple[Slot, ...]:
    """What belongs to one managed policy only. The next policy with its name counts its versions from the start."""
    slots = ("attached to", "version", "counted", "default", "policy tag")
    return (*((what, arn) for what in slots), ("used", "version", arn))


STEPS: Mapping[str, Callable[[TrailReading, Step], None]] = {
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
    **KMS_STEPS,
}
"""Every operation that changes something, by name."""
