"""A package of evidence, as the program that checks it sees it: every changed byte, missing file and further file is named."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from domain.transparency.checkpoints import Checkpoint, WitnessSigner
from domain.transparency.leaves import LeafPlace, entry_of
from domain.transparency.merkle import consistency_spans, inclusion_spans, leaf_hash, perfect_spans
from domain.transparency.notes import NoteSigner, SignedNote
from domain.transparency.packages import LEAVES, MANIFEST, EvidenceScope, PackageTrees, manifest, record_path
from domain.transparency.proofs import proof_document, proof_text, written
from domain.transparency.tiles import TileName, TreeEdge, node_in, node_place, span_hash, tile_nodes, tiles_of
from services.evidence import verify

LOG = NoteSigner("keys.example.com/log", Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
WITNESS = WitnessSigner("witness.example/w1", Ed25519PrivateKey.from_private_bytes(b"\5" * 32))
SCOPE = EvidenceScope("111122223333", "a key", "2026-01-01T00:00:00Z", "", "2026-02-01T00:00:00Z")
Files = dict[str, bytes]


def value(number: int) -> bytes:
    return f'{{"number":{number}}}'.encode()


def place(number: int) -> LeafPlace:
    return LeafPlace("decisions", 0, number)


def leaf(number: int) -> bytes:
    return leaf_hash(entry_of(place(number), value(number)))


def tiles(size: int) -> dict[TileName, bytes]:
    edge, found = TreeEdge(), dict[TileName, bytes]()
    found.update(edge.add(map(leaf, range(size))))
    found.update(edge.partial())
    return found


def root(size: int) -> bytes:
    edge = TreeEdge()
    list(edge.add(map(leaf, range(size))))
    return edge.root()


def note(size: int, cosigned: Collection[int] = ()) -> SignedNote:
    found = Checkpoint(LOG.name, size, root(size)).signed_by(LOG)
    return found.beside([WITNESS.cosigned(found.text, 1_700_000_000)]) if size in cosigned else found


def parts(
    before: int, after: int, shown: list[int], *, whole: bool, cosigned: Collection[int] = ()
) -> tuple[Files, PackageTrees]:
    """The files and the trees of a package of a log of `after` leaves. `cosigned`: which trees a witness cosigned."""
    stored = tiles(after)

    def hashes(spans: list[tuple[int, int]]) -> list[bytes]:
        read = {name: stored[name] for name in tiles_of(spans, after)}
        return [span_hash(each, after, read) for each in spans]

    files: Files = {"report.html": b"<p>words</p>", "verify.py": b"pass"}
    checkpoint = note(after, cosigned)
    for number in shown:
        text = proof_text(number, hashes(inclusion_spans(number, after)), checkpoint)
        proof = proof_document(place(number), value(number), LOG.verifier, text)
        files[record_path(number)] = written(proof).encode()
    if whole:
        files[LEAVES] = b"".join(map(leaf, range(before, after)))
    trees = PackageTrees(
        LOG.verifier.text,
        str(note(before, cosigned)) if before else "",
        str(checkpoint),
        hashes(consistency_spans(before, after)),
        hashes(list(perfect_spans((0, before)))) if whole else [],
    )
    return files, trees


def package(before: int, after: int, shown: list[int], *, whole: bool, cosigned: Collection[int] = ()) -> Files:
    files, trees = parts(before, after, shown, whole=whole, cosigned=cosigned)
    digests = {path: sha256(content).digest() for path, content in files.items()}
    return files | {MANIFEST: manifest(SCOPE, trees, digests, []).encode()}


def faults(files: Files) -> dict[str, str]:
    """Why files do not hold, by their names."""

    def read(name: str) -> bytes:
        if name not in files:
            raise FileNotFoundError(name)
        return files[name]

    verifier = verify.ProofVerifier(LOG.verifier.text, [], 0)
    return {name: why for name, why, _ in verifier.check_package(files, read) if why}


def with_manifest(package: Files, **members: object) -> Files:
    """The package with other members, as somebody would write it who wants it to be believed."""
    document = json.loads(package[MANIFEST]) | members | {"sha256": ""}
    document["sha256"] = sha256(verify.canonical(document).encode()).hexdigest()
    return package | {MANIFEST: verify.canonical(document).encode()}


def listed(files: Files) -> Files:
    """The package with the digests of the files that it has now."""
    return with_manifest(
        files, files={name: sha256(each).hexdigest() for name, each in files.items() if name != MANIFEST}
    )


SIZES = st.integers(0, 600).flatmap(lambda after: st.tuples(st.integers(0, after), st.just(after)))


@given(SIZES, st.booleans())
def test_a_package_between_any_two_trees_holds(sizes: tuple[int, int], whole: bool) -> None:
    before, after = sizes
    assert not faults(package(before, after, sorted({before, after - 1} & set(range(before, after))), whole=whole))


WHOLE = package(130, 300, [130, 131, 299], whole=True)
SELECTED = package(130, 300, [130, 131, 299], whole=False)


@given(st.sampled_from([WHOLE, SELECTED]), st.data())
def test_every_changed_byte_is_named_with_its_file(files: Files, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)), "file")
    content = files[name]
    at, by = data.draw(st.tuples(st.integers(0, len(content) - 1), st.integers(1, 255)), "byte, change")
    changed = content[:at] + bytes([content[at] ^ by]) + content[at + 1 :]
    assert list(faults(files | {name: changed})) == [name]


@given(st.sampled_from([WHOLE, SELECTED]), st.data())
def test_a_missing_and_a_further_file_are_named(files: Files, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)), "file")
    assert list(faults({each: content for each, content in files.items() if each != name})) == [name]
    assert list(faults(files | {"records/more.json": b"{}"})) == ["records/more.json"]


def test_leaves_that_were_left_out_moved_or_made_up_are_noticed() -> None:
    """Somebody who writes the list of files anew, too, cannot leave a record of the span out."""
    leaves = WHOLE[LEAVES]
    pair = sha256(b"\1" + leaves[:64]).digest()
    for changed in (
        leaves[:-32],
        leaves[32:],
        leaves[32:64] + leaves[:32] + leaves[64:],
        pair + leaves[64:],
        leaves + b"\0" * 32,
    ):
        assert list(faults(listed(WHOLE | {LEAVES: changed}))) == [LEAVES]


def test_a_tree_that_does_not_go_on_from_the_earlier_one_is_noticed() -> None:
    other = str(Checkpoint(LOG.name, 130, b"\7" * 32).signed_by(LOG))
    wrong: list[dict[str, Any]] = [
        {"before": other},
        {"before": str(note(131))},
        {"before": str(note(300)), "after": str(note(130))},
        {"consistency": []},
        {"consistency": [b64encode(b"\7" * 32).decode()]},
    ]
    for members in wrong:
        assert list(faults(with_manifest(SELECTED, **members))) == [MANIFEST]
    assert list(faults(with_manifest(WHOLE, edge=[]))) == [LEAVES]


def test_a_record_under_another_checkpoint_is_noticed() -> None:
    name = record_path(131)
    earlier = package(0, 200, [131], whole=False)
    assert list(faults(listed(SELECTED | {name: earlier[name]}))) == [name]


def test_a_record_of_before_the_span_is_not_in_the_package() -> None:
    files, _ = parts(0, 300, [7], whole=False)
    early = {record_path(7): files[record_path(7)]}
    assert list(faults(listed(SELECTED | early | {record_path(131): SELECTED[record_path(131)]}))) == [record_path(7)]


def test_a_record_has_the_name_of_its_leaf_and_counts_once() -> None:
    proof = SELECTED[record_path(131)]
    for name in ("records/131.json", record_path(132), "Records/000000000131.json", "notes.txt"):
        assert list(faults(listed(SELECTED | {name: proof}))) == [name]


def test_two_files_of_one_name_are_refused() -> None:
    verifier = verify.ProofVerifier(LOG.verifier.text, [], 0)
    for name in ("report.html", MANIFEST):
        found = [each for each, why, _ in verifier.check_package([*SELECTED, name], SELECTED.__getitem__) if why]
        assert found == [name]


def test_what_the_package_does_not_list_is_not_read() -> None:
    def read(name: str) -> bytes:
        assert name in SELECTED
        return SELECTED[name]

    found = verify.ProofVerifier(LOG.verifier.text, [], 0).check_package([*SELECTED, "bomb"], read)
    assert [name for name, why, _ in found if why] == ["bomb"]


def test_a_path_that_a_package_names_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An absolute one leads out of its folder: to /dev/zero, which never ends, or to a pipe."""
    (tmp_path / "package").mkdir()
    (tmp_path / "outside").write_bytes(b"{}")
    paths = [str(tmp_path / "outside"), "../outside"]
    digests = {path: sha256(b"{}").hexdigest() for path in paths}
    hostile = with_manifest(SELECTED, files=json.loads(SELECTED[MANIFEST])["files"] | digests)
    for name, content in hostile.items():
        (tmp_path / "package" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "package" / name).write_bytes(content)
    assert verify.main([str(tmp_path / "package"), "--log-key", LOG.verifier.text]) == verify.REFUSED
    wrong = [each for each in capsys.readouterr().out.splitlines() if "DOES NOT HOLD" in each]
    assert wrong == [f"{path}: DOES NOT HOLD: it is not there" for path in sorted(paths)]


@pytest.mark.parametrize("kind", ["a pipe", "a link to a device"])
def test_what_is_no_regular_file_of_a_package_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """Somebody else packed the folder. A pipe that nobody writes to keeps its reader waiting, and /dev/zero never ends."""

    def put(path: Path) -> None:
        path.unlink(missing_ok=True)
        if kind == "a pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")

    for name, content in SELECTED.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    refused = "DOES NOT HOLD: it is no regular file, so it was not read"
    put(tmp_path / "report.html")
    assert verify.main([str(tmp_path)]) == verify.REFUSED
    assert f"report.html: {refused}\n" in capsys.readouterr().out
    put(tmp_path / MANIFEST)
    assert verify.main([str(tmp_path)]) == verify.REFUSED
    assert capsys.readouterr().out == f"{MANIFEST}: {refused}\n"
    loose = tmp_path / "loose" / "call.json"
    loose.parent.mkdir()
    put(loose)
    assert verify.main([str(loose.parent)]) == verify.REFUSED
    assert capsys.readouterr().out == f"{loose}: {refused}\n"


def test_a_stamped_checkpoint_is_that_of_the_package() -> None:
    right = listed(SELECTED | {"before.checkpoint": str(note(130)).encode(), "before.tsr": b"\xff"})
    assert not faults(right)
    assert list(faults(listed(right | {"before.checkpoint": str(note(131)).encode()}))) == ["before.checkpoint"]


def test_no_text_of_a_package_looks_like_another_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in with_manifest(SELECTED, about="k\x1b[2K\nreport.html: holds, all leaves").items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert verify.main([str(tmp_path), "--log-key", LOG.verifier.text]) == verify.HOLD
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(SELECTED)
    assert not [each for each in lines if "\x1b" in each]


@pytest.mark.parametrize("cosigned", [(), (130,), (300,), (130, 300)])
@pytest.mark.parametrize("before", [0, 130, 300])
def test_the_witnesses_have_to_have_cosigned_the_later_checkpoint_alone(
    before: int, cosigned: tuple[int, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The earlier one may be from before the log had witnesses: its tree is the beginning of the one that they cosigned."""
    for name, content in package(before, 300, [], whole=False, cosigned=cosigned).items():
        (tmp_path / name).write_bytes(content)
    held = verify.main([str(tmp_path), "--log-key", LOG.verifier.text, "--witness-key", WITNESS.verifier.text])
    lines = capsys.readouterr().out.splitlines()
    (manifest,) = [each for each in lines if each.startswith(MANIFEST)]
    if 300 not in cosigned:
        assert (held, "0 cosigned the checkpoint; needed: 1" in manifest) == (verify.REFUSED, True), manifest
        return
    seen = f"to 300 (cosigned by {int(before in cosigned)} and 1 witnesses); it says"
    assert (held, seen in manifest) == (verify.HOLD, True), manifest


def test_what_is_beside_the_members_of_a_package_is_refused() -> None:
    assert "members" in faults(with_manifest(SELECTED, complete=True))[MANIFEST]


@given(st.integers(1, 700), st.data())
def test_the_nodes_of_a_tile_are_the_hashes_of_its_subtrees(size: int, data: st.DataObject) -> None:
    stored = tiles(size)
    index = data.draw(st.integers(0, size - 1), "leaf")
    for span in inclusion_spans(index, size):
        for perfect in perfect_spans(span):
            name, height, number = node_place(perfect, size)
            assert node_in(tile_nodes(stored[name]), height, number) == span_hash(perfect, size, stored)


@pytest.mark.parametrize("log_key", ["", LOG.verifier.text])
def test_a_package_names_its_own_key(log_key: str) -> None:
    other = NoteSigner(LOG.name, Ed25519PrivateKey.from_private_bytes(b"\3" * 32))
    verifier = verify.ProofVerifier(log_key, [], 0)
    changed = with_manifest(SELECTED, key=other.verifier.text)
    found = {name: why for name, why, _ in verifier.check_package(changed, changed.__getitem__) if why}
    assert list(found) == [MANIFEST]
