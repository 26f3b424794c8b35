"""A writer that is in doubt ends at once. One function decides that, and here its end is an exception."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NoReturn, get_args

import pytest

from domain.log.authenticity import COMMANDS
from domain.ports import Unavailable
from domain.state.fold import Fold
from services.clock import Clock, lasting
from services.writer.doubts import (
    READ_BACK_DEADLINE,
    AppendFailed,
    CommandsUnreadable,
    Deposed,
    FenceUnread,
    LogUnreadable,
    NotRun,
    Observation,
    OldestUnread,
    OtherRecord,
    RecordUnreadable,
    SendFailed,
    StartRefused,
    TermEnded,
    reason_to_stop,
    require_certain,
)
from services.writer.election import SESSION_MS
from services.writer.leader import FirstIdentities, Leader
from services.writer.step import WriterStep
from services.writer.vault_upkeep import VaultUpkeep
from tests.given import ACCOUNT, REGION, key_id
from tests.keys import keyring, process_keys
from tests.logs import Log, command, created
from tests.memory_log import LANDED_BUT_UNANSWERED, NEVER_LANDED, MemoryTopic

FAULT = Unavailable("down")
FAR = 4_000_000_000_000_000
"""A time that is still to come, in microseconds since the epoch."""
STOPS: list[tuple[Observation, str]] = [
    (
        OtherRecord(7, "b", valid=True, own_under_way=False),
        "the record at 7 is valid and of writer b: another one leads",
    ),
    (
        OtherRecord(7, "b", valid=True, own_under_way=True),
        "the record at 7 is valid and of writer b: another one leads",
    ),
    (OtherRecord(7, "b", valid=False, own_under_way=True), "a void record at 7 came between this writer's own"),
    (SendFailed(FAULT), "a record could not be sent: Unavailable('down')"),
    (AppendFailed(FAULT), "a record could not be appended: Unavailable('down')"),
    (OldestUnread(READ_BACK_DEADLINE + 0.1), "an appended record was not read back in time"),
    (NotRun(6.1), "this process did not run for 6 s: another writer may lead by now"),
    (FenceUnread(), "the writer's start was not read back in time"),
    (LogUnreadable(FAULT), "the log cannot be read: down"),
    (RecordUnreadable(FAULT), "down"),
    (CommandsUnreadable(FAULT), "the commands cannot be read: down"),
    (Deposed(), "another writer was elected"),
    (TermEnded(FAULT), "leading ended: Unavailable('down')"),
    (StartRefused(FAULT), "cannot start: down"),
]
GOES_ON: list[Observation] = [
    OtherRecord(7, "b", valid=False, own_under_way=False),
    OldestUnread(READ_BACK_DEADLINE),
    NotRun(SESSION_MS / 1000),
]


class Ended(BaseException):
    """Stands for the end of the process. As there, no handler of exceptions in a task can catch it."""


def end(reason: str) -> NoReturn:
    raise Ended(reason)


@pytest.mark.parametrize(("observed", "reason"), STOPS)
def test_what_a_writer_cannot_be_sure_of_ends_it(observed: Observation, reason: str) -> None:
    assert reason_to_stop(observed) == reason
    with pytest.raises(Ended, match="^" + "".join(f"[{each}]" if each in "().'" else each for each in reason) + "$"):
        require_certain(observed, end)


@pytest.mark.parametrize("observed", GOES_ON)
def test_a_void_record_beside_no_own_and_a_record_within_its_time_are_no_doubt(observed: Observation) -> None:
    assert reason_to_stop(observed) is None
    require_certain(observed, end)


def test_every_observation_is_tried() -> None:
    assert {type(observed) for observed, _ in STOPS} == set(get_args(Observation))


# -- a term of leadership, in memory --------------------------------------------------------------------------------------


class RowsOfAVault:
    """A vault by the names of its rows; all are old."""

    def __init__(self) -> None:
        self.rows = set[str]()
        self.is_empty = asyncio.Event()

    async def materials(self) -> dict[str, bool]:
        return {each: True for each in self.rows if not each.startswith("secret")}

    async def old_secrets(self) -> set[str]:
        return {each for each in self.rows if each.startswith("secret")}

    async def remove_secrets(self, names: Sequence[str]) -> int:
        return await self.destroy(names)

    async def destroy(self, materials: Iterable[str]) -> int:
        before = len(self.rows)
        self.rows.difference_update(materials)
        if not self.rows:
            self.is_empty.set()
        return before - len(self.rows)


class Term:
    """One writer that leads, over logs in memory."""

    def __init__(self) -> None:
        self.events, self.commands = MemoryTopic(), MemoryTopic()
        self.vault = RowsOfAVault()
        self.leading: asyncio.Task[None]
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def _end(self, reason: str) -> NoReturn:
        if not self._ended.done():
            self._ended.set_result(reason)
        raise Ended(reason)

    async def begin(self) -> None:
        async def permitted(*given: object) -> bool:
            return True

        async def nothing(*given: object) -> None:
            return None

        async def told(*given: object) -> bool:
            return True

        self.upkeep = VaultUpkeep(self.vault, told)  # type: ignore[arg-type]  # nobody asks it for new material
        self.leader = Leader(
            self.events,  # type: ignore[arg-type]  # a log in memory keeps the same promises
            self.commands,  # type: ignore[arg-type]  # see above
            WriterStep(Fold.under(keyring()), "writer-a"),
            self.upkeep,
            Clock(),
            FirstIdentities(REGION, ACCOUNT, "AKIAONE"),
            permitted,
            nothing,
            process_keys(),
            nothing,
            self._end,
        )
        self.leading = asyncio.create_task(self.leader.lead())
        async with self.events.grown:
            await self.events.grown.wait_for(lambda: self.events.values)
        await self.answered(created(1, 1))

    async def ask(self, value: bytes) -> None:
        """Send a command like Keytrail's own processes."""
        keys, log = process_keys(), fold_of(self.events).world.log
        sealed, _ = keys.seal(keys.newest, COMMANDS, log).sealed(value)
        await self.commands.append(sealed)

    async def answered(self, value: bytes) -> None:
        """Wait until the command has its record."""
        before = len(self.events.values)
        await self.ask(value)
        async with self.events.grown:
            await self.events.grown.wait_for(lambda: len(self.events.values) > before)

    async def sweep(self) -> None:
        await self.upkeep.sweep(fold_of(self.events).world, self.leader._own.leads)

    async def reason(self) -> str:
        """Why it ended."""
        async with asyncio.timeout(READ_BACK_DEADLINE):
            return await self._ended


def fold_of(topic: MemoryTopic) -> Fold:
    fold = Fold.under(keyring())
    for offset, value in enumerate(topic.values):
        fold.take(offset, value)
    return fold


@pytest.fixture
async def term() -> AsyncIterator[Term]:
    found = Term()
    await found.begin()
    yield found
    found.leading.cancel()
    await asyncio.gather(found.leading, return_exceptions=True)


def other_writer(values: list[bytes]) -> Log:
    """A writer that leads from the end of the log."""
    log = Log()
    log.values = list(values)
    log.lead("writer-b")
    return log


async def test_a_writer_that_was_paused_for_a_session_appends_nothing_more(
    term: Term, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one leads by then. A void record between its own would end that one, too, and then no writer was there."""
    before = list(term.events.values)
    paused = lasting() + SESSION_MS / 1000 + 0.1
    monkeypatch.setattr("services.writer.own_records.lasting", lambda: paused)
    await term.ask(created(2, 2))
    assert (await term.reason()).startswith("this process did not run for 6 s")
    assert term.events.values == before


async def test_a_valid_record_of_another_writer_ends_the_term(term: Term) -> None:
    log = other_writer(term.events.values)
    log.take_over("writer-b")
    await term.events.append(log.values[-1])
    assert await term.reason() == (
        f"the record at {len(log.values) - 1} is valid and of writer writer-b: another one leads"
    )


@pytest.mark.parametrize("fault", [LANDED_BUT_UNANSWERED, NEVER_LANDED])
async def test_a_failed_append_ends_the_term_whether_or_not_it_landed(term: Term, fault: str) -> None:
    landed = len(term.events.values) + (fault == LANDED_BUT_UNANSWERED)
    term.events.fault = fault
    await term.ask(command(2, "EnableKey", {"KeyId": key_id(1)}))
    assert await term.reason() == f"a record could not be appended: Unavailable({fault!r})"
    assert len(term.events.values) == landed


MADE_BY_ANOTHER = frozenset({"material of a key", "secret of an access key"})


async def test_a_leader_that_lost_the_brokers_removes_nothing_from_the_vault(term: Term) -> None:
    """Another one leads by then, and made a key more than an hour ago, of which this one has heard nothing."""
    term.vault.rows |= MADE_BY_ANOTHER
    term.events.fault = NEVER_LANDED
    sweep = asyncio.create_task(term.sweep())
    assert (await term.reason()).startswith("a record could not be appended")
    assert term.vault.rows == MADE_BY_ANOTHER
    sweep.cancel()


async def test_what_nothing_refers_to_is_removed_once_a_further_record_was_read_back(term: Term) -> None:
    before, used = len(term.events.values), set(fold_of(term.events).world.materials)
    term.vault.rows |= used
    await term.sweep()
    assert len(term.events.values) == before, "there is nothing to remove"
    term.vault.rows |= MADE_BY_ANOTHER
    await term.sweep()
    assert term.vault.rows == used
    (record,) = term.events.values[before:]
    assert b'"type":"clock.read' in record


async def test_material_that_is_imported_again_and_deleted_leaves_nothing_in_the_vault(term: Term) -> None:
    """Each import has a row of its own, and the same bytes are in all of them."""
    made = {"key": key_id(3), "material": "", "fingerprint": "", "public_key": ""}
    await term.answered(command(2, "CreateKey", {"Origin": "EXTERNAL"}, made))
    for number, stored in ((3, "first"), (4, "second")):
        term.vault.rows.add(stored)
        known = {"expires": str(FAR), "material": "aa" * 32, "stored": stored, "fingerprint": "f", "public_key": ""}
        asked = {"KeyId": key_id(3), "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
        await term.answered(command(number, "ImportKeyMaterial", asked, {**known, "key": key_id(3)}))
    await term.answered(command(5, "DeleteImportedKeyMaterial", {"KeyId": key_id(3)}))
    async with asyncio.timeout(READ_BACK_DEADLINE):
        await term.vault.is_empty.wait()


async def test_a_void_record_beside_no_own_does_not_end_the_term(term: Term) -> None:
    deposed = other_writer(term.events.values[:-1])
    deposed.take_over("writer-b")
    await term.events.append(deposed.values[-1])
    await term.answered(command(2, "EnableKey", {"KeyId": key_id(1)}))
    assert not term.leading.done()
    fold = fold_of(term.events)
    assert fold.voids == 1
    assert fold.chain.position == len(term.events.values) - 1, "the record behind the void one is valid"
