"""Which records become which leaves: batches that count, batches that do not, and the leaf of a record."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.log.authenticity import ALERTS, DECISIONS, EVENTS, ORDER, Keyring, Parts
from domain.log.authority import Authority
from domain.transparency.leaf_extents import LeafExtent, extents_of
from domain.transparency.leaves import LeafPlace, entry_of, entry_of_parts, parts_of_value
from domain.transparency.order import (
    LeafBatch,
    LeafOrder,
    LeafRun,
    OrderBroken,
    batch_from,
    index_in,
    order_from,
    place_of,
    runs_of,
)

LOG = "a-log"
KEYS = Keyring([b"\7" * 32])
SEAL = KEYS.seal(KEYS.newest, ORDER, LOG)
AUTHORITY = Authority(LOG, 0, "", KEYS.newest)
ROOT = b"\1" * 32
AT = "2026-11-28T12:00:00.000000Z"


def batch(first: int, *runs: LeafRun, notary: str = "one") -> LeafBatch:
    return LeafBatch(AT, notary, first, runs, ROOT, "head", AUTHORITY.document())


class OrderTopic:
    """The topic of batches, and what a reader of it holds to be the order."""

    def __init__(self) -> None:
        self.order, self.end = LeafOrder(), 0

    def lands(self, each: LeafBatch, previous: str, seal: object = SEAL) -> LeafBatch | None:
        value, _ = seal.sealed(each.body(LOG, previous))  # type: ignore[attr-defined]  # a Seal
        self.end += 1
        return self.order.accepts(KEYS, AUTHORITY, self.end - 1, value, json.loads(value))


def test_of_two_notaries_the_one_whose_batch_lands_first_decides() -> None:
    """Given two notaries that both go on from the same batch, when both append, then the second batch is void, and its notary
    goes on from the first's."""
    topic = OrderTopic()
    assert topic.lands(batch(0, LeafRun(EVENTS, 0, 0, 3)), "") is not None
    before = topic.order.head
    first, second = LeafRun(DECISIONS, 1, 0, 5), LeafRun(DECISIONS, 1, 0, 4)
    assert topic.lands(batch(3, first, notary="one"), before) is not None
    assert topic.lands(batch(3, second, notary="two"), before) is None
    assert (topic.order.size, topic.order.next) == (8, {(EVENTS, 0): 3, (DECISIONS, 1): 5})
    assert topic.lands(batch(8, LeafRun(DECISIONS, 1, 5, 9), notary="two"), topic.order.head) is not None
    assert topic.order.size == 12


def test_an_order_that_was_kept_goes_on() -> None:
    topic = OrderTopic()
    topic.lands(batch(0, LeafRun(EVENTS, 0, 0, 3), LeafRun(DECISIONS, 1, 7, 9)), "")
    kept = order_from(json.loads(json.dumps(topic.order.document())))
    assert kept == topic.order


def test_a_batch_that_somebody_else_made_is_void() -> None:
    topic = OrderTopic()
    strange = Keyring([b"\1" * 32])
    for seal in (strange.seal(strange.newest, ORDER, LOG), KEYS.seal(KEYS.newest, EVENTS, LOG)):
        assert topic.lands(batch(0, LeafRun(EVENTS, 0, 0, 3)), "", seal) is None
    assert topic.order == LeafOrder()


@pytest.mark.parametrize(
    ("first", "run"),
    [
        (2, LeafRun(EVENTS, 0, 3, 5)),
        (4, LeafRun(EVENTS, 0, 3, 5)),
        (3, LeafRun(EVENTS, 0, 2, 5)),
        (3, LeafRun(EVENTS, 0, 4, 5)),
        (3, LeafRun(EVENTS, 0, 3, 3)),
        (3, LeafRun(EVENTS, 0, 3, 5, (5,))),
        (3, LeafRun(EVENTS, 0, 3, 5, (2,))),
        (3, LeafRun(EVENTS, 0, 3, 6, (5, 4))),
        (3, LeafRun(EVENTS, 0, 3, 6, (4, 4))),
    ],
)
def test_a_batch_with_a_gap_or_an_overlap_stops_the_reader(first: int, run: LeafRun) -> None:
    topic = OrderTopic()
    topic.lands(batch(0, LeafRun(EVENTS, 0, 0, 3)), "")
    before = topic.order.head
    with pytest.raises(OrderBroken):
        topic.lands(batch(first, run), before)


def test_one_batch_takes_a_partition_once() -> None:
    topic = OrderTopic()
    with pytest.raises(OrderBroken, match="ended at 3"):
        topic.lands(batch(0, LeafRun(EVENTS, 0, 0, 3), LeafRun(EVENTS, 0, 1, 4)), "")


def test_a_topic_whose_beginning_was_removed_begins_later() -> None:
    topic = OrderTopic()
    assert topic.lands(batch(0, LeafRun(ALERTS, 0, 90, 100)), "") is not None
    assert topic.order.next == {(ALERTS, 0): 100}


def test_a_batch_of_a_newer_version_is_refused() -> None:
    document = json.loads(batch(0, LeafRun(EVENTS, 0, 0, 3)).body(LOG, ""))
    assert batch_from(document) == batch(0, LeafRun(EVENTS, 0, 0, 3))
    with pytest.raises(OrderBroken, match="newer"):
        batch_from(document | {"v": 2})
    with pytest.raises(OrderBroken, match="says 4"):
        batch_from(document | {"size": 4})


@given(st.lists(st.tuples(st.sampled_from([(EVENTS, 0), (DECISIONS, 0), (DECISIONS, 1)]), st.booleans()), min_size=1))
def test_every_record_with_a_leaf_has_one_number(read: list[tuple[tuple[str, int], bool]]) -> None:
    """The numbers of a batch's leaves are those from its first on, each once, in the order of `places` and of the entries."""
    ends: dict[tuple[str, int], int] = {}
    taken: list[tuple[LeafPlace, bytes | None]] = []
    for (kind, part), has_leaf in read:
        position = ends.get((kind, part), 7)
        ends[kind, part] = position + 1
        place = LeafPlace(kind, part, position)
        taken.append((place, entry_of(place, b"") if has_leaf else None))
    runs, entries = runs_of(taken)
    made = batch(100, *runs)
    places = [place for run in made.runs for place in run.places()]
    assert [index_in(made, place) for place in places] == list(range(100, made.size))
    assert entries == [entry_of(place, b"") for place in places]
    assert {place for place, entry in taken if entry is not None} == set(places)
    assert {index_in(made, place) for place, entry in taken if entry is None} <= {None}
    assert index_in(made, LeafPlace(ALERTS, 0, 7)) is None


PLACE = LeafPlace(DECISIONS, 2, 17)


def test_a_leaf_is_made_again_of_what_its_reader_may_see() -> None:
    """Given a record of one account and one across two, when the value or the parts are shown, then both give the leaf."""
    seal = KEYS.seal(KEYS.newest, DECISIONS, LOG)
    whole, _ = seal.sealed(b'{"a":1}')
    assert parts_of_value(whole) is None
    parts = Parts(b'{"own":1}', b'{"theirs":2}', b'{"both":3}')
    across, _ = seal.sealed(b'{"a":1}', parts)
    assert entry_of(PLACE, across) == entry_of_parts(PLACE, seal.salts(parts.rest), parts)


@given(st.data())
def test_another_record_or_another_place_gives_another_leaf(data: st.DataObject) -> None:
    seal = KEYS.seal(KEYS.newest, DECISIONS, LOG)
    value, _ = seal.sealed(b'{"a":1}', data.draw(st.sampled_from([None, Parts(b"a", b"b", b"c")])))
    at, by = data.draw(st.tuples(st.integers(0, len(value) - 1), st.integers(1, 255)), "byte, change")
    changed = value[:at] + bytes([value[at] ^ by]) + value[at + 1 :]
    if parts_of_value(value) is None:
        assert entry_of(PLACE, changed) != entry_of(PLACE, value)
    for other in (
        LeafPlace(EVENTS, 2, 17),
        LeafPlace(DECISIONS, 1, 17),
        LeafPlace(DECISIONS, 2, 18),
        LeafPlace(DECISIONS, 21, 7),
    ):
        assert entry_of(other, value) != entry_of(PLACE, value)


def test_records_that_went_before_they_were_leaves_are_named_by_a_batch_and_are_none() -> None:
    """Given a gap that a batch names, then the next batch goes on behind it; without the name, or with another, it may not."""
    topic = OrderTopic()
    first = batch(0, LeafRun(DECISIONS, 1, 0, 5, (3,)))
    assert topic.lands(first, "") is not None
    gap = replace(batch(4), removed=(LeafRun(DECISIONS, 1, 5, 9),))
    assert batch_from(json.loads(gap.body(LOG, ""))) == gap
    with pytest.raises(OrderBroken, match="takes decisions, partition 1, from 6 to 9"):
        topic.lands(replace(gap, removed=(LeafRun(DECISIONS, 1, 6, 9),)), topic.order.head)
    assert topic.lands(gap, topic.order.head) is not None
    assert (topic.order.size, topic.order.next) == (4, {(DECISIONS, 1): 9})
    last = batch(4, LeafRun(DECISIONS, 1, 9, 11))
    assert topic.lands(last, topic.order.head) is not None
    found: dict[tuple[str, int], LeafExtent] = {}
    extents_of([first, gap, last], found)
    assert found[DECISIONS, 1].positions(0, 100) == {0, 1, 2, 4, 9, 10}
    assert found[DECISIONS, 1].positions(2, 10) == {2, 4, 9}


def test_the_place_of_each_leaf_is_that_of_its_record() -> None:
    each = batch(7, LeafRun(EVENTS, 0, 0, 3, (1,)), LeafRun(DECISIONS, 1, 5, 9))
    for leaf in range(7, each.size):
        place = place_of(each, leaf)
        assert place is not None
        assert index_in(each, place) == leaf
    assert (place_of(each, 6), place_of(each, each.size)) == (None, None)
