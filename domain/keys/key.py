"""The key aggregate. It is immutable; each event makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import singledispatch
from typing import Any, TypeVar

from domain.arn import MULTI_REGION, key_arn
from domain.authorization.question import Resource
from domain.crypto.specs import ENCRYPT_DECRYPT, SPECS, SYMMETRIC_DEFAULT, Spec
from domain.durations import DAY_MICROS, YEAR_DAYS
from domain.keys.origins import AWS_KMS, EXTERNAL
from domain.keys.states import State
from domain.log import events
from domain.log.codec import micros
from domain.policy.compile import CompiledPolicy, compile_key_policy

AUTOMATIC, ON_DEMAND = "AUTOMATIC", "ON_DEMAND"


@dataclass(frozen=True, slots=True)
class Material:
    """Key material of a key. `stored` is its name in the vault, "" while it is to be imported (again). `expires` and
    `rotated` are microseconds since the epoch, 0 for never. `rotation` is AUTOMATIC or ON_DEMAND, "" for the first
    material. `pending`: it was imported for a rotation that is still to come."""

    id: str
    stored: str
    fingerprint: str
    expires: int = 0
    description: str = ""
    rotated: int = 0
    rotation: str = ""
    pending: bool = False

    def has_expired(self, now: int) -> bool:
        """Whether it has reached its end, and nobody has recorded that yet. `now`: microseconds since the epoch."""
        return bool(self.stored) and 0 < self.expires <= now


NO_MATERIAL = Material("", "", "")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Automatic rotation: its period in days, and when it is next due (microseconds since the epoch)."""

    period_days: int
    next: int


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key at one position. `created` and `deletion` (0: not scheduled) are microseconds since the epoch.

    `materials` are in the order in which they came. `current` is the one that encrypts, NO_MATERIAL if nothing was ever
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
    """For each hosted principal in the policy: the unique id that its ARN meant when the policy was put."""
    seen: list[Resource] = field(default_factory=list, compare=False, repr=False)
    """The result of `resource`. Later versions of this key share it if their changes do not show in it."""

    @property
    def resource(self) -> Resource:
        """The key in the evaluator's form, without its aliases and grants, which the world holds.

        It is made when it is first asked for. So a start that restores a hundred thousand keys compiles the policies
        only of the keys that are used. Raises the compiler's exceptions; a policy that is on the log raises none.
        """
        if not self.seen:
            self.seen.append(_resource(self))
        return self.seen[0]

    def material_of(self, prefix: str) -> Material | None:
        """The material whose id begins with the prefix: a ciphertext holds the first bytes of the id."""
        if self.current.id.startswith(prefix):
            return self.current
        return next((each for each in self.materials if each.id.startswith(prefix)), None)

    def material(self, id: str) -> Material | None:
        return next((each for each in self.materials if each.id == id), None)

    def state_at(self, now: int) -> State:
        """The state for a call at this time (microseconds since the epoch). Imported material is good until its ValidTo, and no
        longer if no writer leads who would record its end, or none may."""
        if self.origin != EXTERNAL or self.state is State.PENDING_DELETION:
            return self.state
        ended = any(each.has_expired(now) and not each.pending for each in self.materials)
        return State.PENDING_IMPORT if ended else self.state

    @property
    def on_demand_rotations(self) -> int:
        return sum(each.rotation == ON_DEMAND for each in self.materials)

    @property
    def pending(self) -> Material | None:
        """The material that waits for a rotation."""
        return next((each for each in self.materials if each.pending), None)


def fixed_context(key: Key) -> dict[str, tuple[str, ...]]:
    """The condition keys whose values a key has from its creation on, for ever. Source: developer guide, conditions-kms."""
    return {
        "aws:resourceaccount": (key.account,),
        "kms:keyspec": (key.spec.name,),
        "kms:keyusage": (key.usage,),
        "kms:customermasterkeyspec": (key.spec.name,),
        "kms:customermasterkeyusage": (key.usage,),
        "kms:keyorigin": (key.origin,),
        # Only a trail has multi-Region keys.
        "kms:multiregion": ("true" if key.id.startswith(MULTI_REGION) else "false",),
    }


def _resource(key: Key) -> Resource:
    context = fixed_context(key)
    for name, value in key.tags.items():
        folded = f"aws:resourcetag/{name.lower()}"
        context[folded] = (*context.get(folded, ()), value)
    policy = compile_key_policy(key.policy_text, key.arn, key.policy_version, key.principals)
    return Resource(key.arn, key.account, policy, context)


_ADMITS_NOBODY = CompiledPolicy(())


def nobodys(arn: str, account: str) -> Resource:
    """Another account's key for a caller whom it does not admit, and for everyone if it does not exist. Its policy
    admits nobody, and a condition can read only which account it belongs to."""
    return Resource(arn, account, _ADMITS_NOBODY, {"aws:resourceaccount": (account,)})


_NOBODYS = Key(
    id="",
    arn="",
    account="",
    spec=SPECS[SYMMETRIC_DEFAULT],
    usage=ENCRYPT_DECRYPT,
    origin=AWS_KMS,
    description="",
    enabled=False,
    deletion=0,
    state=State.DISABLED,
    created=0,
    materials=(),
    current=NO_MATERIAL,
    public_key="",
    schedule=None,
    manager="",
    tags={},
    policy_text="",
    policy_version=0,
    principals={},
)
_ITS_OWN = ("id", "arn", "account", "seen")
_SHARED: dict[str, Any] = {each.name: getattr(_NOBODYS, each.name) for each in fields(Key) if each.name not in _ITS_OWN}
"""What all absent keys have in common, made only once: to make an absent key must take no longer than to find an existing
one. By name, so that no field can take the place of another."""


def absent(id: str, arn: str, account: str) -> Key:
    """Takes the place of another account's key that does not exist. Its policy admits nobody. So the refusal takes the
    same steps and has the same words as that of an existing key, and the caller cannot learn which keys another account
    has (`domain.state.world.World.key`)."""
    return Key(id=id, arn=arn, account=account, seen=[nobodys(arn, account)], **_SHARED)


def with_policy(key: Key, text: str, version: int, principals: Mapping[str, str]) -> Key:
    """The key with another policy."""
    return replace(key, policy_text=text, policy_version=version, principals=principals, seen=[])


def current_of(materials: tuple[Material, ...]) -> Material:
    """The youngest material that does not wait for a rotation."""
    return next((each for each in reversed(materials) if not each.pending), NO_MATERIAL)


def state_of(enabled: bool, deletion: int, materials: tuple[Material, ...]) -> State:
    """The state that follows from these values. A key is pending import until all material that was ever current is present."""
    if deletion:
        return State.PENDING_DELETION
    if not current_of(materials).id or any(not each.stored for each in materials if not each.pending):
        return State.PENDING_IMPORT
    return State.ENABLED if enabled else State.DISABLED


def living(key: Key, *, enabled: bool | None = None, deletion: int | None = None) -> Key:
    """The key with these values, and the state that follows from them."""
    enabled = key.enabled if enabled is None else enabled
    deletion = key.deletion if deletion is None else deletion
    state = state_of(enabled, deletion, key.materials)
    return replace(key, enabled=enabled, deletion=deletion, state=state)


def with_materials(key: Key, materials: tuple[Material, ...]) -> Key:
    """The key with other materials. A key is enabled when its last missing material arrives (API reference,
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
    """The key after one of its own events at `at`, microseconds since the epoch. Never refuses."""
    raise TypeError(f"{type(event).__name__} is not an event of a key")


Stated = TypeVar(
    "Stated", events.MaterialImported, events.MaterialDeleted, events.MaterialExpired, events.DeletionCancelled
)


def stated(event: Stated, key: Key) -> Stated:
    """The event with the key's state after it, for programs that read the log without folding it."""
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
