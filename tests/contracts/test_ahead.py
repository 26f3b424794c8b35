"""The JVM's caches: the formatter's for everybody, the broker's for those who ask, and neither from somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.adapters.bundled.class_caches import BROKER, FORMATTER, WANTED, option, place
from services.ownership import NotOurs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "ahead"
    made.mkdir(mode=0o700)
    return made


def test_the_broker_starts_from_its_cache_where_it_is_wanted_alone(folder: Path) -> None:
    caches = {what: place(what, folder) for what in (FORMATTER, BROKER)}
    assert {what: option(what, folder, ()) for what in caches} == {FORMATTER: "", BROKER: ""}
    for path in caches.values():
        path.touch(0o600)
    assert option(FORMATTER, folder, ()) == f"-XX:AOTCache={caches[FORMATTER]}"
    assert option(BROKER, folder, ()) == ""
    assert option(BROKER, folder, {WANTED}) == f"-XX:AOTCache={caches[BROKER]}"


@pytest.mark.parametrize("what", [FORMATTER, BROKER])
def test_a_cache_that_others_may_write_is_refused(what: str, folder: Path) -> None:
    place(what, folder).touch(0o600)
    folder.chmod(0o777)
    with pytest.raises(NotOurs):
        option(what, folder, {WANTED})
