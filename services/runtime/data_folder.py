"""The data folder: its one owner at a time, the processes that run on it, and its credentials."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from services.adapters.bundled import login
from services.durable import flush_names
from services.ownership import (
    NotOurs,
    make_own,
    read_private,
    require_owned,
    resolved,
    write_private,
    write_private_once,
)
from services.settings import BadSetting, Settings

if TYPE_CHECKING:
    import psutil

STOP_DEADLINE = 10.0
_UNREADABLE = (OSError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, NotOurs)
"""What a file in the folder can raise that is not there, is another user's, or holds anything."""


class FolderInUse(Exception):
    """Another `keytrail up` runs on this data folder; the message says which."""


class ClockRefused(Exception):
    """A test clock on a folder that was run with the real clock, or the other way round."""


@dataclass(slots=True)
class Running:
    """What `keytrail up` runs, kept in `run/state.json` for the other commands and for the next start.

    `children`: name to (process id, start time by the system's clock of then). `starts`: name to what no other process has, by
    `start_of`; a version that did not say it has none. They show that a reused id is not one of our processes.

    `starts` is kept in `run/starts.json`: 0.1.0 takes a state with a member that it does not know for none, and would not find
    what runs, or was left, if it were put back.
    """

    pid: int
    port: int
    url: str
    kafka: str
    postgres: str
    bundled_kafka: bool = False
    version: str = ""
    """Keytrail's version; "" for one that did not say."""
    given_root: bool = False
    """Whether its settings name the root user's access key; else this folder keeps the one that it made."""
    children: dict[str, tuple[int, float]] = field(default_factory=dict)
    starts: dict[str, str] = field(default_factory=dict)

    def process(self, name: str) -> psutil.Process | None:
        """One of `children`; None if it has ended, also if another process has its id now."""
        pid, started = self.children[name]
        return _process_of(pid, started, self.starts.get(name, ""))


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str = ""


class Folder:
    """Only the owner may read its contents. Root's folder has mode 0711, because Postgres runs as another user and has to
    pass through; everything in it is closed by its own mode. Raises OSError for a path that is a loop of symbolic links."""

    def __init__(self, path: Path) -> None:
        self._named = path.absolute()
        self.path = resolved(path)
        self.run = self.path / "run"
        self.logs = self.path / "logs"
        self.kafka = self.path / "kafka"
        self.postgres = self.path / "postgres"
        self._lock: IO[str] | None = None

    @property
    def restoring(self) -> Path:
        """The file that exists while a restore is under way."""
        return self.run / "restoring"

    @property
    def state_file(self) -> Path:
        return self.run / "state.json"

    @property
    def starts_file(self) -> Path:
        return self.run / "starts.json"

    @property
    def lock_file(self) -> Path:
        """Whoever has it locked owns the folder. The id of the process that last took it is in it."""
        return self.run / "lock"

    def take(self) -> None:
        """Own the folder until this process ends, and say so to `keytrail down`. Raises FolderInUse, NotOurs."""
        lock = self.lock()
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()

    def lock(self) -> IO[str]:
        """Keep others from the folder until this process ends. Raises FolderInUse, NotOurs."""
        require_owned(self._named)  # a symbolic link that leads here has an owner too
        make_own(self.path, 0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self.run, self.logs):
            make_own(folder)
        for kept in (*self.run.iterdir(), *self.logs.iterdir()):  # an earlier version let everybody read them
            if kept.is_file() and not kept.is_symlink():
                with contextlib.suppress(FileNotFoundError):  # whoever has the folder replaces its files meanwhile
                    kept.chmod(0o600)
        lock = self.lock_file.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            running = self.state()
            who = f" (process {running.pid}, port {running.port})" if running else ""
            raise FolderInUse(
                f"keytrail is running on {self.path} already{who}. Stop it first (`keytrail down`), or choose another folder "
                "and port with KEYTRAIL_DATA and KEYTRAIL_PORT."
            ) from None
        self._lock = lock
        return lock

    def said_owners(self) -> list[int]:
        """The ids of processes that said that they own the folder. Any of them may have ended, and its id be another's now."""
        running = self.state()
        said = (
            [running.pid] if running is not None else []
        )  # a version that does not write its id to the lock says it here
        with contextlib.suppress(ValueError):
            said.insert(0, _process_id(int(self.lock_file.read_text())))
        return said

    def require_clock(self, *, test: bool) -> None:
        """A folder keeps the kind of clock that it first ran with: deletions that a test clock causes could not be undone.
        Raises ClockRefused."""
        wanted, path = ("test" if test else "real"), self.run / "clock"
        kept = path.read_text() if path.exists() else ""
        if kept not in ("test", "real"):  # not there, or half written by an earlier version
            new = not (self.path / "credentials.json").exists()
            kept = wanted if new else "real"  # from a version without test clocks
            write_private(path, kept)
        if kept == wanted:
            return
        if test:
            raise ClockRefused(
                f"--test-clock is for a folder of its own: {self.path} was run with the real clock, and keys there would "
                "be deleted before their time. Choose another with KEYTRAIL_DATA."
            )
        raise ClockRefused(f"{self.path} was made with --test-clock, and runs with it alone.")

    def state(self) -> Running | None:
        try:
            read = json.loads(read_private(self.state_file))
            document = {each.name: read[each.name] for each in fields(Running) if each.name in read}
            document["pid"] = _process_id(document["pid"])
            document["children"] = {
                name: (_process_id(pid), float(started)) for name, (pid, started) in document["children"].items()
            }
            document["starts"] = self._starts(document["children"])
            return Running(**document)
        except _UNREADABLE:
            return None

    def _starts(self, children: Mapping[str, tuple[int, float]]) -> dict[str, str]:
        """Those of these processes alone: a version that kept none may have written the state since."""
        try:
            kept = json.loads(read_private(self.starts_file))
            return {name: str(kept[name][2]) for name, each in children.items() if [*each] == kept.get(name, [])[:2]}
        except _UNREADABLE:
            return {}

    def live_state(self) -> Running | None:
        """The processes that run now; None if none runs."""
        running = self.state()
        return running if running is not None and _exists(running.pid) else None

    def reached(self, settings: Settings) -> Settings | None:
        """The settings; where they name no broker or database, those that run here are added. None if nothing runs."""
        running = self.live_state()
        if running is None:
            return None
        if not settings.postgres:
            settings = replace(settings, postgres=running.postgres)
        if settings.kafka:
            return settings
        if running.bundled_kafka:
            return login.applied(settings, running.kafka, login.kept(self.kafka))
        return replace(settings, kafka=running.kafka)

    def log_bytes(self) -> int | None:
        """How much the bundled broker's topics take on the disk; None if this user sees no such broker in this folder."""
        kafka = self.kafka / "data"
        if not os.path.exists(kafka):
            return None
        total = 0
        for each in kafka.rglob("*.log"):
            with contextlib.suppress(FileNotFoundError):  # the broker removed it meanwhile
                total += each.stat().st_size
        return total

    def keep_state(self, running: Running) -> None:
        document = asdict(running)
        starts = {name: [*running.children[name], start] for name, start in document.pop("starts").items()}
        write_private(self.starts_file, json.dumps(starts, indent=1))
        write_private(self.state_file, json.dumps(document, indent=1))

    def forget_state(self) -> None:
        self.state_file.unlink(missing_ok=True)
        self.starts_file.unlink(missing_ok=True)

    def clean_up(self) -> list[str]:
        """End the processes that an earlier `up` or restore left when it was killed, and return their names. The caller owns the
        folder."""
        import psutil  # every command needs the folder, and only a start needs this

        from services.adapters.bundled.postgres import data_of, postmaster_of, starting_on

        data = data_of(self.postgres)
        coming = [each for each in map(_process, starting_on(data)) if each is not None]
        _, late = psutil.wait_procs(coming, timeout=STOP_DEADLINE)  # what they start is known once they have ended
        for process in late:
            process.kill()
        running = self.state()
        known = {} if running is None else {name: running.process(name) for name in running.children}
        left = [(name, process) for name, process in known.items() if process is not None]
        postmaster = postmaster_of(data)
        if postmaster is not None and "postgres" not in dict(left):  # whoever started it was killed before it said so
            left += [("postgres", each) for each in [_process(postmaster)] if each is not None]
        for name, process in left:
            # Postgres takes SIGTERM as "when the last client has gone", and SIGINT as "now, in order".
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        _, alive = psutil.wait_procs([process for _, process in left], timeout=STOP_DEADLINE)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=STOP_DEADLINE)
        self.forget_state()
        return [name for name, _ in left]

    def credentials(self, settings: Settings) -> Credentials:
        """The root's credentials: those of the settings, or else those made at the first start. Raises BadSetting."""
        path = self._credentials
        if settings.root_access_key_id:
            self._require_not_replaced(settings.root_access_key_id)
            given = Credentials(settings.root_access_key_id, settings.root_secret_access_key, settings.region)
            self.keep_credentials(given)
            return given
        try:
            kept = json.loads(read_private(path))
            return Credentials(kept["access_key_id"], kept["secret_access_key"], settings.region)
        except FileNotFoundError:
            made = Credentials(new_access_key_id(), new_secret(), settings.region)
            self.keep_credentials(made)
            return made
        except (ValueError, KeyError, NotOurs) as fault:
            raise BadSetting(
                f"{path} cannot be read ({fault}): set KEYTRAIL_ROOT_ACCESS_KEY_ID and its secret."
            ) from None

    @property
    def _credentials(self) -> Path:
        return self.path / "credentials.json"

    def keep_credentials(self, credentials: Credentials) -> None:
        write_private(self._credentials, json.dumps(asdict(credentials)))

    @property
    def _next_credentials(self) -> Path:
        return self.path / "credentials.json.new"

    def next_credentials(self, region: str) -> Credentials:
        """The credentials that a rotation is bringing in: those that an interrupted one has left, or else new ones, which are
        kept from now on. Raises BadSetting."""
        path = self._next_credentials
        if not path.exists():
            # Two commands at once go on with one credential: the log would have one, and this folder the other.
            write_private_once(path, json.dumps(asdict(Credentials(new_access_key_id(), new_secret(), region))))
        try:
            return Credentials(**json.loads(read_private(path)))
        except (OSError, ValueError, TypeError, NotOurs) as fault:
            raise BadSetting(f"{path} cannot be read ({fault}): remove it, and begin the rotation again.") from None

    def take_next_credentials(self) -> None:
        """From now on `keytrail env` and the next start use them. One step, so that an interrupted rotation either goes on with
        them or has ended."""
        self._next_credentials.replace(self._credentials)
        flush_names(self.path)

    def keep_replaced(self, access_keys: Sequence[str]) -> None:
        """Remember access keys of the root user that another one replaces: no start takes them again."""
        write_private(self._replaced, json.dumps(sorted({*self._all_replaced(), *access_keys})))

    @property
    def _replaced(self) -> Path:
        return self.path / "replaced.json"

    def _all_replaced(self) -> list[str]:
        """Raises BadSetting."""
        try:
            return [str(each) for each in json.loads(read_private(self._replaced))]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, NotOurs) as fault:
            raise BadSetting(f"{self._replaced} cannot be read: {fault}") from None

    def _require_not_replaced(self, access_key: str) -> None:
        """Raises BadSetting."""
        if access_key not in self._all_replaced():
            return
        kept = self.kept_credentials()
        keeps = kept is not None and kept.access_key_id not in self._all_replaced()
        new = f" {kept.access_key_id}, which this folder keeps," if kept is not None and keeps else " another one"
        raise BadSetting(
            f"KEYTRAIL_ROOT_ACCESS_KEY_ID names {access_key}, which{new} has replaced (keytrail root-credential rotate). Name "
            "the new one and its secret, or take KEYTRAIL_ROOT_ACCESS_KEY_ID and KEYTRAIL_ROOT_SECRET_ACCESS_KEY out of the "
            "environment."
        )

    def kept_credentials(self) -> Credentials | None:
        """The credentials that were kept, None if there are none. Raises BadSetting if another user wrote the file: their
        credentials could lead us to their server."""
        try:
            return Credentials(**json.loads(read_private(self._credentials)))
        except NotOurs as fault:
            raise BadSetting(str(fault)) from None
        except (OSError, ValueError, TypeError):
            return None


def _process_id(said: object) -> int:
    """The id that a file names. To a signal, 0 and less mean groups of processes. Raises ValueError."""
    if not isinstance(said, int) or not 0 < said < 1 << 31:
        raise ValueError(f"{said} is not the id of a process")
    return said


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def start_of(pid: int) -> str:
    """The boot, and how long after it this process began. Steps of the clock change neither, and its start time by the clock they
    do: the kernel has none, so it is counted back from now. "" where there is no such process, or no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        ticks = (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        )  # field 22; the name before may have spaces
    except (OSError, IndexError):
        return ""
    return f"{boot} {ticks}"


def _process(pid: int) -> psutil.Process | None:
    """None if it has ended."""
    import psutil

    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _process_of(pid: int, started: float, start: str) -> psutil.Process | None:
    import psutil

    try:
        process = psutil.Process(pid)
        same = start == start_of(pid) if start else abs(process.create_time() - started) < 2
    except psutil.Error:
        return None
    return process if same and process.status() != psutil.STATUS_ZOMBIE else None


def new_access_key_id() -> str:
    """AKIA and sixteen characters of base 32, like AWS's access keys."""
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))


def new_secret() -> str:
    return secrets.token_urlsafe(30)
