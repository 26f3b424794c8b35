"""The JVM's caches: the formatter's for everybody, the broker's for those who ask, and neither from somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.adapters.bundled import ahead
from services.ownership import NotOurs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "ahead"
    made.mkdir(mode=0o700)
    monkeypatch.setattr(ahead, "FOLDER", made)
    monkeypatch.delenv(ahead.WANTED, raising=False)
    return made


def test_the_broker_starts_from_its_cache_where_it_is_wanted_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches = {what: ahead.place(what) for what in (ahead.FORMATTER, ahead.BROKER)}
    assert {what: ahead.option(what) for what in caches} == {ahead.FORMATTER: "", ahead.BROKER: ""}
    for path in caches.values():
        path.touch(0o600)
    assert ahead.option(ahead.FORMATTER) == f"-XX:AOTCache={caches[ahead.FORMATTER]}"
    assert ahead.option(ahead.BROKER) == ""
    monkeypatch.setenv(ahead.WANTED, "1")
    assert ahead.option(ahead.BROKER) == f"-XX:AOTCache={caches[ahead.BROKER]}"


@pytest.mark.parametrize("what", [ahead.FORMATTER, ahead.BROKER])
def test_a_cache_that_others_may_write_is_refused(what: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ahead.WANTED, "1")
    ahead.place(what).touch(0o600)
    folder.chmod(0o777)
    with pytest.raises(NotOurs):
        ahead.option(what)
