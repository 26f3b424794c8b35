"""A file of frames, each sealed with AES-256-GCM under a key that only this file has, and that the master key seals.

    keytrail backup 1\n | header (a line of JSON) | frames
    frame: length 4 | last 1 | sealed(compressed JSON)

A frame is bound to the header, to its number and to whether it is the last. So frames that are swapped, left out, cut off
or from another file do not open (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizar, 2015).
"""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp
from typing import IO, Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.durations import HOUR_SECONDS
from domain.ports import MasterKey
from services.durable import flush_names

MAGIC = b"keytrail backup 1\n"
_FRAME = struct.Struct(">IB")
_BOUND = b"keytrail backup"
SEALED_KEY = 12 + 32 + 16
"""Bytes of the file's key as the master key seals it: nonce, key, tag."""
LONGEST = 256 * 1024 * 1024
"""Bytes of a sealed part: a reader takes a longer one for damage."""
LEFT_SECONDS = HOUR_SECONDS
"""Whoever writes a backup writes to it more often than this, or was killed. A lock would tell sooner, but on a volume of several
machines not every file system has locks."""
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}", re.DOTALL)
"""The names that `SealedWriter` has mkstemp make."""


class BadBackup(Exception):
    """The file is not a backup, is damaged or is not complete. The message says which."""


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")  # only this file has the key, so a counter never repeats


class SealedWriter:
    """Writes beside the wanted place, and moves the file there once it is complete and on the disk."""

    def __init__(self, path: Path, master: MasterKey, under: str, *, longest: int = LONGEST, **about: Any) -> None:
        """`under`: the name of the master key that seals it. `about` goes into the header, in the clear. Raises MasterKeyRefused,
        OSError."""
        _remove_left(path.parent)
        key = os.urandom(32)
        header = {"under": under, "key": b64encode(master.seal(under, key, _BOUND)).decode(), **about}
        line = json.dumps(header).encode() + b"\n"
        self._path = path
        self._longest = longest
        # A name that nobody can foresee, created with mode 0600: in a folder like /tmp another user may have taken any
        # other name.
        descriptor, temporary = mkstemp(prefix=f".{path.name}.", dir=path.parent)
        self._temporary = Path(temporary)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        self._file.write(MAGIC + line)
        self._gcm = AESGCM(key)
        self._bound = sha256(line).digest()
        self._number = 0

    def write(self, document: Any, *, last: bool = False) -> None:
        """Raises BadBackup for a document that nobody could read back."""
        body = zlib.compress(orjson.dumps(document), 1)
        sealed = self._gcm.encrypt(_nonce(self._number), body, self._bound + bytes([last]))
        if len(sealed) > self._longest:
            raise BadBackup(
                f"Part {self._number} would have {len(sealed)} bytes, and {self._longest} can be read: not written."
            )
        self._file.write(_FRAME.pack(len(sealed), last) + sealed)
        self._number += 1

    def close(self) -> None:
        """End the file, which is complete: the last frame was written."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)
        flush_names(self._path.parent)  # an old master key may be destroyed next, since this file is there

    def abandon(self) -> None:
        """Remove what was written."""
        # To close it means to write what is left. On a full disk that fails again, and the file has to go all the same.
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def _remove_left(folder: Path) -> None:
    """Remove what backups that were killed left beside their places, each under a name of its own. Nobody else would, and a disk
    that is full of them has no room for another backup."""
    with suppress(OSError):  # a folder that may be written to and not read
        for each in list(folder.iterdir()):
            if _TEMPORARY.fullmatch(each.name):
                with suppress(OSError, BadBackup):
                    if _is_left(each):
                        each.unlink()


def _is_left(path: Path) -> bool:
    """Whether it is a backup of ours that was left before it was whole. Raises OSError, BadBackup for another file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        if not is_ours or found.st_mtime > time.time() - LEFT_SECONDS:
            return False
        _header(path, file)
        last = 0
        while not last:
            begins = file.read(_FRAME.size)
            if len(begins) < _FRAME.size:
                return True
            length, last = _FRAME.unpack(begins)
            file.seek(length, os.SEEK_CUR)
        return file.tell() > found.st_size


def _header(path: Path, file: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    begun = file.read(len(MAGIC))
    if not begun:
        raise BadBackup(f"{path} is no backup of Keytrail's: it is empty.")
    if begun != MAGIC:
        raise BadBackup(f"{path} is no backup of Keytrail's.")
    line = file.readline(65_536)
    try:
        header = orjson.loads(line)  # limits the nesting
        key = b64decode(header["key"], validate=True)
        if not isinstance(header["under"], str) or len(key) < SEALED_KEY:
            raise ValueError("no key that a master key sealed")
    except (ValueError, KeyError, TypeError):
        raise BadBackup(f"The header of {path} is damaged.") from None
    return header, line


def read(path: Path, master: MasterKey) -> Iterator[Any]:
    """Every document, in order. Raises BadBackup, MasterKeyRefused, OSError."""
    with path.open("rb") as file:
        header, line = _header(path, file)
        try:
            gcm = AESGCM(master.open(header["under"], b64decode(header["key"]), _BOUND))
        except ValueError:  # a master key sealed something else there
            raise BadBackup(f"The header of {path} is damaged.") from None
        bound, number, last = sha256(line).digest(), 0, 0
        while not last:
            try:
                length, last = _FRAME.unpack(file.read(_FRAME.size))
            except struct.error:
                raise BadBackup(f"{path} ends in the middle, after {number} parts: it is not whole.") from None
            sealed = file.read(length) if length <= LONGEST else b""
            try:
                body = gcm.decrypt(_nonce(number), sealed, bound + bytes([last]))
            except InvalidTag:
                raise BadBackup(f"Part {number} of {path} is damaged or missing.") from None
            yield orjson.loads(zlib.decompress(body))
            number += 1
        if file.read(1):
            raise BadBackup(f"{path} goes on after its end.")
