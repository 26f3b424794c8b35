"""Checks records of Keytrail offline: python verify.py --log-key KEY [--witness-key KEY ...] [FILE-OR-FOLDER ...]

It needs Python 3.9 and the library `cryptography` alone. A JSON file holds one record (where it stood, and the record or parts of
it) and its proof (C2SP tlog-proof: the number of its leaf, hashes, and a checkpoint that the log signed). Of it is checked:
1. The checkpoint was signed by the log's key, which you got from somebody whom you trust, and not from this package.
2. As many witnesses as you ask for cosigned the same checkpoint (C2SP tlog-cosignature); in a package, the later one.
3. The leaf made of this record, at this place, is in the tree of the checkpoint (RFC 6962, RFC 9162).
A folder with `evidence.json` is a package: many records, and a checkpoint before and after them. Of it is checked as well:
4. Every file is there as the list of files has it, by its SHA-256.
5. The tree of the later checkpoint begins with the tree of the earlier one: nothing was changed or taken out of that.
6. The hashes in the file `leaves`, if there is one, are all leaves between the two trees: there are no others.
Exit code: 0 all hold; 1 something does not; 2 wrong usage; 3 all hold, but under a key that only the package names.
"""

from __future__ import annotations

import argparse
import base64
import functools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT, PACKAGE, MANIFEST, LEAVES = "keytrail-proof/v1", "keytrail-evidence/v1", "evidence.json", "leaves"
SAID = {"account", "about", "from", "to", "made", "unproven"}  # nobody signs these
MEMBERS = SAID | {"before", "after", "consistency", "edge", "files", "sha256"}
LOG_KEY, WITNESS_KEY, HOLD, REFUSED, ONLY_ITS_OWN_KEY = 1, 4, 0, 1, 3
# Nothing follows from the rest of a package.
REST = {"report.html", "STATEMENT.txt", "verify.py", "before.checkpoint", "before.tsr", "after.checkpoint", "after.tsr"}
MISLISTED = ("it is not there", "the package does not list it", "there are two of this name")
MALFORMED = (OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)


class Wrong(Exception): ...  # the message says which check failed


class PublicKey(NamedTuple):  # C2SP signed-note
    name: str
    id: bytes
    public: bytes


class Head(NamedTuple):  # what a checkpoint says, and which of the witnesses cosigned it, with their times
    size: int = 0
    root: bytes = sha256(b"").digest()
    cosigned: Mapping[str, int] = {}


def canonical(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def require_members(document: dict[str, Any], wanted: set[str]) -> None:
    if set(document) != wanted:  # what is beside it would look as if it were proven
        raise Wrong(f"a part has the members {', '.join(sorted(document))}; {', '.join(sorted(wanted))} are expected")


def document_in(text: str, form: str, members: set[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    if document["format"] != form:
        raise Wrong(f"its format is {document['format']!r}, and this program reads {form} (of a package: its folder)")
    if canonical(document) != text:  # there is one text for each document, so no byte of it can be changed
        raise Wrong("the file was written anew: its text is not in the form in which Keytrail writes it")
    require_members(document, {"format", "key", *members})
    return document


def decoded(text: str, length: int = 32) -> bytes:  # so many bytes (0: any number), in the one text that encodes them
    found = base64.b64decode(text, validate=True)
    if base64.b64encode(found).decode() != text or length not in (0, len(found)):
        raise ValueError(f"{text!r} is not the base64 of {length or 'some'} bytes")
    return found


def public_key(text: str, kind: int) -> PublicKey:
    name, id, encoded = [*text.strip().split("+", 2), "", ""][:3]
    try:
        key = decoded(encoded, 33)
    except ValueError:
        key = b"\0"
    if key[0] != kind or sha256(name.encode() + b"\n" + key).hexdigest()[:8] != id:
        raise ValueError(f"{text!r} is no verifier key of a {'log' if kind == LOG_KEY else 'witness'}")
    return PublicKey(name, bytes.fromhex(id), key[1:])


def head_of(note: str, logs: list[PublicKey], witnesses: list[PublicKey], quorum: int) -> Head:
    """Checks 1 and 2. One of the log's keys has to have signed: while a log changes its key, it signs with both."""
    text, _, below = note.rpartition("\n\n")
    text, (origin, size, root) = text + "\n", text.split("\n")[:3]
    lines = [(f"{dash} {name}", decoded(encoded, 0)) for dash, name, encoded in map(str.split, below.splitlines())]
    found = {(name, signed[:4]): signed[4:] for name, signed in lines}
    signers = [each for each in logs if each.name == origin and (f"\N{EM DASH} {origin}", each.id) in found]
    if not signers or len(found) < len(lines):
        raise Wrong(f"the checkpoint is not signed by the key {logs[0].id.hex()} of {logs[0].name}: is this its key?")
    signatures, cosigned = [(each, found[f"\N{EM DASH} {origin}", each.id], text) for each in signers], {}
    for each in witnesses:
        if signature := found.get((f"\N{EM DASH} {each.name}", each.id)):
            cosigned[each.name] = at = int.from_bytes(signature[:8], "big")
            signatures.append((each, signature[8:], f"cosignature/v1\ntime {at}\n{text}"))
    for key, signature, message in signatures:
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message.encode())
        except InvalidSignature:
            raise Wrong(f"the checkpoint is not signed by the key {key.id.hex()} of {key.name}") from None
    if len(cosigned) < quorum:
        raise Wrong(f"of the witnesses whose keys you gave, {len(cosigned)} cosigned the checkpoint; needed: {quorum}")
    return Head(int(size), decoded(root), cosigned)


def leaf_of(record: dict[str, Any]) -> bytes:
    """The hash of the record's leaf: of its place, and of its text or its three parts, each in salt and text or as a hash."""
    form = "value" if "value" in record else "parts"
    require_members(record, {"kind", "partition", "position", form})
    if [type(record[each]) for each in ("kind", "partition", "position")] != [str, int, int]:
        raise Wrong("a record's place is a word and two numbers")
    if form == "value":
        form, bound = "whole", sha256(record["value"].encode()).digest()
    else:
        require_members(record["parts"], {"caller", "resource", "rest"})
        bound = b"\1"
        for each in (record["parts"][name] for name in ("caller", "resource", "rest")):
            require_members(each, {"salt", "text"} if "text" in each else {"hash"})
            salted = b"\0" + decoded(each["salt"], 16) + each["text"].encode() if "text" in each else b""
            bound += sha256(salted).digest() if salted else decoded(each["hash"])
        bound = sha256(bound).digest()
    place = f"keytrail leaf v1\n{record['kind']}\n{record['partition']}\n{record['position']}\n{form}\n"
    return sha256(b"\0" + sha256(place.encode() + bound).digest()).digest()


def climbed(node: int, last: int, found: bytes, path: list[bytes]) -> tuple[bytes, bytes]:
    """From a subtree up (RFC 9162, 2.1.3.2 and 2.1.4.2): the root of the tree that ends with it, and of the whole tree."""
    begun = found
    for each in path:
        if last == 0:
            raise Wrong("a proof is too long")
        if node & 1 or node == last:
            begun, found = sha256(b"\1" + each + begun).digest(), sha256(b"\1" + each + found).digest()
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = sha256(b"\1" + found + each).digest()
        node, last = node >> 1, last >> 1
    if last:
        raise Wrong("a proof is too short")
    return begun, found


def require_onward(before: Head, after: Head, path: list[bytes]) -> None:
    if before.size in (0, after.size):  # check 5
        holds = not path and before.root == (after if before.size else Head()).root
    else:
        odd = before.size & -before.size  # the last perfect subtree of the earlier tree has so many leaves
        first, *above = [before.root, *path] if odd == before.size else path
        holds = climbed(before.size // odd - 1, (after.size - 1) // odd, first, above) == (before.root, after.root)
    if not holds or before.size > after.size:
        raise Wrong("the tree of the later checkpoint does not begin with the tree of the earlier one")


def require_all(edge: list[bytes], leaves: bytes, before: Head, after: Head) -> None:
    """Check 6. `edge` has the roots of the perfect subtrees of the earlier tree, from left to right."""
    bits = [bit for bit in range(64, -1, -1) if before.size >> bit & 1]
    if len(leaves) != 32 * (after.size - before.size) or len(edge) != len(bits):
        raise Wrong("it has too many or too few leaves")
    roots = {bit: edge[at] for at, bit in enumerate(bits)}
    for head, some in ((before, b""), (after, leaves)):
        for at in range(0, len(some), 32):
            height, found = 0, some[at : at + 32]
            while height in roots:
                height, found = height + 1, sha256(b"\1" + roots.pop(height) + found).digest()
            roots[height] = found
        whole = [roots[height] for height in sorted(roots)] or [sha256(b"").digest()]
        if functools.reduce(lambda right, left: sha256(b"\1" + left + right).digest(), whole) != head.root:
            raise Wrong(f"the leaves do not give the root of the tree of {head.size} leaves")


class ProofVerifier:  # checks documents under keys; `log_key` "": under the key that each document names
    def __init__(self, log_key: str, witness_keys: list[str], quorum: int | None = None) -> None:
        self._log = [public_key(each, LOG_KEY) for each in log_key.split()]
        self._witnesses = [public_key(each, WITNESS_KEY) for each in witness_keys]
        self._quorum = len(witness_keys) if quorum is None else quorum
        self._head = functools.cache(self._head_in)

    def check(self, text: str) -> tuple[dict[str, Any], int, Head]:
        """(document, number of the record's leaf, checkpoint). Raises Wrong."""
        try:
            document = document_in(text, FORMAT, {"proof", "record"})
            above, empty, note = document["proof"].partition("\n\n")
            first, index, *path = above.split("\n")
            number, head = int(index.removeprefix("index ")), self._head(note, document["key"], self._quorum)
            if f"{first} {index}{empty}" != f"c2sp.org/tlog-proof@v1 index {number}\n\n":
                raise Wrong("its proof is no tlog-proof")
            leaf, hashes = leaf_of(document["record"]), [decoded(each) for each in path]
        except MALFORMED as fault:
            raise Wrong(f"the file does not have the form of {FORMAT}: {fault!r}") from None
        if not 0 <= number < head.size or climbed(number, head.size - 1, leaf, hashes)[1] != head.root:
            raise Wrong("the record is not in the tree that the checkpoint names: record, place or proof was changed")
        return document, number, head

    def _head_in(self, note: str, named: str, quorum: int) -> Head:
        own = [public_key(each, LOG_KEY) for each in named.split()]
        return [head_of(note, keys, self._witnesses, quorum) for keys in (own, self._log or own)][-1]

    def check_package(self, names: Iterable[str], read: Callable[[str], bytes]) -> Iterator[tuple[str, str, str]]:
        """Checks these files; `read` says what is in each. The checkpoint before may be older than the witnesses (check 5)."""
        there = Counter([*names])
        try:
            package = document_in(read(MANIFEST).decode(), PACKAGE, MEMBERS)
            before = self._head(package["before"], package["key"], 0) if package["before"] else Head()
            after = self._head(package["after"], package["key"], self._quorum)
            require_onward(before, after, [decoded(each) for each in package["consistency"]])
            own = sha256(canonical({**package, "sha256": ""}).encode()).hexdigest()
            if own != package["sha256"] or there[MANIFEST] > 1:
                raise Wrong("it was changed")
        except (Wrong, *MALFORMED) as fault:
            yield MANIFEST, str(fault), ""
            return
        seen = f" (cosigned by {len(before.cosigned)} and {len(after.cosigned)} witnesses)" if self._witnesses else ""
        yield MANIFEST, "", f"leaves {before.size} to {after.size}{seen}; it says that it is about {package['about']}"

        def shown(name: str) -> str:
            if name not in package["files"] or there[name] != 1:  # what is not there is not read: it may be any path
                raise Wrong(MISLISTED[min(there[name], 2)])
            content = read(name)
            if sha256(content).hexdigest() != package["files"][name]:
                raise Wrong("it was changed")
            if name == LEAVES:
                require_all([decoded(each) for each in package["edge"]], content, before, after)
                return f"all {after.size - before.size} leaves between the two checkpoints"
            checkpoint = package.get(name.removesuffix(".checkpoint"))  # None: it is no copy of one
            if name in REST and checkpoint in (None, content.decode(errors="replace")):
                return "as it is listed" if checkpoint else "as it is listed; nobody signed it"
            document, number, head = self.check(content.decode())
            if head != after or number < before.size or name != f"records/{number:012d}.json":
                raise Wrong("it is of another checkpoint or leaf than its name, or of a leaf before the package")
            return what_is_shown(document, number, head)

        yield from outcomes(sorted({*there, *package["files"]} - {MANIFEST}), shown)


def what_is_shown(document: dict[str, Any], number: int, head: Head) -> str:
    record, cosigned = document["record"], f", cosigned by {len(head.cosigned)}" if head.cosigned else ""
    return f"leaf {number} of {head.size}{cosigned}: {record['kind']} {record['partition']}@{record['position']}"


def outcomes(names: Iterable[str], shown: Callable[[str], str]) -> Iterator[tuple[str, str, str]]:
    """Of each file: its name, why it does not hold or "", and what it shows."""
    for name in names:
        try:
            yield name, "", shown(name)
        except (Wrong, *MALFORMED) as fault:
            packed = isinstance(fault, UnicodeError)
            yield name, "it is no text: unpack a package, and name its folder" if packed else str(fault), ""


def checked(verifier: ProofVerifier, place: Path) -> Iterator[tuple[str, str, str]]:
    def read(path: Path) -> bytes:  # of somebody else's folder, where a read of a pipe or a device might never end
        if path != place and path.exists() and not path.is_file():
            raise Wrong("it is no regular file, so it was not read")
        return path.read_bytes()

    if (place / MANIFEST).exists() or (place / "records").exists():
        names = [each.relative_to(place).as_posix() for each in place.rglob("*") if not each.is_dir()]
        return verifier.check_package(names, lambda name: read(place / name))
    paths = sorted(place.rglob("*.json")) or [place]
    return outcomes(map(str, paths), lambda name: what_is_shown(*verifier.check(read(Path(name)).decode())))


def main(given: list[str]) -> int:
    usage = argparse.ArgumentParser("verify.py", description="Check records of Keytrail offline.")
    usage.add_argument("places", nargs="*", metavar="FILE-OR-FOLDER", help="proofs, or a package")
    usage.add_argument("--log-key", default="", help="the log's key, as /log/key of the installation gives it")
    usage.add_argument("--witness-key", action="append", default=[], help="the key of a witness whom you trust")
    usage.add_argument("--witnesses", type=int, help="how many of them must have cosigned; by default all")
    asked = usage.parse_args(given)
    for missing in (each for each in asked.places or [MANIFEST] if not Path(each).exists()):
        usage.error(f"there is no {missing} here: name a proof, or the folder of a package")
    try:
        verifier = ProofVerifier(asked.log_key, asked.witness_key, asked.witnesses)
    except ValueError as fault:
        usage.error(str(fault))
    code = HOLD if asked.log_key.split() else ONLY_ITS_OWN_KEY
    for name, why, shown in (each for place in asked.places or ["."] for each in checked(verifier, Path(place))):
        line = f"{name}: DOES NOT HOLD: {why}" if why else f"{name}: holds, {shown}"
        print("".join(each if each.isprintable() else repr(each)[1:-1] for each in line))  # it stays one line
        code = REFUSED if why else code
    if code == ONLY_ITS_OWN_KEY:
        print("This holds under a key that the package itself names. Get the log's key from somebody whom you trust.")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
