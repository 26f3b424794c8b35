"""`keytrail up`: one owner for each folder, several side by side, everything stopped, and clean-up after a SIGKILL."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from services.adapters.bundled.kafka import KafkaFolder
from services.adapters.bundled.postgres import BundledPostgres
from services.cli.client import Client
from services.runtime.processes import AUTOGROUP, NICENESS
from services.runtime.task_group import together
from services.settings import BadSetting
from services.supervisor.child import Child
from services.supervisor.forks import THERE
from services.supervisor.patience import CannotStart
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation, eventually
from tests.loops import run
from tests.pausing import paused
from tests.wire.test_audit_api import get


def gone(processes: list[psutil.Process]) -> bool:
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


def fork_server(installation: Installation) -> psutil.Process:
    assert installation.up is not None, "it runs"
    (found,) = (each for each in psutil.Process(installation.up.pid).children() if each.name() == "fork-server")
    return found


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that these tests start, kill and stop, in their order."""
    forked = {THERE: ""}  # by a fork server of its own
    with Installation(
        tmp_path_factory.mktemp("own") / "data", own="its servers are killed", variables=forked
    ) as running:
        yield running


@pytest.fixture(scope="module")
def first_root(own: Installation) -> dict[str, str]:
    """The credentials of its first start."""
    return own.credentials()


ANOTHER_ROOT = {"KEYTRAIL_ROOT_ACCESS_KEY_ID": "AKIAGIVEN", "KEYTRAIL_ROOT_SECRET_ACCESS_KEY": "given-secret"}
FEW_CHANGES = {"KEYTRAIL_CHANGE_RATE": "0.1", "KEYTRAIL_CHANGE_BURST": "3"}


def metrics(own: Installation) -> str:
    with urllib.request.urlopen(f"{own.url}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")


@pytest.mark.soak
def test_two_run_side_by_side(own: Installation, installation: Installation) -> None:
    own.client().create_key()
    installation.client().create_key()
    own.caught_up()
    assert len(own.answers("keys")) == 1


def test_what_waits_is_not_known_while_the_broker_does_not_answer(own: Installation) -> None:
    """It was shown as 0, and whatever waited for it went on."""
    own.caught_up()
    kafka = own.process("kafka")
    with paused(kafka):
        status = Client(own.data).get("/v1/status")
    assert (status["lag"]["keys"], status["lag"]["decisions"], status["lag"]["alerts"]) == (0, None, None)
    own.caught_up()


def test_it_starts_again_what_dies_and_is_cleaned_up_after_a_sigkill(
    own: Installation, first_root: dict[str, str]
) -> None:
    client = own.client(first_root, retries={"mode": "standard", "total_max_attempts": 5})
    key = client.create_key()["KeyMetadata"]["KeyId"]
    sealed = client.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]

    second = forked().run(own.command(), own.environment(), timeout=60)
    assert second.returncode == 1
    assert "is running on" in second.stderr
    assert "KEYTRAIL_DATA" in second.stderr

    former, api = fork_server(own), own.process("api-1")
    former.kill()
    api.kill()
    # At the first try, which waits: a starting worker accepts nobody before it can answer.
    with urllib.request.urlopen(f"{own.url}/healthz", timeout=60) as answer:
        assert answer.status == 200
    assert own.pid("api-1") != api.pid
    projector = own.process("projector")
    projector.kill()
    eventually(lambda: own.pid("projector") != projector.pid)
    eventually(lambda: 'keytrail_process_starts_total{process="projector"} 2.0' in metrics(own))
    postgres = own.process("postgres")
    postgres.kill()
    eventually(lambda: own.pid("postgres") != postgres.pid, within=60)
    client.encrypt(KeyId=key, Plaintext=b"after")
    eventually(lambda: len(own.answers("decisions", "--key", key, "--operation", "Encrypt")) == 2)

    children, forks = own.children(), fork_server(own)
    assert forks.pid != former.pid
    assert own.up is not None
    own.up.kill()
    own.up.wait()
    assert not gone(children), "the children outlive a parent that was killed"
    eventually(lambda: gone([forks]))
    own.extra |= ANOTHER_ROOT | FEW_CHANGES  # the next test checks it
    own.start()
    assert gone(children), "and the next start ends them"
    assert own.client().decrypt(CiphertextBlob=sealed)["Plaintext"] == b"kept"


def test_a_root_key_that_the_settings_replaced_is_refused_on_record_and_calls_are_throttled(
    own: Installation, first_root: dict[str, str]
) -> None:
    """A known but disabled access key: a refused decision of the rule `authentication`."""
    if own.credentials() == first_root:  # only this test
        own.client().create_key()
        own.stop()
        own.extra |= ANOTHER_ROOT | FEW_CHANGES
        own.start()
    new, kept = own.client(), len(own.answers("keys"))
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        own.client(first_root).list_keys()
    assert len(new.list_keys()["Keys"]) == kept > 0
    for _ in range(3):
        new.create_key()
    with pytest.raises(ClientError, match="ThrottlingException"):
        new.create_key()
    kept = secrets(own)
    status, told = get(own, "/v1/accounts", None, "POST", b'{"account_id": "222233334444"}')
    assert (status, told["error"]["code"]) == (400, "ThrottlingException")
    assert secrets(own) == kept, "nothing is made for it"
    refused = eventually(lambda: _three(own.answers("decisions", "--effect", "refused")))
    assert [(item["access_key"], item["operation"], item["rule"], item["error"]) for item in refused] == [
        (first_root["AWS_ACCESS_KEY_ID"], "ListKeys", "authentication", "credential-disabled"),
        ("AKIAGIVEN", "CreateKey", None, "throttled"),
        ("AKIAGIVEN", "CreateAccount", None, "throttled"),
    ]


@pytest.mark.soak
def test_a_postgres_that_cannot_be_started_again_is_told_and_tried_until_it_can(own: Installation) -> None:
    """Nothing said why, however long it was tried."""
    postgres, config = own.process("postgres"), own.data / "postgres" / "data" / "postgresql.conf"
    away = config.rename(config.with_suffix(".away"))
    postgres.kill()
    output = own.data.with_suffix(".up.log")
    eventually(lambda: "postgres could not be started again" in output.read_text())
    assert "The bundled Postgres did not start" in output.read_text()
    away.rename(config)
    own.has_another("postgres", postgres.pid)
    own.caught_up()


def secrets(own: Installation) -> int:
    """How many the vault has."""

    async def count() -> int:
        async with own.connected() as pool:
            return int(await pool.fetchval("SELECT count(*) FROM vault.secrets"))

    return run(count())


def _three(items: list[dict[str, object]]) -> list[dict[str, object]]:
    return items if len(items) == 3 else []


def test_sigterm_leaves_nothing_behind(own: Installation) -> None:
    children = own.children()
    own.stop()
    assert gone(children)
    assert not (own.data / "run" / "state.json").exists()


@pytest.mark.soak  # its servers start first; tests/e2e/test_kept_safe.py has it on those that the tests share
def test_a_missing_master_key_is_refused_with_servers_of_its_own(own: Installation) -> None:
    own.stop()
    (own.data / "master.key").rename(own.data.with_name("moved"))
    refused = forked().run(own.command(), own.environment(), timeout=60)
    assert refused.returncode == 1
    assert "There is no master key" in refused.stderr


def test_followers_of_the_stream_give_way_to_calls(installation: Installation) -> None:
    """By the priority of its session too: a process's own counts only within its session (sched(7), autogroup)."""
    names = {"api-1": 0, "writer-1": 0, "projector": NICENESS["projector"], "alerts-1": NICENESS["alerts"]}
    pids = {name: installation.pid(name) for name in names}
    eventually(lambda: {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in pids.items()} == names)
    groups = {name: Path(f"/proc/{pid}/autogroup") for name, pid in pids.items()}
    if not AUTOGROUP.exists():
        pytest.skip("this kernel has no autogroups")
    eventually(lambda: {name: int(file.read_text().split()[-1]) for name, file in groups.items()} == names)


def test_a_port_in_use_is_reported(installation: Installation, tmp_path: Path) -> None:
    other = Installation(tmp_path / "other", own="it starts none")
    other.port = installation.port
    done = forked().run(other.command(), other.environment(), timeout=60)
    assert done.returncode == 1
    assert "KEYTRAIL_PORT" in done.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])  # RFC 5737, RFC 6761: no machine has them
def test_an_address_of_another_machine_is_reported(tmp_path: Path, host: str) -> None:
    other = Installation(tmp_path / "other", own="it starts none", KEYTRAIL_HOST=host)
    done = forked().run(other.command(), other.environment(), timeout=60)
    assert done.returncode == 1
    assert f"KEYTRAIL_HOST: {host} is no address of this machine" in done.stderr


@pytest.mark.soak
def test_an_address_of_its_own_is_the_one_that_everything_names(tmp_path: Path) -> None:
    """`keytrail up`, `env` and every command named 127.0.0.1, where nobody listened."""
    other = Installation(tmp_path / "other", KEYTRAIL_HOST="127.0.0.2")
    other.url = f"http://127.0.0.2:{other.port}"
    with other:
        assert other.credentials()["AWS_ENDPOINT_URL"] == other.url
        assert "api-1" in other.keytrail("status").stdout
        assert other.aws("kms", "list-keys").returncode == 0
        assert "ready after" in (log := other.data.with_suffix(".up.log").read_text())
        assert f"at {other.url}" in log
        looked = [json.loads(each) for each in other.keytrail("doctor", "--json", check=False).stdout.splitlines()]
    assert [each["found"] for each in looked if each["check"] == "API"] == [f"{other.url} answers"]


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("KEYTRAIL_ACCOUNT_ID", "12", "twelve digits"),
        ("KEYTRAIL_REGION", "moon", "region"),
        ("KEYTRAIL_WORKERS", "many", "takes a number"),
        ("KEYTRAIL_TLS_CERT", "cert.pem", "KEYTRAIL_TLS_KEY"),
        ("KEYTRAIL_KAFKA_SECURITY", "NONE", "KEYTRAIL_KAFKA_SECURITY"),
        ("KEYTRAIL_KAFKA_SASL_MECHANISM", "SCRAM-SHA512", "KEYTRAIL_KAFKA_SASL_MECHANISM"),
        ("KEYTRAIL_KAFKA", "broker:x", "KEYTRAIL_KAFKA takes HOST:PORT"),
        ("KEYTRAIL_FRESH_FOR", "nan", "KEYTRAIL_FRESH_FOR"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, variable: str, value: str, says: str) -> None:
    installation = Installation(tmp_path / "data", own="they are what is broken off, or never starts")
    command = [*installation.command()[:4]]
    environment = installation.environment() | {variable: value}
    done = forked().run(command, environment, timeout=60)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize("password", ["40817/sesame", "40817?sesame=1", "40817#sesame", "40817@sesame"])
def test_no_piece_of_a_password_that_cuts_its_dsn_short_is_shown(tmp_path: Path, password: str) -> None:
    """What comes before such a character was taken for a port, and what comes after for a host: logs and doctor named them."""
    installation = Installation(tmp_path / "data", own="they are what is broken off, or never starts")
    dsn = f"postgresql://keytrail:{password}@127.0.0.1:1/keytrail"
    environment = installation.environment() | {"KEYTRAIL_POSTGRES": dsn}
    start = forked().run(installation.command()[:4], environment, timeout=60)
    looked = forked().run(
        [str(KEYTRAIL), "doctor", "--json", "--data", str(installation.data)], environment, timeout=60
    )
    assert (start.returncode, looked.returncode) == (2, 1)
    for said in (start.stderr, looked.stdout):
        assert "KEYTRAIL_POSTGRES takes postgresql://" in said
        assert [each for each in ("40817", "sesame") if each in said] == []


def test_a_file_of_certificates_that_is_not_there_is_named(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data", own="they are what is broken off, or never starts")
    environment = installation.environment() | {"KEYTRAIL_POSTGRES_CA": "/nowhere/ca.pem"}
    done = forked().run(installation.command()[:4], environment, timeout=60)
    assert done.returncode == 1
    assert "KEYTRAIL_POSTGRES_CA: /nowhere/ca.pem cannot be read: No such file" in done.stderr


def test_a_folder_whose_path_kafka_cannot_take_is_refused_at_once(tmp_path: Path) -> None:
    """A comma parts two folders there, whatever stands around it."""
    installation = Installation(tmp_path / "keys, old" / "data", own="they are what is broken off, or never starts")
    done = forked().run(installation.command()[:4], installation.environment(), timeout=60)
    assert done.returncode == 1
    assert "has a comma, which Kafka reads as the end of the path." in done.stderr
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("name", ["jané", "a\\b"])
def test_what_an_earlier_version_kept_where_kafka_misread_the_path_is_named(tmp_path: Path, name: str) -> None:
    """Kafka reads its configuration as Latin-1, with escapes, and made its folder beside the data folder."""
    read = name.replace("\\", "").encode().decode("latin-1")
    former = tmp_path / read / "kafka" / "data"
    former.mkdir(parents=True)
    (former / "meta.properties").touch()
    kafka = KafkaFolder(tmp_path / name / "kafka", [])
    with pytest.raises(BadSetting, match="Move that folder to") as refused:
        kafka.configure({})
    assert f"in {former}, " in str(refused.value)


def _runs_below(pid: int, program: str) -> bool:
    """Whether one of a process's descendants names a program in its command line. It asks the kernel for children alone: to look at
    every process of a busy machine took longer than pg_ctl lives."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for each in map(int, children.read_text().split()):
                named = Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")[0]
                if program.encode() in named or _runs_below(each, program):
                    return True
    return False


@pytest.mark.soak
def test_ctrl_c_while_postgres_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    """No file said yet that the process exists and must be stopped."""
    installation = Installation(tmp_path / "data", own="they are what is broken off, or never starts")
    up = subprocess.Popen(installation.command(), env=installation.environment(), stderr=subprocess.DEVNULL)
    ends = time.monotonic() + 60
    while not _runs_below(up.pid, "pg_ctl"):  # without a pause: it runs for a quarter of a second
        assert time.monotonic() < ends, "Postgres was never started"
    up.send_signal(signal.SIGINT)
    assert up.wait(60) == 130
    assert _of_folder(tmp_path, "") == []


async def test_what_starts_side_by_side_is_waited_for_when_its_neighbour_fails_or_the_start_is_cancelled() -> None:
    """Postgres starts in a thread that nobody can stop: if a start is abandoned, it comes up after everything was
    stopped."""
    for how in ("fails", "is cancelled"):
        ended = asyncio.Event()

        async def slow(ended: asyncio.Event = ended) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                for _ in range(5):
                    await asyncio.sleep(0)
                ended.set()

        async def neighbour(how: str = how) -> None:
            if how == "fails":
                raise CannotStart("Kafka did not start")
            await asyncio.Event().wait()

        starting = asyncio.ensure_future(together(slow(), neighbour()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if how == "is cancelled":
            starting.cancel()
        with pytest.raises(CannotStart if how == "fails" else asyncio.CancelledError):
            await starting
        assert ended.is_set(), how


def _of_folder(folder: Path, name: str) -> list[str]:
    """Command lines that name a folder and a program."""
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            line = " ".join(each.cmdline())
            if str(folder) in line and name in line:
                found.append(line)
    return found


@pytest.mark.soak  # the one while Postgres starts is earlier; `keytrail down` ends a start that is under way too
def test_ctrl_c_while_things_start_leaves_nothing_behind(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data", own="they are what is broken off, or never starts")
    up = subprocess.Popen(installation.command(), env=installation.environment(), stderr=subprocess.DEVNULL)
    state = tmp_path / "data" / "run" / "state.json"
    eventually(state.exists)
    children = installation.children()
    up.send_signal(signal.SIGINT)
    assert up.wait(60) == 130
    assert gone(children)
    assert not state.exists()


def test_what_watches_holds_40_megabytes_at_most(installation: Installation) -> None:
    """The start is over: what it took is not held any more."""
    assert installation.up is not None, "it runs"
    assert psutil.Process(installation.up.pid).memory_info().rss <= 40 * 1024 * 1024


async def test_a_full_disk_ends_nobodys_watch(tmp_path: Path) -> None:
    """Given that a child's id cannot be kept, and then that it cannot be started, when there is room again, then it is told, and
    started as often as it ends. One such fault ended the watch for ever, without a word."""
    told: asyncio.Queue[int] = asyncio.Queue()
    full = OSError(errno.ENOSPC, "No space left on device")
    faults: list[OSError | None] = [full, None, None]
    starts: list[OSError | None] = [None, full, None, None]

    async def start(output: int, errors: int) -> asyncio.subprocess.Process:
        fault = starts.pop(0) if starts else None
        if fault is not None:
            raise fault
        return await asyncio.create_subprocess_exec("sleep", "60", stdout=output, stderr=errors)

    def on_start(name: str, pid: int) -> None:
        fault = faults.pop(0) if faults else None
        if fault is not None:
            raise fault
        told.put_nowait(pid)

    child = Child("child", start, tmp_path / "child.log", on_start)
    child.start()
    try:
        for _ in range(3):
            async with asyncio.timeout(30):
                pid = await told.get()
            assert pid == child.pid
            os.kill(pid, signal.SIGKILL)
    finally:
        await child.stop(5)


def test_a_stale_id_of_postgres_that_another_process_has_is_left_alone(tmp_path: Path) -> None:
    """After a power cut the id may be anybody's: it was sent SIGINT, and SIGQUIT after that, and Postgres refused to start."""
    server = BundledPostgres(tmp_path / "postgres")
    server.prepare()
    owner = server.data.stat().st_uid
    other = subprocess.Popen(["sleep", "600"], user=owner if os.geteuid() == 0 else None, cwd="/")
    try:
        (server.data / "postmaster.pid").write_text(f"{other.pid}\n{server.data}\n1\n5432\n\nlocalhost\n")
        os.chown(server.data / "postmaster.pid", owner, -1)
        assert server.pid() is None
        server.start()
        assert other.poll() is None, "it got no signal"
        assert server.pid() not in (None, other.pid)
    finally:
        server.stop()
        other.kill()
        other.wait()
    assert server.pid() is None
