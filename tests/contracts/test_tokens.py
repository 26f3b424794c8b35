"""Tokens: only this installation makes them, they open as the kind that was sealed, and reveal nothing to their
holders."""

from __future__ import annotations

import hmac
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.crypto import symmetric
from domain.log.levels import FIRST
from services.adapters.tokens import GRANT, IMPORT, SESSION, Tokens
from tests.contracts.adapters import TOKENS
from tests.keys import OTHER, ROOT

MakeTokens = Callable[..., Tokens]
KINDS = (SESSION, GRANT, IMPORT)
SECOND, THIRD = b"2" * 32, b"3" * 32
"""Secrets that rotations have added."""
DOCUMENT = {"access_key": "ASIAEXAMPLE", "secret": "a secret that is long enough to be found"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(params=TOKENS)
def make(request: pytest.FixtureRequest) -> MakeTokens:
    return TOKENS[request.param]


@pytest.mark.parametrize("adapter", TOKENS)
@given(document=st.dictionaries(st.text(), JSON, max_size=4), kind=st.sampled_from(KINDS))
def test_sealed_material_opens_unchanged(adapter: str, document: dict[str, Any], kind: str) -> None:
    tokens = TOKENS[adapter](ROOT)
    assert tokens.open(kind, tokens.seal(kind, document)) == document


def test_every_process_that_has_the_root_opens_it_and_no_other(make: MakeTokens) -> None:
    token = make(ROOT).seal(SESSION, DOCUMENT)
    assert make(ROOT).open(SESSION, token) == DOCUMENT
    assert make(OTHER).open(SESSION, token) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_of_one_kind_is_not_accepted_as_another(make: MakeTokens, kind: str) -> None:
    tokens = make(ROOT)
    token = tokens.seal(kind, DOCUMENT)
    assert [other for other in KINDS if tokens.open(other, token) is not None] == [kind]


def test_a_token_with_any_bit_changed_does_not_open(make: MakeTokens) -> None:
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
def test_a_part_of_a_token_does_not_open(make: MakeTokens, part: int) -> None:
    tokens = make(ROOT)
    sealed = b64decode(tokens.seal(GRANT, DOCUMENT))
    assert tokens.open(GRANT, b64encode(sealed[:part]).decode()) is None


@pytest.mark.parametrize("text", ["", "x", "====", "a" * 400, "ä", "\ud800", "\0"])
def test_text_that_is_no_token_does_not_open(make: MakeTokens, text: str) -> None:
    assert make(ROOT).open(SESSION, text) is None


def test_a_token_says_nothing_to_who_holds_it(make: MakeTokens) -> None:
    tokens = make(ROOT)
    token = tokens.seal(SESSION, DOCUMENT)
    assert tokens.seal(SESSION, DOCUMENT) != token, "two of the same document are not alike"
    for text in DOCUMENT.values():
        assert text.encode() not in b64decode(token)
    assert ROOT.hex() not in repr(vars(tokens))
    assert repr(tokens) == "Tokens(...)"


def of_version_before(root: bytes) -> str:
    """A session token as versions made it that knew the root secret alone, by their own formula."""
    secret = hmac.digest(root, b"\0\0\0\1keytrail tokens\0\0\0\1\0", "sha256")
    body = zlib.compress(orjson.dumps(DOCUMENT), 6)
    return b64encode(symmetric.encrypt(secret, str(UUID(int=0)), "00" * 8, body, {"kind": SESSION})).decode()


def opened_by_version_before(root: bytes, token: str) -> Any:
    secret = hmac.digest(root, b"\0\0\0\1keytrail tokens\0\0\0\1\0", "sha256")
    return orjson.loads(zlib.decompress(symmetric.decrypt(secret, b64decode(token), {"kind": SESSION})))


def test_a_retired_secret_seals_and_opens_nothing_more(make: MakeTokens) -> None:
    """Gained: whoever had stolen the root secret made session tokens of every root user, after any number of rotations."""
    stolen = [of_version_before(ROOT), make(ROOT).seal(SESSION, DOCUMENT)]
    assert [make(ROOT).open(SESSION, each) for each in stolen] == [DOCUMENT, DOCUMENT]
    rotated = make(ROOT, SECOND, retired=[ROOT])
    assert [rotated.open(SESSION, each) for each in stolen] == [None, None]
    token = rotated.seal(SESSION, DOCUMENT)
    assert rotated.open(SESSION, token) == DOCUMENT
    assert make(ROOT).open(SESSION, token) is None
    twice = make(ROOT, SECOND, THIRD, retired=[ROOT, SECOND])
    assert [twice.open(SESSION, each) for each in (*stolen, token)] == [None, None, None]
    assert twice.open(SESSION, twice.seal(SESSION, DOCUMENT)) == DOCUMENT


def test_processes_that_read_a_rotation_one_after_another_open_each_others_tokens(make: MakeTokens) -> None:
    """A rotation adds a secret to the vault; then every process comes to know it; then the log retires the one before."""
    unaware, aware, done = make(ROOT), make(ROOT, SECOND), make(ROOT, SECOND, retired=[ROOT])
    assert unaware.open(SESSION, aware.seal(SESSION, DOCUMENT)) == DOCUMENT
    assert aware.open(SESSION, unaware.seal(SESSION, DOCUMENT)) == DOCUMENT
    assert aware.open(SESSION, done.seal(SESSION, DOCUMENT)) == DOCUMENT


def test_the_version_before_opens_what_this_one_seals_until_the_upgrade_is_finished(make: MakeTokens) -> None:
    for tokens in (make(ROOT, level=FIRST), make(ROOT, SECOND, retired=[ROOT], level=FIRST)):
        assert opened_by_version_before(ROOT, tokens.seal(SESSION, DOCUMENT)) == DOCUMENT
        assert tokens.open(SESSION, of_version_before(ROOT)) == DOCUMENT
        assert make(ROOT, SECOND).open(SESSION, tokens.seal(SESSION, DOCUMENT)) == DOCUMENT, (
            "another reads the level first"
        )
    assert make(ROOT).open(SESSION, of_version_before(ROOT)) == DOCUMENT, "an upgrade alone ends no token"
    assert make(ROOT, SECOND, retired=[ROOT]).open(SESSION, of_version_before(ROOT)) is None


def test_a_digest_stays_what_it_is_after_a_rotation(make: MakeTokens) -> None:
    """A code of a provider that was used is known by its digest: another digest would let it be used once more."""
    before = make(ROOT).digest(SESSION, "a code")
    assert make(ROOT, SECOND, retired=[ROOT]).digest(SESSION, "a code") == before
    assert make(OTHER).digest(SESSION, "a code") != before
