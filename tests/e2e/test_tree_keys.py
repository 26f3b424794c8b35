"""The transparency log's key is changed while the log goes on: both keys sign for a while, then the new one alone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from domain.transparency.checkpoints import checkpoint_by
from domain.transparency.notes import SignedNote, VerifierKey, signed_note, verifier_keys
from services.notary.tree_keys import new_secret
from services.runtime.bootstrap import open_vault
from tests.e2e.test_notary import calls, fetched, head, is_larger, is_there, notarised_all
from tests.installation import KEYTRAIL, Installation, eventually


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """With a standby."""
    with Installation(tmp_path_factory.mktemp("keys") / ".keytrail", KEYTRAIL_NOTARIES="2") as running:
        eventually(lambda: is_there(running, "checkpoint"))
        yield running


def served_keys(running: Installation) -> list[VerifierKey]:
    return verifier_keys(fetched(running, "key").decode())


def published(running: Installation) -> SignedNote:
    return signed_note(fetched(running, "checkpoint").decode())


def signs(running: Installation, *keys: VerifierKey) -> bool:
    """Whether exactly these keys of the log signed what is published, each by a signature that holds."""
    note = published(running)
    if [each.id for each in note.signatures] != [each.id for each in keys]:
        return False
    return {checkpoint_by(note, each) for each in keys} == {checkpoint_by(note, keys[0])}


def rotated(running: Installation) -> dict[str, Any]:
    (found,) = running.answers("log", "rotate-key")
    made: dict[str, Any] = found
    return made


def test_both_keys_sign_and_either_proves(signed: Installation, tmp_path: Path) -> None:
    """Given a log that nobody calls, when its key is rotated, then the checkpoint is soon signed by both keys without any
    restart, the change is a leaf, and evidence holds for who knows either key, or both as /log/key has them."""
    (old,) = served_keys(signed)
    assert signed.keytrail("log", "key").stdout.split() == [old.text]
    notarised_all(signed)
    found = rotated(signed)
    assert (found["former"]["key"], found["former"]["signs"], found["new"]["signs"]) == (old.text, True, True)
    assert found["former"]["until"] > found["new"]["since"]
    eventually(lambda: len(served_keys(signed)) == 2)
    new, former = served_keys(signed)
    assert (former, new.text, new.name) == (old, found["new"]["key"], old.name)
    assert signed.keytrail("log", "key").stdout.split() == [new.text, old.text]
    eventually(lambda: signs(signed, new, old))
    (event,) = changes(signed, tmp_path)
    assert event == {"verifier_key": new.text, "former": old.text}
    notarised_all(signed)
    answer = signed.client().list_keys()
    signed.keytrail("prove", answer["ResponseMetadata"]["RequestId"], "-o", str(tmp_path / "p.json"))
    assert json.loads((tmp_path / "p.json").read_text())["key"] == new.text
    for key in (old.text, new.text, fetched(signed, "key").decode()):
        done = signed.keytrail_as({}, "verify-evidence", str(tmp_path / "p.json"), "--log-key", key)
        assert done.returncode == 0, done.stdout + done.stderr
    assert signed.verified()["tree"]["differences"] == []


def changes(running: Installation, folder: Path) -> list[dict[str, str]]:
    """What the log says of changed keys."""
    file = folder / "log.jsonl"
    running.keytrail("export-log", str(file), "--force")
    values = [json.loads(b64decode(json.loads(line)["value"])) for line in file.read_text().splitlines()]
    events = [each["event"] for each in values if each["event"] is not None]
    return [each["data"] for each in events if each["type"] == "log.tree-key-rotated.v1"]


@pytest.mark.soak
def test_a_standby_goes_on_with_both_keys(signed: Installation) -> None:
    keys = served_keys(signed)
    for _ in range(2):
        before = head(signed).size
        for name in ("notary-1", "notary-2"):
            notary = signed.process(name)
            notary.kill()
            notary.wait(10)
            calls(signed, 3)
        is_larger(signed, before)
    assert signs(signed, *keys)
    notarised_all(signed)


def test_two_rotations_at_once_and_two_in_turn(signed: Installation) -> None:
    """One of two waits for nobody and says so, or both take their turns. Each key that was made signs."""
    before = served_keys(signed)
    with ThreadPoolExecutor(2) as threads:
        going = [threads.submit(signed.keytrail, "log", "rotate-key", check=False) for _ in range(2)]
    done = [each.result() for each in going]
    made = sum(each.returncode == 0 for each in done)
    assert made in (1, 2)
    for each in done:
        assert each.returncode == 0 or "Another rotation of the transparency log's key is under way" in each.stderr
    eventually(lambda: len(served_keys(signed)) == len(before) + made)
    eventually(lambda: signs(signed, *served_keys(signed)))
    assert served_keys(signed)[made:] == before
    notarised_all(signed)


@pytest.mark.soak
def test_a_rotation_that_was_interrupted_is_ended_by_the_next(signed: Installation) -> None:
    """Given a key in the vault that the log does not name yet, then nothing is signed with it; the next rotation takes it, and
    makes no other."""
    before = served_keys(signed)
    asyncio.run(add_tree_key(signed, before[0].name, len(before) + 1))
    calls(signed, 3)
    notarised_all(signed)
    assert signs(signed, *before)
    assert len(signed.answers("log", "key", "--all")) == len(before)
    made = rotated(signed)["new"]["key"]
    eventually(lambda: [each.text for each in served_keys(signed)] == [made, *(each.text for each in before)])
    assert len(signed.answers("log", "key", "--all")) == len(before) + 1


def test_a_rotation_that_is_killed_anywhere_is_ended_by_the_next(
    signed: Installation, tmp_path: Path, soak: bool
) -> None:
    """Whenever it ends, each key that signs is one that the log named first, and the next rotation succeeds."""
    command = [str(KEYTRAIL), "log", "rotate-key", "--data", str(signed.data)]
    killed = 0
    for patience in (0.1, 0.3, 0.5, 0.7, 1.0, 1.3, 1.6) if soak else (0.1, 0.5, 1.0):
        with subprocess.Popen(
            command, env=signed.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as going:
            with suppress(subprocess.TimeoutExpired):
                going.wait(patience)
            going.kill()
            killed += going.wait(10) != 0
    assert killed
    rotated(signed)
    every = signed.answers("log", "key", "--all")
    named = [each["verifier_key"] for each in changes(signed, tmp_path)]
    assert {each["key"] for each in every[:-1]} == set(named), "the oldest was made at the first start"
    eventually(lambda: [each.text for each in served_keys(signed)] == [each["key"] for each in every])
    eventually(lambda: signs(signed, *served_keys(signed)))
    notarised_all(signed)


@pytest.mark.soak
def test_a_key_that_a_rotation_ended_signs_nothing_more(signed: Installation) -> None:
    """The overlap is that of the command, whatever the processes that run were started with; and it stays so."""
    command = [str(KEYTRAIL), "log", "rotate-key", "--json", "--data", str(signed.data)]
    given = signed.environment() | {"KEYTRAIL_TREE_KEY_OVERLAP": "0"}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
    made = json.loads(done.stdout)
    assert made["former"]["signs"] is False
    eventually(lambda: [each.text for each in served_keys(signed)] == [made["new"]["key"]])
    eventually(lambda: signs(signed, *served_keys(signed)))
    signed.stop()
    signed.start()
    calls(signed, 3)
    notarised_all(signed)
    assert [each.text for each in served_keys(signed)] == [made["new"]["key"]]
    assert signs(signed, *served_keys(signed))


async def add_tree_key(running: Installation, origin: str, number: int) -> None:
    async with running.connected() as pool:
        assert await open_vault(running.settings, pool).add_tree_key(await new_secret(running.settings, origin), number)


@pytest.mark.soak
def test_after_the_overlap_the_new_key_signs_alone(tmp_path: Path) -> None:
    """Also on a log that nobody calls; and the tree goes on after another start."""
    with Installation(tmp_path / ".keytrail", KEYTRAIL_NOTARIES="1", KEYTRAIL_TREE_KEY_OVERLAP="0.0001") as running:
        eventually(lambda: is_there(running, "checkpoint"))
        (old,) = served_keys(running)
        since = eventually(lambda: asyncio.run(_kept(running)))
        rotated(running)
        eventually(lambda: [each for each in served_keys(running) if each != old] == served_keys(running))
        (new,) = served_keys(running)
        eventually(lambda: signs(running, new))
        every = running.answers("log", "key", "--all")
        assert [(each["key"], each["signs"]) for each in every] == [(new.text, True), (old.text, False)]
        size = head(running).size
        notary = running.process("notary-1")
        notary.kill()
        notary.wait(10)
        calls(running, 3)
        eventually(lambda: head(running).size > size)
        notarised_all(running)
        _has_evidence_across(running, since, tmp_path, old, new)


async def _kept(running: Installation) -> str | None:
    """The time of the first checkpoint that was kept."""
    async with running.connected() as pool:
        if not await pool.fetchval("SELECT to_regclass('transparency.heads') IS NOT NULL"):
            return None
        at: datetime | None = await pool.fetchval("SELECT min(at) FROM transparency.heads")
        return None if at is None else at.isoformat().replace("+00:00", "Z")


def _has_evidence_across(running: Installation, since: str, folder: Path, old: VerifierKey, new: VerifierKey) -> None:
    """A package from before the change to after it names both keys, and holds for who trusts both."""
    key = running.client().create_key()["KeyMetadata"]["KeyId"]
    path = folder / "across.zip"
    running.keytrail("evidence", key, "--from", since, "-o", str(path))
    with zipfile.ZipFile(path) as package:
        listed = json.loads(package.read("evidence.json"))
    assert listed["key"] == f"{new.text} {old.text}"
    checkpoint_by(signed_note(listed["before"]), old)
    checkpoint_by(signed_note(listed["after"]), new)
    check = partial(running.keytrail_as, {}, "verify-evidence", str(path), "--log-key")
    assert check("\n".join(each["key"] for each in running.answers("log", "key", "--all"))).returncode == 0
    assert f"not signed by the key {new.id.hex()}" in " ".join(check(new.text).stdout.split())
