"""Somebody who can write to Postgres: the database's operator, or a stranger with its password.

They can change, add and remove any row of any table. They have neither the master key nor the vault's root secret, and
cannot change the log on Kafka.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from botocore.exceptions import ClientError

from domain.identities import event_effects
from domain.log.identity_events import InlinePolicyPut
from projections.registry import PROJECTIONS
from services.adapters import skips, snapshots
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.log_now import log_name
from services.adapters.postgres import Pool, connect
from services.adapters.topics import log_topic
from services.notifier.marks import KafkaMark
from services.runtime.bootstrap import open_vault
from services.verification.projections import AskedTopics, Difference, differences
from tests.counts import with_all_in_soak
from tests.e2e.test_notary import head, is_there, notarised_all
from tests.e2e.test_tree_keys import add_tree_key, rotated, served_keys, signs
from tests.faults.test_alerts import SECRET, Receiver, receivers
from tests.installation import KEYTRAIL, Installation, eventually
from tests.keys import OTHER as STRANGERS
from tests.keys import ROOT, keyring
from tests.pausing import paused
from tests.telling import Telling, Vault


@pytest.fixture(scope="module")
def siem() -> Iterator[Receiver]:
    """The receiver of alerts."""
    with receivers("siem") as told:
        yield told["siem"]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, siem: Receiver) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("attacked")
    (folder / "secret").touch(0o600)
    (folder / "secret").write_text(SECRET)
    webhook = f'[[webhook]]\nname = "siem"\nurl = "{siem.url}"\nsecret_file = "{folder}/secret"\nleast = "low"\n'
    (folder / "alerts.toml").write_text(f"{webhook}group_seconds = 0\n")
    extra = {"KEYTRAIL_ALERT_WORKERS": "1", "KEYTRAIL_ALERTS_FILE": str(folder / "alerts.toml")}
    with Installation(folder / "data", variables=extra) as running:
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
    return installation.verified()


def test_a_snapshot_that_somebody_wrote_gives_no_right(attacked: Installation) -> None:
    """Gained: every right after one restart. API and writer believed the snapshot's content."""
    iam = attacked.client(service="iam")
    unique = iam.create_user(UserName="mallory")["User"]["UserId"]
    key = iam.create_access_key(UserName="mallory")["AccessKey"]
    status = attacked.answers("status")[0]

    async def forge() -> None:
        """The state of the log, with one more policy."""
        pool = await connect(attacked.settings)
        keys = await open_keyring(open_vault(attacked.settings, pool))
        topic = log_topic(attacked.settings)
        fold = await snapshots.newest(pool, topic, keys)
        every = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
        event_effects.take(
            InlinePolicyPut(attacked.settings.account_id, "user", unique, "all", every),
            fold.world.directory,
            fold.world.at,
            fold.world.position,
        )
        fold.chain.keys = keyring(STRANGERS)
        await snapshots.save(pool, fold)
        # Neither the MAC of a true snapshot nor the name of its key helps.
        mac = await pool.fetchval("SELECT mac FROM present.versioned_snapshots ORDER BY position DESC LIMIT 1")
        await pool.execute("UPDATE present.versioned_snapshots SET mac = $1", f"{keys.newest}:{mac.partition(':')[2]}")
        await topic.close()
        await pool.close()

    asyncio.run(forge())
    assert fetch(attacked, "SELECT count(*) AS count FROM present.versioned_snapshots")[0]["count"] == 1
    restarted(attacked)
    credentials = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    with pytest.raises(ClientError, match="AccessDenied"):
        attacked.client(credentials).list_keys()
    with pytest.raises(ClientError, match="AccessDenied"):
        attacked.client(credentials, "iam").create_user(UserName="by-mallory")
    assert attacked.answers("status")[0]["log"] == status["log"]


def test_a_changed_row_is_named_and_mended(attacked: Installation) -> None:
    """Gained: Bob's Decrypt becomes Alice's. `verify` said whole, and `recheck` found no mismatch."""
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
    assert "keytrail rebuild decisions" in shown.stdout
    assert "principal is" in shown.stdout
    for name in {table.partition(".")[0].removeprefix("p_") for table in tables}:
        attacked.keytrail("rebuild", name)
    assert verified(attacked)["projections"] == []


OTHER_SHAPES = {
    'CREATE TABLE p_history."More" (a int)': ("p_history.More", "Keytrail makes no such table"),
    "ALTER TABLE p_keys.keys ADD COLUMN more int": ("p_keys.keys", "the column more is not Keytrail's"),
    "ALTER TABLE p_keys.keys ALTER COLUMN account TYPE varchar": ("p_keys.keys", "and should be text NOT NULL"),
    "ALTER TABLE p_history.history ENABLE ROW LEVEL SECURITY": (
        "p_history.history",
        "row security decides what it shows",
    ),
    "ALTER TABLE p_keys.keys RENAME TO kept": ("p_keys.keys", "the table is gone"),
    "ALTER TABLE p_keys.keys RENAME TO kept; CREATE VIEW p_keys.keys AS TABLE p_keys.kept": (
        "p_keys.keys",
        "it is no table, but a view",
    ),
    "CREATE VIEW p_keys.more AS SELECT 1 / 0 AS number": ("p_keys.more", "Keytrail makes no such table"),
    "ALTER TABLE p_keys.positions ALTER next DROP NOT NULL; UPDATE p_keys.positions SET next = NULL": (
        "p_keys.positions",
        "the column next is bigint, and should be bigint NOT NULL",
    ),
    "ALTER TABLE p_keys.positions RENAME TO kept": ("p_keys.positions", "the table is gone"),
    "ALTER TABLE p_keys.positions RENAME next TO other": ("p_keys.positions", "the column next is missing"),
}


MORE_AND_LESS = (
    "ALTER TABLE p_keys.keys ADD COLUMN more int",
    "ALTER TABLE p_keys.keys RENAME TO kept; CREATE VIEW p_keys.keys AS TABLE p_keys.kept",
    "ALTER TABLE p_keys.positions RENAME next TO other",
)


@pytest.mark.parametrize("change", with_all_in_soak(OTHER_SHAPES, MORE_AND_LESS))
def test_a_table_of_another_shape_is_named_and_mended(attacked: Installation, change: str) -> None:
    """Gained: one more table, and `verify` ended with a fault in Keytrail, whatever had been done to the rows."""
    table, says = OTHER_SHAPES[change]
    attacked.caught_up()
    execute(attacked, change)
    found = attacked.verified()
    assert not found["whole"]
    examples = {each["table"]: each["examples"] for each in found["projections"]}
    assert says in " ".join(examples[table])
    shown = attacked.keytrail("verify", check=False).stdout
    assert table in shown
    projection = table.partition(".")[0].removeprefix("p_")
    assert f"keytrail rebuild {projection}" in shown
    attacked.keytrail("rebuild", projection)
    assert verified(attacked)["projections"] == []


def test_a_projection_that_the_projector_has_not_made_yet_is_waited_for(attacked: Installation) -> None:
    """As in the moments after `keytrail up` is ready, when `verify` only said that it is not there."""
    attacked.caught_up()
    waited: list[str] = []

    def tell(step: str, done: int, total: int) -> None:
        if step.startswith("waiting") and not waited:
            waited.append(step)
            with ThreadPoolExecutor(1) as aside:
                aside.submit(execute, attacked, "ALTER SCHEMA not_made RENAME TO p_history").result()

    async def run() -> list[Difference]:
        async with attacked.connected() as pool:
            keys = await open_keyring(open_vault(attacked.settings, pool))
            asked = AskedTopics(attacked.settings, pool, keys)
            try:
                return await differences(attacked.settings, pool, keys, PROJECTIONS["history"], tell, asked)
            finally:
                await asked.close()

    projector = attacked.process("projector")
    with paused(projector):
        execute(attacked, "ALTER SCHEMA p_history RENAME TO not_made")
        assert asyncio.run(run()) == []
    assert waited == ["waiting for the projector to make history"]


def test_a_row_that_is_no_record_says_what_mends_it(attacked: Installation) -> None:
    """Gained: questions about the past fail, and nobody knows why."""
    key = attacked.client().create_key()["KeyMetadata"]["KeyId"]
    attacked.caught_up()
    execute(attacked, "UPDATE p_history.history SET document = '[1]' WHERE id = $1", key)
    shown = attacked.keytrail("who-can", "kms:Decrypt", key, check=False)
    assert (shown.returncode, "keytrail rebuild" in " ".join(shown.stderr.split())) == (1, True), shown.stderr
    assert [each["table"] for each in verified(attacked)["projections"]] == ["p_history.history"]
    attacked.keytrail("rebuild", "history")
    assert attacked.answers("who-can", "kms:Decrypt", key)


@pytest.mark.soak
def test_positions_that_were_moved_hide_nothing(attacked: Installation) -> None:
    """Gained: records that no projection shows and no rule judges, since readers begin after them."""
    execute(attacked, "UPDATE p_decisions.positions SET next = next + 2")
    execute(attacked, "UPDATE alerting.positions SET next = next + 2")
    restarted(attacked)
    key = attacked.client().create_key()["KeyMetadata"]["KeyId"]
    attacked.client().encrypt(KeyId=key, Plaintext=b"x")
    attacked.caught_up()
    assert verified(attacked)["projections"] == []
    assert eventually(lambda: set(attacked.answers("status")[0]["alerts"]["lag"].values()) == {0})


def test_a_position_that_is_moved_while_rules_judge_hides_nothing(attacked: Installation) -> None:
    """Gained: a key is opened to everybody without an alert, and Keytrail itself then signs the position. The worker
    checked it at its start, and believed it when it judged."""
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

    def rules() -> set[str]:
        return {each["rule"] for each in attacked.answers("alerts") if arn in json.dumps(each)}

    assert eventually(lambda: "key-policy-public" in rules(), within=60)


@pytest.mark.soak
def test_a_burst_is_reported_though_somebody_prevents_its_count(attacked: Installation) -> None:
    """Gained: forty refused calls and no alert. The window's row said that it was full, or far from it. A worker that
    relies on it ends, and counts again from the log."""
    name = f"mallory-{uuid4().hex[:8]}"
    iam = attacked.client(service="iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    made = iam.create_access_key(UserName=name)["AccessKey"]
    own = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    refused(attacked, own, 1)
    assert eventually(lambda: fetch(attacked, f"SELECT FROM alerting.windows WHERE subject LIKE '%{arn}%'"))
    execute(attacked, "UPDATE alerting.windows SET count = -1000")
    refused(attacked, own, 40)

    def bursts() -> list[Any]:
        return [each for each in attacked.answers("alerts") if each["rule"] == "denied-burst"]

    assert eventually(lambda: any(arn in json.dumps(each) for each in bursts()), within=60)


def refused(installation: Installation, credentials: dict[str, str], count: int) -> None:
    client = installation.client(credentials)
    for _ in range(count):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.list_keys()


def test_a_projection_without_its_positions_is_named(attacked: Installation) -> None:
    """Gained: every call is deleted, and `verify` says whole. It compared only up to the positions, which somebody had
    removed."""
    attacked.client().list_keys()  # so that there is a position
    attacked.caught_up()
    projector = attacked.process("projector")
    with paused(projector):  # it would notice, and rebuild the projection
        execute(attacked, "DELETE FROM p_decisions.positions WHERE topic = 'decisions'")
        found = attacked.verified()
        assert not found["whole"]
    attacked.client().list_keys()
    attacked.caught_up()
    assert verified(attacked)["projections"] == []


@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE p_decisions.positions SET next = next + 4 WHERE topic = 'decisions'",
        *(
            pytest.param(each, marks=pytest.mark.soak)
            for each in (
                "UPDATE p_decisions.positions SET next = next - 1 WHERE topic = 'decisions'",
                "UPDATE p_history.positions SET authority = '{}', digest = ''",
                "INSERT INTO p_decisions.positions "
                "SELECT worker, lane, number, digest, partition::text, mac FROM p_decisions.lanes",
                "DELETE FROM p_keys.positions",
            )
        ),
        "ALTER TABLE p_history.positions DROP COLUMN mac",
    ],
)
def test_positions_that_are_changed_while_the_projector_runs_lose_nothing(attacked: Installation, changed: str) -> None:
    """Gained: four decisions that nobody ever finds, and a position that Keytrail itself then signs. The projector
    checked it at its start, and believed it when it wrote. A lane's MAC was good for a position: no projector started
    again."""
    kms = attacked.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    attacked.caught_up()
    execute(attacked, changed)
    for _ in range(6):
        kms.encrypt(KeyId=key, Plaintext=b"x")
    kms.update_key_description(KeyId=key, Description="x")
    assert eventually(lambda: found(attacked, key) == 6)
    attacked.caught_up()
    assert verified(attacked)["projections"] == []


def found(installation: Installation, key: str) -> int:
    """How many uses of the key are on record. A projection that is being rebuilt cannot be asked for a moment."""
    asked = installation.keytrail("decisions", "--key", key, "--operation", "Encrypt", "--json", check=False)
    return len(asked.stdout.splitlines()) if asked.returncode == 0 else 0


async def test_a_permission_to_skip_is_good_once_and_for_one_command(attacked: Installation) -> None:
    """Gained: commands are given up that were only late. A writer of the row lets the writer skip them, again and
    again."""
    pool = await connect(attacked.settings)
    keys = VaultKeyring(Vault(), [ROOT], strict=True)
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
        pytest.param("UPDATE vault.seal SET root = sealed", "does not open the vault", marks=pytest.mark.soak),
        ("DELETE FROM vault.seal", "no root secret"),
        pytest.param("UPDATE vault.seal SET under = ''", "no root secret", marks=pytest.mark.soak),
        pytest.param(
            "UPDATE vault.pin SET document = replace(document, '\"since\": 0', '\"since\": 1')",
            "seal was replaced",
            marks=pytest.mark.soak,
        ),
    ],
)
def test_another_root_secret_is_refused_and_no_new_one_is_made(
    attacked: Installation, statement: str, said: str
) -> None:
    """Gained: every earlier record is void, and there is a new log under a root of the attacker's time. A start made
    whatever was missing."""
    kept = {table: fetch(attacked, f"SELECT * FROM vault.{table}")[0] for table in ("seal", "pin")}
    execute(attacked, statement)
    database = attacked.settings.postgres
    attacked.stop()
    log = attacked.data.with_suffix(".up.log")
    before = len(log.read_text())
    with pytest.raises(AssertionError, match=said):
        attacked.start()
    assert said in log.read_text()[before:]
    _put_back(database, kept)
    attacked.start()
    attacked.client().create_key()


def _put_back(database: str, kept: dict[str, Any]) -> None:

    async def run() -> None:
        connection = await asyncpg.connect(database)
        for table, row in kept.items():
            await connection.execute(f"DELETE FROM vault.{table}")
            marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await connection.execute(f"INSERT INTO vault.{table} ({', '.join(row.keys())}) VALUES ({marks})", *row)
        await connection.close()

    asyncio.run(run())


# -- the keys of the transparency log ---------------------------------------------------------------------------------

NO_END = "UPDATE vault.tree_keys SET until = NULL WHERE number = 1"
REVIVED = {
    "an ended key has no end": (NO_END, 1),
    "it passes for an earlier version's": ("UPDATE vault.tree_keys SET until = NULL, times = NULL WHERE number = 1", 1),
    "the new key is gone": ("DELETE FROM vault.tree_keys WHERE number = 2", 1),
    "an ended key signs on": ("UPDATE vault.tree_keys SET until = until + 86400000000 WHERE number = 1", 1),
    "the new key has not begun": ("UPDATE vault.tree_keys SET since = NULL WHERE number = 2", 2),
    "the ended key is gone": ("DELETE FROM vault.tree_keys WHERE number = 1", 2),
}
"""Each with the number that is named. tests/contracts/test_tree_key_rows.py has each kind of change for every run."""
CHANGED, UNDONE = "When keys of the transparency log sign was changed", "interrupted, or undone in the database"


@pytest.fixture(scope="module")
def notarised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Its rotations end the former key at once."""
    folder = tmp_path_factory.mktemp("notarised")
    with Installation(folder / "data", KEYTRAIL_NOTARIES="1", KEYTRAIL_TREE_KEY_OVERLAP="0") as running:
        eventually(lambda: is_there(running, "checkpoint"))
        yield running


def tree_keys(installation: Installation) -> list[Any]:
    return fetch(installation, "SELECT * FROM vault.tree_keys ORDER BY number")


def put_back_tree_keys(installation: Installation, rows: list[Any]) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(installation.settings.postgres)
        async with connection.transaction():
            await connection.execute("DELETE FROM vault.tree_keys")
            for row in rows:
                marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
                await connection.execute(
                    f"INSERT INTO vault.tree_keys ({', '.join(row.keys())}) VALUES ({marks})", *row
                )
        await connection.close()

    asyncio.run(run())


def notarys_log(installation: Installation) -> str:
    return (installation.data / "logs" / "notary-1.log").read_text()


def require_refused(installation: Installation, said: str, named: str) -> None:
    """The notary at work says so and ends, and so does the one that starts in its place; `verify` says the same and names the
    key."""
    seen = len(notarys_log(installation))
    eventually(lambda: notarys_log(installation)[seen:].count(said) > 1, within=60)
    size = head(installation).size
    installation.client().create_key()
    found = verified(installation)
    assert not found["whole"]
    assert any(said in each and named in each for each in found["tree"]["differences"]), found["tree"]
    assert head(installation).size == size


@pytest.mark.soak
def test_an_ended_key_of_the_transparency_log_signs_no_more(notarised: Installation) -> None:
    """Gained: an ended key signs again, which somebody may have stolen, or a rotation is undone. The rows were believed as they
    stood there."""
    (old,) = served_keys(notarised)
    before = tree_keys(notarised)
    asyncio.run(add_tree_key(notarised, old.name, 2))
    interrupted = tree_keys(notarised)
    new = rotated(notarised)["new"]["key"]
    eventually(lambda: [each.text for each in served_keys(notarised)] == [new])
    eventually(lambda: signs(notarised, *served_keys(notarised)))
    after = tree_keys(notarised)
    for what, (statement, number) in REVIVED.items():
        execute(notarised, statement)
        require_refused(notarised, CHANGED, f"number {number})")
        asked = notarised.keytrail("log", "key", check=False)
        assert (asked.returncode, CHANGED in " ".join(asked.stderr.split())) == (1, True), what
        put_back_tree_keys(notarised, after)
        notarised_all(notarised)
    for earlier in (before, interrupted):
        put_back_tree_keys(notarised, earlier)
        require_refused(notarised, UNDONE, new)
    raised = [each["summary"] for each in notarised.answers("alerts") if each["rule"] == "notary-stopped"]
    assert all(any(said in each for each in raised) for said in (CHANGED, UNDONE)), raised
    assert rotated(notarised)["new"]["key"] == new, "it is there, and is taken into use again"
    notarised_all(notarised)
    assert [each.text for each in served_keys(notarised)] == [new]
    assert verified(notarised)["whole"]
    execute(notarised, NO_END)
    third = rotated(notarised)["new"]["key"]
    eventually(lambda: [each.text for each in served_keys(notarised)] == [third])
    eventually(lambda: signs(notarised, *served_keys(notarised)))
    notarised_all(notarised)
    assert verified(notarised)["whole"]


def rotated_for(installation: Installation, days: str) -> dict[str, Any]:
    """By an operator whose former keys sign for so long."""
    command = [str(KEYTRAIL), "log", "rotate-key", "--json", "--data", str(installation.data)]
    given = installation.environment() | {"KEYTRAIL_TREE_KEY_OVERLAP": days}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


@pytest.mark.soak
def test_no_rotation_lets_an_ended_key_of_the_transparency_log_sign_again(notarised: Installation) -> None:
    """Gained: the prescribed remedy gave keys that had ended another 30 days. Rows that were put back fitted each other, and
    nobody compared them with the log."""
    (old,) = served_keys(notarised)
    number = len(tree_keys(notarised)) + 1
    asyncio.run(add_tree_key(notarised, old.name, number))
    middle = tree_keys(notarised)
    rotated(notarised)
    second = tree_keys(notarised)
    put_back_tree_keys(notarised, middle)
    again = rotated_for(notarised, "0.000001")
    assert again["former"]["until"] == again["new"]["since"], "the rotation that ends late counts from its first record"
    put_back_tree_keys(notarised, second)
    rotated(notarised)
    third = tree_keys(notarised)
    execute(notarised, "UPDATE vault.tree_keys SET since = NULL WHERE number = $1", number + 1)
    for row in second:
        statement = "UPDATE vault.tree_keys SET since = $2, until = $3, times = $4 WHERE number = $1"
        execute(notarised, statement, row["number"], row["since"], row["until"], row["times"])
    require_alone(notarised, rotated_for(notarised, "30"))
    before = tree_keys(notarised)
    rotated_for(notarised, "30")
    after = tree_keys(notarised)
    put_back_tree_keys(notarised, before)
    require_alone(notarised, rotated_for(notarised, "30"))
    put_back_tree_keys(notarised, after)
    new = rotated_for(notarised, "30")
    require_alone(notarised, new)
    assert len(third) == number + 1
    eventually(lambda: [each.text for each in served_keys(notarised)] == [new["new"]["key"]], within=60)
    eventually(lambda: signs(notarised, *served_keys(notarised)), within=60)
    notarised_all(notarised)
    assert verified(notarised)["whole"]


def require_alone(installation: Installation, made: dict[str, Any]) -> None:
    every = installation.answers("log", "key", "--all")
    assert [each["key"] for each in every if each["signs"]] == [made["new"]["key"]]


OTHER_TABLE = "not as Keytrail makes it"


@pytest.mark.soak
def test_a_notary_that_cannot_read_its_keys_or_sees_old_ones_signs_nothing(notarised: Installation) -> None:
    """Gained: it went on with the keys in memory, or with a set from before a rotation, and raised no alert."""
    rows = tree_keys(notarised)
    execute(notarised, "INSERT INTO vault.tree_keys (number, sealed, under) SELECT 999, '\\x00', under FROM vault.seal")
    require_refused(notarised, "do not open", "number 999)")
    for command in (("log", "rotate-key"), ("master-key", "rotate")):
        refused = notarised.keytrail(*command, check=False)
        assert (refused.returncode, "WHERE number IN (999)" in " ".join(refused.stderr.split())) == (1, True), refused
    execute(notarised, "DELETE FROM vault.tree_keys WHERE number IN (999)")
    notarised_all(notarised)
    execute(notarised, "ALTER TABLE vault.tree_keys RENAME until TO later")
    require_refused(notarised, OTHER_TABLE, "until")
    execute(notarised, "ALTER TABLE vault.tree_keys RENAME later TO until")
    notarised_all(notarised)
    with paused(notarised.process("notary-1")):
        new = rotated(notarised)["new"]["key"]
        after = tree_keys(notarised)
        put_back_tree_keys(notarised, rows)
    require_refused(notarised, UNDONE, new)
    put_back_tree_keys(notarised, [])
    seen = len(notarys_log(notarised))
    eventually(lambda: "no new key is made" in notarys_log(notarised)[seen:], within=60)
    put_back_tree_keys(notarised, after)
    eventually(lambda: [each.text for each in served_keys(notarised)] == [new], within=60)
    eventually(lambda: signs(notarised, *served_keys(notarised)))
    notarised_all(notarised)
    raised = [each["summary"] for each in notarised.answers("alerts") if each["rule"] == "notary-stopped"]
    for said in ("do not open", new, "no new key is made", OTHER_TABLE):
        assert any(said in each for each in raised), (said, raised)
    assert verified(notarised)["whole"]


# -- what the notifier holds ------------------------------------------------------------------------------------------


@pytest.fixture
async def pool(attacked: Installation) -> AsyncIterator[Pool]:
    async with attacked.connected() as found:
        yield found


@pytest.fixture
async def telling(pool: Pool) -> AsyncIterator[Telling]:
    """A notifier that has sent one alert. Two more wait, and one was given up."""
    found = await Telling(pool).begun()
    await found.raise_alert("told")
    assert await found.told()
    await found.ledger.prove()
    await found.raise_alert("given-up")
    await found.gather()
    waiting = await found.head()
    assert waiting is not None
    await found.ledger.given_up(waiting, "400")
    for id in ("one", "two"):
        await found.raise_alert(id)
    await found.gather()
    yield found
    await found.end()


MADE_UP = """
INSERT INTO notifying.outbox (notifier, number, id, message, lowest, since, mac)
SELECT notifier, number - 100, 'made-up', replace(message, 'what one is of', 'a lie'), lowest, since, mac
FROM notifying.outbox WHERE notifier = $1 ORDER BY number LIMIT 1
"""
MOVES = {
    "a message is changed": ["UPDATE notifying.outbox SET message = replace(message, 'what one', 'a lie') WHERE notifier = $1"],
    "a message is removed": ["DELETE FROM notifying.outbox WHERE notifier = $1 AND message LIKE '%what one is of%'"],
    "every message is removed": ["DELETE FROM notifying.outbox WHERE notifier = $1"],
    "a message is made up": [MADE_UP],
    "a message changes its place": ["UPDATE notifying.outbox SET number = number + 7 WHERE notifier = $1 AND number % 2 = 1"],
    "a message is old, and given up at once": [
        "UPDATE notifying.outbox SET since = since - interval '1 year' WHERE notifier = $1"
    ],
    "a message holds NULL and a time of no calendar": [
        "ALTER TABLE notifying.outbox ALTER COLUMN mac DROP NOT NULL",
        "UPDATE notifying.outbox SET mac = NULL, since = 'infinity' WHERE notifier = $1",
    ],
    "a message passes for one that was given up": [
        "INSERT INTO notifying.dead SELECT notifier, number, id, message, lowest, since, 1, '', now(), false, mac "
        "FROM notifying.outbox WHERE notifier = $1",
        "DELETE FROM notifying.outbox WHERE notifier = $1",
    ],
    "the position is moved ahead": ["UPDATE notifying.cursors SET number = number + 2 WHERE notifier = $1"],
    "the position is moved ahead, and all is settled": [
        "UPDATE notifying.cursors SET number = number + 2, settled = number + 3 WHERE notifier = $1",
        "DELETE FROM notifying.outbox WHERE notifier = $1",
    ],
    "nothing older than tomorrow is told": [
        "UPDATE notifying.cursors SET since = since + interval '1 day' WHERE notifier = $1"
    ],
    "the position is removed": ["DELETE FROM notifying.cursors WHERE notifier = $1"],
    "everything is removed": [
        f"DELETE FROM notifying.{table} WHERE notifier = $1" for table in ("cursors", "storms", "outbox", "dead")
    ],
    "it passes for an earlier version's": [
        "UPDATE notifying.cursors SET number = number + 2, mac = '' WHERE notifier = $1",
        "DELETE FROM notifying.outbox WHERE notifier = $1",
    ],
}  # fmt: skip
"""Each may also happen while the notifier does not run."""


@pytest.mark.parametrize("stopped", [False, True], ids=["while it runs", "while it does not run"])
@pytest.mark.parametrize("move", MOVES)
async def test_a_notifiers_forged_rows_are_not_believed(
    move: str, stopped: bool, telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gained: alerts that nobody gets, and made-up ones that are sent and signed. The notifier sent what stood in
    Postgres."""
    async with telling.pool.acquire() as connection, connection.transaction():
        for statement in MOVES[move]:
            await connection.execute(statement, *([telling.name] if "$1" in statement else []))
    if stopped:
        telling.start()
    await telling.raise_alert("three")
    capsys.readouterr()
    told = await telling.told()
    await telling.surely(telling.ledger.prove)
    told += await telling.told()
    assert {ids[0] for _, ids, _ in told} >= {"one", "two", "three"}
    assert {words for _, _, words in told} <= {f"what {id} is of" for id in ("given-up", "one", "two", "three")}
    assert "[error" in capsys.readouterr().out
    await telling.pool.execute("UPDATE notifying.outbox SET mac = '' WHERE mac IS NULL")
    await telling.pool.execute("ALTER TABLE notifying.outbox ALTER COLUMN mac SET NOT NULL")


async def test_a_repeated_message_has_the_same_id(telling: Telling) -> None:
    """A receiver recognises a repetition by its id, but ids were new each time."""
    await telling.ledger.prove()
    first = await telling.told()
    await telling.pool.execute("DELETE FROM notifying.cursors WHERE notifier = $1", telling.name)
    telling.start()
    again = await telling.told()
    assert first
    assert [each for each in again if each[1] != ["given-up"]] == first


async def test_a_dead_letter_that_is_removed_or_made_up_is_noticed(
    telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    await telling.pool.execute("DELETE FROM notifying.dead WHERE notifier = $1", telling.name)
    await telling.surely(telling.ledger.prove)
    assert "[error" in capsys.readouterr().out
    await telling.gather()
    await telling.pool.execute(
        "INSERT INTO notifying.dead SELECT notifier, 77, id, replace(message, 'what', 'a lie'), lowest, since, 1, '', now(), "
        "true, mac FROM notifying.outbox WHERE notifier = $1 LIMIT 1",
        telling.name,
    )
    assert [words for _, _, words in await telling.told() if "lie" in words] == []
    assert "[error" in capsys.readouterr().out


async def test_an_earlier_state_that_is_put_back_as_a_whole_loses_nothing(
    telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row was Keytrail's own once."""
    kept = {
        table: await telling.pool.fetch(f"SELECT * FROM notifying.{table} WHERE notifier = $1", telling.name)
        for table in ("cursors", "outbox", "dead")
    }
    await telling.told()
    await telling.raise_alert("three")
    await telling.gather()
    for table, rows in kept.items():
        await telling.pool.execute(f"DELETE FROM notifying.{table} WHERE notifier = $1", telling.name)
        for row in rows:
            marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await telling.pool.execute(f"INSERT INTO notifying.{table} VALUES ({marks})", *row)
    told = await telling.told()
    assert [ids for _, ids, _ in told] == [["one"], ["two"], ["three"]]
    assert "[error" in capsys.readouterr().out
    await telling.ledger.prove()
    telling.start()
    for table, rows in kept.items():
        await telling.pool.execute(f"DELETE FROM notifying.{table} WHERE notifier = $1", telling.name)
        for row in rows:
            marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await telling.pool.execute(f"INSERT INTO notifying.{table} VALUES ({marks})", *row)
    await telling.raise_alert("four")
    assert [ids for _, ids, _ in await telling.told()] == [["four"]], "Kafka says that the others were told"
    assert "[error" in capsys.readouterr().out


async def test_a_row_of_the_projection_neither_makes_an_alert_nor_hides_one(
    telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gained: a row of p_alerts was sent and signed. An alert that a row had named before it was raised was never
    sent."""
    await telling.told()
    row = (
        "INSERT INTO p_alerts.alerts (id, number, at, rule, severity, rank, account, subject, about, title, summary, evidence, "
        "source) VALUES ($1, $2, now(), 'root-used', 'high', 3, '', '', '{}', '', 'a lie', '{}', '{}')"
    )
    made_up, hidden, judged_again = (f"{telling.name}-{each}" for each in ("made-up", "hidden", "again"))
    await telling.pool.execute(row, made_up, 1000)
    await telling.pool.execute(row, hidden, 0)
    await telling.raise_alert(hidden)
    capsys.readouterr()
    assert [(ids, words) for _, ids, words in await telling.told()] == [([hidden], f"what {hidden} is of")]
    assert "[error" in capsys.readouterr().out
    # An earlier alert that the topic confirms is not sent twice, even by a process that did not see it.
    await telling.raise_alert(judged_again)
    await telling.pool.execute(row, judged_again, len(telling.topic.values) - 1)
    assert [ids for _, ids, _ in await telling.told()] == [[judged_again]]
    telling.start()
    capsys.readouterr()
    await telling.raise_alert(judged_again)
    assert await telling.told() == []
    assert "[error" not in capsys.readouterr().out
    await telling.pool.execute("DELETE FROM p_alerts.alerts WHERE starts_with(id, $1)", telling.name)


async def test_an_alert_that_a_stranger_raised_is_never_sent(telling: Telling) -> None:
    await telling.told()
    await telling.raise_alert("of-a-stranger", keys=keyring(STRANGERS))
    await telling.raise_alert("ours")
    assert [ids for _, ids, _ in await telling.told()] == [["ours"]]


async def marked_at(running: Installation) -> datetime | None:
    async with running.connected() as pool:
        keys = await open_keyring(open_vault(running.settings, pool))
        return await KafkaMark(
            running.settings, keys, await log_name(log_topic(running.settings), keys), "siem"
        ).kept_at()


def test_a_notifier_whose_rows_are_all_gone_tells_what_waited(attacked: Installation, siem: Receiver) -> None:
    """Gained: it passed for a new notifier, which sends nothing that was raised before."""
    eventually(
        lambda: asyncio.run(marked_at(attacked))
    )  # until its first mark, nothing but its rows says that it was there
    client = attacked.client()
    siem.status = 503
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
    eventually(lambda: fetch(attacked, f"SELECT 1 FROM notifying.outbox WHERE message LIKE '%{key}%'"), within=60)

    async def rob() -> None:
        connection = await asyncpg.connect(attacked.settings.postgres)
        async with connection.transaction():
            await connection.fetch("SELECT * FROM notifying.cursors FOR UPDATE")
            for table in ("cursors", "storms", "outbox", "dead"):
                await connection.execute(f"DELETE FROM notifying.{table}")
            attacked.process("notifier").send_signal(signal.SIGKILL)
        await connection.close()

    asyncio.run(rob())
    siem.status = 200

    def told() -> list[str]:
        return [each["data"]["alert"]["key_id"] for each in siem.taken]

    assert eventually(lambda: key in told(), within=60)
    said = (attacked.data / "logs" / "notifier.log").read_text()
    assert "how far a notifier has been told was removed" in said
