"""Somebody who rewrites what happened: with the topics alone, with Postgres alone, with both, or with the disk.

None of them has the vault's root secret. Each test says what is noticed, when, and by whom. The installation is stopped while
it is attacked, so that an attack is complete before anybody could notice a part of it.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.log.authenticity import ALERTS, DECISIONS, EVENTS
from domain.transparency.checkpoints import WitnessSigner, checkpoint
from domain.transparency.notes import NoteSigner, signed_note, verifier_key
from domain.transparency.witnessing import Witness, WitnessRequest
from services.adapters.kafka import administering
from services.adapters.keyring import open_keyring
from services.adapters.log_now import chain_now
from services.adapters.record_topics import topics_read
from services.adapters.topics import log_topic, names
from services.notary.leaf_rows import stated
from services.notary.order_topic import extents_now
from services.notary.tree_keys import tree_key
from services.questions.leaf_differences import LeafDifferences, differing_rows
from services.questions.snapshot import still
from services.runtime.bootstrap import open_pool, open_vault
from services.settings import Settings
from tests.attacks.stopped import Stopped, Values, notarise_the_rest, values_on
from tests.counts import with_all_in_soak
from tests.e2e.test_notary import calls, fault_of_notary, is_there, notarised_all, published_again
from tests.installation import Installation, eventually


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    data = tmp_path_factory.mktemp("rewritten") / ".keytrail"
    with Installation(data, KEYTRAIL_NOTARIES="1", KEYTRAIL_ALERT_WORKERS="1") as running:
        eventually(lambda: is_there(running, "checkpoint"))
        calls(running, 300)
        running.client().schedule_key_deletion(KeyId=running.client().create_key()["KeyMetadata"]["KeyId"])
        running.judged()
        eventually(lambda: running.verified("--topics-only")["decisions"]["not_bound"] == 0)
        earlier, _ = notarised_all(running)
        calls(running, 3)
        running.judged()
        notarised_all(running)
        settings = running.settings
        running.stop()
        asyncio.run(notarise_the_rest(settings))
        yield Stopped(running, settings, earlier)


def test_what_nobody_changed_is_whole(stopped: Stopped) -> None:
    found = stopped.verified()
    assert (found["whole"], found["tree"]["differences"]) == (True, [])
    assert found["tree"]["leaves"] == found["tree"]["published"] > 300


def _last_decision(values: Values) -> tuple[int, int]:
    """(partition, position) of the last record of a partition of `decisions`. No anchor may bind it yet."""
    partition = max(values, key=lambda each: len(values[each]))
    return partition, len(values[partition]) - 1


def _one_letter_changed(value: bytes) -> bytes:
    at = value.index(b'"operation":"') + 13
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


def test_the_topics_alone_a_record_is_rewritten(stopped: Stopped) -> None:
    """Gained: another call than the one that was made. Noticed by the operator's next `keytrail verify`, which names the record
    and its leaf; by every reader, which leaves it out; and by whoever holds its proof."""
    for kind, topic in topics_read(stopped.settings).items():
        place = ""

        def change(values: Values, kind: str = kind) -> Values:
            nonlocal place
            part, last = _last_decision(values)
            where = (
                last
                if kind != EVENTS
                else next(number for number, value in enumerate(values[part]) if b'"operation":"CreateKey"' in value)
            )
            values[part][where] = values[part][where].replace(b"a", b"b", 1)
            place = f"{kind} {part}@{where}"
            return values

        with stopped.rewritten(topic, change):
            found = stopped.verified(projections=False)
        assert not found["whole"]
        if kind == EVENTS:
            assert (found["tree"], found["at"]) == (None, int(place.partition("@")[2]) + 1)
        else:
            assert any(f"{place} is not the record that became leaf" in each for each in found["tree"]["differences"])
            assert found["tree"]["differing"] == 1


@pytest.mark.parametrize("kind", with_all_in_soak((EVENTS, DECISIONS, ALERTS), (DECISIONS,)))
def test_the_topics_alone_the_last_record_is_removed(stopped: Stopped, kind: str) -> None:
    """Gained: a call that was never made. A chain does not say where it ends, and an anchor comes half a second late; the tree
    has the record. Noticed by the next `keytrail verify`, and by the notary before it makes another leaf."""
    topic, place = topics_read(stopped.settings)[kind], ("", 0, 0)

    def change(values: Values) -> Values:
        nonlocal place
        part, last = _last_decision(values)
        place = kind, part, last
        return values | {part: values[part][:-1]}

    with stopped.rewritten(topic, change):
        found = stopped.verified(projections=False)
        stops = str(asyncio.run(fault_of_notary(stopped.settings, stopped.settings.tree_path)))
    at = "{} {}@{}".format(*place)
    assert (found["whole"], found["tree"]["differing"]) == (False, 1)
    assert found["tree"]["differences"][0].startswith(f"{at}, which became leaf ")
    assert stops.startswith(f"{topic}, partition {place[1]}, ends before @{place[2]}, ")


def test_the_topics_alone_records_are_added(stopped: Stopped) -> None:
    """Gained: a call that somebody else never made. What is not ours is no leaf; a copy of ours is one of its own, and is named.
    Noticed by the next `keytrail verify`; while alert workers run, by the alert `void-records` within a second."""
    topic, forged = names(stopped.settings).decisions, 0

    def change(values: Values) -> Values:
        nonlocal forged
        forged, last = _last_decision(values)
        return values | {
            forged: [*values[forged], values[forged][last].replace(b"Encrypt", b"Decrypt"), values[forged][0]]
        }

    with stopped.rewritten(topic, change):
        found = stopped.verified(projections=False)
    assert (found["decisions"]["strange_count"], found["decisions"]["copies_count"]) == (1, 1)
    assert (found["whole"], found["tree"]["differing"], found["tree"]["waiting"]) == (False, 0, 2)


@pytest.mark.soak
def test_the_topics_alone_the_batches_are_removed_or_forged(stopped: Stopped) -> None:
    """Gained: another tree over other records. A batch has a MAC, and the checkpoint is published. Noticed by the next
    `keytrail verify`, and by the notary when it starts."""
    order, read = names(stopped.settings).order, asyncio.run(_read_up_to(stopped.settings))
    with stopped.rewritten(order, lambda values: {0: values[0][:-3]}) as before:
        found = stopped.verified(projections=False)
        stops = str(asyncio.run(fault_of_notary(stopped.settings, stopped.settings.tree_path)))
    assert any(each.startswith("the published checkpoint has ") for each in found["tree"]["differences"])
    assert stops == f"{order} ends before @{len(before[0]) - 3}, and was read up to @{read}: it was cut"
    with stopped.rewritten(order, lambda values: values):
        asyncio.run(_without_beginning(stopped.settings, order, 2))
        found = stopped.verified(projections=False)
    assert found["tree"]["differences"][0].startswith(f"{order} begins at @2: its beginning was removed")
    forged = before[0][-1].replace(b'"root":"', b'"root":"0', 1)
    with stopped.rewritten(order, lambda values: {0: [*values[0][:-1], forged]}):
        found = stopped.verified(projections=False)
    assert any(each.startswith("the published checkpoint has ") for each in found["tree"]["differences"])


async def _read_up_to(settings: Settings) -> int:
    """The last batch that a notary kept as read. A notary that was stopped may have published one more."""
    pool = await open_pool(settings)
    kept = await stated(pool)
    await pool.close()
    return kept.position


async def _without_beginning(settings: Settings, topic: str, first: int) -> None:
    async with administering(settings) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(first)})


async def _rows_against_leaves(settings: Settings) -> LeafDifferences:
    """What `keytrail recheck` finds of them."""
    pool = await open_pool(settings)
    try:
        keys = await open_keyring(open_vault(settings, pool))
        authority = (await chain_now(log_topic(settings), pool, keys)).authority
        async with still(settings) as found:
            return await differing_rows(found.log, await extents_now(settings, keys, authority))
    finally:
        await pool.close()


def test_postgres_alone_rows_are_removed_added_and_repeated(stopped: Stopped) -> None:
    """Gained: an auditor reads another story. Noticed by the next `keytrail recheck`, which raises an alert, and by
    `keytrail verify`, which also names what a row says otherwise."""
    assert not asyncio.run(_rows_against_leaves(stopped.settings))
    whole = asyncio.run(_rows_against_leaves(stopped.settings)).compared
    copied = (
        "INSERT INTO p_decisions.decisions SELECT (jsonb_populate_record(d, jsonb_build_object({}))).* "
        "FROM p_decisions.decisions d WHERE origin = -1 AND record = 2"
    )
    with stopped.changed_rows(
        "DELETE FROM p_decisions.decisions WHERE origin = -1 AND record = 3",
        copied.format("'record', 1000000"),
        copied.format("'record', 4"),
        copied.format("'origin', 99"),
    ):
        found = asyncio.run(_rows_against_leaves(stopped.settings))
        tables = {each["table"] for each in stopped.verified()["projections"]}
    assert (found.compared, found.not_leaves, found.without_row) == (whole, 3, 1)
    assert set(found.named) == {
        "the leaf of events 0@3 has no row",
        "the row of events 0@4 is there twice",
        "the row of events 0@1000000 is no leaf",
        "the row of decisions 99@2 is no leaf",
    }
    assert tables == {"p_decisions.decisions"}


def test_postgres_alone_the_notarys_rows_are_changed(stopped: Stopped) -> None:
    """Gained: a proof of another record, or none. A proof is checked before it is given. Noticed by whoever asks for a proof,
    and by the next `keytrail verify`."""
    last = "(SELECT max(leaf) FROM transparency.runs)"
    with stopped.changed_rows(f"UPDATE transparency.runs SET leaf = leaf - 1 WHERE leaf = {last}"):
        found = stopped.verified(projections=False)
    assert (found["whole"], found["tree"]["differing"]) == (False, 2)
    assert all(each.startswith("transparency.runs ") for each in found["tree"]["differences"])
    with stopped.changed_rows("DELETE FROM transparency.runs WHERE leaf < 100"):
        found = stopped.verified(projections=False)
    assert found["tree"]["differing"] > 0
    nullable = "ALTER TABLE transparency.runs ALTER voids DROP NOT NULL"
    with stopped.changed_rows(nullable, f"UPDATE transparency.runs SET voids = NULL WHERE leaf = {last}"):
        found = stopped.verified(projections=False)
    assert found["tree"]["differing"] > 0
    with stopped.changed_rows("ALTER TABLE transparency.runs RENAME COLUMN leaf TO number"):
        found = stopped.verified(projections=False)
    with stopped.changed_rows("ALTER TABLE transparency.runs RENAME COLUMN number TO leaf"):
        assert found["tree"]["differing"] > 0
        assert stopped.verified(projections=False)["whole"]


def test_a_notary_that_stops_raises_one_alert_however_often_it_is_started(stopped: Stopped) -> None:
    topics_of = topics_read(stopped.settings)

    def change(values: Values) -> Values:
        part, _ = _last_decision(values)
        return values | {part: values[part][:-1]}

    with (
        stopped.rewritten(topics_of[ALERTS], lambda values: values) as before,
        stopped.rewritten(topics_of[DECISIONS], change),
    ):
        for _ in range(2):
            stops = asyncio.run(fault_of_notary(stopped.settings, stopped.settings.tree_path, raises=True))
        values = asyncio.run(values_on(stopped.settings, topics_of[ALERTS]))[0][len(before[0]) :]
    raised = [json.loads(each) for each in values]
    assert [each["rule"] for each in raised] == ["notary-stopped"] * 2
    assert {each["summary"] for each in raised} == {str(stops)}
    assert len({each["id"] for each in raised}) == 1


@contextmanager
def _put_back(stopped: Stopped) -> Iterator[None]:
    """The topics and Postgres as they were at the earlier checkpoint."""
    batches = [json.loads(each) for each in asyncio.run(values_on(stopped.settings, names(stopped.settings).order))[0]]
    kept, size = sum(each["size"] <= stopped.earlier.size for each in batches), stopped.earlier.size
    cuts: dict[tuple[str, int], int] = {}
    for batch in reversed(batches[kept:]):
        cuts |= {(kind, part): first for kind, part, first, _, _ in batch["runs"]}

    def cut(kind: str, values: Values) -> Values:
        return {part: each[: cuts.get((kind, part))] for part, each in values.items()}

    with ExitStack() as changed:
        changed.enter_context(stopped.rewritten(names(stopped.settings).order, lambda values: {0: values[0][:kept]}))
        for kind, topic in topics_read(stopped.settings).items():
            changed.enter_context(stopped.rewritten(topic, partial(cut, kind)))
        changed.enter_context(
            stopped.changed_rows(f"DELETE FROM transparency.runs WHERE leaf >= {size}", "TRUNCATE transparency.reached")
        )
        yield


def test_both_are_put_back_together(stopped: Stopped) -> None:
    """Gained: the last calls were never made, and all that Kafka and Postgres hold agrees. Noticed by the notary when it starts,
    before it makes another leaf, and by the next `keytrail verify`: a later checkpoint is published."""
    with _put_back(stopped):
        found = stopped.verified(projections=False)
        stops = str(asyncio.run(fault_of_notary(stopped.settings, stopped.settings.tree_path)))
    now = found["tree"]["published"]
    assert (found["fault"], found["decisions"]["faults"], found["strange"]) == ("", [], [])
    assert found["tree"]["differences"] == [
        f"the published checkpoint has {now} leaves, and the batches have {stopped.earlier.size}"
    ]
    assert stops == f"the published tree has {now} leaves, and the batches have {stopped.earlier.size}"


@pytest.mark.soak
def test_both_and_the_disk_are_put_back_together(stopped: Stopped, tmp_path: Path) -> None:
    """Gained: the last calls were never made, and nothing that the installation has says otherwise. Noticed by each witness at
    the next checkpoint, by whoever keeps a later checkpoint or a proof, and by `keytrail verify --expect` with a later head."""
    kept = checkpoint(signed_note((stopped.settings.tree_path / "checkpoint").read_text()).text)
    with _put_back(stopped):
        asyncio.run(published_again(stopped.settings, tmp_path, stopped.earlier))
        found = replace(stopped, settings=replace(stopped.settings, tree=str(tmp_path))).verified(projections=False)
        note = signed_note((tmp_path / "checkpoint").read_text())
    assert found["whole"]
    witness = Witness(
        WitnessSigner("w", Ed25519PrivateKey.generate()),
        {kept.origin: [verifier_key((tmp_path / "key").read_text().strip())]},
    )
    assert witness.answer(WitnessRequest(stopped.earlier.size, (), note), kept, 1).body == f"{kept.size}\n"
    assert witness.answer(WitnessRequest(kept.size, (), note), kept, 1).status == 400


def _tile_is_changed(folder: Path) -> list[str]:
    tile = folder / "tile/0/000"
    tile.write_bytes(bytes([tile.read_bytes()[0] ^ 1]) + tile.read_bytes()[1:])
    return ["tile/0/000 of the transparency log is missing, or is not what the records give"]


def _entries_are_removed(folder: Path) -> list[str]:
    (folder / "tile/entries/000").unlink()
    return ["tile/entries/000 of the transparency log is missing, or is not what the records give"]


def _another_signs(folder: Path) -> list[str]:
    """Their key, and their checkpoint of another tree."""
    head = checkpoint(signed_note((folder / "checkpoint").read_text()).text)
    signer = NoteSigner(head.origin, Ed25519PrivateKey.generate())
    (folder / "key").write_text(f"{signer.verifier.text}\n")
    (folder / "checkpoint").write_text(str(replace(head, root=b"\1" * 32).signed_by(signer)))
    return [
        "the file checkpoint of the transparency log is not a checkpoint that this installation signed",
        "the file key of the transparency log names a key that is not this installation's",
        "the transparency log has batches, and no checkpoint is published",
    ]


def _everything_is_removed(folder: Path) -> list[str]:
    shutil.rmtree(folder)
    folder.mkdir()
    return ["the transparency log has batches, and no checkpoint is published"]


@pytest.mark.parametrize(
    "attack",
    with_all_in_soak(
        (_tile_is_changed, _entries_are_removed, _another_signs, _everything_is_removed), (_tile_is_changed,)
    ),
)
def test_the_disk_alone(stopped: Stopped, tmp_path: Path, attack: Callable[[Path], list[str]]) -> None:
    """Gained: strangers are shown another tree, or none. Noticed by whoever has the key from elsewhere, by whoever asks for a
    proof, and by the next `keytrail verify`. A changed checkpoint, and a changed tile on the edge of the tree, also stop the
    notary when it starts (tests/e2e/test_notary.py); a folder that is lost is published again."""
    folder = tmp_path / "tree"
    shutil.copytree(stopped.settings.tree_path, folder)
    wanted = attack(folder)
    found = replace(stopped, settings=replace(stopped.settings, tree=str(folder))).verified(projections=False)
    assert (found["whole"], found["tree"]["differences"]) == (False, wanted)


async def _tree_key(settings: Settings) -> NoteSigner:
    pool = await open_pool(settings)
    try:
        (secret,) = await open_vault(settings, pool).tree_keys()
    finally:
        await pool.close()
    key = tree_key(secret, None, {})
    assert isinstance(key.held, Ed25519PrivateKey)
    return NoteSigner(key.verifier.name, key.held)


@pytest.mark.parametrize("path", ["checkpoint", "cosigned"])
def test_a_stolen_key_signs_a_tree_between_two_batches(stopped: Stopped, tmp_path: Path, path: str) -> None:
    """Gained: strangers are shown another tree, also by a key that has ended. A checkpoint was compared with the batch of its
    size, and who signed it was asked for the time of that batch: where no batch ends, nothing was said."""
    batches = [json.loads(each) for each in asyncio.run(values_on(stopped.settings, names(stopped.settings).order))[0]]
    size = next(number for number in range(1, stopped.earlier.size) if number not in {each["size"] for each in batches})
    folder = tmp_path / "tree"
    shutil.copytree(stopped.settings.tree_path, folder)
    head = checkpoint(signed_note((folder / "checkpoint").read_text()).text)
    other = replace(head, size=size, root=b"\1" * 32).signed_by(asyncio.run(_tree_key(stopped.settings)))
    (folder / path).write_text(str(other))
    found = replace(stopped, settings=replace(stopped.settings, tree=str(folder))).verified(projections=False)
    assert found["tree"]["differences"] == [f"the published {path} has {size} leaves, and no batch ends there"]
