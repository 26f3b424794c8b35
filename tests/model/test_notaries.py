"""Whatever notaries that run at the same time do, and wherever they are killed or paused, there is one tree, and it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from copy import copy
from typing import Any

import pytest

from domain.log.authenticity import Keyring
from domain.log.authority import Authority
from domain.log.chain import Chain
from domain.transparency.checkpoints import Checkpoint
from domain.transparency.notes import SignedNote
from domain.transparency.order import LeafBatch, LeafOrder, LeafRun, OrderBroken
from services.notary.feed import TakenRecord
from services.notary.publisher import GrownTree, TreePublisher
from tests.model.modelled_notary import Arrival, AskedStore, ModelledNotary, asked
from tests.model.notaries import NotaryBounds, NotaryModel, NotaryWorld
from tests.model.protocol import Violation

FEW = (Arrival(0, 0, 2, voids=(1,)), Arrival(1, 0, 1))
FILLED = (Arrival(0, 0, 200), Arrival(0, 200, 100, voids=(203,)))
"""The second batch fills a tile, whose part goes then."""
SMALL = {
    "a tile becomes full": NotaryBounds(FILLED, starts=2, kills=1),
    "three in turn, two of them killed": NotaryBounds(FEW[:1], starts=3, kills=2),
    "the key is rotated": NotaryBounds(FEW[:1], starts=2, kills=0, rotations=2),
    "a write lands late, and twice": NotaryBounds(FEW, starts=2, kills=1, copies=1),
}
FULL = {
    "the key is rotated, and one is killed": NotaryBounds(FEW[:1], starts=2, kills=1, rotations=2),
    "writes of two that were killed land late, and twice": NotaryBounds(FEW, starts=2, kills=2, copies=2),
    "three, two at once, and two kills": NotaryBounds(FEW, starts=3, kills=2),
    "three at once": NotaryBounds(FEW[:1], notaries=3, starts=3, kills=1),
    "three, two at once, and a tile becomes full": NotaryBounds(FILLED, starts=3, kills=1),
    "the key is rotated, and there are two batches": NotaryBounds(FEW, starts=2, kills=1, rotations=2),
    "three batches": NotaryBounds((*FEW, Arrival(0, 2, 1)), starts=2, kills=2, copies=1),
}


def explored(
    bounds: NotaryBounds, notary: type[ModelledNotary] = ModelledNotary, model: type[NotaryModel] = NotaryModel
) -> int:
    async def exploring() -> int:
        return model(bounds, notary).explore()

    return asyncio.run(exploring())


@pytest.mark.parametrize("bounds", SMALL.values(), ids=SMALL.keys())
def test_no_reachable_state_breaks_a_property(bounds: NotaryBounds) -> None:
    states = explored(bounds)
    assert states > 10_000, "bounds that reach so little prove nothing"


@pytest.mark.soak
@pytest.mark.parametrize("bounds", FULL.values(), ids=FULL.keys())
def test_no_reachable_state_breaks_a_property_in_wider_bounds(bounds: NotaryBounds) -> None:
    states = explored(bounds)
    assert states > 50_000


# -- what the model finds in notaries that leave something out ----------------------------------------------------------------


class SignsFirst(ModelledNotary):
    """Publishes a batch before it has read it back."""

    async def _take(self, taken: list[TakenRecord], chain: Chain, removed: tuple[LeafRun, ...] = ()) -> None:
        hasty = copy(self.publisher)
        await hasty.publish(hasty.grown([entry for _, entry in taken if entry is not None]))
        await super()._take(taken, chain, removed)


class AnyFormer(AskedStore):
    """Replaces whatever is there."""

    async def replace(self, path: str, content: bytes, former: bytes | None) -> None:
        await asked("put", path, content)


class ReplacesAnything(ModelledNotary):
    """Replaces the checkpoint, though another is there by now."""

    def __init__(self, name: str, arrivals: Any) -> None:
        super().__init__(name, arrivals)
        self.publisher = TreePublisher(AnyFormer(), self.tree_keys)


class AnyCheckpoint(TreePublisher):
    """Does not ask whether what is published is larger already."""

    async def _require_onward(self, former: bytes | None, checkpoint: Checkpoint) -> None:
        pass


class GoesBack(ModelledNotary):
    def __init__(self, name: str, arrivals: Any) -> None:
        super().__init__(name, arrivals)
        self.publisher = AnyCheckpoint(AskedStore(), self.tree_keys)


class Unlinked(LeafOrder):
    """Every authentic batch counts, whatever it was made on."""

    def accepts(
        self, keys: Keyring, authority: Authority, position: int, value: bytes, document: Mapping[str, Any]
    ) -> LeafBatch | None:
        return super().accepts(keys, authority, position, value, dict(document) | {"previous": self.head})


class UnlinkedAndUnchecked(Unlinked):
    def _require_onward(self, batch: LeafBatch, position: int) -> None:
        pass


class CountsEveryBatch(ModelledNotary):
    def __init__(self, name: str, arrivals: Any) -> None:
        super().__init__(name, arrivals)
        self._order = Unlinked()


class CountsEveryBatchUnchecked(ModelledNotary):
    def __init__(self, name: str, arrivals: Any) -> None:
        super().__init__(name, arrivals)
        self._order = UnlinkedAndUnchecked()


class LeavesTheLastBatch(ModelledNotary):
    """Does not publish what the one before had appended only."""

    async def _publish_again(self, batch: LeafBatch) -> None:
        pass


class NamesKeysAtItsStart(TreePublisher):
    """Does not say which keys sign before they do."""

    async def publish(self, tree: GrownTree) -> tuple[Checkpoint, SignedNote]:
        self._signed = self._keys.signing
        return await super().publish(tree)


class SignsUnnamed(ModelledNotary):
    def __init__(self, name: str, arrivals: Any) -> None:
        super().__init__(name, arrivals)
        self.publisher = NamesKeysAtItsStart(AskedStore(), self.tree_keys)


class SeenByOthers(NotaryModel):
    """A notary that stops, or stands still, does no harm: what counts is what others see of the tree."""

    def _check_stopped(self, fault: OrderBroken) -> None:
        pass

    def _check_continues(self, world: NotaryWorld) -> None:
        pass


TWO = NotaryBounds(FEW, starts=2, kills=0)
ROTATED = NotaryBounds(FEW[:1], starts=1, kills=0, rotations=2)


@pytest.mark.parametrize(
    ("notary", "model", "found"),
    [
        (SignsFirst, SeenByOthers, "two roots are signed|do not begin with them"),
        (SignsFirst, NotaryModel, "a notary stops"),
        (ReplacesAnything, SeenByOthers, "do not begin with them"),
        (GoesBack, SeenByOthers, "do not begin with them"),
        (CountsEveryBatchUnchecked, NotaryModel, "a notary stops"),
        (CountsEveryBatch, NotaryModel, "a notary stops"),
        (LeavesTheLastBatch, NotaryModel, "a notary stops"),
        (SignsUnnamed, SeenByOthers, "no key that is published signed"),
    ],
)
def test_the_model_finds_what_a_notary_leaves_out(
    notary: type[ModelledNotary], model: type[NotaryModel], found: str
) -> None:
    bounds = ROTATED if notary is SignsUnnamed else TWO
    with pytest.raises(Violation, match=found):
        explored(bounds, notary, model)
