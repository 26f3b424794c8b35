"""The master key from a file (port MasterKey): 32 bytes in base64 on each line, mode 0600, never printed.

The file has one line. Only while the master key is rotated it has more, and the last one is the newest. A key's name is a digest
of it, so that every sealed value can name the key that opens it.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.durable import flush_names
from services.named_files import unread
from services.ownership import (
    NotOurs,
    left_beside,
    read_private,
    require_unswappable,
    write_private,
    write_private_once,
)

_NONCE = 12
KEY_BYTES = 32
READINGS = 3


class MasterKeyRefused(Exception):
    """The master key is missing, unreadable or not the one that sealed the vault. The message says what to do."""


def name_of(key: bytes) -> str:
    return sha256(b"keytrail master key v1\0" + key).hexdigest()[:16]


class FileMasterKey:
    """AES-256-GCM under the file's keys. If a name is unknown, the file is read again: the key may have been added."""

    def __init__(self, path: Path) -> None:
        """Raises MasterKeyRefused."""
        self.path = path
        self._keys = _read(path)

    def __repr__(self) -> str:
        return f"FileMasterKey({str(self.path)!r})"

    def newest(self) -> str:
        return list(self._keys)[-1]

    def names(self) -> list[str]:
        return list(self._keys)

    def _gcm(self, name: str) -> AESGCM:
        if name not in self._keys:
            self._keys = _read(self.path)
        key = self._keys.get(name)
        if key is None:
            raise MasterKeyRefused(
                f"The master key at {self.path} does not open the vault: it is not the key that sealed it. Put the "
                "right key into KEYTRAIL_MASTER_KEY_FILE."
            )
        return AESGCM(key)

    def seal(self, under: str, secret: bytes, bound: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._gcm(under).encrypt(nonce, secret, bound)

    def open(self, under: str, sealed: bytes, bound: bytes) -> bytes:
        """Raises MasterKeyRefused."""
        try:
            return self._gcm(under).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except (InvalidTag, ValueError):  # ValueError: the value ends within its nonce
            raise MasterKeyRefused(
                "The master key does not open the vault: it is not the key that sealed it, or a row was changed."
            ) from None

    def add(self) -> str:
        """Add a key, which is then the newest, and return its name."""
        self._keys = _read(self.path)
        key = os.urandom(KEY_BYTES)
        self._keys[name_of(key)] = key
        _write(self._file, self._keys)
        return name_of(key)

    @property
    def _file(self) -> Path:
        """The file that is replaced: where `path` is a symbolic link, the one that it leads to. A new file in place of the link
        would leave that one behind, with keys that are believed destroyed, and without the new one."""
        return Path(os.path.realpath(self.path))

    @property
    def retired(self) -> Path:
        """The file of the keys that no longer seal anything, beside the file of the others."""
        return self._file.with_name(self._file.name + ".retired")

    def names_of_retired(self) -> list[str]:
        """The names of the keys that no longer seal anything. Raises MasterKeyRefused."""
        return list(self._retired_before())

    def destroy_retired(self) -> list[str]:
        """Remove the keys that no longer seal anything, and overwrite their file as far as the file system allows. Returns
        their names. Destroyed material, and backups that these keys sealed, can never be opened again. What a process that was
        killed left of a file with keys goes too. The caller keeps others from writing one. Raises MasterKeyRefused."""
        names = self.names_of_retired()
        for each in (*left_beside(self._file), *left_beside(self.retired)):
            # `make` may have been killed between giving the key its name and this one up.
            if self._file.exists() and each.samefile(self._file):
                each.unlink()
            else:
                _destroy(each)
        if self.retired.exists():
            _destroy(self.retired)
        flush_names(self._file.parent)
        return names

    def retire(self, kept: str) -> Path:
        """Leave one key in the file, move the others to a file beside it, and return that file's path. If that file has the kept
        key from earlier, it loses it: its keys are those that somebody destroys."""
        retired = self.retired
        others = self._retired_before() | self._keys
        others.pop(kept, None)
        _write(retired, others)
        self._keys = {kept: self._keys[kept]}
        _write(self._file, self._keys)
        return retired

    def _retired_before(self) -> dict[str, bytes]:
        """The retired keys; none where they are overwritten, since who did that was killed before the file was removed."""
        if not self.retired.exists() or not self.retired.read_bytes().strip(b"\0"):
            return {}
        return _read(self.retired)


def _destroy(path: Path) -> None:
    with path.open("r+b") as file:
        _overwrite(file)
    path.unlink()


def _overwrite(file: BinaryIO) -> None:
    file.write(b"\0" * os.fstat(file.fileno()).st_size)
    file.flush()
    os.fsync(file.fileno())


def _read(path: Path) -> dict[str, bytes]:
    """The keys by name, in the order of the file. Raises MasterKeyRefused."""
    try:
        for _ in range(READINGS):
            if b"\0" not in (text := read_private(path)):  # else it was replaced just as it was opened
                break
        keys = [b64decode(line, validate=True) for line in text.split()]
    except FileNotFoundError:
        raise MasterKeyRefused(
            f"There is no master key at {path}. Without the key that sealed the vault no key can be used: put it back, "
            "or say where it is in KEYTRAIL_MASTER_KEY_FILE."
        ) from None
    except NotOurs as fault:
        raise MasterKeyRefused(f"Others can read or replace the master key: {fault}") from None
    except OSError as fault:
        raise MasterKeyRefused(f"The master key at {unread(path, fault)}.") from None
    except ValueError:
        raise MasterKeyRefused(f"The master key at {path} cannot be read: it has to be 32 bytes in base64.") from None
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise MasterKeyRefused(f"The master key at {path} is not {KEY_BYTES} bytes long.")
    return {name_of(key): key for key in keys}


def _write(path: Path, keys: dict[str, bytes]) -> None:
    """Replace a file of keys. The former one is overwritten once nobody can find it: its blocks would hold a key until the file
    system needs them for something else, also when that key is destroyed."""
    with ExitStack() as closing:
        former: BinaryIO | None = None
        with suppress(OSError):  # there is none yet, or this file system lets nobody write to it
            former = closing.enter_context(path.open("r+b"))
        write_private(path, "".join(b64encode(key).decode() + "\n" for key in keys.values()))
        # One that has another name is somebody's own: his backup of the key.
        if former is not None and os.fstat(former.fileno()).st_nlink == 0:
            _overwrite(former)


def make(path: Path) -> None:
    """Write a new key with mode 0600; an existing file stays unchanged, and one that was not written whole never is there.
    Raises NotOurs, OSError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise NotOurs(f"{path.parent} is not a folder, so the master key cannot be made there.") from None
    require_unswappable(path.parent)
    if not os.path.lexists(path):  # an existing one may be on a file system that nobody can write to
        write_private_once(path, b64encode(os.urandom(KEY_BYTES)).decode() + "\n")
