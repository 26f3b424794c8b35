"""What a broker says of a partition's end counts once another one confirms that it leads."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition

from services.adapters.continuity import AfterMissing, after_missing
from services.adapters.leaders import are_confirmed

ONE, OTHER = TopicPartition("decisions", 0), TopicPartition("decisions", 1)


@pytest.mark.parametrize(
    ("known", "said", "known_since", "confirmed"),
    [
        ({ONE: 1}, {ONE: 1}, {ONE: 1}, True),
        ({ONE: 1}, {}, {ONE: 1}, True),  # one replica: nobody else can say
        ({ONE: 1}, {ONE: 2}, {ONE: 1}, False),  # it was cut off, and another one leads
        ({ONE: 1}, {ONE: 2}, {ONE: 2}, False),  # the client learnt it while the former leader answered
        ({ONE: 1}, {ONE: 1}, {ONE: 2}, False),
        ({ONE: -1}, {ONE: 2}, {ONE: -1}, False),  # the client knows no leader
        ({ONE: 1, OTHER: 2}, {ONE: 1, OTHER: 2}, {ONE: 1, OTHER: 2}, True),
        ({ONE: 1, OTHER: 2}, {ONE: 1, OTHER: 3}, {ONE: 1, OTHER: 2}, False),
    ],
)
def test_an_answer_counts_if_another_broker_names_the_same_leader(
    known: dict[TopicPartition, int],
    said: dict[TopicPartition, int],
    known_since: dict[TopicPartition, int],
    confirmed: bool,
) -> None:
    assert are_confirmed(known, said, known_since) == confirmed


@pytest.mark.parametrize(
    ("asked", "begin", "end", "follows"),
    [
        (5, 0, 5, AfterMissing.OPEN_AGAIN),  # nothing is lost: the next record will be there
        (4, 0, 9, AfterMissing.OPEN_AGAIN),
        (3, 3, 3, AfterMissing.OPEN_AGAIN),
        (5, 0, 4, AfterMissing.LOST),  # the topic was cut
        (2, 3, 9, AfterMissing.LOST),  # a retention was faster than this reader
    ],
)
def test_a_missing_record_is_lost_if_the_leader_does_not_have_it(
    asked: int, begin: int, end: int, follows: AfterMissing
) -> None:
    assert after_missing(asked, begin, end, compares=False) == follows


@pytest.mark.parametrize(
    ("last", "begin", "end", "follows"),
    [
        (4, 0, 5, AfterMissing.READ_ON),
        (4, 4, 9, AfterMissing.READ_ON),
        (4, 5, 5, AfterMissing.PASS_OVER),  # a retention removed what was read, and nothing after it
        (4, 6, 9, AfterMissing.LOST),
        (4, 0, 4, AfterMissing.LOST),  # the topic was cut before it
    ],
)
def test_the_last_record_may_be_removed_and_not_the_next(
    last: int, begin: int, end: int, follows: AfterMissing
) -> None:
    assert after_missing(last, begin, end, compares=True) == follows
