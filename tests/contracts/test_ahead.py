"""The JVM's caches: everybody gets the formatter's, only callers that ask get the broker's, and neither comes from
somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.adapters.bundled import class_caches
from services.ownership import NotOurs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "ahead"
    made.mkdir(mode=0o700)
    monkeypatch.setattr(class_caches, "FOLDER", made)
    monkeypatch.delenv(class_caches.WANTED, raising=False)
    return made


def test_the_broker_starts_from_its_cache_where_it_is_wanted_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches = {what: class_caches.place(what) for what in (class_caches.FORMATTER, class_caches.BROKER)}
    assert {what: class_caches.option(what) for what in caches} == {class_caches.FORMATTER: "", class_caches.BROKER: ""}
    for path in caches.values():
        path.touch(0o600)
    assert class_caches.option(class_caches.FORMATTER) == f"-XX:AOTCache={caches[class_caches.FORMATTER]}"
    assert class_caches.option(class_caches.BROKER) == ""
    monkeypatch.setenv(class_caches.WANTED, "1")
    assert class_caches.option(class_caches.BROKER) == f"-XX:AOTCache={caches[class_caches.BROKER]}"


@pytest.mark.parametrize("what", [class_caches.FORMATTER, class_caches.BROKER])
def test_a_cache_that_others_may_write_is_refused(what: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(class_caches.WANTED, "1")
    class_caches.place(what).touch(0o600)
    folder.chmod(0o777)
    with pytest.raises(NotOurs):
        class_caches.option(what)
