"""What a witness cosigns: only a checkpoint of a log that it knows, which extends the one that it cosigned last."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from domain.transparency.checkpoints import Checkpoint, WitnessSigner, cosigned_at
from domain.transparency.merkle import EMPTY_ROOT, consistency_spans
from domain.transparency.notes import NoteRefused, NoteSigner, signature_line
from domain.transparency.tiles import root_of_tiles, span_hash, tiles_of
from domain.transparency.witnessing import Witness, WitnessAnswer, WitnessRequest, witness_request
from tests.domain.test_transparency_tree import StoredTree

AT = 1_700_000_000
LOG = NoteSigner("keys.example.com/log", Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
OTHER = NoteSigner(LOG.name, Ed25519PrivateKey.from_private_bytes(b"\2" * 32))
SIGNER = WitnessSigner("witness.example/w1", Ed25519PrivateKey.from_private_bytes(b"\3" * 32))
WITNESS = Witness(SIGNER, {LOG.name: [LOG.verifier]})
TREE = StoredTree(600)


def head(size: int) -> Checkpoint:
    return Checkpoint(LOG.name, size, root_of_tiles(size, StoredTree(size).tiles))


def asking(old: int, new: int) -> WitnessRequest:
    """A log's honest request."""
    tree = StoredTree(new)
    spans = consistency_spans(old, new)
    read = {name: tree.tiles[name] for name in tiles_of(spans, new)}
    return WitnessRequest(old, tuple(span_hash(each, new, read) for each in spans), head(new).signed_by(LOG))


def answer(request: WitnessRequest, last: Checkpoint | None) -> WitnessAnswer:
    return WITNESS.answer(witness_request(request.text), last, AT)


@given(st.integers(0, 300), st.data())
def test_what_extends_the_last_is_cosigned(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, new), "last size")
    request = asking(old, new)
    found = answer(request, head(old) if old else None)
    assert (found.status, found.head) == (200, head(new))
    note = request.note.beside([signature_line(found.body.rstrip("\n"))])
    assert cosigned_at(note, SIGNER.verifier) == AT


def test_a_log_that_signs_with_two_keys_is_known_by_either() -> None:
    """While a log changes its key. A signature in the name of a key that the witness knows has to hold."""
    request = asking(0, 300)
    both = replace(request, note=head(300).signed_by(OTHER, LOG))
    for known in ([LOG.verifier], [OTHER.verifier], [OTHER.verifier, LOG.verifier]):
        found = Witness(SIGNER, {LOG.name: known}).answer(witness_request(both.text), None, AT)
        assert (found.status, found.head) == (200, head(300))
    wrong = replace(both.note.signatures[0], signature=b"\0" * 64)
    changed = replace(both, note=replace(both.note, signatures=(wrong, both.note.signatures[1])))
    known_both = Witness(SIGNER, {LOG.name: [LOG.verifier, OTHER.verifier]})
    assert known_both.answer(witness_request(changed.text), None, AT).status == 403
    assert answer(changed, None).status == 200


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 300))
def test_nothing_else_is(last: int, new: int, old: int) -> None:
    """A head that is smaller, one that leaves the last out, and one whose proof is of another size."""
    request = asking(min(old, new), new)
    found = answer(request, head(last))
    if min(old, new) == last:
        assert found.status == 200
    else:
        assert (found.status, found.body, found.head) == (409, f"{last}\n", None)


def test_another_tree_of_the_same_size_is_not_cosigned() -> None:
    """A log that shows two people different trees."""
    forked = Checkpoint(LOG.name, 7, b"\7" * 32)
    request = asking(7, 9)
    assert answer(request, forked).status == 422
    assert answer(replace(request, old=0, proof=()), None).status == 200
    same = WitnessRequest(7, (), head(7).signed_by(LOG))
    assert answer(same, forked).status == 422
    assert answer(same, head(7)).status == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda request: replace(request, proof=request.proof[:-1]), 422),
        (lambda request: replace(request, proof=(*request.proof, b"\0" * 32)), 422),
        (lambda request: replace(request, proof=(b"\0" * 32, *request.proof[1:])), 422),
        (lambda request: replace(request, old=10), 400),
        (lambda request: replace(request, note=head(9).signed_by(OTHER)), 403),
        (lambda request: replace(request, note=Checkpoint("elsewhere", 9, b"\0" * 32).signed_by(LOG)), 404),
        (
            lambda request: replace(request, note=Checkpoint(LOG.name, 0, b"\0" * 32).signed_by(LOG), old=0, proof=()),
            409,
        ),
    ],
)
def test_each_fault_has_its_status(change: object, status: int) -> None:
    found = answer(change(asking(7, 9)), head(7))  # type: ignore[operator]  # one of the functions above
    assert (found.status, found.head) == (status, None)


def test_a_first_request_may_not_bring_a_proof_and_an_empty_tree_has_one_root() -> None:
    assert answer(WitnessRequest(0, (b"\0" * 32,), head(9).signed_by(LOG)), None).status == 422
    assert answer(WitnessRequest(0, (), Checkpoint(LOG.name, 0, b"\0" * 32).signed_by(LOG)), None).status == 422
    assert answer(WitnessRequest(0, (), Checkpoint(LOG.name, 0, EMPTY_ROOT).signed_by(LOG)), None).status == 200


def test_a_wrong_signature_in_the_name_of_a_known_key_spoils_the_request() -> None:
    right = head(9).signed_by(LOG)
    (signature,) = right.signatures
    wrong = replace(signature, signature=bytes(64))
    for signatures in ((wrong,), (signature, wrong), (wrong, signature)):
        request = WitnessRequest(0, (), replace(right, signatures=signatures))
        assert answer(request, None).status == 403


@pytest.mark.parametrize(
    "text",
    [
        "",
        "old 1",
        "old 01\n\n" + str(head(9).signed_by(LOG)),
        "old -1\n\n" + str(head(9).signed_by(LOG)),
        "old " + "9" * 5000 + "\n\n" + str(head(9).signed_by(LOG)),
        "new 1\n\n" + str(head(9).signed_by(LOG)),
        "old 1\nAAAA\n\n" + str(head(9).signed_by(LOG)),
        "old 1\n" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 64 + "\n" + str(head(9).signed_by(LOG)),
        "old 1\n\nno note",
    ],
)
def test_a_text_that_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        witness_request(text)
