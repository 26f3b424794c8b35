"""Another user of the machine, who is in a group that may read a secret.

Kubernetes and systemd give a process secrets that root owns and that a group may read by the file's mode. Keytrail takes such a
file where nobody but its own user can read it, and no other.
"""

from __future__ import annotations

import os
import pwd
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from services.ownership import ACCESS_LIST, NotOurs, read_private

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away, and become another user")
OURS, OTHER, SHARED = pwd.getpwnam("daemon"), pwd.getpwnam("bin"), pwd.getpwnam("games")
"""Users of every Linux. The group of each has its name and no other member."""
USER_OWNER, USER, GROUP_OWNER, GROUP, MASK, EVERYBODY = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NOBODY_NAMED = 0xFFFFFFFF


@contextmanager
def as_keytrail() -> Iterator[None]:
    groups = os.getgroups()
    os.setgroups([OURS.pw_gid, SHARED.pw_gid])
    os.setegid(OURS.pw_gid)
    os.seteuid(OURS.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.fixture
def secret() -> Iterator[Path]:
    with TemporaryDirectory() as folder:  # pytest's own lets nobody else pass
        Path(folder).chmod(0o755)
        file = Path(folder) / "secret"
        file.write_bytes(b"a secret")
        yield file


def allow(file: Path, *named: tuple[int, int], owning_group: int = 0) -> None:
    """An access list that lets these users or groups read (acl(5)), as `setfacl` writes it."""
    entries = [(USER_OWNER, 4, NOBODY_NAMED), *((tag, 4, id) for tag, id in sorted(named))]
    entries += [(GROUP_OWNER, owning_group, NOBODY_NAMED), (MASK, 4, NOBODY_NAMED), (EVERYBODY, 0, NOBODY_NAMED)]
    entries.sort(key=lambda each: each[0])
    os.setxattr(file, ACCESS_LIST, struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in entries))
    assert file.stat().st_mode & 0o777 == 0o440, "the mode shows the mask"


def read(file: Path) -> bytes:
    with as_keytrail():
        return read_private(file)


def test_a_secret_of_kubernetes_is_taken(secret: Path) -> None:
    """Its volumes with an fsGroup: root's file, mode 0440, of the process's own group."""
    os.chown(secret, 0, OURS.pw_gid)
    secret.chmod(0o440)
    assert read(secret) == b"a secret"


def test_a_credential_of_systemd_is_taken(secret: Path) -> None:
    """From version 254 on: root's file, mode 0400, and an access list that names the unit's user."""
    secret.chmod(0o400)
    allow(secret, (USER, OURS.pw_uid))
    assert read(secret) == b"a secret"


@pytest.mark.parametrize(
    ("owner", "group", "mode"),
    [
        (0, SHARED.pw_gid, 0o440),  # a group that other users are in, as we are
        (0, OTHER.pw_gid, 0o440),  # another user's group
        (0, OURS.pw_gid, 0o444),
        (0, OURS.pw_gid, 0o460),  # what the group may write is no longer what root gave
        (OURS.pw_uid, OURS.pw_gid, 0o440),  # our own file: we can close it
    ],
)
def test_a_file_that_others_might_read_is_refused(secret: Path, owner: int, group: int, mode: int) -> None:
    """They would have read the master key, by being in the group."""
    os.chown(secret, owner, group)
    secret.chmod(mode)
    with pytest.raises((NotOurs, PermissionError)):
        read(secret)


def test_a_group_that_is_another_users_first_one_is_refused(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a user is no member by the list of the group, and reads what the group may read."""
    os.chown(secret, 0, OURS.pw_gid)
    secret.chmod(0o440)
    other = pwd.struct_passwd(("other", "x", 12345, OURS.pw_gid, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwall", lambda: [OURS, other])
    with pytest.raises(NotOurs, match="may be read by others"):
        read(secret)


@pytest.mark.parametrize(
    "also", [(USER, OTHER.pw_uid), (GROUP, OTHER.pw_gid), (GROUP, SHARED.pw_gid)], ids=["user", "group", "shared-group"]
)
def test_an_access_list_that_names_somebody_else_is_refused(secret: Path, also: tuple[int, int]) -> None:
    """The mode is the same as with an access list for us alone: who reads it stands in the list."""
    secret.chmod(0o400)
    allow(secret, (USER, OURS.pw_uid), also)
    with pytest.raises(NotOurs, match="may be read by others"):
        read(secret)


def test_the_owning_group_counts_beside_an_access_list(secret: Path) -> None:
    os.chown(secret, 0, SHARED.pw_gid)
    secret.chmod(0o400)
    allow(secret, (USER, OURS.pw_uid), owning_group=4)
    with pytest.raises(NotOurs, match="may be read by others"):
        read(secret)
