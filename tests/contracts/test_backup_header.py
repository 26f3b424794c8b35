"""Anybody may have written a backup's header: whatever stands there, the refusal is clear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.adapters.master_key import FileMasterKey, MasterKeyRefused, make
from services.backup.sealed_file import MAGIC, BadBackup, read

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["", "QUFB", "QUFB" * 20, "A" * 3]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["under", "key"]), inner, max_size=2),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> FileMasterKey:
    path = tmp_path_factory.mktemp("master") / "master.key"
    make(path)
    return FileMasterKey(path)


def require_refused(path: Path, master: FileMasterKey, line: bytes) -> None:
    path.write_bytes(MAGIC + line + b"\n" + b"\0" * 40)
    with pytest.raises((BadBackup, MasterKeyRefused)):
        list(read(path, master))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANYTHING | st.fixed_dictionaries({"under": ANYTHING, "key": ANYTHING}), st.booleans())
def test_no_header_is_a_fault_of_ours(tmp_path: Path, master: FileMasterKey, header: object, known: bool) -> None:
    if known and isinstance(header, dict):
        header["under"] = master.newest()
    require_refused(tmp_path / "x.backup", master, json.dumps(header).encode())


def test_a_header_without_end_is_refused(tmp_path: Path, master: FileMasterKey) -> None:
    for line in (b"[" * 60_000, b"", b"\xff\xfe", b'{"under":1e999}'):
        require_refused(tmp_path / "x.backup", master, line)
