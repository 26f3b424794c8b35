"""A notary and its witnesses, over real sockets and a real folder: what it publishes as cosigned, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from domain.transparency.checkpoints import Checkpoint, WitnessSigner, checkpoint
from domain.transparency.notes import NoteSignature, SignedNote, VerifierKey, note_of
from domain.transparency.policies import WitnessPolicy, witness_policy
from domain.transparency.witnessing import Witness, witness_request
from services.adapters.keyring import VaultKeyring
from services.adapters.log_now import log_name
from services.adapters.tile_folder import TileFolder
from services.adapters.topics import log_topic
from services.notary.alerts import NotaryAlerts
from services.notary.cosigning import COSIGNED, Cosigning
from tests.domain.test_transparency_tree import StoredTree
from tests.domain.test_witness_policies import private
from tests.domain.test_witnessing import LOG, OTHER, head
from tests.installation import Installation


class HeldWitness:
    """A witness that answers while its gate is open."""

    def __init__(self, number: int) -> None:
        self.signer = WitnessSigner(f"witness.example/{number}", private(number))
        self.gate, self.came, self.asked = asyncio.Event(), asyncio.Event(), list[web.Request]()
        self.gate.set()
        self.url, self.refuses = "", False
        self._witness, self._last = Witness(self.signer, {LOG.name: [LOG.verifier]}), dict[str, Checkpoint]()

    async def answer(self, request: web.Request) -> web.Response:
        asked = witness_request(await request.text())
        self.asked.append(request)
        self.came.set()
        await self.gate.wait()
        if self.refuses:
            return web.Response(status=403)
        found = self._witness.answer(asked, self._last.get(LOG.name), int(time.time()))
        if found.head is not None:
            self._last[LOG.name] = found.head
        return web.Response(status=found.status, text=found.body)

    @property
    def is_waited_for(self) -> bool:
        """Whether whoever asked it first is still there."""
        return self.asked[0].transport is not None


@asynccontextmanager
async def witnesses(count: int) -> AsyncIterator[list[HeldWitness]]:
    async with AsyncExitStack() as ending:
        found = [HeldWitness(each) for each in range(1, count + 1)]
        for each in found:
            app = web.Application()
            app.router.add_post("/add-checkpoint", each.answer)
            runner = web.AppRunner(app, shutdown_timeout=0)
            await runner.setup()
            ending.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            each.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        try:
            yield found
        finally:
            for each in found:  # their servers end when they have answered
                each.gate.set()


def policy(among: Sequence[HeldWitness], quorum: str) -> WitnessPolicy:
    lines = [f"witness W{number} {each.signer.verifier.text} {each.url}" for number, each in enumerate(among)]
    return witness_policy("\n".join([*lines, quorum]))


TWO = "group most 2 W0 W1 W2\nquorum most"


FIRST = WitnessSigner("witness.example/1", private(1)).verifier
HOUR = 3600 * 1_000_000
WRONG = "[rules.witness-away]\nseconds = 'an hour'"


class PublishedLog:
    """A log's folder, in which a notary has published trees of these sizes."""

    def __init__(self, folder: Path, *sizes: int) -> None:
        self.store, self.sizes = TileFolder(folder), sizes

    async def fill(self) -> None:
        await self.store.create_all([(name.path, tile) for name, tile in StoredTree(*self.sizes).tiles.items()])

    async def cosigned(self) -> tuple[int, int]:
        """(leaves of what is published as cosigned, signatures of witnesses); zeros before the first."""
        found = await self.store.read(COSIGNED)
        if found is None:
            return 0, 0
        note = note_of(found)
        return checkpoint(note.text).size, len(note.signatures) - 1

    async def until(self, *wanted: int) -> None:
        async with asyncio.timeout(30):
            while await self.cosigned() != wanted:  # noqa: ASYNC110  # it is a file
                await asyncio.sleep(0.01)


def own() -> list[VerifierKey]:
    return [LOG.verifier]


def signed(size: int) -> tuple[Checkpoint, SignedNote]:
    return head(size), head(size).signed_by(LOG)


@pytest.fixture
async def published(tmp_path: Path) -> PublishedLog:
    found = PublishedLog(tmp_path, 3, 5)
    await found.fill()
    return found


async def test_a_witness_that_hangs_delays_no_checkpoint_that_enough_others_cosigned(published: PublishedLog) -> None:
    """Whoever asked for a proof right after a call was refused with a reason that was false: the others had cosigned long since. Nor
    does it delay the checkpoint after; and when it answers, its cosignature is added to what it cosigned."""
    async with witnesses(3) as (first, second, third):
        third.gate.clear()
        cosigning = Cosigning(policy([first, second, third], TWO), published.store, own)
        asking = asyncio.create_task(cosigning.keep_asking())
        for size in (3, 5):
            cosigning.published(*signed(size))
            await published.until(size, 2)
            assert third.is_waited_for
        third.gate.set()
        await published.until(5, 3)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await cosigning.close()


async def test_a_cosignature_that_comes_late_takes_the_place_of_no_newer_checkpoint(published: PublishedLog) -> None:
    async with witnesses(3) as (first, second, third):
        third.gate.clear()
        cosigning = Cosigning(policy([first, second, third], TWO), published.store, own)
        await cosigning.cosign(*signed(3))
        newer = asyncio.create_task(cosigning.cosign(*signed(5)))
        await published.until(5, 2)
        third.gate.set()
        await newer
        await published.until(5, 3)
        await cosigning.close()
        assert len(third.asked) == 2


async def test_enough_that_are_missing_are_waited_for(published: PublishedLog) -> None:
    """What one of two has cosigned is not published, and comes as soon as the second has answered."""
    async with witnesses(3) as (first, second, third):
        second.gate.clear()
        third.gate.clear()
        cosigning = Cosigning(policy([first, second, third], TWO), published.store, own)
        asking = asyncio.create_task(cosigning.cosign(*signed(3)))
        for each in (first, second, third):
            await each.came.wait()
        assert await published.cosigned() == (0, 0)
        second.gate.set()
        await published.until(3, 2)
        assert len((await asking).signatures) == 3
        await cosigning.close()


async def test_a_policy_that_needs_nobody_publishes_also_while_its_witness_is_away(published: PublishedLog) -> None:
    """`quorum none`: otherwise no proof was ever made, or none of what is newer than the witness's last cosignature."""
    async with witnesses(1) as (first,):
        cosigning = Cosigning(policy([first], "quorum none"), published.store, own)
        first.refuses = True
        await cosigning.cosign(*signed(3))
        assert await published.cosigned() == (3, 0)
        first.refuses = False
        await cosigning.cosign(*signed(3))
        assert await published.cosigned() == (3, 1)
        first.refuses = True
        await cosigning.cosign(*signed(3))
        assert await published.cosigned() == (3, 1), "a cosignature that is there stays"
        await cosigning.close()


NOTHING = "A" * 43 + "="


@pytest.mark.parametrize(
    "text",
    [
        f"{LOG.name}\n{2**62}\n{NOTHING}\n\n\N{EM DASH} {LOG.name} AAAAAAAA\n",
        str(head(5).signed_by(OTHER)),
        str(head(3).signed_by(LOG).beside([NoteSignature(FIRST.name, FIRST.id, bytes(72))])),
        "nothing",
    ],
    ids=["unsigned and large", "signed by another key", "a cosignature that does not hold", "no checkpoint"],
)
async def test_what_somebody_else_put_there_gives_way(published: PublishedLog, text: str) -> None:
    """Whoever may write into the folder could otherwise end all new proofs for good, with one file."""
    await published.store.replace(COSIGNED, text.encode(), None)
    async with witnesses(1) as (first,):
        cosigning = Cosigning(policy([first], "quorum W0"), published.store, own)
        note = await cosigning.cosign(*signed(3))
        assert await published.store.read(COSIGNED) == str(note).encode()
        assert len(note.signatures) == 2
        await cosigning.close()


async def test_a_mistake_in_the_alerts_file_leaves_the_former_settings_and_ends_nothing(
    published: PublishedLog, installation: Installation, keys: VaultKeyring, tmp_path: Path
) -> None:
    """Otherwise the notary ended again and again while a witness was away, and nothing new was notarised."""
    file = tmp_path / "alerts.toml"
    name = await log_name(log_topic(installation.settings), keys)
    alerts = NotaryAlerts(replace(installation.settings, alerts_file=str(file)), keys, name)

    async def is_told(content: str) -> bool:
        """Of an absence of an hour."""
        file.write_text(content)
        return await alerts.away("W0", time.time_ns() // 1000 - HOUR, "it hangs")

    file.write_text(WRONG)
    async with witnesses(1) as (first,):
        first.refuses = True
        cosigning = Cosigning(policy([first], "quorum W0"), published.store, own, alerts)
        asking = asyncio.create_task(cosigning.keep_asking())
        for size in (3, 5):
            first.came.clear()
            cosigning.published(*signed(size))
            came = asyncio.create_task(first.came.wait())
            await asyncio.wait([came, asking], return_when=asyncio.FIRST_COMPLETED)
            assert not asking.done()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await cosigning.close()
    assert await is_told("[rules.witness-away]\nseconds = 7200") is False
    assert await is_told(WRONG) is False
    assert await is_told("[rules.witness-away]\nseconds = 1800") is True
    assert await is_told(WRONG) is True
