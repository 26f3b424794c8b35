"""Checks records of Keytrail offline: python verify.py --log-key KEY [--witness-key KEY ...] FILE-OR-FOLDER ...

It needs Python and the library `cryptography`, and nothing of Keytrail. Each JSON file holds one record and its proof:

    record   where the record stood (kind of topic, partition, position), and the record itself or parts of it
    proof    C2SP tlog-proof: the number of the record's leaf, hashes, and a checkpoint that the log signed

What is checked, in this order:

1. The checkpoint was signed by the log's key, which you got from somebody whom you trust, and not from this package.
2. As many witnesses as you ask for cosigned the same checkpoint (C2SP tlog-cosignature).
3. The leaf made of this record, at this place, is in the tree of the checkpoint (RFC 6962, RFC 9162).

So the record was there when the checkpoint was signed, unchanged, and everybody who has this checkpoint can be shown the same.
A proof says nothing about records that are not shown. Exit code: 0 all hold; 1 one does not; 2 wrong usage; 3 all hold, but
under a key that only the package names.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "keytrail-proof/v1"
LOG_KEY, WITNESS_KEY = 1, 4
HOLD, REFUSED, ONLY_ITS_OWN_KEY = 0, 1, 3


class Wrong(Exception):
    """The record is not shown by its proof. The message says which check failed."""


class PublicKey(NamedTuple):
    """A verifier key (C2SP signed-note): name, 4 bytes of id, type of signature, 32 bytes of an Ed25519 key."""

    name: str
    id: bytes
    kind: int
    public: bytes


class Head(NamedTuple):
    """What a checkpoint says, and which of the witnesses cosigned it, with their times."""

    size: int
    root: bytes
    cosigned: dict[str, int]


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def canonical(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def require_members(document: dict[str, Any], wanted: set[str]) -> None:
    """Nothing beside what is checked: it would look as if it were proven."""
    if set(document) != wanted:
        raise Wrong(f"a part has the members {', '.join(sorted(document))}; {', '.join(sorted(wanted))} are expected")


def decoded(text: str) -> bytes:
    found = base64.b64decode(text, validate=True)
    if base64.b64encode(found).decode() != text:
        raise ValueError("there is another way to write these bytes in base64")
    return found


# -- keys and checkpoints ---------------------------------------------------------------------------------------------


def public_key(text: str, kind: int) -> PublicKey:
    name, id, encoded = [*text.strip().split("+", 2), "", ""][:3]
    try:
        key = decoded(encoded)
    except ValueError:
        key = b""
    own = sha256(name.encode() + b"\n" + key)[:4]
    if len(key) != 33 or key[0] != kind or own.hex() != id:
        raise ValueError(f"{text!r} is no verifier key of a {'log' if kind == LOG_KEY else 'witness'}")
    return PublicKey(name, own, kind, key[1:])


def signed(key: PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def head_of(note: str, log: PublicKey, witnesses: list[PublicKey]) -> Head:
    """Checks 1 and 2: the signatures below a checkpoint."""
    text, _, below = note.rpartition("\n\n")
    text += "\n"
    found: dict[tuple[str, bytes], bytes] = {}
    for line in below.splitlines():
        dash, name, encoded = line.split(" ")
        if dash != "\N{EM DASH}":
            raise Wrong("a line below the checkpoint is no signature")
        found[name, decoded(encoded)[:4]] = decoded(encoded)[4:]
    if not signed(log, found.get((log.name, log.id), b""), text.encode()):
        raise Wrong(f"the checkpoint is not signed by the key {log.id.hex()} of {log.name}")
    origin, size, root = text.split("\n")[:3]
    if origin != log.name:
        raise Wrong(f"the checkpoint is of another log, {origin}")
    cosigned = {}
    for each in witnesses:
        signature = found.get((each.name, each.id))
        if signature is not None:
            at = int.from_bytes(signature[:8], "big")
            if not signed(each, signature[8:], f"cosignature/v1\ntime {at}\n{text}".encode()):
                raise Wrong(f"the cosignature of {each.name} does not hold")
            cosigned[each.name] = at
    return Head(int(size), decoded(root), cosigned)


# -- the record's leaf and its proof ------------------------------------------------------------------------------------


def leaf_of(record: dict[str, Any]) -> bytes:
    """The hash of the record's leaf: a commitment to its place and to its text, or to its three parts."""
    form = "value" if "value" in record else "parts"
    require_members(record, {"kind", "partition", "position", form})
    if form == "value":
        form, bound = "whole", sha256(record["value"].encode())
    else:
        require_members(record["parts"], set(PARTS))
        bound = sha256(b"\1" + b"".join(_part(record["parts"][name]) for name in PARTS))
    place = f"keytrail leaf v1\n{record['kind']}\n{record['partition']}\n{record['position']}\n{form}\n"
    return sha256(b"\0" + sha256(place.encode() + bound))


PARTS = ("caller", "resource", "rest")


def _part(part: dict[str, str]) -> bytes:
    """A part that is shown has its text and salt; one that is not shown has its hash alone."""
    require_members(part, {"salt", "text"} if "text" in part else {"hash"})
    if "text" in part:
        return sha256(b"\0" + decoded(part["salt"]) + part["text"].encode())
    return decoded(part["hash"])


def require_in_tree(leaf: bytes, index: int, path: list[bytes], head: Head) -> None:
    """Check 3 (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < head.size:
        raise Wrong(f"the tree has {head.size} leaves, and the proof is of leaf {index}")
    node, last, found = index, head.size - 1, leaf
    for each in path:
        if last == 0:
            raise Wrong("the proof is too long")
        if node & 1 or node == last:
            found = sha256(b"\1" + each + found)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = sha256(b"\1" + found + each)
        node, last = node >> 1, last >> 1
    if last or found != head.root:
        raise Wrong("the record is not in the tree that the checkpoint names: record, place or proof was changed")


class ProofVerifier:
    """Checks documents under keys. `log_key` "": the key that each document names."""

    def __init__(self, log_key: str, witness_keys: list[str], quorum: int) -> None:
        self._log = public_key(log_key, LOG_KEY) if log_key else None
        self._witnesses = [public_key(each, WITNESS_KEY) for each in witness_keys]
        self._quorum = quorum
        self._heads: dict[tuple[str, PublicKey], Head] = {}

    def check(self, text: str) -> tuple[dict[str, Any], int, Head]:
        """(document, number of the record's leaf, checkpoint). A file that is written in another way than Keytrail writes it does
        not count, so no byte of it can be changed. Raises Wrong."""
        try:
            document = json.loads(text)
            if canonical(document) != text:
                raise Wrong("the file was written anew: its text is not in the form in which Keytrail writes it")
            return document, *self._check(document)
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise Wrong(f"the file does not have the form of {FORMAT}: {fault!r}") from None

    def _check(self, document: dict[str, Any]) -> tuple[int, Head]:
        if document["format"] != FORMAT:
            raise Wrong(f"its format is {document['format']!r}, and this program reads {FORMAT}")
        require_members(document, {"format", "key", "proof", "record"})
        above, empty, note = document["proof"].partition("\n\n")
        first, index, *path = above.split("\n")
        if first != "c2sp.org/tlog-proof@v1" or not empty or not index.startswith("index "):
            raise Wrong("its proof is no tlog-proof")
        own = public_key(document["key"], LOG_KEY)
        if self._log is not None and own != self._log:
            raise Wrong(f"it is of the log key {own.id.hex()} of {own.name}, and you trust another")
        head = self._head(note, own)
        number = int(index.removeprefix("index "))
        require_in_tree(leaf_of(document["record"]), number, [decoded(each) for each in path], head)
        return number, head

    def _head(self, note: str, key: PublicKey) -> Head:
        found = self._heads.get((note, key))
        if found is None:
            found = self._heads[note, key] = head_of(note, key, self._witnesses)
        if len(found.cosigned) < self._quorum:
            raise Wrong(
                f"{len(found.cosigned)} of the witnesses cosigned the checkpoint, and {self._quorum} are needed"
            )
        return found


# -- the command ----------------------------------------------------------------------------------------------------------


def files(places: list[str]) -> Iterator[Path]:
    for place in map(Path, places):
        yield from sorted(place.rglob("*.json")) if place.is_dir() else [place]


def what_is_shown(document: dict[str, Any], number: int, head: Head) -> str:
    record = document["record"]
    cosigned = f", cosigned by {len(head.cosigned)}" if head.cosigned else ""
    return f"leaf {number} of {head.size}{cosigned}: {record['kind']} {record['partition']}@{record['position']}"


def main(given: list[str]) -> int:
    usage = argparse.ArgumentParser("verify.py", description="Check records of Keytrail offline.")
    usage.add_argument("places", nargs="+", metavar="FILE-OR-FOLDER", help="a proof, or a folder with proofs")
    usage.add_argument("--log-key", default="", help="the log's key, as /log/key of the installation gives it")
    usage.add_argument("--witness-key", action="append", default=[], help="the key of a witness whom you trust")
    usage.add_argument("--witnesses", type=int, help="how many of them must have cosigned; by default all")
    asked = usage.parse_args(given)
    quorum = len(asked.witness_key) if asked.witnesses is None else asked.witnesses
    try:
        verifier = ProofVerifier(asked.log_key, asked.witness_key, quorum)
    except ValueError as fault:
        usage.error(str(fault))
    code, count = HOLD, 0
    for path in files(asked.places):
        count += 1
        try:
            shown = what_is_shown(*verifier.check(path.read_bytes().decode()))
            print(f"{path}: holds, {shown}")
        except (Wrong, OSError, ValueError, RecursionError) as fault:
            print(f"{path}: DOES NOT HOLD: {fault}")
            code = REFUSED
    if not count:
        usage.error("there is no proof in these places")
    if code == HOLD and not asked.log_key:
        print(
            "These proofs are signed by a key which the package itself names. Get the log's key from somebody whom you trust,"
        )
        print("and run this again with --log-key.")
        return ONLY_ITS_OWN_KEY
    return code


def end() -> NoReturn:
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    end()
