"""Tokens: only this installation makes them, they open as the kind that was sealed, and reveal nothing to their
holders."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.tokens import GRANT, IMPORT, SESSION, Tokens
from tests.contracts.adapters import TOKENS
from tests.keys import OTHER, ROOT

KINDS = (SESSION, GRANT, IMPORT)
DOCUMENT = {"access_key": "ASIAEXAMPLE", "secret": "a secret that is long enough to be found"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(params=TOKENS)
def make(request: pytest.FixtureRequest) -> type[Tokens]:
    return TOKENS[request.param]


@pytest.mark.parametrize("adapter", TOKENS)
@given(document=st.dictionaries(st.text(), JSON, max_size=4), kind=st.sampled_from(KINDS))
def test_sealed_material_opens_unchanged(adapter: str, document: dict[str, Any], kind: str) -> None:
    tokens = TOKENS[adapter](ROOT)
    assert tokens.open(kind, tokens.seal(kind, document)) == document


def test_every_process_that_has_the_root_opens_it_and_no_other(make: type[Tokens]) -> None:
    token = make(ROOT).seal(SESSION, DOCUMENT)
    assert make(ROOT).open(SESSION, token) == DOCUMENT
    assert make(OTHER).open(SESSION, token) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_of_one_kind_is_not_accepted_as_another(make: type[Tokens], kind: str) -> None:
    tokens = make(ROOT)
    token = tokens.seal(kind, DOCUMENT)
    assert [other for other in KINDS if tokens.open(other, token) is not None] == [kind]


def test_a_token_with_any_bit_changed_does_not_open(make: type[Tokens]) -> None:
    tokens = make(ROOT)
    sealed = b64decode(tokens.seal(GRANT, DOCUMENT))
    opened = []
    for place in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[place] ^= 1 << bit
            if tokens.open(GRANT, b64encode(changed).decode()) is not None:
                opened.append((place, bit))
    assert opened == []


@pytest.mark.parametrize("part", [0, 1, 10, -1, -10])
def test_a_part_of_a_token_does_not_open(make: type[Tokens], part: int) -> None:
    tokens = make(ROOT)
    sealed = b64decode(tokens.seal(GRANT, DOCUMENT))
    assert tokens.open(GRANT, b64encode(sealed[:part]).decode()) is None


@pytest.mark.parametrize("text", ["", "x", "====", "a" * 400, "ä", "\ud800", "\0"])
def test_text_that_is_no_token_does_not_open(make: type[Tokens], text: str) -> None:
    assert make(ROOT).open(SESSION, text) is None


def test_a_token_says_nothing_to_who_holds_it(make: type[Tokens]) -> None:
    tokens = make(ROOT)
    token = tokens.seal(SESSION, DOCUMENT)
    assert tokens.seal(SESSION, DOCUMENT) != token, "two of the same document are not alike"
    for text in DOCUMENT.values():
        assert text.encode() not in b64decode(token)
    assert ROOT.hex() not in repr(vars(tokens))
    assert repr(tokens) == "Tokens(...)"
