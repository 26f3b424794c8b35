"""Verifiers and a witness that other people wrote accept what we publish, and refuse whatever was changed in it.

They are tessera's fsck, golang.org/x/mod/sumdb (note and tlog), and torchwood with its litewitness. All are written in Go.
"""

from __future__ import annotations

import json
import random
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.transparency.checkpoints import WitnessSigner, checkpoint, checkpoint_by, cosigned_at
from domain.transparency.leaves import LeafPlace, entry_of
from domain.transparency.merkle import consistency_spans, inclusion_spans
from domain.transparency.notes import NoteSigner, SignedNote, signed_note
from domain.transparency.policies import WitnessPolicy, witness_policy
from services.adapters.tile_folder import TileFolder
from services.evidence import verify
from services.notary.cosigning import Cosigning
from services.notary.publisher import TreePublisher
from tests.domain.test_transparency_tree import StoredTree, entry
from tests.domain.test_witnessing import LOG, OTHER, asking, head
from tests.e2e.test_notary import calls, fetched, is_there, notarised_all
from tests.e2e.test_notary import head as published_head
from tests.e2e.test_witness import RunningWitness
from tests.foreign.programs import HERE, LITEWITNESS, Foreign, LiteWitness, build, encoded, hashes, head_of
from tests.installation import Installation, eventually
from tests.one_key import OneKey

pytestmark = [
    pytest.mark.soak,  # they take a minute of processor time to build
    pytest.mark.timeout(900),  # the first time on a machine, the modules are fetched and compiled
]
WITNESS = WitnessSigner("witness.example/lite", Ed25519PrivateKey.from_private_bytes(b"\4" * 32))


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("foreign"), HERE, LITEWITNESS)


@pytest.fixture(scope="module")
def foreign(programs: Path) -> Iterator[Foreign]:
    running = Foreign(programs)
    yield running
    running.close()


@pytest.fixture(scope="module")
def litewitness(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiteWitness]:
    running = LiteWitness(programs, tmp_path_factory.mktemp("litewitness"), WITNESS.name, b"\4" * 32)
    running.start()
    yield running
    running.close()


def policy_text(witness: LiteWitness) -> str:
    return f"witness W {WITNESS.verifier.text} {witness.url}\nquorum W\n"


@pytest.fixture(scope="module")
def notarised(litewitness: LiteWitness, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose notary asks litewitness. It has more leaves than fit in a tile."""
    folder = tmp_path_factory.mktemp("notarised")
    (folder / "policy").write_text(policy_text(litewitness))
    own = {"KEYTRAIL_NOTARIES": "1", "KEYTRAIL_WITNESS_POLICY_FILE": str(folder / "policy")}
    with Installation(folder / ".keytrail", variables=own) as running:
        eventually(lambda: is_there(running, "key"))
        key = log_key(running)
        litewitness.know(key.partition("+")[0], key)
        calls(running, 300)
        eventually(lambda: is_there(running, "checkpoint"))
        yield running


def log_key(running: Installation) -> str:
    return fetched(running, "key").decode().split("\n")[0]


def unwitnessed(key: str) -> str:
    return f"log {key}\nquorum none\n"


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]


# -- proofs: golang.org/x/mod/sumdb/tlog --------------------------------------------------------------------------------


def test_proofs_at_any_size_are_accepted_and_changed_ones_refused(foreign: Foreign) -> None:
    chance = random.Random(20)
    for _ in range(1_000):
        size = chance.choice([chance.randint(1, 40), chance.randint(1, 1200), 255, 256, 257, 512, 513])
        tree = StoredTree(chance.randint(0, size), size)
        root = tree.edge.root()
        index, old = chance.randrange(size), chance.randint(1, size)
        path = tree.hashes(inclusion_spans(index, size))
        proof = tree.hashes(consistency_spans(old, size))
        before = StoredTree(old).edge.root()
        _inclusion(foreign, chance, {"size": size, "root": encoded(root)}, index, path)
        _consistency(foreign, chance, (old, before), (size, root), proof)


def _inclusion(foreign: Foreign, chance: random.Random, head: dict[str, Any], index: int, path: list[bytes]) -> None:
    honest = {"new": head, "index": index, "path": hashes(path), "entry": encoded(entry(index))}
    assert foreign.refused("inclusion", **honest) == ""
    root = flipped(b64decode(head["root"]), chance.randrange(32))
    changed: list[dict[str, Any]] = [
        {"entry": encoded(entry(index + 1))},
        {"new": head | {"root": encoded(root)}},
        {"path": hashes([*path, root])},
        {"index": head["size"]},
    ]
    if path:
        at = chance.randrange(len(path))
        changed.append({"path": hashes([*path[:at], flipped(path[at], chance.randrange(32)), *path[at + 1 :]])})
        changed.append({"path": hashes(path[:-1])})
    for each in changed:
        assert foreign.refused("inclusion", **honest | each) != "", each


def _consistency(
    foreign: Foreign, chance: random.Random, old: tuple[int, bytes], new: tuple[int, bytes], proof: list[bytes]
) -> None:
    def refused(before: bytes, after: bytes, shown: list[bytes]) -> str:
        heads = {"old": (old[0], before), "new": (new[0], after)}
        named = {name: {"size": size, "root": encoded(root)} for name, (size, root) in heads.items()}
        return foreign.refused("consistency", **named, path=hashes(shown))

    assert refused(old[1], new[1], proof) == ""
    at = chance.randrange(32)
    assert refused(flipped(old[1], at), new[1], proof) != ""
    assert refused(old[1], flipped(new[1], at), proof) != ""
    assert refused(old[1], new[1], [*proof, old[1]]) != ""
    if proof:
        assert refused(old[1], new[1], [flipped(proof[0], at), *proof[1:]]) != ""
        assert refused(old[1], new[1], proof[:-1]) != ""


# -- checkpoints and a record's proof: golang.org/x/mod/sumdb/note, torchwood --------------------------------------------


def test_a_checkpoint_is_opened_with_the_published_key_and_a_changed_one_is_not(
    foreign: Foreign, notarised: Installation
) -> None:
    key = log_key(notarised)
    given = {"key": key, "policy": unwitnessed(key)}
    note = fetched(notarised, "checkpoint").decode()
    assert foreign.refused("checkpoint", **given, note=note) == ""
    body = signed_note(note).text
    places = range(len(body))
    for at in places:
        changed = body[:at] + ("A" if body[at] != "A" else "B") + body[at + 1 :]
        assert foreign.refused("checkpoint", **given, note=note.replace(body, changed)) != "", at
    resigned = published_head(notarised).signed_by(NoteSigner(key.partition("+")[0], OTHER.private))
    assert foreign.refused("checkpoint", **given, note=str(resigned)) != ""
    # While the log changes its key, whoever knows one of the two reads its checkpoints.
    both = str(head(9).signed_by(LOG, OTHER))
    for each in (LOG.verifier.text, OTHER.verifier.text):
        assert foreign.refused("checkpoint", key=each, policy=unwitnessed(each), note=both) == ""
    another = NoteSigner(key.partition("+")[0], OTHER.private).verifier.text
    assert foreign.refused("checkpoint", key=another, policy=unwitnessed(another), note=note) != ""


def proven(running: Installation, file: Path) -> tuple[str, bytes]:
    """(tlog-proof, entry) of a call's record, as `keytrail prove` writes it."""
    call = running.client().list_keys()["ResponseMetadata"]["RequestId"]
    running.keytrail("prove", call, "-o", str(file))
    document = json.loads(file.read_text())
    return document["proof"], leaf_of(document)


def leaf_of(document: dict[str, Any]) -> bytes:
    """The entry of a proof's record."""
    record = document["record"]
    place = LeafPlace(record["kind"], record["partition"], record["position"])
    return entry_of(place, record["value"].encode())


def test_a_records_proof_is_accepted_and_a_changed_one_is_refused(
    foreign: Foreign, notarised: Installation, tmp_path: Path
) -> None:
    """The policy asks for the witness too, whose cosignature torchwood checks."""
    text, leaf = proven(notarised, tmp_path / "proof.json")
    policy = f"log {log_key(notarised)}\nwitness W {WITNESS.verifier.text}\nquorum W\n"

    def refused(proof: str, of: bytes = leaf) -> str:
        return foreign.refused("proof", policy=policy, proof=proof, entry=encoded(of))

    assert refused(text) == ""
    assert refused(text, flipped(leaf, 7)) != ""
    lines = text.split("\n")
    number = lines[1].removeprefix("index ")
    assert refused(text.replace(lines[1], f"index {int(number) ^ 1}")) != ""
    path = lines[2 : lines.index("")]
    assert path, "there is more than one leaf"
    for line in path:
        for at in range(32):
            assert refused(text.replace(line, encoded(flipped(b64decode(line), at)))) != ""
    cosignature = next(line for line in lines if WITNESS.name in line).rpartition(" ")[2]
    held = b64decode(cosignature)
    for at in range(4, len(held)):
        assert refused(text.replace(cosignature, encoded(flipped(held, at)))) != "", at
    assert refused("\n".join(line for line in lines if WITNESS.name not in line)) != ""


def test_a_package_of_evidence_holds_for_them_too(foreign: Foreign, notarised: Installation, tmp_path: Path) -> None:
    """Given a package from a moment on, then they open its two checkpoints, find that one extends the other, and find each
    record in the tree."""
    kms, key = notarised.client(), log_key(notarised)
    eventually(lambda: is_there(notarised, "cosigned"))
    size = published_head(notarised).size
    subject = kms.create_key()["KeyMetadata"]["KeyId"]
    eventually(lambda: checkpoint(signed_note(fetched(notarised, "cosigned").decode()).text).size > size)
    since = datetime.now(UTC).isoformat()
    for _ in range(3):
        kms.encrypt(KeyId=subject, Plaintext=b"x")
    notarised.keytrail("evidence", subject, "--from", since, "-o", str(tmp_path / "package.zip"))
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        trees = json.loads(package.read("evidence.json"))
        records = [json.loads(package.read(name)) for name in package.namelist() if name.startswith("records/")]
    heads = {}
    for name, of in (("old", "before"), ("new", "after")):
        assert foreign.refused("checkpoint", key=key, policy=unwitnessed(key), note=trees[of]) == "", of
        heads[name] = head_of(checkpoint(signed_note(trees[of]).text))
    assert foreign.refused("consistency", **heads, path=trees["consistency"]) == ""
    assert foreign.refused("consistency", **heads, path=trees["consistency"][1:]) != ""
    assert foreign.refused("consistency", **heads | {"old": heads["new"]}, path=trees["consistency"]) != ""
    assert len(records) >= 3
    for each in records:
        assert (
            foreign.refused("proof", policy=unwitnessed(key), proof=each["proof"], entry=encoded(leaf_of(each))) == ""
        )
    assert foreign.refused(
        "proof", policy=unwitnessed(key), proof=records[0]["proof"], entry=encoded(leaf_of(records[1]))
    )


# -- tiles: tessera's fsck, torchwood's client ---------------------------------------------------------------------------


def test_every_tile_is_what_fsck_makes_of_the_entries(foreign: Foreign, notarised: Installation) -> None:
    """Over HTTP, as it is served. A monitor that reads every entry finds each in the tree."""
    _, entries = notarised_all(notarised)
    key, url = log_key(notarised), f"{notarised.url}/log/"
    assert foreign.refused("fsck", key=key, url=url) == ""
    wanted = encoded(sha256(b"".join(entries)).digest())
    assert foreign.refused("mirror", policy=unwitnessed(key), url=url, entry=wanted) == ""
    assert "others than expected" in foreign.refused("mirror", policy=unwitnessed(key), url=url, entry=encoded(b""))


async def test_fsck_refuses_a_folder_with_any_change(foreign: Foreign, tmp_path: Path) -> None:
    """Given a folder as the notary writes it, when a byte of any file is changed, or a file is gone, then fsck says so."""
    for number, sizes in enumerate([(1,), (256,), (200, 600), (65_535, 65_537)]):
        folder = tmp_path / str(number)
        await published(folder, LOG, *sizes)
        asked = {"key": LOG.verifier.text, "url": f"file://{folder}"}
        assert foreign.refused("fsck", **asked) == ""
        chance = random.Random(number)
        paths = sorted(each for each in folder.rglob("*") if each.is_file() and each.name != "key")
        assert len(paths) >= 3
        for path in paths if len(paths) < 20 else chance.sample(paths, 20):
            whole = path.read_bytes()
            end = len(whole)
            if path.name == "checkpoint":
                end = whole.index(b"\n\n")  # below it, the same signature can be written in more than one way
            for at in chance.sample(range(end), min(end, 40 if sizes[-1] < 1000 else 2)):
                path.write_bytes(flipped(whole, at))
                assert foreign.refused("fsck", **asked) != "", (path, at)
            path.unlink()
            assert foreign.refused("fsck", **asked) != "", path
            path.write_bytes(whole)
        assert foreign.refused("fsck", **asked) == ""


async def published(folder: Path, signer: NoteSigner, *sizes: int, fork: int = -1) -> SignedNote:
    """Publishes batches that end at these sizes, by the notary's own publisher. Leaf number `fork` is another one."""
    publisher = TreePublisher(TileFolder(folder), OneKey(signer))
    await publisher.open()
    assert sizes
    for size in sizes:
        numbers = range(publisher.edge.size, size)
        _, note = await publisher.publish(publisher.grown(entry(-1 if each == fork else each) for each in numbers))
    return note


# -- cosignatures: litewitness -------------------------------------------------------------------------------------------


def test_litewitness_cosigns_what_our_notary_publishes(
    notarised: Installation, litewitness: LiteWitness, foreign: Foreign, tmp_path: Path
) -> None:
    """verify.py accepts the cosignature with the witness's key, and refuses it where it was changed."""
    key = log_key(notarised)
    assert WITNESS.verifier.text in litewitness.page()
    calls(notarised, 3)
    size = published_head(notarised).size
    eventually(lambda: is_there(notarised, "cosigned") and f"size {size}" in litewitness.page())
    note = fetched(notarised, "cosigned").decode()
    assert cosigned_at(signed_note(note), WITNESS.verifier)
    policy = f"log {key}\nwitness W {WITNESS.verifier.text}\nquorum W\n"
    assert foreign.refused("checkpoint", key=key, policy=policy, note=note) == ""
    alone = fetched(notarised, "checkpoint").decode()
    assert foreign.refused("checkpoint", key=key, policy=policy, note=alone) != ""

    file = tmp_path / "proof.json"
    proven(notarised, file)
    given = ["--log-key", key, "--witness-key", WITNESS.verifier.text, str(file)]
    assert verify.main(given) == verify.HOLD
    cosignature = next(line for line in json.loads(file.read_text())["proof"].split("\n") if WITNESS.name in line)
    held = b64decode(cosignature.rpartition(" ")[2])
    changed = cosignature.replace(encoded(held), encoded(flipped(held, 20)))
    file.write_text(file.read_text().replace(cosignature, changed))
    assert verify.main(given) == verify.REFUSED


def test_litewitness_refuses_what_does_not_extend_the_last(litewitness: LiteWitness, tmp_path: Path) -> None:
    """The requests are those of our witness's tests. Each answer is the one that ours gives."""
    litewitness.know(LOG.name, LOG.verifier.text)
    client = RunningWitness(tmp_path)
    client.url = litewitness.url

    def status(request: str) -> int:
        return client.asked(request.encode())[0]

    assert status(asking(0, 7).text) == 200
    assert client.asked(asking(0, 9).text.encode())[:2] == (409, "7\n")
    forged = asking(7, 9)
    other = StoredTree(10).edge.root()
    root = head(9).root
    for wanted, changed in (
        (422, forged.text.replace(encoded(forged.proof[0]), encoded(flipped(forged.proof[0], 3)))),
        (422, _request(7, forged.proof, head(9).text.replace(encoded(root), encoded(other)), LOG)),
        (403, forged.text.replace(encoded(root), encoded(other))),
        (403, _request(7, forged.proof, head(9).text, OTHER)),
        (404, _request(0, (), head(9).text.replace(LOG.name, "keys.example.com/unknown"), LOG)),
    ):
        assert status(changed) == wanted
    assert status(forged.text) == 200


def _request(old: int, proof: tuple[bytes, ...], text: str, signer: NoteSigner) -> str:
    note = SignedNote(text, (signer.signed(text),))
    return "\n".join([f"old {old}", *hashes(proof)]) + f"\n\n{note}"


async def test_our_notary_gets_no_cosignature_for_a_second_tree(litewitness: LiteWitness, tmp_path: Path) -> None:
    """Given a log whose checkpoint was cosigned, when its owner publishes another tree by the same key elsewhere, then litewitness
    refuses it, and goes on with the first."""
    signer = NoteSigner("keys.example.com/forked", LOG.private)
    litewitness.know(signer.name, signer.verifier.text)
    policy = witness_policy(policy_text(litewitness))
    assert await _is_cosigned(tmp_path / "one", signer, policy, 300)
    assert not await _is_cosigned(tmp_path / "other", signer, policy, 400, fork=5)
    assert not await _is_cosigned(tmp_path / "shorter", signer, policy, 299)
    assert await _is_cosigned(tmp_path / "one", signer, policy, 400)


async def _is_cosigned(folder: Path, signer: NoteSigner, policy: WitnessPolicy, size: int, fork: int = -1) -> bool:
    note = await published(folder, signer, size, fork=fork)
    cosigning = Cosigning(policy, TileFolder(folder), lambda: [signer.verifier])
    try:
        found = await cosigning.cosign(checkpoint_by(note, signer.verifier), note)
    finally:
        await cosigning.close()
    return cosigned_at(found, WITNESS.verifier) is not None
