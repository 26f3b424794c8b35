"""A proof that travels, and the program that checks it, which shares no code with what made it."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from domain.log.authenticity import DECISIONS, Keyring, Parts
from domain.transparency.checkpoints import Checkpoint, WitnessSigner
from domain.transparency.leaves import LeafPlace, entry_of
from domain.transparency.merkle import inclusion_spans, leaf_hash
from domain.transparency.notes import NoteSignature, NoteSigner, SignedNote
from domain.transparency.proofs import ShownParts, proof_document, proof_text, written
from domain.transparency.tiles import TileName, TreeEdge, span_hash, tiles_of
from services.evidence import verify

LOG = NoteSigner("keys.example.com/log", Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
OTHER = NoteSigner(LOG.name, Ed25519PrivateKey.from_private_bytes(b"\3" * 32))
WITNESSES = [
    WitnessSigner(f"witness.example/{each}", Ed25519PrivateKey.from_private_bytes(bytes([each]) * 32))
    for each in (5, 6)
]
KEYS = Keyring([b"\7" * 32])
SEAL = KEYS.seal(KEYS.newest, DECISIONS, "log")
PARTS = Parts('{"own":"\N{SNOWMAN}"}'.encode(), b'{"theirs":2}', b'{"both":3}')
SALTS = SEAL.salts(PARTS.rest)
WHOLE, ACROSS = SEAL.sealed('{"a":"\N{SNOWMAN}"}'.encode())[0], SEAL.sealed(b'{"a":1}', PARTS)[0]
SIZE, WHOLE_AT, ACROSS_AT = 300, 7, 280


def place(index: int) -> LeafPlace:
    return LeafPlace(DECISIONS, 2, 1000 + index)


def tree() -> tuple[dict[TileName, bytes], SignedNote]:
    values = {WHOLE_AT: WHOLE, ACROSS_AT: ACROSS}
    edge, tiles = TreeEdge(), dict[TileName, bytes]()
    leaves = (leaf_hash(entry_of(place(each), values.get(each, b"{}"))) for each in range(SIZE))
    tiles.update(edge.add(leaves))
    tiles.update(edge.partial())
    note = Checkpoint(LOG.name, SIZE, edge.root()).signed_by(LOG)
    return tiles, note.beside([each.cosigned(note.text, 1_700_000_000) for each in WITNESSES])


TILES, NOTE = tree()


def proof(index: int, shown: bytes | ShownParts, note: SignedNote = NOTE) -> str:
    spans = inclusion_spans(index, SIZE)
    read = {name: TILES[name] for name in tiles_of(spans, SIZE)}
    path = [span_hash(each, SIZE, read) for each in spans]
    return written(proof_document(place(index), shown, LOG.verifier, proof_text(index, path, note)))


FORMS = {
    "whole": proof(WHOLE_AT, WHOLE),
    "every part": proof(ACROSS_AT, ShownParts(PARTS, SALTS, frozenset({"caller", "resource", "rest"}))),
    "the caller's": proof(ACROSS_AT, ShownParts(PARTS, SALTS, frozenset({"caller", "rest"}))),
    "the resource's": proof(ACROSS_AT, ShownParts(PARTS, SALTS, frozenset({"resource", "rest"}))),
}


def verifier(log: NoteSigner = LOG, quorum: int = 2) -> verify.ProofVerifier:
    return verify.ProofVerifier(log.verifier.text, [each.verifier.text for each in WITNESSES], quorum)


@pytest.mark.parametrize("form", FORMS)
def test_a_record_or_the_parts_of_it_that_are_shown_are_proven(form: str) -> None:
    document, number, head = verifier().check(FORMS[form])
    assert (number, head.size, len(head.cosigned)) == (document["record"]["position"] - 1000, SIZE, 2)


def test_a_part_that_is_not_shown_is_not_there() -> None:
    assert "theirs" not in FORMS["the caller's"]
    assert "own" not in FORMS["the resource's"]


@given(st.sampled_from(sorted(FORMS)), st.data())
def test_every_changed_byte_is_noticed(form: str, data: st.DataObject) -> None:
    whole = FORMS[form].encode()
    at, by = data.draw(st.tuples(st.integers(0, len(whole) - 1), st.integers(1, 255)), "byte, change")
    changed = whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :]
    with pytest.raises((verify.Wrong, UnicodeDecodeError)):
        verifier().check(changed.decode())


@given(st.sampled_from(sorted(FORMS)), st.data())
def test_a_text_that_lost_or_gained_something_is_noticed(form: str, data: st.DataObject) -> None:
    whole = FORMS[form]
    at, length = data.draw(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 40)), "where, how much")
    put = data.draw(st.text(max_size=20), "in its place")
    changed = whole[:at] + put + whole[at + length :]
    if changed != whole:
        with pytest.raises(verify.Wrong):
            verifier().check(changed)


def test_parts_do_not_slide() -> None:
    """Given a record across two accounts, when hashes or salts are cut at other places, then no part passes as another, and no
    text loses its beginning."""
    whole = json.loads(FORMS["every part"])["record"]["parts"]
    hashes = {
        name: each["hash"]
        for name, each in json.loads(FORMS["the caller's"])["record"]["parts"].items()
        if "hash" in each
    }
    hidden = {
        name: each["hash"]
        for name, each in json.loads(FORMS["the resource's"])["record"]["parts"].items()
        if "hash" in each
    }
    rest = sha256(b"\0" + b64decode(whole["rest"]["salt"]) + whole["rest"]["text"].encode()).digest()
    joined = b64encode(b64decode(hashes["resource"]) + rest).decode()
    salt, text = b64decode(whole["caller"]["salt"]), whole["caller"]["text"].encode()
    for parts in (
        {"caller": {"hash": ""}, "resource": whole["caller"], "rest": {"hash": joined}},
        whole | {"caller": {"salt": b64encode(salt + text[:1]).decode(), "text": text[1:].decode()}},
        whole | {"caller": {"salt": b64encode(salt + text).decode(), "text": ""}},
        whole | {"caller": {"hash": hidden["caller"] + "AAAA"}},
    ):
        document = json.loads(FORMS["every part"])
        document["record"]["parts"] = parts
        with pytest.raises(verify.Wrong):
            verifier().check(written(document))


def test_a_place_is_a_word_and_two_numbers() -> None:
    for member, value in (("position", "1007"), ("partition", "2"), ("partition", True), ("position", 1007.0)):
        document = json.loads(FORMS["whole"])
        document["record"][member] = value
        with pytest.raises(verify.Wrong):
            verifier().check(written(document))


def test_a_key_signs_once() -> None:
    """A false signature in front of the true one is a changed text, too."""
    document = json.loads(FORMS["whole"])
    *above, log, first, second = document["proof"].splitlines(keepends=True)
    assert LOG.name in log
    false = OTHER.signed(NOTE.text)
    forged = NoteSignature(LOG.name, LOG.verifier.id, false.signature).line
    for signatures in ([log, log, first, second], [forged, log, first, second]):
        with pytest.raises(verify.Wrong, match="not signed by the key"):
            verifier().check(written(document | {"proof": "".join([*above, *signatures])}))


def test_what_is_beside_a_proof_is_refused() -> None:
    """It would look as if it were proven."""
    document = json.loads(FORMS["the caller's"])
    for more in (
        document | {"said": "by nobody"},
        document | {"record": document["record"] | {"value": "{}"}},
        document | {"record": document["record"] | {"time": "yesterday"}},
    ):
        with pytest.raises(verify.Wrong, match="members"):
            verifier().check(written(more))


@pytest.mark.parametrize(
    ("text", "given", "why"),
    [
        (FORMS["whole"], verifier(OTHER), "not signed by the key"),
        (proof(WHOLE_AT, ACROSS), verifier(), "not in the tree"),
        (proof(WHOLE_AT + 1, WHOLE), verifier(), "not in the tree"),
        (proof(WHOLE_AT, WHOLE, SignedNote(NOTE.text, NOTE.signatures[1:])), verifier(), "not signed by the key"),
        (
            proof(WHOLE_AT, WHOLE, SignedNote(NOTE.text, NOTE.signatures[:2])),
            verifier(),
            "1 cosigned the checkpoint; needed: 2",
        ),
        ("[]\n", verifier(), "does not have the form"),
        ("{}\n", verifier(), "does not have the form"),
        ('{"format":"keytrail-proof/v2"}\n', verifier(), "this program reads"),
    ],
)
def test_what_does_not_hold_says_why(text: str, given: verify.ProofVerifier, why: str) -> None:
    with pytest.raises(verify.Wrong, match=why):
        given.check(text)


def test_a_checkpoint_of_two_keys_holds_for_who_trusts_either() -> None:
    """While a log changes its key, it signs with both. The key that the file names has to have signed as well."""
    both = SignedNote(NOTE.text, (OTHER.signed(NOTE.text), *NOTE.signatures))
    text = proof(WHOLE_AT, WHOLE, both)
    other = text.replace(LOG.verifier.text, OTHER.verifier.text)
    assert other != text
    stranger = NoteSigner(LOG.name, Ed25519PrivateKey.from_private_bytes(b"\4" * 32))
    for file in (text, other):
        for trusted in (LOG.verifier.text, OTHER.verifier.text, f"{stranger.verifier.text}\n{OTHER.verifier.text}\n"):
            verify.ProofVerifier(trusted, []).check(file)
        with pytest.raises(verify.Wrong, match="not signed by the key"):
            verify.ProofVerifier(stranger.verifier.text, []).check(file)
    with pytest.raises(verify.Wrong, match="not signed by the key"):
        verify.ProofVerifier(LOG.verifier.text, []).check(text.replace(LOG.verifier.text, stranger.verifier.text))
    forged = NoteSignature(OTHER.name, OTHER.verifier.id, b"\0" * 64)
    with pytest.raises(verify.Wrong, match="not signed by the key"):
        verify.ProofVerifier(f"{LOG.verifier.text} {OTHER.verifier.text}", []).check(
            proof(WHOLE_AT, WHOLE, SignedNote(NOTE.text, (forged, *NOTE.signatures)))
        )


@pytest.mark.parametrize("key", ["", " ", "\n"])
def test_a_key_that_is_empty_trusts_nothing(key: str, tmp_path: Path) -> None:
    """`--log-key "$(cat FILE)"` of an empty file."""
    (tmp_path / "one.json").write_text(FORMS["whole"])
    assert verify.main([str(tmp_path), "--log-key", key]) == verify.ONLY_ITS_OWN_KEY


def test_without_a_trusted_key_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.json").write_text(FORMS["whole"])
    assert verify.main([str(tmp_path)]) == verify.ONLY_ITS_OWN_KEY
    assert "the package itself names" in capsys.readouterr().out
    trusted = ["--log-key", LOG.verifier.text, "--witness-key", WITNESSES[0].verifier.text]
    assert verify.main([str(tmp_path), *trusted]) == verify.HOLD
    assert "leaf 7 of 300, cosigned by 1: decisions 2@1007" in capsys.readouterr().out
    (tmp_path / "two.json").write_text(FORMS["whole"].replace("1007", "1008"))
    assert verify.main([str(tmp_path), *trusted]) == verify.REFUSED
    assert "two.json: DOES NOT HOLD: the record is not in the tree" in capsys.readouterr().out


@pytest.mark.parametrize("given", [[], ["nowhere", "--log-key", "x"], ["--log-key", LOG.verifier.text]])
def test_wrong_usage_ends_with_2(given: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        verify.main(given)
    assert ended.value.code == 2


def test_the_program_is_short_and_needs_nothing_of_keytrail() -> None:
    text = Path(verify.__file__).read_text()
    assert len(text.splitlines()) < 300
    imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported - {"cryptography"} <= set(__import__("sys").stdlib_module_names)
