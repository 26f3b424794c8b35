"""The writer's step, without I/O: from a command's bytes to its record, which the world takes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never
from uuid import uuid4

from domain.authorization.caller import Caller
from domain.authorization.context import Parameters, RequestOrigin, Via, encryption_context, request_context
from domain.commands.accounts import CreateAccount, require_root_key_event
from domain.commands.console_codes import REDEEM, RedeemConsoleCode
from domain.commands.decide import Outcome, decide, refuse, refused, shortened
from domain.commands.delete_key import DeleteKey
from domain.commands.due import Deletion, Expiry, Rotation, Work
from domain.commands.import_material import ExpireMaterial
from domain.commands.mark_alert import MARK, MarkAlert
from domain.commands.mfa_devices import USE_CODE, UseMfaCode
from domain.commands.rotate_key import RotateKey
from domain.commands.service_key import CreateServiceKey
from domain.commands.sign_out import LOGOUT, SignOut
from domain.errors import CommandExpired, CommandUnreadable, Refusal, UpgradeUnfinished
from domain.keys.limits import Limits
from domain.log import codec, parts
from domain.log.authenticity import COMMANDS, KeyMissing, Keyring, key_of
from domain.log.authority import Authority
from domain.log.catalogue import LEVELS, WIRE_NAMES
from domain.log.command import CLOCKS_APART
from domain.log.events import DecisionsAnchored, LogCreated, LogKeyRetired, LogKeyRotated
from domain.log.levels import LEVEL, UNFINISHED, LevelRaised
from domain.log.own_commands import OURSELVES, own_event
from domain.log.record import LONGEST_RECORD, Call, Decision, Record, Repeat
from domain.ports import Headers
from domain.state.callers import caller_of, session_from
from domain.state.fold import Fold
from services.adapters import cloudevents
from services.operations.keys import SERVICE_KEY
from services.operations.rows import NOT_PREPARED, Changing, NotYetPrepared, Preparation
from services.operations.table import BY_NAME

GOOD_ONCE = frozenset({REDEEM, USE_CODE})
"""Operations that use up a code. Whoever was told to try again would find it used by a command that nobody waits for any more."""
MAX_COMMAND = 1_048_576
"""Four times the limit of a request: JSON's escapes double some characters."""


@dataclass(frozen=True, slots=True)
class _Readable:
    call: Call
    made: dict[str, str]
    not_after: int


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to append: its value, its Kafka headers, its event, the call and decision that it is of, and the vault's names of
    the material that it destroys."""

    value: bytes
    headers: Headers
    event: object | None = None
    call: Call | None = None
    decision: Decision | None = None
    removed: Sequence[str] = ()


class WriterStep:
    """Decides on one fold: the log, with the records that this writer has appended and not read back yet."""

    def __init__(self, fold: Fold, writer: str, org: str = "", limits: Limits | None = None) -> None:
        self.fold = fold
        self.fold.world.limits = limits or Limits()
        self.writer = writer
        self._org = org

    def record(
        self,
        at: int,
        next_command: int,
        call: Call | None,
        decision: Decision | None,
        event: object | None,
        repeats: Repeat | None = None,
    ) -> NewRecord:
        """Makes the next record and takes it into the fold. Time never runs backwards on the log."""
        world = self.fold.world
        if event is not None and not self._may_hold(event):
            assert call is not None, "what this writer does by itself is on every level"
            decision, event = refused(UpgradeUnfinished(UNFINISHED)), None
        record = Record(
            previous=self.fold.chain.head,
            seen=self.fold.chain.position,
            at=max(at, world.at),
            writer=self.writer,
            next_command=next_command,
            call=call,
            decision=decision,
            event=event,
            repeats=repeats,
        )
        document = codec.document_of(record)
        text = codec.canonical(document)
        if len(text) > LONGEST_RECORD and call is not None and decision is not None:
            # Kafka would refuse the append, and so end every writer that reaches this command.
            short, refusal = shortened(call, decision)
            record, event = replace(record, call=short, decision=refusal, event=None), None
            document = codec.document_of(record)
            text = codec.canonical(document)
        log = event.log if isinstance(event, LogCreated) else world.log
        value = self.fold.chain.sealed(text, log, parts.parts_of(document, codec.canonical))
        position = self.fold.next
        self.fold.next += 1
        taken = self.fold.chain.accepts(position, value, document)
        assert taken, "a record that was just linked to the head fits the chain"
        world.fold(position, record)
        name = WIRE_NAMES[type(event)] if event is not None else None
        called = call.id if call is not None else None
        headers = cloudevents.of_event(world.log, called, record.previous, name, codec.rfc3339(record.at))
        return NewRecord(value, headers, event, record.call, record.decision, world.removed)

    def _may_hold(self, event: object) -> bool:
        """Whether the log is at a level that has the event. The one that raises the level cannot wait for it."""
        return isinstance(event, LevelRaised) or LEVELS[type(event)] <= self.fold.world.level

    def is_ours(self, offset: int, value: bytes) -> bool:
        """Whether one of Keytrail's processes wrote the command at `offset`."""
        chain = self.fold.chain
        return chain.keys is None or chain.authority.believes(chain.keys, COMMANDS, 0, offset, value)

    def answer(self, offset: int, value: bytes, now: int) -> NewRecord | None:
        """The record that answers the command at `offset`, which is one of ours; None if the log already has its
        answer.

        Raises KeyMissing for a rotation to a key that is not read from the vault yet.

        """
        world = self.fold.world
        try:
            command = _read(value)
            own = self._own(command, value)
            why_not = None if own is None else self._why_not(own)
        except KeyMissing:
            raise
        except Exception as fault:  # noqa: BLE001  # whatever stands on the topic, it must not stop the commands behind it
            unreadable = refused(CommandUnreadable(f"command {offset} cannot be read: {type(fault).__name__}"))
            return self.record(now, offset + 1, None, unreadable, None)
        call = command.call
        if call.id in world.recent_calls.ids:
            return None
        if _is_late(command, own, now):
            expired = refused(CommandExpired("The command reached the writer after its deadline and has no effect."))
            return self.record(now, offset + 1, call, expired, None)
        if own is not None:
            if why_not is not None:  # the record keeps the call, by which whoever asked finds the answer
                return self.record(now, offset + 1, call, refused(why_not), None)
            return self.record(now, offset + 1, None, None, own)
        answered = world.recent_calls.answers.get(call.invocation) if call.invocation else None
        if answered is not None:
            decision = Decision(answered.effect, resources=(answered.resource,) if answered.resource else ())
            repeat = Repeat(answered.position, answered.resource)
            return self.record(now, offset + 1, call, decision, None, repeat)
        world.deciding_at = now
        outcome = self._decide(command, world.now)
        return self.record(now, offset + 1, call, outcome.decision, outcome.event)

    def _own(self, command: _Readable, value: bytes) -> object | None:
        """The event that one of Keytrail's own processes asks for; None for a caller's call. Raises ValueError if the command
        is not from such a process."""
        event = own_event(command.call)
        if event is None:
            return None
        chain = self.fold.chain
        if chain.keys is None or key_of(value) not in chain.keys:
            raise ValueError("only Keytrail's own processes ask for that")
        return event

    def _why_not(self, own: object) -> Refusal | None:
        """Why the log may not hold an event that one of Keytrail's own processes asks for. Raises KeyMissing."""
        chain, world = self.fold.chain, self.fold.world
        if isinstance(own, LogKeyRotated | LogKeyRetired):
            assert chain.keys is not None, "the command names one of them"
            why_not = _why_not_key(own, chain.keys, chain.authority)
            if why_not is not None:
                return why_not
        if isinstance(own, LevelRaised) and own.level > LEVEL:
            return UpgradeUnfinished(
                f"The writer that leads knows the levels up to {LEVEL}, and not level {own.level}. Start the writers anew with "
                f"Keytrail {own.version} or a later one, and run the same command again."
            )
        if isinstance(own, LevelRaised) and own.level <= world.level:
            return CommandUnreadable(f"The log is at level {world.level} already.")
        if not self._may_hold(own):
            return UpgradeUnfinished(UNFINISHED)
        try:
            require_root_key_event(own, world)
        except ValueError as fault:
            return CommandUnreadable(str(fault))
        return None

    def fall_due(self, work: Work, material: str, fingerprint: str, now: int) -> NewRecord:
        """The record of work that is due on a key; a rotation uses new material."""
        world = self.fold.world
        world.deciding_at = now
        operation, command = _when_due(work, material, fingerprint)
        key = world.keys[work.key]
        call = Call(
            id=str(uuid4()),
            access_key="",
            principal=OURSELVES,
            account=key.account,
            source="",
            agent=OURSELVES,
            operation=operation,
            parameters={"KeyId": key.arn},
        )
        outcome = decide(command, Caller("", OURSELVES, {}, OURSELVES), world)
        return self.record(now, world.next_command, call, outcome.decision, outcome.event)

    def _decide(self, command: _Readable, at: int) -> Outcome:
        call, world = command.call, self.fold.world
        try:
            session = None if call.session is None else session_from(call.session)
            via = None if call.via is None else Via(**call.via)
            caller = caller_of(world, call.access_key, session, at, via)
            origin = RequestOrigin(call.source, call.agent, call.secure, at, world.region, self._org, via)
            context = request_context(origin, call.operation, call.parameters)
            asking = caller.asking(context, encryption_context(call.operation, call.parameters))
            if command.made == NOT_PREPARED:
                return refuse(_command(call, NotYetPrepared()), asking, world)
            return decide(_command(call, command.made), asking, world)
        except Refusal as fault:  # from the credential, or from parameters that make no command
            return Outcome(refused(fault), None)
        except Exception as fault:  # noqa: BLE001  # whatever a command makes decide raise, it must not stop every command behind it
            return Outcome(refused(CommandUnreadable(f"deciding failed: {type(fault).__name__}")), None)


def _why_not_key(own: LogKeyRotated | LogKeyRetired, keys: Keyring, authority: Authority) -> Refusal | None:
    """Why the log does not go on under a key of records, or may not retire it. Raises KeyMissing.

    Many processes seal under the newest key that the vault has, so the log only goes forward, and keeps whatever comes after the
    key in force. A command can ask for the opposite if another rotation came before it.
    """
    name = own.authentication_key
    rotates = isinstance(own, LogKeyRotated)
    if rotates and name in authority.retired:
        return CommandUnreadable("A key that was retired is not used again.")
    if name not in keys:
        raise KeyMissing(name)
    if rotates and keys.rank(name) < keys.rank(authority.key):
        return CommandUnreadable("The log goes on under a newer key already. Run the same command again.")
    if not rotates and keys.rank(name) >= keys.rank(authority.key):
        return CommandUnreadable("Only a key older than the one in force is retired. Run the same command again.")
    return None


def _is_late(command: _Readable, own: object | None, now: int) -> bool:
    """Whether a command may have no effect any more. `own`: the event that it asks for, if it is one of Keytrail's own."""
    if isinstance(own, DecisionsAnchored):
        return False  # it only adds evidence, and nobody would ask for it again
    return now > command.not_after + (0 if command.call.operation in GOOD_ONCE else CLOCKS_APART)


def _when_due(work: Work, material: str, fingerprint: str) -> tuple[str, object]:
    """(operation, command). The operations have CloudTrail's names for these events."""
    match work:
        case Deletion():
            return "DeleteKey", DeleteKey(work.key)
        case Expiry():
            return "DeleteExpiredKeyMaterial", ExpireMaterial(work.key, work.material)
        case Rotation():
            return "RotateKey", RotateKey(work.key, material, fingerprint)
    assert_never(work)


def _read(value: bytes) -> _Readable:
    """Raises ValueError, KeyError, TypeError."""
    if len(value) > MAX_COMMAND:
        raise ValueError("too large")
    document = codec.object_of(value)
    if document is None:
        raise ValueError("not a JSON object")
    call, made, not_after = Call(**document["call"]), document["made"], document["not_after"]
    names = (call.id, call.access_key, call.principal, call.account, call.operation, call.invocation)
    if not all(isinstance(each, str) for each in names) or not isinstance(call.parameters, dict):
        raise TypeError("not a call")
    # JSON may have the number 1e999, and Python counts true as an int.
    if type(not_after) is not int or not all(isinstance(each, str) for each in [*made, *made.values()]):
        raise TypeError("not a command")
    return _Readable(call, made, not_after)


def _create_service_key(parameters: Parameters, made: Preparation) -> CreateServiceKey:
    return CreateServiceKey(parameters["AccountId"], made["key"], made["material"], made["fingerprint"])


def _mark_alert(parameters: Parameters, made: Preparation) -> MarkAlert:
    return MarkAlert(made["owner"], parameters["AlertId"], parameters["State"], parameters["Note"])


def _redeem_code(parameters: Parameters, made: Preparation) -> RedeemConsoleCode:
    return RedeemConsoleCode(made["code"], int(made["expires"]))


def _sign_out(parameters: Parameters, made: Preparation) -> SignOut:
    return SignOut(made["access_key"], made["owner"])


def _create_account(parameters: Parameters, made: Preparation) -> CreateAccount:
    return CreateAccount(parameters["AccountId"], made["access_key"], made["host"])


def _use_mfa_code(parameters: Parameters, made: Preparation) -> UseMfaCode:
    return UseMfaCode(parameters["SerialNumber"], int(made["step"]))


OUR_CHANGES: dict[str, Callable[[Parameters, Preparation], object]] = {
    SERVICE_KEY: _create_service_key,
    MARK: _mark_alert,
    REDEEM: _redeem_code,
    LOGOUT: _sign_out,
    USE_CODE: _use_mfa_code,
    "CreateAccount": _create_account,
}
"""Changes for which AWS's API has no operation. The audit API asks for them, or the first call through a service."""


def _command(call: Call, made: Preparation) -> object:
    ours = OUR_CHANGES.get(call.operation)
    if ours is not None:
        return ours(call.parameters, made)
    row = BY_NAME[call.operation]
    if not isinstance(row, Changing):
        raise TypeError(f"{call.operation} changes nothing")
    return row.command(call.parameters, made)
