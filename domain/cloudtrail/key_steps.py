"""Which slots a change of KMS needs and writes (steps.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domain.cloudtrail.first_seen import key_id, named_in
from domain.cloudtrail.iam_changes import given
from domain.cloudtrail.record import TrailReading
from domain.cloudtrail.slots import (
    ABSENT,
    CHANGES,
    ENDS,
    MAKES,
    PRESENT,
    TAKES,
    Slot,
    Step,
    Value,
    ended,
    mark,
    names_there,
    once,
    tags_told,
)
from domain.keys.states import TABLE, Cell, State


def _key(reading: TrailReading) -> str:
    return key_id(reading.key)


def _create_key(reading: TrailReading, step: Step) -> None:
    made = reading.response.get("keyMetadata") or reading.response.get("KeyMetadata")
    arn = reading.key or (given({n.lower(): v for n, v in made.items()}, "arn") if isinstance(made, dict) else "")
    key = key_id(arn)
    text = given(reading.parameters, "Policy")
    step.rank = MAKES
    step.needs[("key", key)], step.writes[("key", key)] = ABSENT, reading.id
    step.writes[("key policy", key)] = mark(text)
    here = None if given(reading.parameters, "Origin") == "EXTERNAL" else "yes"
    step.writes |= {("enabled", key): here, ("deletion", key): None, ("material", key): here}
    step.writes[("description", key)] = given(reading.parameters, "Description")
    step.resets = (("key tag", key), ("rotation", key))
    for name, value in tags_told(reading).items():
        step.writes[("key tag", key, name)] = value
    names_there(text, step)


def _allowed(operation: str, key: str, step: Step) -> None:
    """The key must exist, in a state that allows the operation."""
    step.needs[("key", key)] = PRESENT
    cells = TABLE.get(operation)  # no caller requests what a key does by itself
    if cells is None:
        return
    if cells[State.PENDING_DELETION] is Cell.PENDING_DELETION:
        step.needs[("deletion", key)] = ABSENT
    if cells[State.DISABLED] is Cell.DISABLED:
        step.needs[("enabled", key)] = PRESENT
    if cells[State.DISABLED] is Cell.NOT_PENDING:
        step.needs[("deletion", key)] = PRESENT
    if cells[State.PENDING_IMPORT] is Cell.PENDING_IMPORT:
        step.needs[("material", key)] = PRESENT


def _on_key(*written: tuple[str, Value], rank: int = CHANGES) -> Callable[[TrailReading, Step], None]:
    """A change of a key, with the slots of the key that it writes."""

    def step(reading: TrailReading, step: Step) -> None:
        key = _key(reading)
        step.rank = rank
        if key:
            _allowed(reading.operation, key, step)
            for name, value in written:
                step.writes[(name, key)] = value

    return step


def _policy_put(reading: TrailReading, step: Step) -> None:
    _on_key()(reading, step)
    text = given(reading.parameters, "Policy")
    step.writes[("key policy", _key(reading))] = mark(text)
    names_there(text, step)


def _described(reading: TrailReading, step: Step) -> None:
    _on_key()(reading, step)
    step.writes[("description", _key(reading))] = given(reading.parameters, "Description")


def _key_tagged(reading: TrailReading, step: Step) -> None:
    _on_key()(reading, step)
    for name, value in tags_told(reading).items():
        step.writes[("key tag", _key(reading), name)] = value


def _key_untagged(reading: TrailReading, step: Step) -> None:
    _on_key()(reading, step)
    for name in reading.parameters.get("TagKeys") or ():
        if isinstance(name, str):
            step.writes[("key tag", _key(reading), name)] = None


def _alias(reading: TrailReading) -> Slot:
    name = given(reading.parameters, "AliasName")
    return ("alias", reading.region, reading.account, name[name.find("alias/") :])


def _alias_made(reading: TrailReading, step: Step) -> None:
    _on_key()(reading, step)
    slot = _alias(reading)
    step.rank = CHANGES if _key(reading) else MAKES
    step.needs[slot], step.writes[slot] = ABSENT, _key(reading)


def _alias_moved(reading: TrailReading, step: Step) -> None:
    slot, target = _alias(reading), given(reading.parameters, "TargetKeyId")
    key = named_in(reading, target) if target else _key(reading)
    if key:
        _allowed(reading.operation, key, step)
    step.needs[slot], step.writes[slot] = PRESENT, key


def _alias_gone(reading: TrailReading, step: Step) -> None:
    slot = _alias(reading)
    step.rank = TAKES
    step.needs[slot], step.writes[slot] = PRESENT, None


def _grant_made(reading: TrailReading, step: Step) -> None:
    _on_key()(reading, step)
    grant = str({n.lower(): v for n, v in reading.response.items()}.get("grantid") or reading.id)
    step.writes[("grant", grant)] = grant
    once(step, ("grant", grant))
    if given(reading.parameters, "Name"):  # if a grant has this name already, KMS returns that grant
        del step.needs[("grant", grant)]


def _grant_gone(reading: TrailReading, step: Step) -> None:
    response = {n.lower(): v for n, v in reading.response.items()}
    grant = (
        given(reading.parameters, "GrantId") or given(reading.extra, "grantId") or str(response.get("grantid") or "")
    )
    ended(step, ("grant", grant))


def _replicated(reading: TrailReading, step: Step) -> None:
    """The replica exists from then on. A record in the replica's own Region tells its policy."""
    _on_key(rank=MAKES)(reading, step)
    region, name = given(reading.parameters, "ReplicaRegion"), reading.key.rpartition("/")[2]
    if region and name:
        step.writes[("key", key_id(f"arn:aws:kms:{region}:{reading.account}:key/{name}"))] = "replica"


def _material_there(reading: TrailReading, step: Step) -> None:
    """A key is enabled when material that is missing arrives. Material that is imported again leaves a disabled key as it is (API
    reference, ImportKeyMaterial)."""
    _on_key(("material", "yes"), ("enabled", "yes"))(reading, step)
    step.left_empty["enabled", _key(reading)] = ("material", _key(reading))


KMS_STEPS: Mapping[str, Callable[[TrailReading, Step], None]] = {
    "CreateKey": _create_key,
    "PutKeyPolicy": _policy_put,
    "EnableKey": _on_key(("enabled", "yes")),
    "DisableKey": _on_key(("enabled", None)),
    "UpdateKeyDescription": _described,
    "TagResource": _key_tagged,
    "UntagResource": _key_untagged,
    # Scheduling a key's deletion disables the key, and it stays disabled after the deletion is cancelled.
    "ScheduleKeyDeletion": _on_key(("deletion", "yes"), ("enabled", None), rank=ENDS),
    "CancelKeyDeletion": _on_key(("deletion", None), ("enabled", None)),
    "DeleteKey": _on_key(("key", None), rank=ENDS),
    "EnableKeyRotation": _on_key(("rotation", "yes")),
    "DisableKeyRotation": _on_key(("rotation", None)),
    "RotateKey": _on_key(),
    "RotateKeyOnDemand": _on_key(),
    "ImportKeyMaterial": _material_there,
    "DeleteImportedKeyMaterial": _on_key(("material", None), rank=TAKES),
    "DeleteExpiredKeyMaterial": _on_key(("material", None), rank=TAKES),
    "CreateAlias": _alias_made,
    "UpdateAlias": _alias_moved,
    "DeleteAlias": _alias_gone,
    "CreateGrant": _grant_made,
    "RevokeGrant": _grant_gone,
    "RetireGrant": _grant_gone,
    "ReplicateKey": _replicated,
}
