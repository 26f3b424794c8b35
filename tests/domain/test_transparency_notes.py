"""Signed notes, checkpoints and cosignatures, against the examples of C2SP and against every changed byte."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from domain.transparency.checkpoints import Checkpoint, WitnessSigner, checkpoint, checkpoint_by, cosigned_at
from domain.transparency.notes import (
    NoteRefused,
    NoteSigner,
    require_signed,
    signature_line,
    signed_note,
    verifier_key,
)

# The example of C2SP signed-note: a key and a note that it signed.
KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n"
    "\N{EM DASH} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
LOG = NoteSigner("keys.example.com/log", Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
WITNESS = WitnessSigner("witness.example.com/w1", Ed25519PrivateKey.from_private_bytes(b"\2" * 32))
HEAD = Checkpoint(LOG.name, 20_852_163, bytes(range(32)))


def test_the_specifications_note_is_verified() -> None:
    key, note = verifier_key(KEY), signed_note(NOTE)
    require_signed(note, key)
    assert (key.text, str(note)) == (KEY, NOTE)


def test_a_checkpoint_is_signed_and_cosigned() -> None:
    """Given a head that the log signs and a witness cosigns, when it is sent as text, then both signatures hold."""
    note = HEAD.signed_by(LOG)
    note = signed_note(str(note.beside([WITNESS.cosigned(note.text, 1_700_000_000)])))
    assert checkpoint_by(note, verifier_key(LOG.verifier.text)) == HEAD
    assert cosigned_at(note, verifier_key(WITNESS.verifier.text)) == 1_700_000_000
    again = note.beside([WITNESS.cosigned(note.text, 1_700_000_001)])
    assert (len(again.signatures), cosigned_at(again, WITNESS.verifier)) == (2, 1_700_000_001)


@given(st.data())
def test_every_changed_byte_is_refused(data: st.DataObject) -> None:
    note = HEAD.signed_by(LOG)
    whole = str(note.beside([WITNESS.cosigned(note.text, 1_700_000_000)])).encode()
    at, by = data.draw(st.tuples(st.integers(0, len(whole) - 1), st.integers(1, 255)), "byte, change")
    changed = whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :]
    with pytest.raises((NoteRefused, UnicodeDecodeError)):
        read = signed_note(changed.decode())
        checkpoint_by(read, LOG.verifier)
        if cosigned_at(read, WITNESS.verifier) is None:
            raise NoteRefused("the witness is no longer named")


def test_a_note_of_somebody_else_is_refused() -> None:
    other = NoteSigner(LOG.name, Ed25519PrivateKey.from_private_bytes(b"\3" * 32))
    with pytest.raises(NoteRefused, match="is not signed by"):
        checkpoint_by(HEAD.signed_by(other), LOG.verifier)
    with pytest.raises(NoteRefused, match="is of elsewhere"):
        checkpoint_by(Checkpoint("elsewhere", 1, HEAD.root).signed_by(LOG), LOG.verifier)
    assert cosigned_at(HEAD.signed_by(LOG), WITNESS.verifier) is None
    both = HEAD.signed_by(other, LOG)  # a signature by an unknown key is passed over
    assert checkpoint_by(both, LOG.verifier) == HEAD


def test_a_key_counts_for_its_own_kind_of_signature_alone() -> None:
    """A log's key and a witness's key may be of the same bytes; their signatures are of different messages."""
    with pytest.raises(NoteRefused, match="a witness's, not a log's"):
        checkpoint_by(HEAD.signed_by(LOG), WITNESS.verifier)
    with pytest.raises(NoteRefused, match="a log's, not a witness's"):
        cosigned_at(HEAD.signed_by(LOG), LOG.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x\n",
        NOTE[:-1],
        NOTE.replace("\n\n", "\n"),
        NOTE + "\n",
        NOTE.replace("example message", "example\tmessage"),
        NOTE.replace("Uw2Q", "U*2Q"),
        NOTE.replace(" Uw2Q", "Uw2Q"),
        NOTE.replace("example.com/foo ", "example.com/+foo "),
        NOTE + NOTE.split("\n\n")[1] * 64,
        "x" * 1_000_001 + NOTE,
    ],
)
def test_a_text_that_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        signed_note(text)


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n",
        "a\n01\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n+1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n\u0661\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n" + "9" * 5000 + "\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n1\nAAEC\n",
        "a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n",
        "\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        checkpoint(text)


def test_a_checkpoint_may_have_further_lines() -> None:
    assert checkpoint(HEAD.text + "an extension\n") == HEAD


@pytest.mark.parametrize(
    "text", ["", "a+b", KEY.replace("530d903a", "530d903b"), KEY[:-4], KEY.replace("+Aeky", "+Beky"), "a b" + KEY]
)
def test_a_text_that_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        verifier_key(text)


@pytest.mark.parametrize("line", ["", "\N{EM DASH} a", "- a AAAAAAAA", "\N{EM DASH} a AAAA", "\N{EM DASH}  AAAAAAAA"])
def test_a_line_that_is_no_signature_is_refused(line: str) -> None:
    with pytest.raises(NoteRefused):
        signature_line(line)
