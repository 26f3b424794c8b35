"""Audit devices on a real installation: what boto3 called is in the file, as the history has it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import urllib.request
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.adapters.topic_bounds import ends
from services.adapters.topics import names
from tests.certificates import Authority
from tests.collector import CollectorServer, Reply
from tests.e2e.test_retention import remove_up_to
from tests.faults.full_disk import files_grow, no_file_grows
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation, clean_environment, eventually
from tests.pausing import pause
from tests.sessions import ran, stumbled, typed
from tests.syslog_server import SyslogServer

PROCESS = "audit-devices"
ADDED = {"id", "topic", "partition", "offset", "inputs", "session"}
"""What a line has that the history shows otherwise or not."""
OF_THE_PRESENT = {"names", "key_aliases"}
"""What the history adds of the present: it changes after a decision."""


@dataclass
class Recorded:
    """An installation with a device of each kind."""

    running: Installation
    file: Path
    path: Path
    syslog: SyslogServer
    collector: CollectorServer

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line of the files that rotation made, and of the present one."""
        files = [*sorted(self.path.parent.glob(f"{self.path.name}.*Z")), self.path]
        return [json.loads(line) for each in files for line in _text(each).split("\n")[:-1]]

    def calls(self) -> dict[str, dict[str, Any]]:
        return {each["call_id"]: each for each in self.lines() if "call_id" in each}

    def history(self) -> dict[str, dict[str, Any]]:
        self.running.caught_up()
        return {each["call_id"]: each for each in self.running.answers("decisions", "--limit", "100000")}

    def has(self, call: str) -> None:
        eventually(lambda: call in self.calls())


def _text(file: Path) -> str:
    """For a moment of each rotation there is no present file."""
    try:
        return file.read_text("ascii")
    except FileNotFoundError:
        return ""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("devices")
    path, file = folder / "audit" / "decisions.jsonl", folder / "devices.toml"
    path.parent.mkdir(mode=0o700)
    authority = Authority(folder / "authority")
    file.touch(mode=0o600)
    settings = {"KEYTRAIL_AUDIT_DEVICES_FILE": str(file), "KEYTRAIL_DECISION_PARTITIONS": "2"}
    with SyslogServer(authority.issue("server", ["127.0.0.1"])) as syslog, CollectorServer() as collector:
        file.write_text(
            f'[[file]]\nname = "archive"\npath = "{path}"\nrotate_bytes = 200_000\nkeep = 0\n'
            f'[[syslog]]\nname = "siem"\naddress = "127.0.0.1:{syslog.port}"\nca_file = "{authority.certificate}"\n'
            'format = "ocsf"\nsettle_seconds = 2\n'
            f'[[otlp]]\nname = "collector"\nurl = "{collector.url}"\nformat = "cloudtrail"\n'
        )
        with Installation(folder / "data", variables=settings) as running:
            yield Recorded(running, file, path, syslog, collector)


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


@pytest.mark.soak
def test_a_file_that_ends_in_half_a_line_is_mended(recorded: Recorded) -> None:
    """A machine that lost power may leave half a line. The next start cuts it off, and its record comes again."""
    kms = recorded.running.client()
    recorded.has(_id(kms.list_keys()))
    process = recorded.running.process(PROCESS)
    pause(process)
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
    status = json.loads(recorded.running.keytrail("status", "--json").stdout)["audit_devices"]["archive"]
    assert status["lag"] >= len(made)
    assert "File too large" in status["fault"]  # what a process hears that may not let a file grow
    assert "archive fails" in recorded.running.keytrail("status").stdout
    made += _use(kms, key, 10)
    files_grow(process)
    eventually(lambda: set(made) <= recorded.calls().keys(), within=60)


def test_a_syslog_server_that_dies_and_comes_back_has_everything(recorded: Recorded) -> None:
    """What it took and did not keep before it died is sent again. Meanwhile the file gets its records."""
    kms, syslog = recorded.running.client(), recorded.syslog
    made = [_id(kms.list_keys())]
    eventually(lambda: set(made) <= _sent_by_syslog(syslog))
    syslog.keeps = False
    made += [_id(kms.list_keys()) for _ in range(20)]
    recorded.has(made[-1])
    syslog.kill()
    try:
        made += [_id(kms.list_keys()) for _ in range(20)]
        recorded.has(made[-1])
        for name in ("failures_total", "lag"):  # each is told when the process gets to it
            eventually(partial(_metric, recorded.running, f'keytrail_audit_device_{name}{{device="siem"}}'))
    finally:  # the other tests of this file need the server too
        syslog.keeps = True
        syslog.start()
    eventually(lambda: set(made) <= _sent_by_syslog(syslog), within=60)
    assert {json.loads(each.text)["class_uid"] for each in syslog.messages} == {6003}


def test_a_collector_that_refuses_for_a_while_has_everything(recorded: Recorded) -> None:
    """503 and a lost connection are tried again; what it refuses of one message holds up no other."""
    kms, collector = recorded.running.client(), recorded.collector
    collector.replies += [Reply(503), Reply(503)]
    made = [_id(kms.list_keys()) for _ in range(20)]
    eventually(lambda: set(made) <= _logged(collector).keys(), within=60)
    found = [_logged(collector)[call] for call in made]
    assert {each["traceId"] for each in found} == {call.replace("-", "") for call in made}


def test_no_device_is_given_a_secret(recorded: Recorded) -> None:
    """Records hold none: no plaintext, data key, ciphertext, access key's secret or key material, in any form of writing."""
    running = recorded.running
    kms, iam = running.client(), running.client(service="iam")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    plain = os.urandom(24)
    sealed = kms.encrypt(KeyId=key, Plaintext=plain)["CiphertextBlob"]
    data = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    iam.create_user(UserName="devices")
    secret = iam.create_access_key(UserName="devices")["AccessKey"]["SecretAccessKey"]
    last = _id(kms.decrypt(CiphertextBlob=sealed))
    recorded.has(last)
    eventually(lambda: last in _sent_by_syslog(recorded.syslog) and last in _logged(recorded.collector))
    held = json.dumps(recorded.lines()) + json.dumps([each.message for each in recorded.collector.taken])
    held += "".join(each.text.decode() for each in recorded.syslog.messages)
    for each in (plain, sealed, data["Plaintext"], data["CiphertextBlob"], secret.encode()):
        assert [form for form in (b64encode(each).decode(), each.hex()) if form in held] == []
    assert secret not in held
    assert running.credentials()["AWS_SECRET_ACCESS_KEY"] not in held


def _sent_by_syslog(server: SyslogServer) -> set[str]:
    return {each.data["call_id"] for each in list(server.messages) if each.kind == "decision"}


def _logged(collector: CollectorServer) -> dict[str, dict[str, Any]]:
    """The log records, by the id of the call."""
    found = [
        record
        for taken in list(collector.taken)
        for resource in taken.message["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]
    return {json.loads(each["body"]["stringValue"]).get("requestID", ""): each for each in found}


@pytest.mark.soak
def test_what_kafka_removed_before_it_was_written_is_told(recorded: Recorded) -> None:
    """A device that was away for longer than the retention writes from where to where records are missing, and goes on."""
    running = recorded.running
    kms = running.client()
    recorded.has(_id(kms.list_keys()))
    process = running.process(PROCESS)
    pause(process)
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
    with urllib.request.urlopen(f"{running.url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.mark.soak
def test_a_device_that_left_its_file_is_shown_so_and_forgotten(recorded: Recorded) -> None:
    """Not while the file names it or the process runs it: it would begin again in the middle of its work."""
    running, with_it = recorded.running, f'[[file]]\nname = "old"\npath = "{recorded.path.parent}/old.jsonl"\n'
    before = recorded.file.read_text()
    recorded.file.write_text(before + with_it)
    running.process(PROCESS).kill()
    eventually(lambda: _devices(running).get("old", {}).get("lag") == 0)
    assert (_devices(running)["old"]["named"], _devices(running)["old"]["kind"]) == (True, "file")
    assert "names the audit device old" in _not_forgotten(running, "old")
    recorded.file.write_text("[[file")
    assert "mend the file first, since it may name the audit device old." in _not_forgotten(running, "old")
    recorded.file.write_text(before)
    assert "or did when Keytrail started" in _not_forgotten(running, "old")
    running.process(PROCESS).kill()
    eventually(lambda: _devices(running)["old"]["named"] is False)
    assert "keytrail audit-devices forget old" in " ".join(running.keytrail("status").stdout.split())
    assert "keytrail audit-devices forget" in " ".join(running.keytrail("doctor", check=False).stdout.split())
    for form in ([], ["--json"]):
        unasked = running.keytrail("audit-devices", "forget", "old", *form, check=False)
        assert (unasked.returncode, unasked.stdout, "add --yes." in unasked.stderr) == (1, "", True)
    iam = running.client(service="iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    theirs = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    nobody = theirs | {"AWS_ENDPOINT_URL": running.url}
    assert "AccessDenied" in running.keytrail_as(nobody, "audit-devices", "forget", "old", "--yes").stderr
    assert "old" in _devices(running)
    assert running.keytrail("audit-devices", "forget", "old", "--yes").stdout == "forgot the audit device old\n"
    assert _devices(running).keys() == {"archive", "collector", "siem"}
    for name in ("old", "never"):
        assert f"There is no audit device {name}" in _not_forgotten(running, name)
    recorded.has(_id(running.client().list_keys()))


def _devices(running: Installation) -> dict[str, dict[str, Any]]:
    return {each["device"]: each for each in running.answers("audit-devices")}


def _not_forgotten(running: Installation, name: str) -> str:
    done = running.keytrail("audit-devices", "forget", name, "--yes", check=False)
    assert done.returncode == 1
    return " ".join(done.stderr.split())


def test_a_mistake_in_the_file_keeps_keytrail_from_starting(tmp_path: Path) -> None:
    file = tmp_path / "devices.toml"
    file.touch(mode=0o600)
    file.write_text('[[file]]\nname = "archive"\npath = "decisions.jsonl"\n')
    environment = clean_environment() | {"KEYTRAIL_AUDIT_DEVICES_FILE": str(file)}
    done = forked().run([str(KEYTRAIL), "up", "--data", str(tmp_path / "data")], environment, timeout=60)
    assert done.returncode != 0
    assert "[[file]] archive: path must be a path that begins with /" in " ".join(done.stderr.split())


@pytest.mark.soak
def test_the_howto_works_when_pasted(tmp_path: Path) -> None:
    commands = list(typed((Path(__file__).parents[2] / "docs" / "howto" / "audit-devices.md").read_text()))
    (starts,) = [n for n, each in enumerate(commands) if each.command.startswith("export KEYTRAIL_AUDIT_DEVICES_FILE=")]
    forked().shims(tmp_path / ".venv" / "bin")
    assert stumbled(commands[: starts + 1], tmp_path) == []
    devices = {"KEYTRAIL_AUDIT_DEVICES_FILE": str(tmp_path / "devices.toml")}
    with Installation(tmp_path / "tried", variables=devices):
        others = ran(commands[starts + 1 :], tmp_path, goes_on=True)
        assert [(each.typed.command, each.fault, each.output) for each in others if each.fault] == []
        assert [each.typed.command for each in others if each.typed.printed and not each.as_printed] == []
    assert not any("jq" in each.command for each in commands), "a newcomer may not have it"
