"""Work that becomes due: deletions, expiries, rotations, and the end of roots' access keys, each within a second of its time."""

from __future__ import annotations

import asyncio
from typing import assert_never

from domain.commands.accounts import ended_root_keys
from domain.commands.due import Agenda, Deletion, Expiry, Rotation, Work
from domain.durations import SECOND_MICROS
from domain.log.events import ClockRead
from domain.ports import Unavailable
from services.clock import Clock, lasting
from services.logs import logger_of
from services.metrics import DUE_SECONDS
from services.writer import decided_records
from services.writer.doubts import READ_BACK_DEADLINE
from services.writer.own_records import OwnRecords
from services.writer.step import WriterStep
from services.writer.vault_upkeep import VaultUpkeep

log = logger_of("writer")

LOOK_EVERY = 1.0
MOST_SKEW = 60.0
MEASURED_WITHIN = 30.0
"""Seconds after which the difference between the clocks is measured again."""


class DueWork:
    """One task runs `keep_doing`. The agenda belongs to the task that holds the turn of `OwnRecords`: the task of
    commands calls `note` for each record that it appends."""

    def __init__(self, step: WriterStep, own: OwnRecords, upkeep: VaultUpkeep, clock: Clock) -> None:
        self._step = step
        self._own = own
        self._upkeep = upkeep
        self._clock = clock
        self._agenda = Agenda(step.fold.world)
        self._refused = set[Work]()
        """It is on record that this work was refused. It is not tried again before something else happens to its key."""

    def note(self, event: object | None) -> None:
        """The event may change when work on its key is due. Hold the turn."""
        key = getattr(event, "key", None)
        if key is not None:
            self._agenda.note(key)
            self._refused = {work for work in self._refused if work.key != key}

    async def keep_doing(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                if ended_root_keys(self._step.fold.world, self._clock.now()):
                    await self._disable_root_keys()
            except Unavailable as fault:
                log.warning("the end of an access key waits", reason=str(fault))
            await self._look()

    async def _look(self) -> None:
        """Do what is due. Work that cannot be done now is left for the next look, with all that needs the same, and holds up
        nothing else: a clock that is wrong keeps keys from being destroyed, and not from being rotated."""
        self._agenda.take_up()
        waiting = set[str]()
        while (work := self._agenda.due(self._clock.now())) is not None:
            needed = _needed(work)
            try:
                if work not in self._refused and needed not in waiting:
                    if await self._is_held(work):
                        waiting.add(needed)
                    elif await self._do(work):
                        continue
            except Unavailable as fault:
                log.warning("what is due waits", needed=needed, reason=str(fault))
                waiting.add(needed)
            self._agenda.set_aside()
        since = self._agenda.waiting_since
        DUE_SECONDS.set(0 if since is None else (self._clock.now() - since) / SECOND_MICROS)

    async def _disable_root_keys(self) -> None:
        async with self._own.turn:
            for event in ended_root_keys(self._step.fold.world, self._clock.now()):
                await self._own.append_event(event)

    async def _is_held(self, work: Work) -> bool:
        """Whether the work destroys material and a restore holds that. Raises Unavailable."""
        match work:
            case Rotation():
                return False
            case Deletion() | Expiry():
                return await self._upkeep.is_held(self._step.fold.world.log)
            case _:
                assert_never(work)

    async def _do(self, work: Work) -> bool:
        """Returns False if the work was refused. Raises Unavailable if the work cannot be done now."""
        material, fingerprint = "", ""
        match work:
            case Rotation():
                new = await self._upkeep.new_material(work.key)
                material, fingerprint = new.id, new.fingerprint
            case Deletion() | Expiry():
                await self._require_clocks_agree()
            case _:
                assert_never(work)
        async with self._own.turn:
            if self._agenda.due(self._clock.now()) == work:  # nothing changed while this waited
                began = decided_records.now()
                record = self._step.fall_due(work, material, fingerprint, self._clock.now())
                await self._own.append(record, began)
                self.note(record.event)
                if record.event is None:
                    self._refused.add(work)
                    error = {} if record.decision is None else record.decision.error or {}
                    log.error("what is due was refused", key=work.key, reason=error.get("message", ""))
                    return False
        return True

    async def _require_clocks_agree(self) -> None:
        """Material that is destroyed too early never comes back. So two clocks have to agree that it is time. Raises
        Unavailable."""
        own = self._own
        if own.skew is None or lasting() - own.skew.measured > MEASURED_WITHIN:
            async with own.turn:
                await own.append_event(ClockRead(self._step.writer))
            await own.sends_ended(within=READ_BACK_DEADLINE)
        if own.skew is None:
            raise Unavailable("the broker does not say what time it is: see message.timestamp.type of the events topic")
        if own.skew.seconds > MOST_SKEW:
            raise Unavailable(
                f"the broker's clock and this machine's are {own.skew.seconds:.0f} s apart: nothing is destroyed until "
                f"they agree within {MOST_SKEW:.0f} s"
            )


def _needed(work: Work) -> str:
    """What a piece of work cannot be done without."""
    match work:
        case Rotation():
            return "the vault"
        case Deletion() | Expiry():
            return "clocks that agree"
        case _:
            assert_never(work)
