"""Damage to a log shows: a flipped byte, a dropped, swapped or inserted record, a cut end."""

from __future__ import annotations

import pytest

from domain.verification.log import Expected, verify
from tests.logs import a_log, changed

LOG = a_log().numbered()
LAST = len(LOG) - 1
VOID = next(offset for offset, value in LOG if offset in verify(LOG).voids)
TAMPERED = [offset for offset in range(LAST) if offset != VOID]


def test_a_log_with_a_deposed_writers_void_record_is_whole() -> None:
    report = verify(LOG)
    assert report.whole
    assert (report.records, report.valid, len(report.voids)) == (len(LOG), len(LOG) - 1, 1)


@pytest.mark.parametrize("offset", TAMPERED)
def test_a_flipped_byte_is_found_at_once_or_at_the_next_record(offset: int) -> None:
    value = LOG[offset][1]
    for place in range(0, len(value), 7):
        flipped = value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
        report = verify([*LOG[:offset], (offset, flipped), *LOG[offset + 1 :]])
        assert not report.whole, place
        assert report.at is not None
        assert offset <= report.at <= offset + 2


@pytest.mark.parametrize("offset", TAMPERED)
def test_a_dropped_record_is_found(offset: int) -> None:
    gap = verify([*LOG[:offset], *LOG[offset + 1 :]])
    assert gap.at == offset + 1
    closed = verify(list(enumerate(value for place, value in LOG if place != offset)))
    assert closed.at is not None
    assert closed.at >= offset


@pytest.mark.parametrize("offset", [each for each in TAMPERED if each + 1 not in (VOID, LAST + 1)])
def test_two_swapped_records_are_found(offset: int) -> None:
    values = [value for _, value in LOG]
    values[offset], values[offset + 1] = values[offset + 1], values[offset]
    report = verify(list(enumerate(values)))
    assert report.at is not None
    assert report.at >= offset


@pytest.mark.parametrize("offset", TAMPERED[1:])
def test_an_inserted_record_is_found(offset: int) -> None:
    """A forged record that links rightly takes the place of the record behind it, which then links to nothing."""
    values = [value for _, value in LOG]
    forged = changed(values[offset], writer="somebody", at="2027-01-15T08:30:00.000000Z")
    report = verify(list(enumerate([*values[:offset], forged, *values[offset:]])))
    assert not report.whole


def test_a_cut_end_and_a_changed_last_record_are_found_against_a_head_that_was_noted_down() -> None:
    noted = Expected(verify(LOG).position, verify(LOG).head)
    assert verify(LOG, noted).whole
    assert verify(LOG[:-1]).whole, "nothing in the log itself names its last record"
    assert verify(LOG[:-1], noted).at == LAST
    last = changed(LOG[-1][1], writer="writer-x")
    assert verify([*LOG[:-1], (LAST, last)], noted).at == LAST


@pytest.mark.parametrize("offset", range(LAST))
def test_a_copy_of_a_record_is_named_and_hides_nothing_behind_it(offset: int) -> None:
    """After one value copied on Kafka, no later record was checked."""
    values = [value for _, value in LOG]
    for place in range(offset + 1, LAST + 1):
        copied = [*values[:place], values[offset], *values[place:]]
        report = verify(enumerate(copied))
        assert (report.fault, report.strange, report.valid) == ("", [place], verify(LOG).valid)
        assert not verify(enumerate([*copied[:-1], changed(copied[-1], previous="0" * 64)])).whole


def test_a_value_that_is_not_a_record_is_found() -> None:
    assert verify([*LOG, (LAST + 1, b"hello")]).at == LAST + 1
    assert verify([(0, b"hello")]).at == 0


def test_a_log_of_which_nothing_is_left_is_not_whole() -> None:
    for report in (verify([]), verify([], Expected(0, "0" * 64))):
        assert not report.whole
        assert report.valid == 0
