"""The file of a package of evidence: a ZIP with the proofs, what they are about, and what checks them."""

from __future__ import annotations

import json
import zipfile
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from domain.transparency.packages import LEAVES, MANIFEST, EvidenceScope, PackageTrees, manifest, record_path
from domain.transparency.proofs import written

VERIFIER = "verify.py"


@dataclass(slots=True)
class PackageFile:
    """Writes one file after the other into `out`, which is used like a pipe. `made`: the time that the ZIP gives its files."""

    out: BinaryIO
    made: datetime
    digests: dict[str, bytes] = field(default_factory=dict)
    _zip: zipfile.ZipFile = field(init=False)

    def __post_init__(self) -> None:
        self._zip = zipfile.ZipFile(cast(BinaryIO, _Pipe(self.out)), "w")

    def add(self, path: str, content: bytes) -> None:
        self._zip.writestr(entry_named(path, self.made), content)
        self.digests[path] = sha256(content).digest()

    def add_proof(self, leaf: int, proof: Mapping[str, Any]) -> None:
        """A record that was named twice is one file."""
        path = record_path(leaf)
        if path not in self.digests:
            self.add(path, written(proof).encode())

    def add_leaves(self, parts: Iterable[str]) -> None:
        """`parts`: hashes of leaves, in base64."""
        digest = sha256()
        with self._zip.open(entry_named(LEAVES, self.made), "w", force_zip64=True) as file:
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
        self._zip.writestr(entry_named(MANIFEST, self.made), text.encode())
        self._zip.close()


def entry_named(path: str, made: datetime) -> zipfile.ZipInfo:
    """The entry of a file of a package. It is not compressed: hashes do not get smaller, and there is one way to write it."""
    info = zipfile.ZipInfo(path, made.timetuple()[:6])
    info.create_system, info.external_attr = 3, 0o644 << 16  # Unix, wherever it is written again to be compared
    return info


class _Pipe:
    """A file of which a ZIP is written in one way, whether or not it is seekable: sizes follow the contents."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        return self._out.write(data)

    def flush(self) -> None:
        self._out.flush()


class _Compared:
    """Takes a ZIP that is written again, and compares it with a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.at, self.differs = file, 0, False

    def write(self, data: bytes) -> int:
        if not self.differs and self._file.read(len(data)) != bytes(data):
            self.differs = True
        self.at += 0 if self.differs else len(data)
        return len(data)

    def flush(self) -> None:
        """There is no buffer."""


def written_anew_at(package: zipfile.ZipFile, file: BinaryIO) -> int | None:
    """The number of the byte near which a package's file is no longer as `PackageFile` writes the same contents; None if it is
    that whole file. `file` is the same file, from its beginning. Raises OSError, and what `zipfile` and `json` raise."""
    if any(each.compress_type != zipfile.ZIP_STORED for each in package.infolist()):
        return 0  # ours are not compressed, so none is larger than the ZIP itself
    compared = _Compared(file)
    made = datetime.fromisoformat(json.loads(package.read(MANIFEST))["made"])
    with zipfile.ZipFile(cast(BinaryIO, compared), "w") as again:
        for each in package.infolist():
            info = entry_named(each.filename, made)
            if each.filename != LEAVES:
                again.writestr(info, package.read(each))
                continue
            with package.open(each) as source, again.open(info, "w", force_zip64=True) as target:
                while piece := source.read(1 << 20):
                    target.write(piece)
    return compared.at if compared.differs or file.read(1) else None
