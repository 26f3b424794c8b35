"""Proofs that travel: one record, the path from its leaf to a root, and the checkpoint that has this root.

Source: C2SP tlog-proof. The document around it is ours; `services/evidence/verify.py` reads it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from domain.log.authenticity import Parts
from domain.transparency.leaves import LeafPlace
from domain.transparency.notes import SignedNote, VerifierKey

FORMAT = "keytrail-proof/v1"
SALT_LENGTH = 16
PART_NAMES = ("caller", "resource", "rest")


def proof_text(index: int, path: Sequence[bytes], checkpoint: SignedNote) -> str:
    """The proof of leaf number `index` in the form of tlog-proof."""
    lines = ["c2sp.org/tlog-proof@v1", f"index {index}", *(b64encode(each).decode() for each in path)]
    return "\n".join(lines) + f"\n\n{checkpoint}"


@dataclass(frozen=True, slots=True)
class ShownParts:
    """A record across two accounts, of which some parts are shown. `salts`: 48 bytes."""

    parts: Parts
    salts: bytes
    shown: frozenset[str]

    def document(self) -> dict[str, dict[str, str]]:
        found = {}
        for number, name in enumerate(PART_NAMES):
            text: bytes = getattr(self.parts, name)
            salt = self.salts[number * SALT_LENGTH : (number + 1) * SALT_LENGTH]
            if name in self.shown:
                found[name] = {"salt": b64encode(salt).decode(), "text": text.decode()}
            else:
                found[name] = {"hash": b64encode(sha256(b"\0" + salt + text).digest()).decode()}
        return found


def proof_document(place: LeafPlace, shown: bytes | ShownParts, key: VerifierKey, proof: str) -> Mapping[str, Any]:
    """`shown`: the value on the topic, or parts of it."""
    record: dict[str, Any] = {"kind": place.kind, "partition": place.partition, "position": place.position}
    if isinstance(shown, ShownParts):
        record["parts"] = shown.document()
    else:
        record["value"] = shown.decode()
    return {"format": FORMAT, "key": key.text, "proof": proof, "record": record}


def written(document: Mapping[str, Any]) -> str:
    """The one text of a document: a verifier takes no other, so that no byte of a file can be changed unnoticed."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
