"""A decision that is on its topic twice counts once, whoever judged the first of them."""

from __future__ import annotations

from typing import Any

from services.alert_worker.copies import LANES, SeenLanes


def decision(number: int, lane: int = 1, worker: str = "w") -> dict[str, Any]:
    return {"lane": {"worker": worker, "lane": lane, "number": number, "previous": ""}}


def taken(*decisions: dict[str, Any]) -> list[bool]:
    lanes = SeenLanes()
    return [lanes.takes(each) for each in decisions]


def test_a_copy_is_known_by_its_place_in_its_lane() -> None:
    assert taken(decision(1), decision(2), decision(1), decision(2), decision(3)) == [True, True, False, False, True]


def test_each_lane_of_each_worker_has_its_own_places() -> None:
    assert taken(decision(1), decision(1, lane=2), decision(1, worker="v"), decision(1)) == [True, True, True, False]


def test_a_lane_may_begin_anywhere_and_leave_a_record_out() -> None:
    """Records before those that were read are not known, and one that is lost must not keep the others from being judged."""
    assert taken(decision(7), decision(9), decision(8)) == [True, True, False]


def test_records_of_a_version_without_lanes_count() -> None:
    assert taken({}, {}) == [True, True]


def test_a_lane_that_moves_is_remembered_however_many_others_end() -> None:
    others = [decision(1, lane=number) for number in range(2, LANES + 2)]
    assert taken(decision(1), *others[:-1], decision(2), others[-1], decision(2))[-1] is False
