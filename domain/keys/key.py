"""The key aggregate: immutable, made anew by each event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any, TypeVar

from domain.arn import key_arn
from domain.authorization.question import Resource
from domain.crypto.specs import ENCRYPT_DECRYPT, SPECS, SYMMETRIC_DEFAULT, Spec
from domain.durations import DAY_MICROS, YEAR_DAYS
from domain.keys.origins import AWS_KMS
from domain.keys.states import State
from domain.log import events
from domain.log.codec import micros
from domain.policy.compile import CompiledPolicy, compile_key_policy

AUTOMATIC, ON_DEMAND = "AUTOMATIC", "ON_DEMAND"


@dataclass(frozen=True, slots=True)
class Material:
    """Key material of a key. `stored` is its name in the vault, "" while it is to be imported (again); `expires` and
    `rotated` are microseconds since the epoch, 0 for never; `rotation` is AUTOMATIC, ON_DEMAND, or "" for the first;
    `pending`: imported for a rotation that has not been yet."""

    id: str
    stored: str
    fingerprint: str
    expires: int = 0
    description: str = ""
    rotated: int = 0
    rotation: str = ""
    pending: bool = False


NO_MATERIAL = Material("", "", "")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Automatic rotation: every so many days, next at (microseconds since the epoch)."""

    period_days: int
    next: int


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key as it is at one position. `created` and `deletion` (0: not scheduled) are microseconds since the epoch.

    `materials` are in the order in which they came; `current` is the one that encrypts, NO_MATERIAL where none was ever
    imported. `manager` is the service that manages the key for its account, "" for the account itself.
    """

    id: str
    arn: str
    account: str
    spec: Spec
    usage: str
    origin: str
    description: str
    enabled: bool
    deletion: int
    state: State
    created: int
    materials: tuple[Material, ...]
    current: Material
    public_key: str
    schedule: Schedule | None
    manager: str
    tags: Mapping[str, str]
    policy_text: str
    policy_version: int
    principals: Mapping[str, str]
    """The unique id that each hosted principal's ARN in the policy meant when it was put."""
    seen: list[Resource] = field(default_factory=list, compare=False, repr=False)
    """What `resource` gave; shared by the keys that come of this one by changes which it does not show."""

    @property
    def resource(self) -> Resource:
        """The key as the evaluator sees it, without its aliases and grants, which the world holds.

        Made when it is first asked: a start that brings back a hundred thousand keys compiles the policies of those that
        are used. Raises what compiling raises, which for a policy that is on the log is nothing.
        """
        if not self.seen:
            self.seen.append(_resource(self))
        return self.seen[0]

    def material_of(self, prefix: str) -> Material | None:
        """The material whose id begins so: a ciphertext names the first bytes of it."""
        if self.current.id.startswith(prefix):
            return self.current
        return next((each for each in self.materials if each.id.startswith(prefix)), None)

    def material(self, id: str) -> Material | None:
        return next((each for each in self.materials if each.id == id), None)

    @property
    def on_demand_rotations(self) -> int:
        return sum(each.rotation == ON_DEMAND for each in self.materials)

    @property
    def pending(self) -> Material | None:
        """The material that waits for a rotation."""
        return next((each for each in self.materials if each.pending), None)


def _resource(key: Key) -> Resource:
    """Source of the condition keys: developer guide, conditions-kms."""
    context: dict[str, tuple[str, ...]] = {
        "aws:resourceaccount": (key.account,),
        "kms:keyspec": (key.spec.name,),
        "kms:keyusage": (key.usage,),
        "kms:customermasterkeyspec": (key.spec.name,),
        "kms:customermasterkeyusage": (key.usage,),
        "kms:keyorigin": (key.origin,),
        "kms:multiregion": ("false",),
    }
    for name, value in key.tags.items():
        folded = f"aws:resourcetag/{name.lower()}"
        context[folded] = (*context.get(folded, ()), value)
    policy = compile_key_policy(key.policy_text, key.arn, key.policy_version, key.principals)
    return Resource(key.arn, key.account, policy, context)


_ADMITS_NOBODY = CompiledPolicy(())


def nobodys(arn: str, account: str) -> Resource:
    """What another account's key is to a caller whom it does not admit, and to everyone where it is not there: a policy
    that admits nobody, and nothing that a condition could read but whose it is."""
    return Resource(arn, account, _ADMITS_NOBODY, {"aws:resourceaccount": (account,)})


_NOTHING: tuple[Any, ...] = (
    *(SPECS[SYMMETRIC_DEFAULT], ENCRYPT_DECRYPT, AWS_KMS, "", False, 0, State.DISABLED, 0),
    *((), NO_MATERIAL, "", None, "", {}, "", 0, {}),
)
"""From `spec` to `principals`, written once: an absent key must not take longer to make than another takes to find."""


def absent(id: str, arn: str, account: str) -> Key:
    """Stands for a key of another account that does not exist. Its policy admits nobody, so the caller is refused by the same
    steps and in the same words as a caller whom an existing key does not admit. So nobody learns which keys another account
    has (`domain.state.world.World.key`)."""
    given: tuple[Any, ...] = (id, arn, account, *_NOTHING, [nobodys(arn, account)])
    return Key(*given)


def with_policy(key: Key, text: str, version: int, principals: Mapping[str, str]) -> Key:
    """The key under another policy."""
    return replace(key, policy_text=text, policy_version=version, principals=principals, seen=[])


def current_of(materials: tuple[Material, ...]) -> Material:
    """The youngest that does not wait for a rotation."""
    return next((each for each in reversed(materials) if not each.pending), NO_MATERIAL)


def state_of(enabled: bool, deletion: int, materials: tuple[Material, ...]) -> State:
    """Everything that a state follows from. A key lacks its material until all that ever was current is there."""
    if deletion:
        return State.PENDING_DELETION
    if not current_of(materials).id or any(not each.stored for each in materials if not each.pending):
        return State.PENDING_IMPORT
    return State.ENABLED if enabled else State.DISABLED


def living(key: Key, *, enabled: bool | None = None, deletion: int | None = None) -> Key:
    """The key with the state that follows from it."""
    enabled = key.enabled if enabled is None else enabled
    deletion = key.deletion if deletion is None else deletion
    state = state_of(enabled, deletion, key.materials)
    return replace(key, enabled=enabled, deletion=deletion, state=state)


def with_materials(key: Key, materials: tuple[Material, ...]) -> Key:
    """The key with other materials. One whose last missing material came in is enabled (API reference,
    ImportKeyMaterial)."""
    waited = key.state is State.PENDING_IMPORT
    held = replace(key, materials=materials, current=current_of(materials))
    enabled = key.enabled or (waited and state_of(True, 0, materials) is State.ENABLED)
    return living(held, enabled=enabled)


def created(event: events.KeyCreated, region: str, at: int) -> Key:
    arn = key_arn(region, event.account, event.key)
    first = (Material(event.material, event.material, event.fingerprint),) if event.material else ()
    return Key(
        id=event.key,
        arn=arn,
        account=event.account,
        spec=SPECS[event.spec],
        usage=event.usage,
        origin=event.origin,
        description=event.description,
        enabled=bool(first),
        deletion=0,
        state=state_of(bool(first), 0, first),
        created=at,
        materials=first,
        current=current_of(first),
        public_key=event.public_key,
        # A service's keys are rotated every year (API reference, EnableKeyRotation)
        schedule=Schedule(YEAR_DAYS, at + YEAR_DAYS * DAY_MICROS) if event.manager else None,
        manager=event.manager,
        tags=event.tags,
        policy_text=event.policy,
        policy_version=1,
        principals=event.principals,
    )


@singledispatch
def evolve(event: object, key: Key, at: int) -> Key:
    """The key after an event of its own at `at`, microseconds since the epoch. Never refuses."""
    raise TypeError(f"{type(event).__name__} is not an event of a key")


Stated = TypeVar(
    "Stated", events.MaterialImported, events.MaterialDeleted, events.MaterialExpired, events.DeletionCancelled
)


def stated(event: Stated, key: Key) -> Stated:
    """The event with the state that the key has after it, for those who read the log without folding it."""
    return replace(event, state=evolve(event, key, 0).state.value)


@evolve.register
def _(event: events.KeyEnabled, key: Key, at: int) -> Key:
    return living(key, enabled=True)


@evolve.register
def _(event: events.KeyDisabled, key: Key, at: int) -> Key:
    return living(key, enabled=False)


@evolve.register
def _(event: events.KeyDescribed, key: Key, at: int) -> Key:
    return replace(key, description=event.description)


@evolve.register
def _(event: events.PolicyReplaced, key: Key, at: int) -> Key:
    return with_policy(key, event.policy, event.version, event.principals)


@evolve.register(events.KeyTagged)
@evolve.register(events.KeyUntagged)
def _(event: events.KeyTagged | events.KeyUntagged, key: Key, at: int) -> Key:
    return replace(key, tags=event.all_tags, seen=[])


@evolve.register
def _(event: events.RotationEnabled, key: Key, at: int) -> Key:
    return replace(key, schedule=Schedule(event.period_days, micros(event.next)))


@evolve.register
def _(event: events.RotationDisabled, key: Key, at: int) -> Key:
    return replace(key, schedule=None)


@evolve.register
def _(event: events.KeyRotated, key: Key, at: int) -> Key:
    waiting = key.material(event.material) or Material(event.material, event.stored, event.fingerprint)
    turned = replace(waiting, rotated=at, rotation=event.rotation, pending=False)
    others = tuple(each for each in key.materials if each.id != event.material)
    schedule = Schedule(key.schedule.period_days, micros(event.next)) if key.schedule and event.next else key.schedule
    return replace(with_materials(key, (*others, turned)), schedule=schedule)


@evolve.register
def _(event: events.MaterialImported, key: Key, at: int) -> Key:
    held = key.material(event.material)
    expires = micros(event.valid_to) if event.valid_to else 0
    if held is None:
        fresh = Material(
            event.material, event.stored, event.fingerprint, expires, event.description, pending=event.pending
        )
        materials = (*key.materials, fresh)
    else:
        again = replace(held, stored=event.stored, expires=expires, description=event.description)
        materials = tuple(again if each.id == event.material else each for each in key.materials)
    return with_materials(replace(key, public_key=event.public_key or key.public_key), materials)


@evolve.register(events.MaterialDeleted)
@evolve.register(events.MaterialExpired)
def _(event: events.MaterialDeleted | events.MaterialExpired, key: Key, at: int) -> Key:
    left = tuple(
        replace(each, stored="", expires=0) if each.id == event.material else each
        for each in key.materials
        if not (each.id == event.material and each.pending)
    )
    return with_materials(key, left)


@evolve.register
def _(event: events.DeletionScheduled, key: Key, at: int) -> Key:
    return living(key, deletion=micros(event.due))


@evolve.register
def _(event: events.DeletionCancelled, key: Key, at: int) -> Key:
    return living(key, enabled=False, deletion=0)
