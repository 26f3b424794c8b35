"""Who owns a file, and files that only their owner can read.

Any other user of the machine may be hostile. So a secret is read from a file only if nobody else can read it or could have put
it there. A folder is used only if nobody else can put another in its place.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import re
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from services.durable import flush_names

OTHERS = 0o077
"""The rights of the group and of everybody else."""
ACCESS_LIST = "system.posix_acl_access"
"""The attribute that holds a file's access list (acl(5)). Linux gives it as a version, and entries of tag, rights and id
(linux/posix_acl_xattr.h)."""
_LIST_VERSION, _LIST_ENTRY, _LIST_READ = struct.Struct("<I"), struct.Struct("<HHI"), 4
_LIST_USER, _LIST_OWNING_GROUP, _LIST_GROUP = 0x02, 0x04, 0x08


class NotOurs(Exception):
    """Another user could change or read a file or folder. The message says which, and what to do."""


def trusted() -> frozenset[int]:
    """Users who can do everything that we can: root, ourselves, and the owner of this program's files."""
    return frozenset({0, os.geteuid(), Path(__file__).stat().st_uid})


def resolved(path: Path) -> Path:
    """The path without symbolic links, whether or not anything is there. Raises OSError for a loop of links."""
    try:
        return path.resolve()
    except RuntimeError:  # pathlib's error for a loop until Python 3.13, which raises none here
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None


def require_unswappable(path: Path) -> None:
    """Raises NotOurs if another user could put something else in the place of `path`.

    Every folder above it is checked, since a user who may write to a folder can rename its contents. In a folder like /tmp,
    where everybody may write but nobody may touch what others own (the sticky bit), the owner of the next part counts.
    """
    ours = trusted()
    path = path.absolute()
    for part in (path, *path.parents):
        try:
            found = part.lstat()
        except FileNotFoundError:
            continue  # we will make it, in a folder that is checked next
        if found.st_uid not in ours:
            raise NotOurs(f"{part} belongs to {_name(found.st_uid)}, who could change it: choose another place.")
        if stat.S_ISLNK(found.st_mode):
            require_unswappable(resolved(part))
        elif stat.S_ISDIR(found.st_mode) and not found.st_mode & stat.S_ISVTX and _others_write(found):
            raise NotOurs(f"Others may write to {part}, and could change what is in it: chmod go-w {part}")


def _others_write(found: os.stat_result) -> bool:
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_private_group(found.st_gid)


def _is_private_group(gid: int) -> bool:
    """Root's group, or our own."""
    return gid == 0 or _is_own_group(gid)


def _is_own_group(gid: int) -> bool:
    """The group that many systems make for each user, named as the user is and with no other member."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return gid == user.pw_gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def owner_of(path: Path) -> str:
    """The name of the user who owns a file or folder. Raises OSError."""
    return _name(path.stat().st_uid)


def user_name(uid: int) -> str:
    """A user may have no name: the platform gives the number in many containers."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _name(uid: int) -> str:
    return f"user {user_name(uid)}"


def make_own(folder: Path, mode: int = 0o700) -> None:
    """The folder, made if it is missing, with exactly this mode. Raises NotOurs if another user could interfere with it."""
    # Made first and checked afterwards: what is checked first can be another thing by the time it is made.
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        require_owned(folder)
        if stat.S_IMODE(folder.stat().st_mode) != mode:
            folder.chmod(mode)
    except OSError as fault:
        why = "it is a file" if isinstance(fault, FileExistsError) else fault.strerror
        raise NotOurs(f"{folder} has to be a folder of our own: {why}.") from None


def require_owned(folder: Path) -> None:
    """Like require_unswappable, for a folder whose mode is not set yet. Raises NotOurs."""
    require_unswappable(folder.parent)
    if not os.path.lexists(folder):
        return
    if folder.is_symlink():
        require_unswappable(resolved(folder).parent)
    for found in (folder.lstat(), folder.stat()):
        if found.st_uid not in trusted():
            raise NotOurs(f"{folder} belongs to {_name(found.st_uid)}, who could change it: choose another place.")


def read_private(path: Path) -> bytes:
    """A secret from a file. The file is opened once, so what is checked is what is read.

    Raises NotOurs if others may read it or could have put it there; OSError.
    """
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid not in trusted():
            raise NotOurs(f"{path} belongs to {_name(found.st_uid)}, who knows what is in it.")
        if found.st_mode & OTHERS and not _is_given(file.fileno(), found):
            raise NotOurs(f"{path} may be read by others: chmod 600 {path}")
        return file.read()


def _is_given(descriptor: int, found: os.stat_result) -> bool:
    """Whether root gave a file to us and nobody else, though its mode lets a group read it. We could not close such a file.

    Kubernetes gives a Secret so to a process that is not root: root owns the file, its mode is 0440, and its group is the pod's
    `fsGroup`. systemd gives a credential so from version 254 on: there the group bits are the mask of an access list, which
    names our user alone. To take every file on a read-only mount would be simpler, but a mount does not say who reads there.
    """
    if sys.platform != "linux" or os.geteuid() == 0 or found.st_uid != 0 or found.st_mode & OTHERS != stat.S_IRGRP:
        return False
    users, groups = _readers(descriptor, found.st_gid)
    shared = any(each.pw_gid in groups and each.pw_uid not in (0, os.geteuid()) for each in pwd.getpwall())
    return users <= {0, os.geteuid()} and all(map(_is_own_group, groups)) and not shared


def _readers(descriptor: int, owning_group: int) -> tuple[set[int], set[int]]:
    """The users and groups that a file's group bits let in. With an access list, the list says who they are."""
    try:
        found = os.getxattr(descriptor, ACCESS_LIST)
    except OSError as fault:
        if fault.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
        return set(), {owning_group}
    entries = [each for each in _LIST_ENTRY.iter_unpack(found[_LIST_VERSION.size :]) if each[1] & _LIST_READ]
    users = {id for tag, _, id in entries if tag == _LIST_USER}
    groups = {id for tag, _, id in entries if tag == _LIST_GROUP}
    if any(tag == _LIST_OWNING_GROUP for tag, *_ in entries):
        groups.add(owning_group)
    return users, groups


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, with mode 0600. Durable when this returns: the vault may be sealed under a key in it next."""
    _written_beside(path, text).replace(path)
    flush_names(path.parent)


def write_private_once(path: Path, text: str) -> None:
    """Make a file at once, with mode 0600. One that is there, perhaps by another process at the same moment, stays. Durable when
    this returns."""
    temporary = _written_beside(path, text)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
    flush_names(path.parent)


def _written_beside(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # the disk is full, perhaps: each try would leave another file
        temporary.unlink()
        raise
    return temporary


def left_beside(path: Path) -> list[Path]:
    """What processes that were killed left of files which were to become this one. Others may be writing such a file now."""
    name = re.compile(rf"\.{re.escape(path.name)}\.\d+\.\d+")
    return [each for each in path.parent.iterdir() if name.fullmatch(each.name)]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a result. Once it is complete it takes the place of `path`, and only its owner can read it.

    So a name in a folder like /tmp that another user took before, or made a link, does no harm. A terminal, pipe or device is
    written to directly. A file that somebody else puts there meanwhile, where there was none, is not replaced. Raises OSError.
    """
    replaces = os.path.lexists(path)
    if path.exists() and not path.is_file():
        yield path
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    try:
        yield Path(name)
        if not replaces:
            try:
                os.link(name, path)
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links
                replaces = True
        if replaces:
            Path(name).replace(path)
        else:
            Path(name).unlink()
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
