"""Database rows that Keytrail relies on: any change to a set of rows changes its sum."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.log.authenticity import COUNT, TOLD, KeyMissing
from domain.log.row_sets import RowSet, added
from tests.keys import keyring

Row = tuple[str, str, int]
rows = st.tuples(st.text(max_size=3), st.text(max_size=3), st.integers(-2, 2))


@given(st.lists(st.tuples(st.booleans(), rows)))
def test_sums_of_any_order_agree_where_the_rows_do_and_only_there(steps: list[tuple[bool, Row]]) -> None:
    kept = RowSet(keyring(), COUNT)
    there: Counter[Row] = Counter()
    total = 0
    for comes, row in steps:
        number = kept.sealed(*row)[1]
        there[row] += 1 if comes else -1
        total = added(total, number if comes else -number)
    other = added(0, *(kept.sealed(*row)[1] * count for row, count in there.items()))
    assert kept.total(kept.hidden(total)) == other
    assert (total == 0) == (not any(there.values()))


@given(rows, rows)
def test_a_mac_is_of_one_row_of_one_kind(row: Row, other: Row) -> None:
    kept = RowSet(keyring(), COUNT)
    mac, number = kept.sealed(*row)
    assert kept.number(mac, *row) == number
    assert (kept.number(mac, *other) == number) == (row == other)
    assert RowSet(keyring(), TOLD).number(mac, *row) is None
    assert kept.number(mac + "0", *row) is None
    assert kept.number(mac.partition(":")[0] + ":é", *row) is None


def test_the_numbers_of_rows_do_not_show() -> None:
    kept = RowSet(keyring(), COUNT)
    mac, number = kept.sealed("rule", "subject", 1)
    hidden = kept.hidden(number)
    assert f"{number:064x}" not in mac + hidden
    assert kept.hidden(number) != hidden
    assert kept.total(kept.hidden(number)) == kept.total(hidden) == number


def test_rows_of_before_a_rotation_keep_their_number_and_a_key_that_is_not_known_is_asked_for() -> None:
    first, second = b"1" * 32, b"2" * 32
    before, after = RowSet(keyring(first), COUNT), RowSet(keyring(first, second), COUNT)
    mac, number = before.sealed("row")
    assert after.number(mac, "row") == number
    assert after.total(before.hidden(number)) == number
    assert after.sealed("row")[1] != number
    with pytest.raises(KeyMissing):
        before.number(after.sealed("row")[0], "row")
    with pytest.raises(KeyMissing):
        before.total(after.hidden(1))
