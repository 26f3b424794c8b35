"""Audit devices on a real installation: what boto3 called is in the file, as the history has it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.adapters.topic_bounds import ends
from services.adapters.topics import names
from tests.e2e.test_retention import remove_up_to
from tests.faults.full_disk import files_grow, no_file_grows
from tests.installation import Installation, eventually

PROCESS = "audit-devices"
ADDED = {"id", "topic", "partition", "offset", "inputs", "session"}
"""What a line has that the history shows otherwise or not."""
OF_THE_PRESENT = {"names", "key_aliases"}
"""What the history adds of the present: it changes after a decision."""


@dataclass
class Recorded:
    """An installation with one file device."""

    running: Installation
    path: Path

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line of the files that rotation made, and of the present one."""
        files = [*sorted(self.path.parent.glob(f"{self.path.name}.*Z")), self.path]
        return [json.loads(line) for each in files for line in each.read_text("ascii").split("\n")[:-1]]

    def calls(self) -> dict[str, dict[str, Any]]:
        return {each["call_id"]: each for each in self.lines() if "call_id" in each}

    def history(self) -> dict[str, dict[str, Any]]:
        self.running.caught_up()
        return {each["call_id"]: each for each in self.running.answers("decisions", "--limit", "100000")}

    def has(self, call: str) -> None:
        eventually(lambda: call in self.calls())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("devices")
    path, file = folder / "audit" / "decisions.jsonl", folder / "devices.toml"
    path.parent.mkdir(mode=0o700)
    file.touch(mode=0o600)
    file.write_text(f'[[file]]\nname = "archive"\npath = "{path}"\nrotate_bytes = 200_000\nkeep = 0\n')
    settings = {"KEYTRAIL_AUDIT_DEVICES_FILE": str(file), "KEYTRAIL_DECISION_PARTITIONS": "2"}
    with Installation(folder / "data", **settings) as running:
        yield Recorded(running, path)


def _id(answer: dict[str, Any]) -> str:
    return str(answer["ResponseMetadata"]["RequestId"])


def _use(kms: Any, key: str, count: int) -> list[str]:
    """Calls that are allowed, and one of ten that is refused."""

    def call(number: int) -> str:
        try:
            return _id(
                kms.encrypt(KeyId=key, Plaintext=b"secret of the caller", EncryptionContext={"n": f"{number}\n\u2028"})
            )
        except ClientError as refused:
            return _id(refused.response)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(call, range(count)))
    for _ in range(count // 10):
        with pytest.raises(ClientError) as refused:
            kms.encrypt(KeyId="alias/not\u202ethere", Plaintext=b"x")
        made.append(_id(refused.value.response))
    return made


def test_every_decision_is_in_the_file_as_the_history_has_it(recorded: Recorded) -> None:
    """Changes and uses, allowed and refused: each is one line of ASCII with what `keytrail decisions` shows."""
    kms = recorded.running.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    last = _use(kms, key, 50)[-1]
    recorded.has(last)
    history = recorded.history()
    eventually(lambda: history.keys() <= recorded.calls().keys())
    calls = recorded.calls()
    for call, shown in history.items():
        kept = {name: value for name, value in calls[call].items() if name not in ADDED}
        assert kept == {name: value for name, value in shown.items() if name not in OF_THE_PRESENT}
    assert {each["effect"] for each in calls.values()} == {"allowed", "refused"}
    assert "secret of the caller" not in json.dumps(recorded.lines())
    assert stat.S_IMODE(recorded.path.stat().st_mode) == 0o600


def test_a_killed_process_leaves_nothing_out(recorded: Recorded) -> None:
    """kill -9 again and again while calls come: afterwards every call is there, and whatever is there twice has one id."""
    kms = recorded.running.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    made: list[str] = []
    for _ in range(4):
        made += _use(kms, key, 100)
        os.kill(recorded.running.process(PROCESS).pid, signal.SIGKILL)
    made += _use(kms, key, 20)
    eventually(lambda: set(made) <= recorded.calls().keys())
    by_id = {each["id"]: each for each in recorded.lines()}
    assert all(by_id[each["id"]] == each for each in recorded.lines())
    counted = Counter(each["call_id"] for each in by_id.values())
    assert {call: counted[call] for call in made} == dict.fromkeys(made, 1)


def test_a_file_that_ends_in_half_a_line_is_mended(recorded: Recorded) -> None:
    """A machine that lost power may leave half a line. The next start cuts it off, and its record comes again."""
    kms = recorded.running.client()
    recorded.has(_id(kms.list_keys()))
    process = recorded.running.process(PROCESS)
    process.suspend()
    with recorded.path.open("a") as file:
        file.write('{"id":"half a li')
    process.kill()
    recorded.has(_id(kms.list_keys()))


def test_a_full_disk_stops_no_call_and_loses_nothing(recorded: Recorded) -> None:
    """While no file of the process can grow, calls are answered as before; once there is space, their records are there."""
    kms = recorded.running.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    process = recorded.running.process(PROCESS)
    no_file_grows(process)
    made = _use(kms, key, 100)
    failures = 'keytrail_audit_device_failures_total{device="archive"}'
    eventually(lambda: _metric(recorded.running, failures) > 0)
    assert not set(made) & recorded.calls().keys()
    made += _use(kms, key, 10)
    files_grow(process)
    eventually(lambda: set(made) <= recorded.calls().keys(), within=60)


def test_what_kafka_removed_before_it_was_written_is_told(recorded: Recorded) -> None:
    """A device that was away for longer than the retention writes from where to where records are missing, and goes on."""
    running = recorded.running
    kms = running.client()
    recorded.has(_id(kms.list_keys()))
    process = running.process(PROCESS)
    process.suspend()
    lost = _use(kms, kms.create_key()["KeyMetadata"]["KeyId"], 30)
    found = asyncio.run(ends(running.settings, names(running.settings).decisions))
    asyncio.run(remove_up_to(running.settings, found))
    process.kill()
    recorded.has(_id(kms.list_keys()))
    gaps = [each for each in recorded.lines() if each.get("type") == "gap"]
    written = recorded.calls().keys()
    assert gaps
    assert sum(each["count"] for each in gaps) >= len(set(lost) - written) > 0
    assert {each["next"] for each in gaps} <= set(found.values())
    missed = 'keytrail_audit_device_missed_total{device="archive"}'
    assert eventually(lambda: _metric(running, missed)) == sum(each["count"] for each in gaps)


def _metric(running: Installation, name: str) -> float:
    import urllib.request

    with urllib.request.urlopen(f"{running.url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
