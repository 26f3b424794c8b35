"""Whoever may write to Postgres: the database's operator, or a stranger who has its password.

They can change, add and remove any row of any table. They have neither the master key nor the vault's root secret, and the
log on Kafka is as it was.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from botocore.exceptions import ClientError

from domain.trail.identity_events import InlinePolicyPut
from services.adapters import skips, snapshots
from services.adapters.bundled.postgres import BundledPostgres
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import open_keyring
from services.adapters.postgres import connect
from services.adapters.topics import names
from services.bootstrap import open_vault
from tests.installation import Installation, eventually
from tests.keys import OTHER as STRANGERS
from tests.keys import keyring


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    data = tmp_path_factory.mktemp("attacked") / "data"
    with Installation(data, KEYTRAIL_ALERT_WORKERS="1") as running:
        running.client().create_key()
        yield running


def execute(installation: Installation, statement: str, *values: Any) -> str:
    async def run() -> str:
        connection = await asyncpg.connect(installation.settings.postgres)
        try:
            return str(await connection.execute(statement, *values))
        finally:
            await connection.close()

    return asyncio.run(run())


def fetch(installation: Installation, question: str) -> list[Any]:
    async def run() -> list[Any]:
        connection = await asyncpg.connect(installation.settings.postgres)
        try:
            return list(await connection.fetch(question))
        finally:
            await connection.close()

    return asyncio.run(run())


def restarted(installation: Installation) -> None:
    installation.stop()
    installation.start()


def verified(installation: Installation) -> dict[str, Any]:
    installation.caught_up()
    found: dict[str, Any] = json.loads(installation.keytrail("verify", "--json", check=False).stdout)
    return found


def test_a_snapshot_that_somebody_wrote_gives_no_right(attacked: Installation) -> None:
    """Every right after one restart: API and writer took the snapshot's content as it was."""
    iam = attacked.client(service="iam")
    unique = iam.create_user(UserName="mallory")["User"]["UserId"]
    key = iam.create_access_key(UserName="mallory")["AccessKey"]
    status = attacked.answers("status")[0]

    async def forge() -> None:
        """What the log says, and one policy more."""
        pool = await connect(attacked.settings)
        keys = await open_keyring(open_vault(attacked.settings, pool))
        topic = KafkaTopic(attacked.settings, names(attacked.settings).events)
        fold = await snapshots.newest(pool, topic, keys)
        every = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
        fold.world.directory.take(
            InlinePolicyPut(attacked.settings.account_id, "user", unique, "all", every),
            fold.world.at,
            fold.world.position,
        )
        fold.chain.keys = keyring(STRANGERS)
        await snapshots.save(pool, fold)
        # The MAC of a true snapshot, and the name of the key that made it, do not help either.
        mac = await pool.fetchval("SELECT mac FROM present.snapshots ORDER BY position DESC LIMIT 1")
        await pool.execute("UPDATE present.snapshots SET mac = $1", f"{keys.newest}:{mac.partition(':')[2]}")
        await topic.close()
        await pool.close()

    asyncio.run(forge())
    assert fetch(attacked, "SELECT count(*) AS count FROM present.snapshots")[0]["count"] == 1
    restarted(attacked)
    credentials = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    with pytest.raises(ClientError, match="AccessDenied"):
        attacked.client(credentials).list_keys()
    with pytest.raises(ClientError, match="AccessDenied"):
        attacked.client(credentials, "iam").create_user(UserName="by-mallory")
    assert attacked.answers("status")[0]["log"] == status["log"]


def test_a_changed_row_is_named_and_mended(attacked: Installation) -> None:
    """Bob's Decrypt becomes Alice's: `verify` said whole, and `recheck` found no mismatch."""
    client = attacked.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.decrypt(CiphertextBlob=client.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"])
    attacked.caught_up()
    assert verified(attacked)["projections"] == []
    changed = "UPDATE p_decisions.decisions SET principal = 'arn:aws:iam::111122223333:user/alice' WHERE operation = 'Decrypt'"
    removed = "DELETE FROM p_history.history WHERE kind = 'key'"
    assert execute(attacked, changed) == "UPDATE 1"
    execute(attacked, removed)
    found = verified(attacked)
    assert not found["whole"]
    tables = {each["table"]: (each["unknown"], each["missing"]) for each in found["projections"]}
    assert tables["p_decisions.decisions"] == (1, 1)
    shown = attacked.keytrail("verify", check=False)
    assert "keytrail rebuild decisions" in shown.stderr
    for name in {table.partition(".")[0].removeprefix("p_") for table in tables}:
        attacked.keytrail("rebuild", name)
    assert verified(attacked)["projections"] == []


def test_a_row_that_is_no_record_says_what_mends_it(attacked: Installation) -> None:
    """Questions of the past fail, and nobody knows why."""
    key = attacked.client().create_key()["KeyMetadata"]["KeyId"]
    attacked.caught_up()
    execute(attacked, "UPDATE p_history.history SET document = '[1]' WHERE id = $1", key)
    shown = attacked.keytrail("who-can", "kms:Decrypt", key, check=False)
    assert (shown.returncode, "keytrail rebuild" in " ".join(shown.stderr.split())) == (1, True), shown.stderr
    assert [each["table"] for each in verified(attacked)["projections"]] == ["p_history.history"]
    attacked.keytrail("rebuild", "history")
    assert attacked.answers("who-can", "kms:Decrypt", key)


def test_positions_that_were_moved_hide_nothing(attacked: Installation) -> None:
    """Records that no projection shows and no rule judges: whoever follows begins behind them."""
    execute(attacked, "UPDATE p_decisions.positions SET next = next + 2")
    execute(attacked, "UPDATE alerting.positions SET next = next + 2")
    restarted(attacked)
    key = attacked.client().create_key()["KeyMetadata"]["KeyId"]
    attacked.client().encrypt(KeyId=key, Plaintext=b"x")
    attacked.caught_up()
    assert verified(attacked)["projections"] == []
    assert eventually(lambda: not any(attacked.answers("status")[0]["alerts"]["lag"].values()))


def test_a_position_that_is_moved_while_rules_judge_hides_nothing(attacked: Installation) -> None:
    """A key opened to everybody without an alert, and the position signed by Keytrail itself afterwards: it was looked at when a
    worker started, and believed when it judged."""
    key = attacked.client().create_key()["KeyMetadata"]["KeyId"]
    arn = attacked.client().describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    open_to_all = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}

    async def hidden() -> None:
        connection = await asyncpg.connect(attacked.settings.postgres)
        async with connection.transaction():
            await connection.fetch("SELECT * FROM alerting.positions WHERE topic = 'events' FOR UPDATE")
            await asyncio.to_thread(
                attacked.client().put_key_policy,
                KeyId=key,
                Policy=json.dumps({"Version": "2012-10-17", "Statement": [open_to_all]}),
            )
            await connection.execute(
                "UPDATE alerting.positions SET next = next + 1, digest = '' WHERE topic = 'events'"
            )
        await connection.close()

    asyncio.run(hidden())
    rules = lambda: {each["rule"] for each in attacked.answers("alerts") if arn in json.dumps(each)}  # noqa: E731
    assert eventually(lambda: "key-policy-public" in rules(), within=60)


def test_a_burst_that_somebody_keeps_from_being_counted_is_told(attacked: Installation) -> None:
    """Forty refused calls and no alert: the row of the window said that it was full, or far from it. Whoever counts on it ends,
    and counts anew from the log."""
    name = f"mallory-{uuid4().hex[:8]}"
    iam = attacked.client(service="iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    made = iam.create_access_key(UserName=name)["AccessKey"]
    own = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    refused(attacked, own, 1)
    assert eventually(lambda: fetch(attacked, f"SELECT FROM alerting.windows WHERE subject LIKE '%{arn}%'"))
    execute(attacked, "UPDATE alerting.windows SET count = -1000")
    refused(attacked, own, 40)
    bursts = lambda: [each for each in attacked.answers("alerts") if each["rule"] == "denied-burst"]  # noqa: E731
    assert eventually(lambda: any(arn in json.dumps(each) for each in bursts()), within=60)


def refused(installation: Installation, credentials: dict[str, str], count: int) -> None:
    client = installation.client(credentials)
    for _ in range(count):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.list_keys()


def test_a_projection_without_its_positions_is_named(attacked: Installation) -> None:
    """Every call deleted, and `verify` whole: it compared up to the positions that somebody had removed."""
    attacked.caught_up()
    kept = fetch(attacked, "SELECT * FROM p_decisions.positions WHERE topic = 'decisions'")
    assert kept
    execute(attacked, "DELETE FROM p_decisions.positions WHERE topic = 'decisions'")
    found = json.loads(attacked.keytrail("verify", "--json", check=False).stdout)
    assert not found["whole"]
    for row in kept:
        marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        execute(attacked, f"INSERT INTO p_decisions.positions VALUES ({marks}) ON CONFLICT DO NOTHING", *row)


async def test_a_permission_to_skip_is_good_once_and_for_one_command(attacked: Installation) -> None:
    """Commands given up that were only late: whoever writes the row lets the writer skip them, again and again."""
    pool = await connect(attacked.settings)
    keys = keyring()
    await pool.execute("DROP TABLE IF EXISTS present.permits")
    assert not await skips.permitted(pool, keys, "log", 7)
    await pool.execute("INSERT INTO present.permits (id, log, next_command, mac) VALUES ('a', 'log', 7, 'x:y')")
    assert not await skips.permitted(pool, keys, "log", 7), "somebody else wrote it"
    await skips.permit(pool, keys, "log", 7)
    (row,) = await pool.fetch("SELECT id, log, next_command, mac FROM present.permits")
    assert [await skips.permitted(pool, keys, "log", at) for at in (6, 7, 7)] == [False, True, False]
    put_back = "INSERT INTO present.permits (id, log, next_command, mac) VALUES ($1, $2, $3, $4)"
    await pool.execute(put_back, row["id"], row["log"], 9, row["mac"])
    assert not await skips.permitted(pool, keys, "log", 9), "the log goes on from another command"
    await pool.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE vault.seal SET root = sealed", "does not open the vault"),
        pytest.param("DELETE FROM vault.seal", "no root secret", marks=pytest.mark.soak),
        pytest.param("UPDATE vault.seal SET under = ''", "no root secret", marks=pytest.mark.soak),
        pytest.param(
            "UPDATE vault.pin SET document = replace(document, '\"since\": 0', '\"since\": 1')",
            "seal was replaced",
            marks=pytest.mark.soak,
        ),
    ],
)
def test_another_root_is_refused_and_none_is_made(attacked: Installation, statement: str, said: str) -> None:
    """Every record so far void, and a new log under a root of the attacker's time: a start made whatever was missing."""
    kept = {table: fetch(attacked, f"SELECT * FROM vault.{table}")[0] for table in ("seal", "pin")}
    execute(attacked, statement)
    attacked.stop()
    log = attacked.data.with_suffix(".up.log")
    before = len(log.read_text())
    with pytest.raises(AssertionError, match=said):
        attacked.start()
    assert said in log.read_text()[before:]
    _put_back(attacked, kept)
    attacked.start()
    attacked.client().create_key()


def _put_back(installation: Installation, kept: dict[str, Any]) -> None:
    """With the bundled server alone."""
    server = BundledPostgres(installation.data / "postgres")
    server.start()

    async def run() -> None:
        connection = await asyncpg.connect(server.dsn)
        for table, row in kept.items():
            await connection.execute(f"DELETE FROM vault.{table}")
            marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await connection.execute(f"INSERT INTO vault.{table} ({', '.join(row.keys())}) VALUES ({marks})", *row)
        await connection.close()

    asyncio.run(run())
    server.stop()
