"""Every version of every event type, for ever: each golden file is read, brought up to date, and written back
unchanged.

A new version adds a file and an upcaster. A file that exists never changes. `tests/golden/records.json` holds whole
records, so that the record's own form is held too.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain.log import codec
from domain.log.catalogue import CATALOGUE
from domain.log.upcasters import UPCASTERS
from tests.golden import make

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.v*.json"))


def test_every_type_of_the_catalogue_and_every_old_version_has_its_file() -> None:
    assert {path.stem for path in FILES} == set(CATALOGUE) | set(UPCASTERS)


@pytest.mark.parametrize("wire", CATALOGUE)
def test_a_file_that_is_made_for_a_new_type_is_read_and_written_back(wire: str) -> None:
    made = make.document(CATALOGUE[wire])
    assert codec.event_document(codec.event_from(made)) == made


def is_realistic(text: str) -> bool:
    return f'"{make.PLACEHOLDER}' not in text


def test_no_file_has_the_values_that_were_made_for_it() -> None:
    """A file that is committed as it was made says nothing about a real event, and cannot change any more."""
    assert [path.name for path in FILES if not is_realistic(path.read_text())] == []
    described = make.document(CATALOGUE["key.described.v1"])
    assert not is_realistic(json.dumps(described))
    assert list(described) == ["type", "data"]  # as a record has them


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_event_is_read_and_written_back(path: Path) -> None:
    document = json.loads(path.read_text())
    event = codec.event_from(document)
    written = codec.event_document(event)
    if document["type"] in CATALOGUE:
        assert written == document
    else:
        assert written["type"] in CATALOGUE


def test_a_record_has_the_bytes_that_it_always_had() -> None:
    """The chain is made of bytes, so a record that is read and written again must have the same bytes."""
    for text in (HERE / "records.jsonl").read_text().splitlines():
        document = codec.parse(text.encode())
        assert document is not None
        written = codec.encode(codec.record_from(document))
        if document["event"] is not None and document["event"]["type"] in UPCASTERS:
            # An event of an old version comes back in its newest version; everything else of its record stays.
            assert {**json.loads(written), "event": None} == {**document, "event": None}
        else:
            assert written == text.encode()


def test_a_type_of_a_newer_version_is_not_guessed_at() -> None:
    with pytest.raises(codec.Unreadable):
        codec.event_from({"type": "key.created.v99", "data": {}})
