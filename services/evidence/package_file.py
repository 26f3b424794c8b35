"""The file of a package of evidence: a ZIP with the proofs, what they are about, and what checks them."""

from __future__ import annotations

import zipfile
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from domain.transparency.packages import LEAVES, MANIFEST, EvidenceScope, PackageTrees, manifest, record_path
from domain.transparency.proofs import written

VERIFIER = "verify.py"


@dataclass(slots=True)
class PackageFile:
    """Writes one file after the other into `out`, which need not be seekable. `made`: the time that the ZIP gives its files."""

    out: BinaryIO
    made: datetime
    digests: dict[str, bytes] = field(default_factory=dict)
    _zip: zipfile.ZipFile = field(init=False)

    def __post_init__(self) -> None:
        self._zip = zipfile.ZipFile(self.out, "w", zipfile.ZIP_DEFLATED, compresslevel=6)

    def add(self, path: str, content: bytes) -> None:
        self._zip.writestr(self._named(path), content)
        self.digests[path] = sha256(content).digest()

    def add_proof(self, leaf: int, proof: Mapping[str, Any]) -> None:
        """A record that was named twice is one file."""
        path = record_path(leaf)
        if path not in self.digests:
            self.add(path, written(proof).encode())

    def add_leaves(self, parts: Iterable[str]) -> None:
        """`parts`: hashes of leaves, in base64."""
        digest, info = sha256(), self._named(LEAVES)
        info.compress_type = zipfile.ZIP_STORED  # hashes do not get smaller
        with self._zip.open(info, "w", force_zip64=True) as file:
            for each in parts:
                content = b64decode(each)
                digest.update(content)
                file.write(content)
        self.digests[LEAVES] = digest.digest()

    def add_stamps(self, trees: Mapping[str, Any]) -> list[str]:
        """The checkpoints that have a time stamp, each with it, as `openssl ts` reads them. Returns which have one."""
        stamped = [name for name in ("before", "after") if trees["stamps"][name]]
        for name in stamped:
            self.add(f"{name}.checkpoint", trees[name].encode())
            self.add(f"{name}.tsr", b64decode(trees["stamps"][name]))
        return stamped

    def end(self, scope: EvidenceScope, trees: PackageTrees, unproven: Sequence[str]) -> None:
        """Adds the verifier and the list of files."""
        self.add(VERIFIER, Path(__file__).with_name(VERIFIER).read_bytes())
        text = manifest(scope, trees, dict(sorted(self.digests.items())), unproven)
        self._zip.writestr(self._named(MANIFEST), text.encode())
        self._zip.close()

    def _named(self, path: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(path, self.made.timetuple()[:6])
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        return info
