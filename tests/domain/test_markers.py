"""The markers of pages: whatever a name is, a request can bring back the marker that an answer gave."""

from __future__ import annotations

import re
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidMarker
from services.operations.identity_table import IAM, STS
from services.operations.markers import PLANES, after_marker, marker_after, shortened
from services.operations.rows import Request
from services.operations.table import OPERATIONS
from tests.given import ROOT

LONGEST_OPERATION = "ListOpenIDConnectProviderTags"
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)


def asked(operation: str, **parameters: str) -> Request:
    return Request(operation, parameters, ROOT)


@given(NAMES)
def test_a_page_begins_after_the_name_that_its_marker_was_made_of(name: str) -> None:
    marker = marker_after(asked("ListResourceTags"), name)
    assert re.fullmatch("[\\x20-\\xff]{1,1024}", marker), "KMS API reference, Marker"
    assert after_marker(asked("ListResourceTags", Marker=marker)) == name
    with pytest.raises(InvalidMarker):
        after_marker(asked("ListAliases", Marker=marker))


@pytest.mark.parametrize("letter", ["a", "é", "Ω", "中", "\uffee", "𝔸", "𠀀", "\U000323af"])
def test_the_marker_of_the_longest_tag_key_fits_into_a_request_to_iam(letter: str) -> None:
    """IAM API reference, Marker: at most 320 characters, \\u0020 to \\u00FF."""
    marker = marker_after(asked(LONGEST_OPERATION), letter * 128)
    assert re.fullmatch("[\\x20-\\xff]{1,320}", marker)
    assert after_marker(asked(LONGEST_OPERATION, Marker=marker)) == letter * 128
    for other in ("ListUserTags", "ListAliases"):
        with pytest.raises(InvalidMarker):
            after_marker(asked(other, Marker=marker))


def test_no_two_operations_areshortened_to_the_same() -> None:
    assert len({*map(shortened, (*OPERATIONS, *IAM, *STS))}) == len(OPERATIONS) + len(IAM) + len(STS)


def test_all_that_a_tag_key_of_iam_is_made_of_stands_below() -> None:
    """Where a new Unicode has letters above, the longest tag keys would have no marker."""
    above = (chr(each) for each in range(PLANES, 0x110000))
    assert {category(each)[0] for each in above}.isdisjoint("LZN")


@given(
    st.one_of(
        NAMES,
        NAMES.map("ListResourceTags=".__add__),
        NAMES.map("ListResourceTags:".__add__),
        NAMES.map(shortened("ListResourceTags").__add__),
        st.text("!~\xa1\xff", max_size=400).map(shortened("ListResourceTags").__add__),
    )
)
def test_any_text_is_a_name_or_refused(marker: str) -> None:
    try:
        assert after_marker(asked("ListResourceTags", Marker=marker))
    except InvalidMarker:
        assert not marker.startswith("ListResourceTags:")


def test_markers_of_earlier_versions_are_taken() -> None:
    assert after_marker(asked("ListResourceTags", Marker="ListResourceTags:=a:b")) == "=a:b"
    assert after_marker(asked("ListKeys", Marker="ListKeys:x")) == "x"
