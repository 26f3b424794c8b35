"""The witness protocol: how a log asks for a cosignature, and what a witness answers.

Source: C2SP tlog-witness. A witness remembers the largest checkpoint of each log that it cosigned, and cosigns only one that
extends it. So a log that shows two people different trees needs each of its witnesses to take part.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.transparency.checkpoints import Checkpoint, WitnessSigner, checkpoint_by_one_of
from domain.transparency.merkle import EMPTY_ROOT, HASH_LENGTH, ProofRefused, check_consistency
from domain.transparency.notes import NoteRefused, SignedNote, VerifierKey, decoded_base64, signed_note

MOST_HASHES = 63
LONGEST_REQUEST = 100_000
"""Bytes. A proof has 63 hashes at most, and a checkpoint some signatures."""
SIZE_TYPE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """The body of add-checkpoint: the checkpoint, and the proof that it extends the one of size `old`."""

    old: int
    proof: tuple[bytes, ...]
    note: SignedNote

    @property
    def text(self) -> str:
        lines = [f"old {self.old}", *(b64encode(each).decode() for each in self.proof)]
        return "\n".join(lines) + f"\n\n{self.note}"


def witness_request(text: str) -> WitnessRequest:
    """The inverse of `WitnessRequest.text`. Raises NoteRefused."""
    above, empty, below = text.partition("\n\n")
    first, *hashes = above.split("\n")
    word, _, size = first.partition(" ")
    if word != "old" or not empty or not (size.isascii() and size.isdigit() and str(int(size[:20])) == size):
        raise NoteRefused("a request begins with the size that it extends, and ends with a checkpoint")
    if len(hashes) > MOST_HASHES:
        raise NoteRefused(f"a proof has at most {MOST_HASHES} hashes")
    proof = tuple(map(decoded_base64, hashes))
    if any(len(each) != HASH_LENGTH for each in proof):
        raise NoteRefused("a proof consists of SHA-256 hashes")
    return WitnessRequest(int(size), proof, signed_note(below))


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """`status` and `body` are those of HTTP. `head` is what the witness has to keep, durably, before it answers."""

    status: int
    body: str
    head: Checkpoint | None = None


class Witness:
    """Decides on requests. `logs`: the keys of the logs that it knows, by their names (a log may have several)."""

    def __init__(self, signer: WitnessSigner, logs: Mapping[str, Sequence[VerifierKey]]) -> None:
        self._signer, self._logs = signer, logs

    def origin_of(self, request: WitnessRequest) -> str:
        """The log that a request names; nothing is checked yet."""
        return request.note.text.partition("\n")[0]

    def answer(self, request: WitnessRequest, last: Checkpoint | None, at: int) -> WitnessAnswer:
        """`last` is the checkpoint of this log that was cosigned last; `at` the time in POSIX seconds."""
        origin = self.origin_of(request)
        keys = self._logs.get(origin, ())
        if not keys:
            return WitnessAnswer(404, "The witness does not know this log.\n")
        try:
            head, _ = checkpoint_by_one_of(request.note, keys)
        except NoteRefused:
            return WitnessAnswer(403, "The checkpoint is not signed by a key of this log that the witness knows.\n")
        if request.old > head.size:
            return WitnessAnswer(400, "The size that is extended is larger than the checkpoint's.\n")
        if request.old != (0 if last is None else last.size):
            return WitnessAnswer(409, f"{0 if last is None else last.size}\n")
        try:
            if head.size == 0 and head.root != EMPTY_ROOT:
                raise ProofRefused("an empty tree has another root")
            check_consistency(
                request.old, EMPTY_ROOT if last is None else last.root, head.size, head.root, request.proof
            )
        except ProofRefused as fault:
            return WitnessAnswer(422, f"The checkpoint does not extend the last one: {fault}.\n")
        return WitnessAnswer(200, self._signer.cosigned(request.note.text, at).line, head)
