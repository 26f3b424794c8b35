"""Another user of the machine, with an account there but no right in Keytrail.

They can reach everything that listens on loopback, read what the permissions of files and /proc allow, and write to
folders that everybody may write to. Some of these attacks need another user's identity, which only root can take.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import re
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import CreateTopicsRequest

from services.adapters.bundled import login, postgres
from services.adapters.bundled.jars import CACHE, class_path
from services.adapters.bundled.kafka import BundledKafka
from services.adapters.bundled.postgres import BundledPostgres
from services.adapters.kafka import connection
from services.adapters.master_key import FileMasterKey, MasterKeyRefused
from services.adapters.master_key import make as make_master_key
from services.backup.sealed_file import SealedWriter
from services.inherited import python
from services.ownership import NotOurs, replacing
from services.runtime.data_folder import Folder
from services.settings import BadSetting, Settings, load
from services.supervisor.child import Child, executing
from tests.installation import KEYTRAIL, Installation, clean_environment, eventually, free_port

NOBODY = 65534
ROOT_SECRET = "a-root-secret-that-the-operator-chose"  # of a test
UNRELATED = "a-token-of-another-program"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def somebody_else() -> Iterator[None]:
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Started by a user whose files everybody may read and whose memory is dumped, with a secret in the environment."""
    data = tmp_path_factory.mktemp("attacked") / "data"
    given = {
        "KEYTRAIL_ROOT_ACCESS_KEY_ID": "AKIAGIVENBYOPERATOR0",
        "KEYTRAIL_ROOT_SECRET_ACCESS_KEY": ROOT_SECRET,
        "SOME_TOKEN": UNRELATED,
    }
    installation = Installation(data, own="they are attacked", KEYTRAIL_ALERT_WORKERS="1", variables=given)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    with umask(0):
        installation.start()
    try:
        installation.client().create_key()
        yield installation
    finally:
        installation.stop()


def processes(installation: Installation) -> dict[str, psutil.Process]:
    """Every process that `keytrail up` runs, itself and Postgres's own children included, by name and process id."""
    assert installation.up is not None
    up = psutil.Process(installation.up.pid)
    found = {each.pid: each for each in (up, *up.children(recursive=True), *installation.children())}
    for each in list(found.values()):
        found |= {child.pid: child for child in each.children(recursive=True)}
    names = {pid: name for name, (pid, _) in _children(installation).items()}
    assert len(names) >= 6
    return {f"{names.get(pid, each.name())} {pid}": each for pid, each in found.items()}


def _children(installation: Installation) -> dict[str, tuple[int, float]]:
    running = Folder(installation.data).state()
    assert running is not None
    return running.children


# -- what listens ------------------------------------------------------------------------------------------------------


def test_nothing_listens_where_others_reach_it(attacked: Installation) -> None:
    """They would have had Kafka's JMX port on every address of the machine: memory dumps and settings, without a
    password."""
    listening = 0
    for name, process in processes(attacked).items():
        for each in process.net_connections("inet"):
            if each.status == psutil.CONN_LISTEN or each.type.name == "SOCK_DGRAM":
                address = ipaddress.ip_address(each.laddr.ip)
                address = getattr(address, "ipv4_mapped", None) or address
                assert address.is_loopback, f"{name} listens on {each.laddr}"
                listening += 1
        for each in process.net_connections("unix"):
            if each.laddr:
                path = str(each.laddr)  # psutil's types have addresses of the Internet alone
                assert not path.startswith("@"), f"{name} has {path}, which everybody may connect to"
                folder = Path(path).parent
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700, f"others reach {name} by {path}"
                listening += 1
    assert listening >= 4, "the API, two listeners of Kafka, Postgres"


async def _connected(port: int, mechanism: str, password: str | None) -> AIOKafkaConnection:
    if password is None:
        return await create_conn("127.0.0.1", port, request_timeout_ms=5000)
    return await create_conn(
        "127.0.0.1",
        port,
        request_timeout_ms=5000,
        security_protocol=login.SECURITY,
        sasl_mechanism=mechanism,
        sasl_plain_username=login.USER,
        sasl_plain_password=password,
    )


async def _lets_in(port: int, mechanism: str, password: str | None) -> bool:
    """Anybody who is let in can create a topic, on the broker's listener and on the controller's alike."""
    try:
        reached = await _connected(port, mechanism, password)
    except (KafkaError, OSError):
        return False
    try:
        request = CreateTopicsRequest([("attack", 1, 1, [], [])], 5000, True)
        await asyncio.wait_for(reached.send(request), 10)
    except (KafkaError, OSError, asyncio.CancelledError):
        return False
    finally:
        reached.close()
    return True


async def test_the_broker_lets_in_nobody_without_its_password(attacked: Installation) -> None:
    """They would have written to the log: a forged record in root's name gave them every right."""
    kafka = attacked.process("kafka")
    ports = [each.laddr.port for each in kafka.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    assert len(ports) == 2, "the broker's listener and the controller's"
    clients = int(attacked.settings.kafka.rpartition(":")[2])
    (controller,) = set(ports) - {clients}
    password, (controllers,) = login.kept(attacked.data.resolve() / "kafka"), controllers_password(attacked.data)
    for port, mechanism, right in ((clients, login.MECHANISM, password), (controller, login.CONTROLLERS, controllers)):
        assert await _lets_in(port, mechanism, right)
        for wrong in (None, "a guess", password if right != password else controllers):
            assert not await _lets_in(port, mechanism, wrong)
    assert not await _lets_in(clients, login.CONTROLLERS, password), "nobody needs to tell it there"


def test_the_broker_keeps_little_of_somebody_who_has_not_logged_in(attacked: Installation) -> None:
    """With a thousand connections they would have filled its memory, and nobody would have been answered any more."""
    for each in attacked.process("kafka").net_connections("tcp"):
        if each.status == psutil.CONN_LISTEN:
            with socket.create_connection(("127.0.0.1", each.laddr.port), timeout=20) as stranger:
                stranger.sendall(struct.pack(">i", 100_000) + bytes(1000))
                with contextlib.suppress(ConnectionResetError):
                    assert stranger.recv(1) == b"", "it is closed, and not waited for"


def controllers_password(data: Path) -> set[str]:
    found = re.findall(r'controller\.plain.* password="([^"]+)"', (data / "kafka" / "server.properties").read_text())
    return set(found)


VERSIONS = [(3, 0, 1), (17, 0, 1), (18, 0, 2), (36, 0, 0)]
GREETINGS = {
    17: struct.pack(">hih", 0, 2, 5) + b"PLAIN" + struct.pack(">h", 13) + b"SCRAM-SHA-512",
    18: struct.pack(">hi", 0, 4) + b"".join(struct.pack(">3h", *each) for each in VERSIONS) + bytes(4),
}
"""A broker's answers to SaslHandshake (it accepts either mechanism) and to ApiVersions."""


async def test_taking_the_brokers_port_reveals_no_password() -> None:
    """While the broker is down, they would have listened in its place, and each client would have sent the password."""
    heard = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                request = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
                heard += request
                key, number = int.from_bytes(request[:2], "big"), request[4:8]
                body = _challenge(request) if key == 36 else GREETINGS[key]
                writer.write(struct.pack(">i", 4 + len(body)) + number + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    password = "the password of the log"  # of a test
    given = connection(login.applied(Settings(), f"127.0.0.1:{port}", password))
    del given["bootstrap_servers"]
    with pytest.raises((KafkaError, ValueError, OSError)):
        await asyncio.wait_for(create_conn("127.0.0.1", port, request_timeout_ms=5000, **given), 20)
    server.close()
    assert heard.count(login.USER.encode()) >= 1, "the client began to log in"
    assert password.encode() not in heard


def _challenge(request: bytes) -> bytes:
    """SCRAM's server: it answers the client's nonce with one that begins with it, a salt, and a number of rounds."""
    nonce = re.search(rb"r=([^,]+)", request)
    assert nonce is not None
    text = b"r=" + nonce[1] + b"theirs,s=" + b64encode(b"salt") + b",i=4096"
    if b",p=" in request:  # the client's proof, after which the server has to give its own
        text = b"v=" + b64encode(b"a guess")
    return struct.pack(">hhi", 0, -1, len(text)) + text


# -- what can be read --------------------------------------------------------------------------------------------------


def test_no_process_shows_a_secret(attacked: Installation) -> None:
    """They would have had root's secret key from a crash report, a child's environment or a list of processes."""
    secrets = [
        ROOT_SECRET,
        UNRELATED,
        login.kept(attacked.data.resolve() / "kafka"),
        *controllers_password(attacked.data),
        (attacked.data / "master.key").read_text().strip(),
    ]
    assert attacked.up is not None
    for name, process in processes(attacked).items():
        shown = [Path(f"/proc/{process.pid}/cmdline").read_bytes()]
        if process.pid != attacked.up.pid:  # which its environment gave them
            shown.append(Path(f"/proc/{process.pid}/environ").read_bytes())
        for secret in secrets:
            assert not any(secret.encode() in text for text in shown), f"{name} shows {secret}"


SHOW = """
import json, sys
from dataclasses import asdict
from services.settings import load
given = asdict(load())
given["environ"] = open("/proc/self/environ").read()
json.dump(given, sys.stdout, default=str)
"""


async def test_a_child_process_gets_every_secret_and_shows_none(tmp_path: Path) -> None:
    """With your own cluster and database too: the password in an address would have been in seven environments."""
    secret: dict[str, Any] = {
        each.name: f"postgresql://secret-of-{each.name}/" for each in fields(Settings) if each.metadata["secret"]
    }
    ids: dict[str, Any] = {
        each.replace("secret_access_key", "access_key_id"): "AKIAGIVEN" for each in secret if "secret_access" in each
    }
    settings = Settings(kafka_username="somebody", **ids, **secret)
    assert len(secret) >= 3
    output = tmp_path / "output"
    command, environment = [sys.executable, "-c", SHOW], settings.environment()
    start = executing(command, environment, settings.secrets())
    child = Child("shows", start, output, lambda name, pid: None)
    child.start()
    await asyncio.to_thread(eventually, lambda: output.exists() and output.read_text().endswith("}"))
    await child.stop(5)
    shown = json.JSONDecoder().raw_decode(output.read_text())[0]
    for name, value in secret.items():
        assert shown[name] == value
        assert value not in shown["environ"]
    assert shown["kafka_username"] == "somebody"


SECRETS = [f"KEYTRAIL_{each.name.upper()}" for each in fields(Settings) if each.metadata["secret"]]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_a_file_that_others_may_read_is_refused(tmp_path: Path, name: str) -> None:
    """They would have read the password of the cluster, the database or root in the file that holds it."""
    file = tmp_path / "secret"
    file.write_text("postgresql://a-secret/\n")  # of all secrets, a DSN alone has a form
    given = {name + "_FILE": str(file)}
    if name.endswith("_SECRET_ACCESS_KEY"):
        given[name.replace("SECRET_ACCESS_KEY", "ACCESS_KEY_ID")] = "AKIAGIVEN"
    file.chmod(0o640)
    with pytest.raises(BadSetting, match="chmod 600"):
        load(given)
    file.chmod(0o600)
    assert "postgresql://a-secret/" in load(given).secrets().values()
    with pytest.raises(BadSetting, match="both set"):
        load(given | {name: "another"})
    file.write_text("\n")
    with pytest.raises(BadSetting, match="is empty"):
        load(given)
    file.unlink()
    with pytest.raises(BadSetting, match="cannot be read"):
        load(given)


def test_files_of_the_data_folder_are_closed(attacked: Installation) -> None:
    """They would have read Kafka's port and the whole log on the disk, and the logs of every process."""
    found = list(attacked.data.iterdir())
    assert {"kafka", "logs", "run", "postgres", "master.key", "credentials.json"} <= {each.name for each in found}
    for each in found:
        assert stat.S_IMODE(each.stat().st_mode) & 0o077 == 0, f"{each.name} has mode {each.stat().st_mode:o}"
    assert stat.S_IMODE(attacked.data.stat().st_mode) & 0o066 == 0, "passed through by Postgres's user, not listed"


@as_root
def test_another_user_opens_nothing(attacked: Installation) -> None:
    """The same by the kernel's own answer: every existing file, when the attacker knows its name."""
    files = [each for each in attacked.data.rglob("*") if each.is_file()]
    assert len(files) > 100
    opened = []
    with somebody_else():
        for each in files:
            with contextlib.suppress(OSError):
                os.close(os.open(each, os.O_RDONLY))
                opened.append(each)
    assert opened == []


def test_files_of_a_command_are_its_owners_alone(attacked: Installation, tmp_path: Path) -> None:
    """They would have read an export: the whole log, every caller's names and addresses."""
    for command in (
        ["export-log"],
        ["backup"],
        ["decisions", "--export"],
        ["decisions", "--format", "parquet", "--export"],
    ):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        with umask(0):
            attacked.keytrail(*command, str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, command


def test_nothing_is_kept_in_folders_that_everybody_may_write_to(attacked: Installation) -> None:
    """They would have mapped Java's counters, or made the folder first that a process was about to use."""
    shared = [Path(name).resolve() for name in ("/tmp", "/var/tmp")]  # looked at, not used
    ours = attacked.data.resolve().parent.parent, Path(sys.prefix).resolve()
    for name, process in processes(attacked).items():
        used = {each.path for each in process.memory_maps()} if process.name() == "java" else set()
        used |= {each.path for each in process.open_files()}
        for path in map(Path, used):
            if path.is_absolute() and any(path.is_relative_to(each) for each in shared):
                assert any(path.is_relative_to(each) for each in ours), f"{name} uses {path}"


def test_memory_is_not_dumped(attacked: Installation) -> None:
    """A reader of the machine's core dumps would have had the material of the keys in use."""
    for name, process in processes(attacked).items():
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        (line,) = [each for each in limits.splitlines() if each.startswith("Max core file size")]
        assert line.split()[4] == "0", name


# -- names that are foreseen -------------------------------------------------------------------------------------------


def test_a_module_beside_us_is_not_run(tmp_path: Path) -> None:
    """In a folder that they may write to, they would have left services/, which runs as the user who starts Keytrail
    there."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").write_text("raise SystemExit('the attacker runs')")
    done = subprocess.run(
        python("services.metrics"), cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sockets_folder_is_made_under_a_name_that_nobody_foresees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would have made /tmp/keytrail-HASH first, as a link or with a socket of their own, and received the
    vault."""
    monkeypatch.setattr(postgres, "MAX_SOCKET_PATH", 10)
    first = BundledPostgres(tmp_path / "postgres")
    first.prepare()
    owner = first.data.stat().st_uid
    again = BundledPostgres(tmp_path / "postgres")
    again.prepare()
    assert first.sockets == again.sockets, "it is used again"
    found = first.sockets.lstat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (owner, 0o700)
    # as after a restart of the machine, which empties /tmp: the name is known by now
    first.sockets.rmdir()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    first.sockets.symlink_to(theirs)
    try:
        after = BundledPostgres(tmp_path / "postgres")
        after.prepare()
        assert after.sockets != first.sockets
        assert not after.sockets.is_symlink()
        after.sockets.rmdir()
    finally:
        first.sockets.unlink()
    assert theirs.stat().st_uid == os.geteuid(), "nothing of it was given to the server's user"


@as_root
def test_the_servers_user_cannot_have_a_folder_given_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who took over Postgres would have been given /etc, through a link in place of the socket's folder."""
    monkeypatch.setattr(
        postgres, "MAX_SOCKET_PATH", 1_000
    )  # its place, however long a test's path is: no server starts here
    server = BundledPostgres(tmp_path / "postgres")
    server.prepare()
    server.sockets.rmdir()
    wanted = tmp_path / "wanted"
    wanted.mkdir()
    server.sockets.symlink_to(wanted)
    with pytest.raises(postgres.PostgresFailed, match="not a folder of ours"):
        BundledPostgres(tmp_path / "postgres").prepare()
    assert wanted.stat().st_uid == 0


def test_of_two_that_write_a_new_file_at_once_one_is_told(tmp_path: Path) -> None:
    """Both said that they wrote it, each with its own digest, and one file was lost."""
    path = tmp_path / "evidence.zip"
    with pytest.raises(FileExistsError), replacing(path) as late:
        late.write_text("late")
        with replacing(path) as first:
            first.write_text("first")
    assert ([each.name for each in tmp_path.iterdir()], path.read_text()) == (["evidence.zip"], "first")
    with replacing(path) as again:
        again.write_text("again")
    assert path.read_text() == "again"


def test_a_result_does_not_follow_a_link_that_was_there_first(tmp_path: Path) -> None:
    """In /tmp they would have chosen which file of Keytrail's an export or a backup overwrites."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "export").symlink_to(victim)
    with umask(0), replacing(tmp_path / "export") as place:
        place.write_text("exported")
    assert (tmp_path / "export").read_text() == "exported"
    assert stat.S_IMODE((tmp_path / "export").stat().st_mode) == 0o600

    make_master_key(tmp_path / "master.key")
    (tmp_path / f".backup.{os.getpid()}").symlink_to(victim)
    master = FileMasterKey(tmp_path / "master.key")
    writer = SealedWriter(tmp_path / "backup", master, master.newest())
    writer.write({}, last=True)
    writer.close()
    assert victim.read_text() == "precious"


# -- folders that others may change ------------------------------------------------------------------------------------


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


def take_and_leave(path: Path) -> None:
    folder = Folder(path)
    folder.take()
    assert folder._lock is not None
    folder._lock.close()


def _theirs(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)


@pytest.mark.parametrize("made", [_open_to_all, pytest.param(_theirs, marks=as_root)])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_place_that_others_may_change_is_refused(tmp_path: Path, made: Callable[[Path], None], level: int) -> None:
    """They would have replaced Keytrail's data folder by one of their own, or put a jar of their own among Kafka's."""
    places = [tmp_path / "srv", tmp_path / "srv" / "keytrail", tmp_path / "srv" / "keytrail" / "data"]
    places[-1].mkdir(parents=True)
    made(places[level])
    if (made, level) != (_open_to_all, 2):  # our own folder is closed, and goes on
        with pytest.raises(NotOurs):
            Folder(places[-1]).take()
    else:
        take_and_leave(places[-1])
        assert stat.S_IMODE(places[-1].stat().st_mode) & 0o066 == 0
        made(places[level])
    with pytest.raises(NotOurs):
        class_path(places[-1] / "m2", lambda done, count: None)


def test_a_folder_in_tmp_may_be_ours(tmp_path: Path) -> None:
    """Where everybody may write but nobody may touch another's files, a folder of ours is as safe as anywhere."""
    tmp_path.chmod(0o1777)
    take_and_leave(tmp_path / "data")


@as_root
def test_a_link_of_theirs_in_tmp_is_not_followed(tmp_path: Path) -> None:
    """They would have had root keep its data folder where they say."""
    tmp_path.chmod(0o1777)
    (tmp_path / "wanted").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "wanted")
    os.lchown(tmp_path / "data", NOBODY, NOBODY)
    with pytest.raises(NotOurs):
        Folder(tmp_path / "data").take()


@as_root
def test_a_master_key_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    """They would have known the key that seals everything."""
    path = tmp_path / "master.key"
    path.write_text(b64encode(b"k" * 32).decode())
    path.chmod(0o600)
    _theirs(path)
    with pytest.raises(MasterKeyRefused, match="who knows what is in it"):
        FileMasterKey(path)


@as_root
def test_a_shell_is_not_led_to_somebody_elses_installation(tmp_path: Path) -> None:
    """In a folder like /tmp they would have left .keytrail: `eval "$(keytrail env)"` there would have sent them what
    clients encrypt."""
    theirs = tmp_path / ".keytrail"
    theirs.mkdir()
    kept = theirs / "credentials.json"
    kept.write_text(json.dumps({"access_key_id": "AKIA", "secret_access_key": "s", "region": "r"}))
    kept.chmod(0o600)
    _theirs(kept)
    done = subprocess.run(
        [str(KEYTRAIL), "env"], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "belongs to" in done.stdout  # shell text that reports it and leads nowhere
    assert "AKIA" not in done.stdout


# -- what earlier versions left ----------------------------------------------------------------------------------------


class OpenKafka(BundledKafka):
    """As it was before it asked for a password."""

    def _properties(self) -> dict[str, object]:
        kept = {name: value for name, value in super()._properties().items() if "sasl" not in name}
        listeners = f"PLAINTEXT://127.0.0.1:{self.port}"
        return kept | {
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
        }


@pytest.mark.soak  # four brokers, one after the other
def test_a_folder_of_an_earlier_version_is_closed_and_keeps_everything(tmp_path: Path) -> None:
    """After the upgrade they could still have written to the log, or read it from the disk."""
    installation = Installation(tmp_path / "data", own="the broker's folder is of an earlier version")
    with installation:
        key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    jars = class_path(CACHE, lambda done, count: None)
    folder = tmp_path / "data" / "kafka"
    before = OpenKafka(folder, jars, free_port(), free_port())
    before.prepare()
    running = psutil.Popen(before.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: asyncio.run(_lets_in(before.port, "", None)), within=60)
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(30)
    (folder / login.FILE).unlink()
    for part in (folder, tmp_path / "data" / "logs", tmp_path / "data" / "run"):  # which were open to everybody
        for each in (part, *part.rglob("*")):
            each.chmod(0o755 if each.is_dir() else 0o644)
    with installation:
        assert [each["KeyId"] for each in installation.client().list_keys()["Keys"]] == [key]
        assert json.loads(installation.keytrail("verify", "--json").stdout)["whole"]
        port = int(installation.settings.kafka.rpartition(":")[2])
        assert not asyncio.run(_lets_in(port, "", None))
        test_files_of_the_data_folder_are_closed(installation)
