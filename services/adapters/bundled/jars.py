"""Kafka's jars: resolved once into `kafka.lock` (coordinate and SHA-256 of each), and fetched by that lock from then on.

jgo's resolver downloads, but only warns of a wrong checksum. So every file is checked here against the lock; a file that differs
is removed and refused. After a change of KAFKA, `python -m services.adapters.bundled.jars --lock` makes the lock again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from services.ownership import require_unswappable

if TYPE_CHECKING:
    from jgo.maven import Artifact, MavenContext

KAFKA = "4.3.1"
LOG4J = "2.25.4"
ROOT = f"org.apache.kafka:kafka_2.13:{KAFKA}"
# Kafka's own distribution adds this binding beside its jars: without it the broker logs nothing at all. Everything that
# it needs is among Kafka's dependencies; resolving both together would let it choose their versions.
BINDING = f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}"
LOCK = Path(__file__).with_name("kafka.lock")
CACHE = Path.home() / ".cache" / "keytrail" / "m2"
"""The folder of this user's jars, for all installations."""


class DownloadFailed(Exception):
    """A jar could not be fetched, or is not the one that the lock names. The message says which jar, and what to do."""


def locked() -> list[tuple[str, str, str, str]]:
    """(group, artifact, version, sha256) of every jar on the broker's class path."""
    rows = (line.split() for line in LOCK.read_text().splitlines() if line and not line.startswith("#"))
    return [(group, artifact, version, digest) for group, artifact, version, digest in rows]


def are_there(cache: Path) -> bool:
    """Whether `class_path` has nothing to fetch. Raises NotOurs."""
    require_unswappable(cache)
    return all(_is_checked(_place(cache, *row[:3]), row[3]) for row in locked())


def class_path(cache: Path, progress: Callable[[int, int], None]) -> list[Path]:
    """Every jar, fetched if it is missing. `progress(done, all)` is called as they come.

    Raises DownloadFailed, NotOurs.
    """
    require_unswappable(cache)  # a jar that was checked once is believed from then on
    rows = locked()
    paths = [_place(cache, *row[:3]) for row in rows]
    missing = [row for path, row in zip(paths, rows, strict=True) if not _is_checked(path, row[3])]
    done = len(rows) - len(missing)
    progress(done, len(rows))
    if missing:
        context = _context(cache)
        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(_fetch, context, *row) for row in missing]
            for each in as_completed(jobs):
                each.result()
                done += 1
                progress(done, len(rows))
    return sorted(paths)


def _context(cache: Path) -> MavenContext:
    from jgo.maven import MavenContext, PythonResolver  # takes a third of a second, which every start would wait for

    return MavenContext(repo_cache=cache, resolver=PythonResolver(), timeout=60)


def _place(cache: Path, group: str, artifact: str, version: str) -> Path:
    """A jar's path in a repository of Maven's layout, as jgo keeps one."""
    return cache.joinpath(*group.split("."), artifact, version, f"{artifact}-{version}.jar")


def _mark(path: Path) -> Path:
    """The path of a mark, written when the digest was right: a start need not hash 100 MB again."""
    return path.with_suffix(".sha256")


def _is_checked(path: Path, digest: str) -> bool:
    mark = _mark(path)
    return path.exists() and mark.exists() and mark.read_text() == f"{digest} {path.stat().st_size}"


def _cached(jar: Artifact) -> Path:
    assert jar.cached_path is not None, "a context with a cache has a place for every artifact"
    return Path(jar.cached_path)


def _fetch(context: MavenContext, group: str, artifact: str, version: str, digest: str) -> None:
    jar: Artifact = context.project(group, artifact).at_version(version).artifact()
    path = _cached(jar)
    path.unlink(missing_ok=True)
    try:
        context.resolver.download(jar)
    except Exception as fault:
        raise DownloadFailed(
            f"{group}:{artifact}:{version} could not be fetched from Maven Central ({fault}). "
            "Check the network and start again; or name your own broker in KEYTRAIL_KAFKA."
        ) from fault
    found = sha256(path.read_bytes()).hexdigest()
    if found != digest:
        path.unlink()
        raise DownloadFailed(
            f"{path.name} has SHA-256 {found} instead of {digest}: "
            "it was changed on its way here. The file was removed; start again."
        )
    _mark(path).write_text(f"{digest} {path.stat().st_size}")


def _resolved(cache: Path) -> Iterator[str]:
    from jgo.parse import Coordinate

    context = _context(cache)
    kafka, binding = (context.create_dependency(Coordinate.parse(text)) for text in (ROOT, BINDING))
    # As "raw", Kafka's own pom is no bill of materials: its dependencies keep the versions they were released with.
    kafka.raw = True
    _, needed = context.resolver.resolve([kafka])
    for dependency in (kafka, *needed, binding):
        artifact = dependency.artifact
        path = _cached(artifact)
        if not path.exists():
            context.resolver.download(artifact)
        digest = sha256(path.read_bytes()).hexdigest()
        yield f"{artifact.groupId} {artifact.artifactId} {artifact.version} {digest}"


if __name__ == "__main__":
    if sys.argv[1:] != ["--lock"]:
        sys.exit("usage: python -m services.adapters.bundled.jars --lock")
    lines = sorted(set(_resolved(CACHE)))
    LOCK.write_text(
        "# group artifact version sha256; made by services/adapters/bundled/jars.py --lock\n" + "\n".join(lines) + "\n"
    )
