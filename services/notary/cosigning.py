"""Asks the witnesses of the policy to cosign what was published. Nothing waits for them.

The newest checkpoint that the policy holds to be witnessed is published as `cosigned`, beside `checkpoint`: as soon as enough
witnesses have cosigned it, and again with each cosignature that comes later. So a witness that hangs delays nothing, unless the
policy needs it. All witnesses are asked about the same checkpoint, in rounds: if each were asked about the newest one whenever it
is free, a busy log could have a cosignature on every checkpoint and enough of them on none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from domain.ports import ContentDiffers, TileStore, Unavailable
from domain.transparency.checkpoints import Checkpoint, checkpoint_by_one_of, cosigned_at
from domain.transparency.merkle import consistency_spans
from domain.transparency.notes import NoteRefused, NoteSignature, SignedNote, VerifierKey, note_of, signature_line
from domain.transparency.policies import KnownWitness, WitnessPolicy
from domain.transparency.tiles import TileMissing
from domain.transparency.witnessing import WitnessRequest
from services.logs import logger_of
from services.metrics import COSIGNED_AT, COSIGNED_LEAVES, WITNESSES
from services.notary.alerts import NotaryAlerts
from services.notary.published_tiles import TreeHashes
from services.outgoing_http import at_most, why_no_answer

log = logger_of("notary")

COSIGNED = "cosigned"
PATIENCE = 5.0
"""Seconds that a witness has to answer."""
GRACE = 1.0
"""Seconds for which a round goes on once enough have cosigned. Whoever wants a proof waits for the next checkpoint for as long as
a witness has to answer (services/evidence/proofs.py), so a round has to end sooner."""
AGAIN = 10.0
"""Seconds after which a witness that was away is asked again."""
LONGEST_ANSWER = 100_000
LONGEST_NUMBER = 19


class NotCosigned(Exception):
    """A witness did not cosign. The message says why."""


@dataclass(frozen=True, slots=True)
class WitnessReply:
    status: int
    body: str


@dataclass(slots=True)
class _Absence:
    """Since when (microseconds) a witness has not cosigned, and why. `told`: an alert was raised; `over`: it cosigned again."""

    since: int
    why: str
    told: bool = False
    over: bool = False


@dataclass(slots=True, eq=False)
class _CosigningRound:
    """A checkpoint, and the cosignatures that have come, by the witnesses' names."""

    head: Checkpoint
    note: SignedNote
    given: dict[str, NoteSignature] = field(default_factory=dict)

    @property
    def cosigned(self) -> SignedNote:
        return self.note.beside(self.given.values())


class Cosigning:
    """One notary's. `published` hands it what is to be cosigned; of several, the newest counts. `own`: every key of the log that
    signs or has signed."""

    def __init__(
        self,
        policy: WitnessPolicy,
        store: TileStore,
        own: Callable[[], Sequence[VerifierKey]],
        alerts: NotaryAlerts | None = None,
        on_cosigned: Callable[[], None] = lambda: None,
    ) -> None:
        self._policy, self._store, self._own, self._alerts = policy, store, own, alerts
        self._on_cosigned = on_cosigned
        self._asked = policy.asked
        self._turns = {each.name: asyncio.Lock() for each in self._asked}
        self._publishing = asyncio.Lock()
        self._round: _CosigningRound | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._sizes: dict[str, int] = {}
        self._away: dict[str, _Absence] = {}
        self._newest: tuple[Checkpoint, SignedNote] | None = None
        self._wanted = asyncio.Event()
        self._session: Any = None

    def published(self, head: Checkpoint, note: SignedNote) -> None:
        self._newest = head, note
        self._wanted.set()

    async def keep_asking(self) -> None:
        """Runs until it is stopped."""
        while self._asked:
            # A witness that was away or still hangs is asked again, though nothing new was published.
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN if self._away or self._asking else None):
                    await self._wanted.wait()
            self._wanted.clear()
            assert self._newest is not None, "that is what was waited for"
            await self.cosign(*self._newest)
            await self._raise_alerts()

    async def cosign(self, head: Checkpoint, note: SignedNote) -> SignedNote:
        """The note with the cosignatures that have come by the end of the round. It is published once they are enough."""
        current = self._round = _CosigningRound(head, note)
        waiting = {asyncio.create_task(self._take_part(each, current)) for each in self._asked}
        self._asking |= waiting
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while waiting and not self._policy.is_met(current.given):
                    _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if waiting and self._policy.is_met(current.given):
            await asyncio.wait(waiting, timeout=GRACE)
        await self._publish(current)  # a policy may need nobody (`quorum none`)
        for each in [task for task in self._asking if task.done()]:
            self._asking.discard(each)
            each.result()
        return current.cosigned

    async def _take_part(self, witness: KnownWitness, current: _CosigningRound) -> None:
        async with self._turns[witness.name]:
            if current is not self._round:
                return  # it hung for longer than this round: it is asked about the newest checkpoint
            found = await self._of(witness, current.head, current.note)
        if found is not None:
            current.given[witness.name] = found
            await self._publish(current)

    async def _publish(self, current: _CosigningRound) -> None:
        if not self._policy.is_met(current.given):
            return
        async with self._publishing:
            with suppress(ContentDiffers, Unavailable):  # another notary was faster, or the next checkpoint will be
                former = await self._store.read(COSIGNED)
                if (cosigned := self._next(former, current)) is not None:
                    await self._store.replace(COSIGNED, str(cosigned).encode(), former)
                    self._on_cosigned()
                    COSIGNED_LEAVES.set(current.head.size)
                    COSIGNED_AT.set_to_current_time()

    def _next(self, former: bytes | None, current: _CosigningRound) -> SignedNote | None:
        """What is to be published as cosigned; None if what is there is newer or says as much. What no key of the log signed is
        not ours, whatever size it names, and a signature that does not hold is none."""
        try:
            note = note_of(former or b"")
            found, _ = checkpoint_by_one_of(note, self._own())
        except NoteRefused as fault:
            if former is not None:
                log.warning("what is published as cosigned is not ours", reason=str(fault))
            return current.cosigned
        if found != current.head:
            return current.cosigned if found.size <= current.head.size else None
        kept = [note.by(self._policy.witnesses[name].key) for name in self._policy.cosigners(note)]
        held = {(each.name, each.id) for each in [*kept, *map(note.by, self._own())] if each is not None}
        cosigned = current.note.beside([*filter(None, kept), *current.given.values()])
        return cosigned if {(each.name, each.id) for each in cosigned.signatures} - held else None

    async def _of(self, witness: KnownWitness, head: Checkpoint, note: SignedNote) -> NoteSignature | None:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._ask(witness, head, note)
        except (NotCosigned, NoteRefused, TileMissing, Unavailable, TimeoutError) as fault:
            self._tell(witness.name, str(fault) or f"no answer within {PATIENCE:.0f} seconds")
            return None
        self._tell(witness.name, "")
        return found

    async def _ask(self, witness: KnownWitness, head: Checkpoint, note: SignedNote) -> NoteSignature:
        """Raises NotCosigned, NoteRefused, TileMissing, Unavailable."""
        for _ in range(2):  # a witness says once where it is, if it is elsewhere than this notary thought
            old = self._sizes.get(witness.name, 0)
            if old > head.size:
                raise NotCosigned(
                    f"it has cosigned {old} leaves, and this log has {head.size}: one of them was put back"
                )
            proof = await TreeHashes(self._store, head.size).of(consistency_spans(old, head.size))
            reply = await self._sent(witness, WitnessRequest(old, tuple(proof), note).text)
            if reply.status == 200:
                return self._taken(witness, head, note, reply.body)
            if reply.status != 409:
                raise NotCosigned(f"it answered {reply.status}: {reply.body.strip()[:200]}")
            size = reply.body.strip()
            if not (size.isascii() and size.isdigit() and len(size) <= LONGEST_NUMBER):
                raise NotCosigned("it does not say how many leaves it has cosigned")
            self._sizes[witness.name] = int(size)
        raise NotCosigned("it says each time that it is elsewhere")

    def _taken(self, witness: KnownWitness, head: Checkpoint, note: SignedNote, body: str) -> NoteSignature:
        """Raises NoteRefused, NotCosigned."""
        for line in body.splitlines():
            signature = signature_line(line)
            if signature.is_by(witness.key):
                cosigned_at(note.beside([signature]), witness.key)
                self._sizes[witness.name] = head.size
                return signature
        raise NotCosigned("its answer has no cosignature by its key")

    async def _sent(self, witness: KnownWitness, text: str) -> WitnessReply:
        """Raises NotCosigned."""
        import aiohttp  # it takes 10 MB, and most installations have no witness

        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        try:
            async with self._session.post(
                f"{witness.url}/add-checkpoint", data=text.encode(), allow_redirects=False
            ) as answer:
                body = await at_most(answer.content, LONGEST_ANSWER)
                return WitnessReply(answer.status, body.decode(errors="replace"))
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            raise NotCosigned(why_no_answer(fault)) from None

    def _tell(self, name: str, why: str) -> None:
        """Logs that a witness went away or came back, and not each time that it is away."""
        WITNESSES.labels(name).set(not why)
        absence = self._away.get(name)
        if why and absence is None:
            log.warning("a witness does not cosign", witness=name, reason=why)
            self._away[name] = _Absence(time.time_ns() // 1000, why)
        elif why and absence is not None:
            absence.why, absence.over = why, False
        elif absence is not None and not absence.over:
            log.info("a witness cosigns again", witness=name)
            absence.over = True

    async def _raise_alerts(self) -> None:
        """One alert about each absence that is long enough, and one when it is over."""
        for name, each in list(self._away.items()):
            if not each.over:
                if not each.told and self._alerts is not None:
                    each.told = await self._alerts.away(name, each.since, each.why)
            elif not each.told or self._alerts is None or await self._alerts.back(name, each.since):
                del self._away[name]

    async def close(self) -> None:
        for each in self._asking:
            each.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
