"""An upgrade to the next version: prepared beside this one, taken back, and finished. Then this one refuses to start, and says which
one to start."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from domain.log.levels import LEVEL
from services.adapters import master_key, snapshots
from services.adapters.postgres import Pool
from services.runtime.bootstrap import open_pool
from services.settings import Settings, load
from tests import servers
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation, clean_environment
from tests.upgrade.before import VersionAfter


def in_database(installation: Installation, work: Callable[[Pool], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with installation.connected() as pool:
            return await work(pool)

    return asyncio.run(run())


def run_by(after: VersionAfter, installation: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = installation.environment() | {"PYTHONPATH": str(after.path)}
    command = [str(KEYTRAIL), *arguments, "--json", "--data", str(installation.data)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def by(after: VersionAfter, installation: Installation, *arguments: str) -> Any:
    """What a command of the version after prints."""
    done = run_by(after, installation, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kept(installation: Installation) -> list[tuple[int, int]]:
    """(version, position) of each snapshot."""
    rows = in_database(
        installation,
        lambda pool: pool.fetch("SELECT version, position FROM present.versioned_snapshots ORDER BY version, position"),
    )
    return [(row["version"], row["position"]) for row in rows]


@pytest.mark.soak
def test_an_upgrade_is_prepared_taken_back_and_finished(tmp_path: Path) -> None:
    after = VersionAfter(tmp_path / "after")
    with Installation(tmp_path / "data") as running:
        running.client().create_key()
        (finished,) = running.answers("upgrade", "finish")
        assert (finished["level"], finished["raised"]) == (LEVEL, False), "a new log begins at the newest level"
        said = running.keytrail("upgrade", "prepare").stdout
        assert re.fullmatch(r"prepared: a snapshot at position (\d+), from all \d+ records of the log\n", said), (
            "there was no snapshot before"
        )
        (own,) = running.answers("upgrade", "prepare")
        assert own == {"position": own["position"], "folded": 0, "after": own["position"]}
        running.client().create_key()
        first = by(after, running, "upgrade", "prepare")
        assert first["folded"] == first["position"] + 1, "what this version kept says something else"
        assert first["after"] is None
        twice = {"position": first["position"], "folded": 0, "after": first["position"]}
        assert by(after, running, "upgrade", "prepare") == twice, "twice is once"
        running.client().create_key()
        (again,) = running.answers("upgrade", "prepare")
        said = running.keytrail("upgrade", "prepare").stdout
        assert said.endswith(f", from 0 records after the snapshot at position {again['position']}\n")
        assert again["folded"] == again["position"] - own["position"], "this version's own is still there"
        assert kept(running) == [
            (snapshots.VERSION, own["position"]),
            (snapshots.VERSION, again["position"]),
            (after.snapshots, first["position"]),
        ]
        early = run_by(after, running, "upgrade", "finish", "--whatever-runs")
        assert early.returncode != 0, "the writer that leads does not know the level, and says so at once"
        assert f"knows the levels up to {LEVEL}" in " ".join(early.stderr.split())

        running.stop()
        running.extra["PYTHONPATH"] = str(after.path)
        running.start()
        running.client().create_key()
        running.stop()
        del running.extra["PYTHONPATH"]
        running.start()  # taken back: nothing of the next level is on the log
        running.client().create_key()

        in_database(running, lambda pool: pool.execute("UPDATE present.level SET level = 99, version = '9.9.9'"))
        running.stop()
        running.extra["PYTHONPATH"] = str(after.path)
        running.start()  # what somebody else wrote there stops nobody
        raised = by(after, running, "upgrade", "finish")
        assert (raised["level"], raised["raised"]) == (after.level, True)
        running.client().create_key()
        by(after, running, "backup", str(tmp_path / "later.backup"))

        running.stop()
        del running.extra["PYTHONPATH"]
        refused = forked().run(running.command(), running.environment(), timeout=60)
        assert refused.returncode != 0
        require_named(after, refused)
        # Nor does it restore a backup of that log, in which it would find out when it is too late.
        key = running.data / "master.key"
        into = ["--data", str(tmp_path / "restored")]
        environment = running.environment() | {"KEYTRAIL_MASTER_KEY_FILE": str(key)}
        command = [str(KEYTRAIL), "restore", str(tmp_path / "later.backup"), *into]
        require_named(after, forked().run(command, environment, timeout=60))


def test_an_empty_database_has_nothing_to_prepare_and_stays_empty(tmp_path: Path) -> None:
    """A Job of the chart asks in each upgrade, also in one of a release that never started. It ended with "relation
    vault.record_secrets does not exist", and so did the upgrade. A restore takes no database that has tables of ours."""
    master_key.make(tmp_path / "master.key")
    with closing(servers.Share(servers.place())) as share, Installation(tmp_path / "other") as other:
        empty = clean_environment() | share.settings
        said = prepared(tmp_path, empty)
        assert (said.returncode, said.stdout) == (0, "There is no log yet, so a start needs no snapshot.\n"), (
            said.stderr
        )
        assert asyncio.run(schemas(load(empty))) == []

        other.client().create_key()
        emptied = other.environment() | {"KEYTRAIL_POSTGRES": share.settings["KEYTRAIL_POSTGRES"]}
        said = prepared(tmp_path, emptied)
        without = "error: The database has no vault: no process of Keytrail has started on it, or it was emptied.\n"
        assert (said.returncode, said.stderr) == (1, without), "there is a log"
        assert asyncio.run(schemas(load(empty))) == []


def prepared(data: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return forked().run([str(KEYTRAIL), "upgrade", "prepare", "--data", str(data)], environment, timeout=60)


async def schemas(settings: Settings) -> list[str]:
    """Those that somebody made in the database."""
    pool = await open_pool(settings)
    try:
        own = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')"
        return [row["nspname"] for row in await pool.fetch(own)]
    finally:
        await pool.close()


def require_named(after: VersionAfter, refused: subprocess.CompletedProcess[str]) -> None:
    """It was refused, and says which version to start."""
    assert refused.returncode != 0
    said = " ".join((refused.stdout + refused.stderr).split())
    assert f"is at level {after.level}, which Keytrail {after.version} brought" in said
    assert f"start Keytrail {after.version} or a later one" in said
