"""`events`, judged record by record on a fold that belongs to the worker. Each record is judged on the world before it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from domain.alerts import change_document
from domain.alerts.change import Change
from domain.alerts.engine.alert import Alert
from domain.alerts.engine.judge import Judge, Pair
from domain.alerts.health import Health
from domain.alerts.observed_call import call_of
from domain.alerts.rules import clock_stepped_back
from domain.durations import SECOND_MICROS
from domain.log.authenticity import COMMANDS
from domain.log.authority import Authority
from domain.log.chain import Chain
from domain.log.events import CommandsRefused, MaterialImported, PolicyReplaced
from domain.log.record import Record
from domain.policy_analysis.budget import Budget
from domain.ports import OutOfRange, Stored, Unavailable
from domain.state.fold import Fold
from projections.log.entry import EVENTS
from services.adapters import keyring, skips, snapshots
from services.adapters.alert_publisher import Publisher
from services.adapters.known_records import has_record, read_known
from services.adapters.log_now import chain_ahead
from services.adapters.postgres import Pool
from services.alert_worker import positions, unjudged
from services.alert_worker.books import Books
from services.alert_worker.facts import PastFacts
from services.alert_worker.followed import FollowedTopics
from services.alert_worker.judged_records import JudgedSpans
from services.alert_worker.key_ages import Ages
from services.alert_worker.past import Past
from services.alert_worker.positions import JudgedUpTo
from services.alert_worker.takeover import LossAccepted
from services.alert_worker.tally import PartitionTally, SourcedCandidate
from services.alert_worker.unjudged import UnjudgedChanges
from services.alert_worker.voids import Voids
from services.logs import logger_of

log = logger_of("alerts")

PART = (EVENTS, 0)
READ = 500
AT_ONCE = 50_000
"""Steps (domain/policy_analysis/budget) that one policy may take before the records after it are judged: the largest policies
that people write take a tenth of it."""
WINDOW = 10
SHARE = 1_000_000
"""Steps that one account's policies may take in a window of WINDOW seconds: about six hundred ordinary policies."""
WINDOWS = 10_000


class JudgedEvents:
    """Judges `events`, and owns the fold. A record that comes twice is judged once; a record that was passed over is read
    from the topic."""

    def __init__(
        self,
        topics: FollowedTopics,
        facts: PastFacts,
        pool: Pool,
        books: Books,
        judge: Callable[[], Judge],
        publisher: Publisher,
        voids: Voids,
    ) -> None:
        self._keys = books.keys
        self._books = books
        self._voids = voids
        self._facts = facts
        self._pool = pool
        self._judge = judge
        self._publisher = publisher
        self._topic = topics.events
        self._fold: Fold | None = None
        self._now = Chain(keys=books.keys)
        """The log's chain as it was when the fold was restored. The fold may be far behind: where everything is judged anew it is
        empty, and does not even know the log's name, without which every decision is void."""
        self.ages = Ages(self._topic, books.keys, lambda: self._fold)
        self._counter = PartitionTally(pool, books, judge, publisher, self.ages)
        self._past = Past(facts)
        self._skew: int | None = None
        self._candidates: list[SourcedCandidate] = []
        self._pairs: list[Pair] = []
        self._put_off: list[tuple[str, dict[str, Any]]] = []
        self._spent: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._later = UnjudgedChanges(pool, books, judge, publisher)
        self._one_at_a_time = asyncio.Lock()

    async def catch_up(self) -> None:
        """Judge the records that Faust did not hand over. Raises INTERRUPTED, OutOfRange, Unreadable."""
        async with self._one_at_a_time:
            fold = await self._go_on()
            end = await self._topic.end()
            try:
                if end < fold.next:
                    await self._ends_early(JudgedUpTo(fold.next, fold.chain.head))
                await self._read_up_to(end)
                self._now = fold.chain  # the log may have lost what another chain had seen
            except BaseException:
                self._fold = None
                raise

    async def look_around(self, now: int) -> None:
        """Judge every key by the time that has passed. Raises JudgedElsewhere, INTERRUPTED."""
        async with self._one_at_a_time:
            fold, judge = await self._go_on(), self._judge()
            found: list[SourcedCandidate] = [
                (each, now, {}) for key in fold.world.all_keys() for each in judge.timed(key, now)
            ]
            if found:
                async with self._counter.holding(PART, fold.next) as held:
                    await held.settle(JudgedUpTo(fold.next, fold.chain.head, self._skew), found)

    async def take(self, messages: Sequence[Stored]) -> None:
        """Judge messages. When this returns, all of them are judged and kept. Raises INTERRUPTED, OutOfRange, Unreadable."""
        async with self._one_at_a_time:
            fold = await self._go_on()
            try:
                if messages and messages[0].offset > fold.next:
                    log.warning("records were passed over; reading them", first=fold.next, last=messages[0].offset - 1)
                    await self._read_up_to(messages[0].offset)
                await self._batch([each for each in messages if each.offset >= fold.next])
            except BaseException:
                self._fold = None  # the fold may be ahead of what is kept
                raise

    async def authority(self) -> Authority:
        """What this installation's log says about authenticity, as far as this process read it. Raises INTERRUPTED, OutOfRange,
        Unreadable."""
        fold = self._fold
        if fold is None:
            async with self._one_at_a_time:
                fold = await self._go_on()
        chain = fold.chain if fold.chain.position >= self._now.position else self._now
        if not chain.authority.log:
            raise Unavailable("the log has no record yet, so nobody can tell which others are ours")
        return chain.authority

    async def follow(self) -> None:
        """Fold what another worker has judged. Without that, a worker which is given no partition of `events` would know of no
        rotation: it would go on believing the former key, and find nothing that the notary keeps under the new one. Raises
        RowsChanged, JudgedElsewhere, INTERRUPTED, OutOfRange, Unreadable."""
        async with self._one_at_a_time:
            fold = self._fold
            if fold is None:
                return
            kept = await positions.believed(self._pool, self._books, PART)
            if kept.next < fold.next:  # another worker began anew
                self._fold = None
            elif kept.next > fold.next:
                self._fold = None
                await self._fold_up_to(kept, fold)
                self._go_on_from(kept, fold)

    async def _go_on(self) -> Fold:
        if self._fold is None:
            await self._restore()
        assert self._fold is not None, "it was restored"
        return self._fold

    async def _restore(self) -> None:
        """Restore the fold as far as the log is judged. Raises OutOfRange if the log ends earlier, or differs from the one
        that was judged."""
        kept = await positions.believed(self._pool, self._books, PART)
        if kept.next and await self._topic.end() < kept.next:
            await self._ends_early(kept)
        fold = Fold.under(self._keys)
        if kept.next:
            fold = await snapshots.restore(self._pool, self._topic, self._keys, (kept.next - 1, None))
        await self._fold_up_to(kept, fold)
        self._now = await chain_ahead(fold, self._now, self._topic, self._pool, self._keys)
        self._go_on_from(kept, fold)

    async def _fold_up_to(self, kept: JudgedUpTo, fold: Fold) -> None:
        if fold.next < kept.next:
            reader = await self._topic.reader(fold.next)
            try:
                while fold.next < kept.next:
                    for stored in await read_known(reader, min(READ, kept.next - fold.next)):
                        await keyring.take(fold, stored, self._keys)
            finally:
                await reader.close()
        if kept.digest and fold.chain.head != kept.digest:
            await self._broken(kept, f"the record before @{kept.next} is not the one that was judged")

    def _go_on_from(self, kept: JudgedUpTo, fold: Fold) -> None:
        self._fold, self._skew, self._past = fold, kept.skew, Past(self._facts)
        self._candidates, self._pairs, self._put_off = [], [], []

    async def _ends_early(self, kept: JudgedUpTo) -> None:
        await self._broken(kept, f"the log ends before @{kept.next - 1}, which was judged")

    async def _broken(self, kept: JudgedUpTo, summary: str) -> NoReturn:
        where = f"{kept.next} {kept.digest}"
        await self._publisher.publish_break(self._judge(), where, summary)
        permit = skips.of_judging(self._books.log, kept.digest)
        by = await skips.given_by(self._pool, self._keys, permit, kept.next)
        if by is None:
            raise OutOfRange(
                f"{summary}: bring the lost records back from a backup (keytrail restore); or, if what is lost stays lost, "
                "let alert workers judge what is left (keytrail accept-loss)"
            )
        accepted = f"{by} accepted that records which were judged are lost ({summary}): what is left is judged anew"
        await self._publisher.publish_break(self._judge(), f"{where} accepted", accepted)
        raise LossAccepted(accepted)

    async def _read_up_to(self, offset: int) -> None:
        """Judge the records before `offset` that did not come: Faust passed them over, or another worker had to judge them
        and did not."""
        assert self._fold is not None, "it was restored"
        if self._fold.next >= offset:
            return
        reader = await self._topic.reader(self._fold.next)
        try:
            while self._fold.next < offset:
                found = await read_known(reader, min(READ, offset - self._fold.next))
                await self._batch(found)
        finally:
            await reader.close()

    async def _batch(self, messages: Sequence[Stored]) -> None:
        fold = self._fold
        assert fold is not None, "it was restored"
        if not messages:
            return
        spans, before, voids = JudgedSpans(*PART), JudgedUpTo(fold.next, fold.chain.head), fold.voids
        async with self._counter.holding(PART, fold.next) as held:
            for message in messages:
                alerts = await self._one(fold, message, spans)
                if alerts:
                    # Before the transaction ends: an operator gets it at once, and once more under the same name
                    # after a crash.
                    await self._publisher.publish(alerts)
            if fold.voids > voids:
                await self._require_known(fold, before)
            candidates, pairs = self._candidates, self._pairs
            self._candidates, self._pairs = [], []
            for account, document in self._put_off:
                await unjudged.put_off(held.locked, account, document)
            self._put_off = []
            await held.settle(JudgedUpTo(fold.next, fold.chain.head, self._skew), candidates, pairs)
        spans.end()

    async def _require_known(self, fold: Fold, before: JudgedUpTo) -> None:
        """A record was void. If brokers have lost the last one that counted, everything from there on is void to us, and nothing
        would be judged any more. Raises OutOfRange then."""
        if fold.chain.position >= 0 and not await has_record(self._topic, fold.chain.position, fold.chain.head):
            await self._broken(before, f"the log does not have @{fold.chain.position} any more, which was judged")

    async def _one(self, fold: Fold, message: Stored, spans: JudgedSpans) -> list[Alert]:
        judge, world = self._judge(), fold.world
        found = await keyring.read(fold, message, self._keys)
        if found is None:
            self._voids.count(EVENTS, 0, message.offset, world.at)
            return self._voids.alerts(judge)
        document, record = found
        source = {"topic": EVENTS, "partition": 0, "offset": message.offset, "call": _call(record)}
        spans.note(_call(record), record.at, message.offset)
        alerts = self._clock(judge, world.at, record, message)
        if isinstance(record.event, CommandsRefused):
            refused = record.event
            self._voids.count(COMMANDS, 0, refused.from_command, record.at, refused.count)
            alerts += self._voids.alerts(judge)
        if judge.asks(record.event):
            change = await self._change(fold, record, message.offset)
            alerts += self._judged(judge, change, source)
        if isinstance(record.event, PolicyReplaced):
            self._past.replaced(world.keys[record.event.key], record.at)
        use = call_of(document)
        if use is not None:
            self._candidates += [(each, use.at, source) for each in judge.candidates(use)]
            self._pairs += judge.pairs(use, source)
        world.fold(message.offset, record)
        if isinstance(record.event, MaterialImported):
            key = world.keys[record.event.key]
            self._candidates += [(each, record.at, source) for each in judge.timed(key, record.at)]
        return alerts

    def _judged(self, judge: Judge, change: Change, source: Mapping[str, Any]) -> list[Alert]:
        """The alerts that are found at once. If a policy takes more steps than its account has left, the rest is put off.
        Windows are of the records' own time, so that judging them again has the same result."""
        key = change.key
        account = change.account if key is None else key.account
        window = (account, change.at // (WINDOW * SECOND_MICROS))
        spent = self._spent.get(window, 0)
        budget = Budget(max(0, min(AT_ONCE, SHARE - spent)))
        found = judge.within(change, source, budget)
        if budget.spent:
            self._spent[window] = spent + min(budget.spent, AT_ONCE)
            if len(self._spent) > WINDOWS:
                self._spent.popitem(last=False)
        if found.unfinished:
            told = [each.id for each in found.alerts]
            self._put_off.append((account, change_document.document(change, source, told)))
        return found.alerts

    async def judge_to_the_end(self) -> None:
        """Judge what was put off. Never ends. Raises INTERRUPTED."""
        await self._later.judge_on()

    async def _change(self, fold: Fold, record: Record, position: int) -> Change:
        call, event, world, settings = record.call, record.event, fold.world, self._judge().settings
        return Change(
            event,
            world,
            record.at,
            position,
            caller="" if call is None else call.principal,
            account="" if call is None else call.account,
            operation="" if call is None else call.operation,
            facts=await self._past.of(event, world.keys, position, record.at),
            known_accounts=settings.known_accounts,
            allow=settings.allow,
        )

    def _clock(self, judge: Judge, before: int, record: Record, message: Stored) -> list[Alert]:
        """Alerts about a writer's clock. The writer never goes back in time: if its clock does, records keep the time of the
        last one while the broker's time goes on."""
        if not message.appended:
            return []
        skew = message.appended - record.at
        if record.at > before or self._skew is None:
            self._skew = skew
            return []
        least = judge.settings.numbers_of(clock_stepped_back.RULE)[clock_stepped_back.BEHIND]
        behind = (skew - self._skew) // SECOND_MICROS
        if behind < least:
            return []
        summary = f"writer {record.writer}'s clock stands {behind} s or more behind the last record"
        return judge.of_health(Health(clock_stepped_back.RULE, f"{record.writer}@{record.at}", record.at, summary))


def _call(record: Record) -> str:
    return "" if record.call is None else record.call.id
