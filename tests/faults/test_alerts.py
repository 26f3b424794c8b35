"""Alert workers killed under load, receivers that fail or hang, and Keytrail's own faults that are alerts.

`make test` has two kills; `make soak` has ten, and receivers, one of them away for a minute.
"""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from botocore.exceptions import ClientError

from domain.alerts.rule import OnHealth
from domain.alerts.rules.table import RULES
from services.adapters.kafka import administering, connection
from services.adapters.keyring import open_keyring
from services.adapters.postgres import connect
from services.adapters.topic_bounds import ends
from services.adapters.topics import names
from services.alert_worker import positions
from services.alert_worker.books import Books
from services.cli.client import Client
from services.notifier.delivery import signature
from services.runtime.bootstrap import open_vault
from services.settings import Settings
from tests.consistency.judged import values_of_first
from tests.e2e.test_alerts import ROOTED, allow, document
from tests.installation import Installation, eventually
from tests.pausing import paused

SECRET = "a secret that is long enough"
OF_RECORDS = {rule.id for rule in RULES.values() if not isinstance(rule.kind, OnHealth)}


def execute(settings: Settings, *statements: str) -> None:
    async def run() -> None:
        pool = await connect(settings)
        for each in statements:
            await pool.execute(each)
        await pool.close()

    asyncio.run(run())


async def alerts_of(settings: Settings) -> list[dict[str, Any]]:
    return [json.loads(value) for _, value in await values_of_first(settings, names(settings).alerts)]


def counted(settings: Settings) -> dict[str, int]:
    """How often each window of each rule was counted, in Postgres."""

    async def run() -> dict[str, int]:
        pool = await connect(settings)
        rows = await pool.fetch("SELECT rule, subject, start, count FROM alerting.windows")
        await pool.close()
        return {f"{row['rule']} {row['subject']} {row['start']}": row["count"] for row in rows}

    return asyncio.run(run())


def on_topic(installation: Installation) -> list[dict[str, Any]]:
    """Every alert on the topic, including repetitions."""
    return asyncio.run(alerts_of(installation.settings))


# -- kill -9 ---------------------------------------------------------------------------------------------------------


class Load:
    """Users whose calls are refused, and policies that open and close, for as long as the block lasts."""

    def __init__(self, installation: Installation) -> None:
        iam, self._kms = installation.client(service="iam"), installation.client()
        self._keys = [self._kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(4)]
        self._clients = []
        for number in range(3):
            iam.create_user(UserName=f"load-{number}")
            made = iam.create_access_key(UserName=f"load-{number}")["AccessKey"]
            credentials = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
            self._clients.append(installation.client(credentials))
        self._stop = threading.Event()
        self.calls = 0
        self._threads = [threading.Thread(target=self._use, args=(each,)) for each in self._clients]
        self._threads.append(threading.Thread(target=self._change))

    def _use(self, client: Any) -> None:
        while not self._stop.is_set():
            for key in self._keys:
                self._tried(client.encrypt, KeyId=key, Plaintext=b"x")
                self._tried(self._kms.encrypt, KeyId=key, Plaintext=b"x")
                time.sleep(0.02)  # as below: what is called here is judged three times

    def _change(self) -> None:
        while not self._stop.is_set():
            for key in self._keys:
                user = "arn:aws:iam::111122223333:user/load-0"
                self._tried(self._kms.put_key_policy, KeyId=key, Policy=document(ROOTED, allow(user, "kms:Encrypt")))
                self._tried(self._kms.put_key_policy, KeyId=key, Policy=document(ROOTED, allow("*", "kms:Decrypt")))
                self._tried(self._kms.create_grant, KeyId=key, GranteePrincipal=user, Operations=["Decrypt"])
                time.sleep(0.05)  # the load's own pace

    def _tried(self, call: Any, **parameters: Any) -> None:
        self.calls += 1
        with suppress(ClientError):  # some are refused, and those are counted
            call(**parameters)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_killed_workers_raise_what_undisturbed_ones_do(tmp_path: Path, soak: bool) -> None:
    (tmp_path / "alerts.toml").write_text("[rules.first-use]\nage = 0\n")
    extra = {"KEYTRAIL_ALERTS_FILE": str(tmp_path / "alerts.toml"), "KEYTRAIL_ALERT_WORKERS": "2",
             "KEYTRAIL_DECISION_PARTITIONS": "4"}  # fmt: skip
    with Installation(tmp_path / "data", workers=2, variables=extra) as running:
        with Load(running) as load:
            for number in range(10 if soak else 2):
                name = f"alerts-{number % 2 + 1}"
                before = running.pid(name)
                time.sleep(1.5)  # under load, at an arbitrary moment
                running.process(name).send_signal(signal.SIGKILL)
                running.has_another(name, before)
            eventually(lambda: load.calls > 200)
        running.judged()
        disturbed = on_topic(running)
        shown = [each["id"] for each in Client(running.data).items("/v1/alerts", suppressed="true")]
        assert set(Counter(shown).values()) == {1}
        assert set(shown) == {each["id"] for each in disturbed}
        counts = counted(running.settings)
        # Undisturbed workers judge everything again from the first record, and so do the rules over history. One at work would
        # write how far it is into the emptied table: so they are killed, and nobody starts others before it is empty.
        assert running.up is not None
        with paused(psutil.Process(running.up.pid)):
            workers = [running.process(name) for name in ("alerts-1", "alerts-2")]
            for each in workers:
                each.kill()
            assert psutil.wait_procs(workers, timeout=30)[1] == []
            execute(running.settings, "TRUNCATE alerting.positions, alerting.windows, alerting.items, alerting.pairs")
        eventually(lambda: Client(running.data).get("/v1/status")["alerts"]["judged"].get("events/0"), within=60)
        running.judged()
        again = on_topic(running)[len(disturbed) :]
        first, second = (
            {each["id"]: each for each in some if each["rule"] in OF_RECORDS} for some in (disturbed, again)
        )
        # Workers that began anew knew no log's name at first: they took decisions for somebody else's, and passed over them.
        assert "void-records" not in {each["rule"] for each in [*disturbed, *again]}
        # With what they say, since only that tells why a run that is not repeated went otherwise.
        told = {"once": counts, "again": counted(running.settings), "disturbed": len(disturbed), "all": len(again)}
        assert [first[each] for each in first.keys() - second.keys()] == [], json.dumps([first, second, told])
        assert [second[each] for each in second.keys() - first.keys()] == [], json.dumps([first, second, told])
        assert set(Counter(each["id"] for each in again).values()) == {1}
        scanned = {each["id"] for each in running.answers("alerts", "scan")}
        assert scanned == {each["id"] for each in again if each["rule"] in OF_RECORDS}
        assert {"denied-burst", "first-use", "key-policy-public", "grant-unconstrained"} <= {
            each["rule"] for each in again
        }


# -- receivers --------------------------------------------------------------------------------------------------------


class Receiver:
    """A webhook's receiver. `status` is its answer; None never answers. `disliked`: alerts to which something before it answers
    403."""

    def __init__(self, address: str) -> None:
        self.status: int | None = 200
        self.disliked: set[str] = set()
        self.taken: list[dict[str, Any]] = []
        self.tried: list[str] = []
        self.words: list[str] = []
        """The titles that apprise sent."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if "webhook-id" not in self.headers:  # of apprise
                    receiver.words.append(json.loads(body)["title"])
                    self.send_response(200)
                    self.end_headers()
                    return
                named = self.headers["webhook-id"], self.headers["webhook-timestamp"]
                assert signature(SECRET.encode(), *named, body) == self.headers["webhook-signature"]
                receiver.tried.append(named[0])
                while receiver.status is None:
                    time.sleep(0.1)  # it hangs, as instructed
                disliked = receiver.disliked.intersection(json.loads(body)["data"].get("alerts", ()))
                if receiver.status == 200 and not disliked:
                    receiver.taken.append(json.loads(body))
                self.send_response(403 if disliked else receiver.status)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Write no line for a request."""

        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://{address}:{self.server.server_address[1]}/alerts"

    @property
    def ids(self) -> list[str]:
        """The alerts that it got, in order."""
        return [each for message in self.taken for each in message["data"]["alerts"]]


@contextmanager
def receivers(*names: str, address: str = "127.0.0.1") -> Iterator[dict[str, Receiver]]:
    found = {name: Receiver(address) for name in names}
    threads = [threading.Thread(target=each.server.serve_forever, daemon=True) for each in found.values()]
    for thread in threads:
        thread.start()
    yield found
    for each in found.values():
        each.status = 200
        each.server.shutdown()
        each.server.server_close()


@pytest.mark.soak
def test_receivers_that_fail_hang_or_refuse(tmp_path: Path) -> None:
    with receivers("failing", "hanging", "refusing", "grouping", "chat") as told:
        secret = tmp_path / "secret"
        secret.touch(0o600)
        secret.write_text(SECRET)
        groups = {"grouping": 12}  # seconds: longer than twelve calls take on a busy machine
        text = "".join(
            f'[[webhook]]\nname = "{name}"\nurl = "{each.url}"\nsecret_file = "{secret}"\nleast = "low"\n'
            f"group_seconds = {groups.get(name, 0)}\n\n"
            for name, each in told.items()
            if name != "chat"
        )
        text += f'[[apprise]]\nname = "chat"\nurl = "{told["chat"].url.replace("http:", "json:")}"\nleast = "medium"\n'
        (tmp_path / "alerts.toml").write_text(text)
        with Installation(
            tmp_path / "data", KEYTRAIL_ALERT_WORKERS="1", KEYTRAIL_ALERTS_FILE=str(tmp_path / "alerts.toml")
        ) as running:
            kms, client = running.client(), Client(running.data)
            eventually(lambda: len(client.get("/v1/alerts/notifiers")["items"]) == 5)
            told["failing"].status, told["hanging"].status, told["refusing"].status = 503, None, 422
            began = time.monotonic()
            for _ in range(12):
                key = kms.create_key()["KeyMetadata"]["KeyId"]
                kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
            running.judged()
            raised = [each["id"] for each in client.items("/v1/alerts", severity="low")][::-1]
            assert len(raised) == 13, "twelve deletions, and the root was used"
            # The receiver that hangs and the one that fails delay nobody. A storm is one message after five.
            eventually(lambda: len(told["grouping"].ids) == 13)
            stormy = [each["data"] for each in told["grouping"].taken if each["data"]["count"] > 1]
            assert [each["count"] for each in stormy] == [7]
            assert sorted(told["grouping"].ids) == sorted(raised)
            eventually(lambda: told["chat"].words == ["[medium] Key is to be deleted"] * 5, within=60)
            eventually(lambda: len(client.get("/v1/alerts/dead-letters")["items"]) == 13)
            while time.monotonic() - began < 60:
                assert told["failing"].taken == []
                time.sleep(0.5)
            assert told["failing"].tried
            assert set(told["failing"].tried) == {told["failing"].tried[0]}, "the others wait behind the first"
            told["failing"].status = told["hanging"].status = told["refusing"].status = 200
            eventually(lambda: told["failing"].ids == raised, within=60)
            eventually(lambda: set(told["hanging"].ids) == set(raised), within=60)
            assert "tried again: 13 messages" in running.keytrail("alerts", "dead-letters", "--again").stdout
            eventually(lambda: told["refusing"].ids == raised)
            # Killed in the middle: acknowledged messages are not sent again, others are.
            running.process("notifier").send_signal(signal.SIGKILL)
            kms.schedule_key_deletion(KeyId=kms.create_key()["KeyMetadata"]["KeyId"], PendingWindowInDays=30)
            eventually(lambda: len(told["failing"].ids) == 14)
            event = told["failing"].taken[-1]
            assert (event["specversion"], event["type"]) == ("1.0", "keytrail.alert.raised.v1")


# -- Keytrail's own ---------------------------------------------------------------------------------------------------


async def _append_stranger(settings: Settings) -> None:
    producer = AIOKafkaProducer(**connection(settings))
    await producer.start()
    await producer.send_and_wait(names(settings).events, b'{"previous": "of another chain"}')
    await producer.stop()


async def _delete_records(settings: Settings) -> None:
    found = await ends(settings, names(settings).decisions)
    async with administering(settings) as admin:
        await admin.delete_records(
            {
                TopicPartition(names(settings).decisions, each): RecordsToDelete(before_offset=end)
                for each, end in found.items()
            }
        )


async def held_while(installation: Installation, call: Callable[[], Any]) -> None:
    """Lock the positions of the partitions until the workers have reported that they are behind."""
    pool = await connect(installation.settings)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT * FROM alerting.positions FOR UPDATE")
        await asyncio.to_thread(call)
        told = lambda: rules_of(installation)["alerts-behind"] >= 1  # noqa: E731  # waited for beside the lock
        await asyncio.to_thread(eventually, told, 60)
    await pool.close()


async def _judged_otherwise(settings: Settings) -> None:
    """As if another log had been judged: Keytrail wrote the position, but its digest is not that of this log's
    record."""
    pool = await connect(settings)
    keys = await open_keyring(open_vault(settings, pool))
    part = ("events", 0)
    async with pool.acquire() as connection:
        books = Books(keys, await connection.fetchval("SELECT log FROM alerting.origin"))
        await books.read(connection)
        held = await positions.locked(connection, books, part)
        await held.move(replace(held.reached, digest="0" * 64))
    await pool.close()


def rules_of(installation: Installation) -> Counter[str]:
    return Counter(each["rule"] for each in Client(installation.data).items("/v1/alerts", suppressed="true"))


def test_keytrails_own_faults_are_alerts(tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text("[rules.alerts-behind]\nseconds = 1\n")
    extra = {
        "KEYTRAIL_ALERTS_FILE": str(tmp_path / "alerts.toml"),
        "KEYTRAIL_ALERT_WORKERS": "1",
        "KEYTRAIL_WRITERS": "2",
    }
    with Installation(tmp_path / "data", variables=extra) as running:
        kms = running.client()
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.encrypt(KeyId=key, Plaintext=b"x")
        running.judged()
        assert rules_of(running) == {"root-used": 1}

        running.process("writer-1").send_signal(signal.SIGKILL)
        running.process("writer-2").send_signal(signal.SIGKILL)
        asyncio.run(_append_stranger(running.settings))
        eventually(lambda: {"writer-changed", "void-records"} <= rules_of(running).keys(), within=60)

        execute(
            running.settings,
            "UPDATE p_decisions.cases SET document = jsonb_set(document::jsonb, '{reasons,0,effect}', '\"deny\"')",
        )
        assert running.keytrail("recheck", check=False).returncode == 1
        assert running.keytrail("recheck", check=False).returncode == 1
        eventually(lambda: rules_of(running)["recheck-mismatch"] == 1)
        assert "decisions built anew" in running.keytrail("rebuild", "decisions").stdout

        # Somebody holds a row that the workers must write. They fall behind, say so, and go on when it is free.
        asyncio.run(held_while(running, lambda: kms.encrypt(KeyId=key, Plaintext=b"x")))
        running.judged()

        # What was judged is not what is on the log.
        asyncio.run(_judged_otherwise(running.settings))
        running.process("alerts-1").send_signal(signal.SIGKILL)
        eventually(lambda: rules_of(running)["chain-broken"] == 1, within=60)


@pytest.mark.soak  # three starts
def test_a_clock_a_root_and_records_that_go_are_alerts(tmp_path: Path) -> None:
    extra = {"KEYTRAIL_CLOCK_OFFSET": str(2 * 86_400), "KEYTRAIL_ALERT_WORKERS": "1"}
    running = Installation(tmp_path / "data", test_clock=True, variables=extra)
    with running:
        kms = running.client()
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        running.judged()

        # The machine's clock goes back by two days, and the root gets another access key.
        running.extra |= {"KEYTRAIL_CLOCK_OFFSET": "0", "KEYTRAIL_ALERT_WORKERS": "0",
                          "KEYTRAIL_ROOT_ACCESS_KEY_ID": "AKIAANOTHERONE000001",
                          "KEYTRAIL_ROOT_SECRET_ACCESS_KEY": "another-secret-of-the-root-for-a-test"}  # fmt: skip
        running.stop()
        running.start()
        kms = running.client()
        for _ in range(5):
            kms.encrypt(KeyId=key, Plaintext=b"x")
        time.sleep(5)  # the clock stands still for as long as the rule asks
        kms.update_key_description(KeyId=key, Description="after the step")
        running.caught_up()
        asyncio.run(_delete_records(running.settings))
        running.extra["KEYTRAIL_ALERT_WORKERS"] = "1"
        running.stop()
        running.start()
        eventually(
            lambda: {"clock-stepped-back", "records-lost", "root-access-key"} <= rules_of(running).keys(), within=60
        )
