"""However large an installation is, each part of its backup can be read back."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from services.adapters import snapshots, vault_copy
from services.adapters.master_key import FileMasterKey, make
from services.adapters.postgres import connect
from services.adapters.snapshots import PIECE, VERSION, LoadedSnapshots
from services.adapters.vault import Vault
from services.backup.sealed_file import LEFT_SECONDS, BadBackup, SealedWriter, read
from services.settings import Settings


def test_a_part_that_nobody_could_read_is_not_written(tmp_path: Path) -> None:
    make(tmp_path / "master.key")
    master = FileMasterKey(tmp_path / "master.key")
    writer = SealedWriter(tmp_path / "x.backup", master, master.newest(), longest=10_000)
    writer.write({"kind": "start"})
    with pytest.raises(BadBackup, match="not written"):
        writer.write({"kind": "vault", "rows": os.urandom(10_000).hex()})
    writer.write({"kind": "end"}, last=True)
    writer.close()
    assert list(read(tmp_path / "x.backup", master)) == [{"kind": "start"}, {"kind": "end"}]


def test_a_backup_that_the_disk_did_not_take_leaves_nothing(tmp_path: Path) -> None:
    """What was not written was tried once more before the file was removed, and so the full disk stayed full."""
    make(tmp_path / "master.key")
    master = FileMasterKey(tmp_path / "master.key")
    writer = SealedWriter(tmp_path / "x.backup", master, master.newest())
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # a write beyond it fails, as on a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            for _ in range(10):
                writer.write({"kind": "vault", "rows": os.urandom(3000).hex()})
        writer.abandon()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    assert [each.name for each in tmp_path.iterdir()] == ["master.key"]


def test_the_next_backup_removes_what_killed_ones_left(tmp_path: Path) -> None:
    """With a full disk nobody could take another one. A backup under way, a whole one and a stranger's file stay."""
    make(tmp_path / "master.key")
    master = FileMasterKey(tmp_path / "master.key")
    long_ago = time.time() - LEFT_SECONDS - 60

    def written(name: str, *, whole: bool) -> Path:
        to = tmp_path / name
        writer = SealedWriter(to, master, master.newest())
        writer.write({"kind": "start"})
        if whole:
            writer.write({"kind": "end"}, last=True)
            writer.close()
            return to
        writer._file.close()  # as if it was killed
        return writer._temporary

    taken, hidden = written("1.backup", whole=True), written(".backup.20261124", whole=True)
    others = tmp_path / ".notes.txt.abcdefgh"
    others.write_text("precious")
    link = tmp_path / ".link.abcdefgh"
    (under_way, left, cut, *_) = (written(f"{number}.backup", whole=False) for number in range(2, 5))
    link.symlink_to(left)
    cut.write_bytes(cut.read_bytes()[:-10])
    for each in (taken, hidden, others, left, cut):
        os.utime(each, (long_ago, long_ago))
    newest = written("5.backup", whole=True)
    link.unlink()
    assert set(tmp_path.iterdir()) == {tmp_path / "master.key", taken, hidden, others, under_way, newest}


async def test_the_rows_of_a_large_vault_come_in_parts(database: Settings, tmp_path: Path) -> None:
    make(tmp_path / "master.key")
    pool = await connect(database)
    await Vault(pool, FileMasterKey(tmp_path / "master.key")).migrate()
    wanted = [[f"{number:064x}", "key", "under", "c2VhbGVk", "2026-01-01 00:00:00+00"] for number in range(4500)]
    await vault_copy.load(pool, "materials", wanted)
    parts = [rows async for table, rows in vault_copy.copied(pool) if table == "materials"]
    assert [len(rows) for rows in parts] == [vault_copy.PART, vault_copy.PART, 500]
    assert sorted(row for rows in parts for row in rows) == wanted
    named = [rows async for rows in vault_copy.copied_of(pool, "materials", [row[0] for row in wanted[:2500]])]
    assert [len(rows) for rows in named] == [vault_copy.PART, 500]
    assert sorted(row for rows in named for row in rows) == wanted[:2500]
    await pool.execute("DROP SCHEMA vault CASCADE")
    await pool.close()


async def test_the_body_of_a_large_snapshot_comes_in_pieces(database: Settings) -> None:
    pool = await connect(database)
    await snapshots.prepare(pool)
    bodies = {7: os.urandom(2 * PIECE + 1000), 8: b"small", 9: b"x" * PIECE}
    for position, body in bodies.items():
        await pool.execute(
            "INSERT INTO present.versioned_snapshots (log, version, position, digest, body, mac) "
            "VALUES ('log', $1, $2, 'digest', $3, 'mac')",
            VERSION,
            position,
            body,
        )
    found: list[dict[str, Any]] = [each async for each in snapshots.dump(pool, 9)]
    assert [sorted(each) for each in found] == [["piece"]] * 3 + [["row"]] + [["piece"], ["row"]] * 2
    await pool.execute("TRUNCATE present.versioned_snapshots")
    loaded = LoadedSnapshots(pool)
    for each in found:
        await loaded.take(each)
    earlier = {"log": "log", "position": 10, "digest": "digest", "version": VERSION, "mac": "mac", "body": "c21hbGw="}
    await loaded.take({"row": earlier})
    rows = await pool.fetch("SELECT position, body FROM present.versioned_snapshots")
    assert {row["position"]: row["body"] for row in rows} == bodies | {10: b"small"}
    await pool.execute("DROP SCHEMA present CASCADE")
    await pool.close()
