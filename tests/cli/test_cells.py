"""Text from a caller stays text in every export that people open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exports.cells import csv_cell, html_cell


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "  @x",
        "\u00a0=1",
        "\ufeff=1",
        "\uff1d1+1",
        "\uff20a",
    ],
)
def test_a_formula_is_no_formula(text: str) -> None:
    assert csv_cell(text).startswith("'")


@given(st.text())
def test_a_cell_holds_nothing_that_is_not_seen(text: str) -> None:
    assert all(each.isprintable() for each in csv_cell(text))
    assert all(each.isprintable() for each in html_cell(text))


def test_numbers_and_ordinary_texts_stay_as_they_are() -> None:
    assert [csv_cell(each) for each in (7, -1, None, "alias/payroll", "a=b")] == [7, -1, "", "alias/payroll", "a=b"]


def test_nothing_in_a_cell_is_markup() -> None:
    assert html_cell("<script>alert('x')</script>\u202e\"&") == (
        "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;\\u202e&quot;&amp;"
    )
