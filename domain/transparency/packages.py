"""A package of evidence: many records with their proofs, between an earlier and a later checkpoint of one log.

The package's list of files has its own digest, so that a byte that was changed by accident is named, but nobody signs it. What
counts is signed and proven: the two checkpoints, that the later tree begins with the earlier one, and each record.
`services/evidence/verify.py` reads this.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from domain.transparency.proofs import written

PACKAGE_FORMAT = "keytrail-evidence/v1"
MANIFEST, LEAVES = "evidence.json", "leaves"


def record_path(leaf: int) -> str:
    """The file of one record's proof, by the number of its leaf."""
    return f"records/{leaf:012d}.json"


@dataclass(frozen=True, slots=True)
class EvidenceScope:
    """What a package is about. `about` names a key or principal; `since` and `until` are times or "", and
    `made` is when it was made."""

    account: str
    about: str
    since: str
    until: str
    made: str


@dataclass(frozen=True, slots=True)
class PackageTrees:
    """`before` is the checkpoint at the beginning, "" if the log is younger; `after` is the one of every proof. `consistency` is
    RFC 9162's proof. `key`: the verifier key of both, or the two keys with a space between them if the log's key was
    changed meanwhile. `edge`: the roots of the perfect subtrees of the earlier tree, if the package has all leaves between."""

    key: str
    before: str
    after: str
    consistency: Sequence[bytes]
    edge: Sequence[bytes] = field(default_factory=list)


def manifest(scope: EvidenceScope, trees: PackageTrees, files: Mapping[str, bytes], unproven: Sequence[str]) -> str:
    """The text of `evidence.json`. `files`: the SHA-256 of every other file, by its path. `unproven`: a sentence for each record
    that concerns it and could not be proven."""
    document: dict[str, Any] = {
        "format": PACKAGE_FORMAT,
        "key": trees.key,
        "account": scope.account,
        "about": scope.about,
        "from": scope.since,
        "to": scope.until,
        "made": scope.made,
        "unproven": list(unproven),
        "before": trees.before,
        "after": trees.after,
        "consistency": [b64encode(each).decode() for each in trees.consistency],
        "edge": [b64encode(each).decode() for each in trees.edge],
        "files": {path: digest.hex() for path, digest in files.items()},
        "sha256": "",
    }
    return written(document | {"sha256": sha256(written(document).encode()).hexdigest()})
