"""The build of the console: once, by one process at a time, and never in Keytrail's way."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from services.console import build
from services.console.build import MADE, SOURCES
from tests.console.test_files import ask
from tests.installation import Installation, clean_environment, eventually

BUILD = [sys.executable, "-m", "services.console.build"]
PAGE = """\
import { createRoot } from "react-dom/client";

createRoot(document.body).render(<p>a page</p>);
"""


class Checkout:
    """A copy of the services, with the packages that are installed already, and one short page: who builds when is the
    same for the whole console, whose build takes five seconds of processor time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made = path / ".console"
        left_out = shutil.ignore_patterns("node_modules", "schema.d.ts")
        shutil.copytree(SOURCES.parent, path / "services", ignore=left_out)
        self.main.write_text(PAGE)
        self.made.mkdir()
        (self.made / "node_modules").symlink_to(MADE / "node_modules")
        shutil.copy(MADE / "packages.json", self.made)

    def starts(self, **more: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        environment = clean_environment() | more
        return subprocess.Popen(
            BUILD, cwd=self.path, env=environment, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def builds(self, **more: str) -> list[Any]:
        """What a whole build says."""
        started = self.starts(**more)
        return [json.loads(line) for line in started.communicate(timeout=200)[0].splitlines()]

    @contextlib.contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """As if another process built, until the block or the function that it gets ends that."""
        with (self.made / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lambda: fcntl.flock(lock, fcntl.LOCK_UN)

    @property
    def main(self) -> Path:
        return self.path / "services/console/src/main.tsx"


@pytest.fixture(scope="module")
def checkout(built: None, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"))


def said_by(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def doing(lines: list[Any]) -> list[str]:
    return [each["doing"] for each in lines if "doing" in each]


def test_two_builds_at_once_make_one(checkout: Checkout) -> None:
    """Both wait for a third, so that they begin at the same moment."""
    with checkout.held() as release, checkout.starts() as one, checkout.starts() as other:
        waiting = [json.loads(said_by(each).readline()) for each in (one, other)]
        assert waiting == [{"doing": "waiting for another build"}] * 2
        release()
        said = [[json.loads(line) for line in said_by(each)] for each in (one, other)]
    assert sorted(map(doing, said)) == [[], ["building the pages"]]
    assert said[0][-1] == said[1][-1]
    assert (Path(said[0][-1]["built"]) / "index.html").exists()


def test_a_built_console_is_not_built_again_until_its_sources_change(checkout: Checkout) -> None:
    checkout.builds()
    assert doing(checkout.builds()) == []
    kept = build.current(checkout.made)
    (checkout.path / "services/console/tests/another.test.ts").write_text("// checks only\n")
    assert doing(checkout.builds()) == []
    with checkout.main.open("a") as source:
        source.write('document.documentElement.dataset["another"] = "";\n')
    assert doing(checkout.builds()) == ["building the pages"]
    assert build.current(checkout.made) != kept
    second = build.current(checkout.made)
    assert set((checkout.made / "built").iterdir()) == {kept, second}, "open tabs go on with the one before"
    with checkout.main.open("a") as source:
        source.write('document.documentElement.dataset["third"] = "";\n')
    checkout.builds()
    assert set((checkout.made / "built").iterdir()) == {second, build.current(checkout.made)}


def test_a_build_that_was_killed_is_done_again(checkout: Checkout) -> None:
    """What the killed process started still works on it, so the next one waits for that."""
    with checkout.main.open("a") as source:
        source.write('document.documentElement.dataset["killed"] = "";\n')
    kept = build.current(checkout.made)
    killed = checkout.starts()
    assert json.loads(said_by(killed).readline()) == {"doing": "building the pages"}
    killed.kill()
    killed.communicate()
    assert build.current(checkout.made) == kept, "half a build is never served"
    said = checkout.builds()
    assert doing(said)[-1] == "building the pages"
    assert build.current(checkout.made) == Path(said[-1]["built"]) != kept
    assert not build.is_under_way(checkout.made)


def test_a_build_that_fails_says_why_and_leaves_the_former_one(checkout: Checkout) -> None:
    checkout.builds()
    kept, text = build.current(checkout.made), checkout.main.read_text()
    checkout.main.write_text(text + 'import "./nowhere";\n')
    try:
        last = checkout.builds()[-1]
        assert last["failed"].startswith("Vite ended with code 1: ")
        assert "./nowhere" in last["failed"]
        assert build.current(checkout.made) == kept
    finally:
        checkout.main.write_text(text)


def test_packages_that_cannot_be_fetched_are_named(built: None, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout")
    (checkout.made / "packages.json").unlink()
    (checkout.made / "node_modules").unlink()
    nowhere = {
        "NPM_CONFIG_REGISTRY": "http://127.0.0.1:1/",
        "NPM_CONFIG_CACHE": str(tmp_path / "cache"),
        "NPM_CONFIG_FETCH_RETRIES": "0",
    }
    said = checkout.builds(**nowhere)
    assert doing(said) == ["fetching packages from the npm registry"]
    assert said[-1]["failed"].startswith("npm ci ended with code 1: npm error")
    assert "ECONNREFUSED" in said[-1]["failed"]
    assert not (checkout.made / "current").exists()


@pytest.mark.soak
def test_keytrail_starts_while_the_console_is_built_and_where_it_cannot_be(built: None, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout")
    own = Installation(tmp_path / "data", KEYTRAIL_CONSOLE="on", PYTHONPATH=str(checkout.path))
    log = own.data.with_suffix(".up.log")
    with checkout.held() as release, own:
        own.client().create_key()
        status, headers, page = ask(own, "/console/keys")
        assert (status, headers["retry-after"], headers["cache-control"]) == (503, "2", "no-store")
        assert b'http-equiv="refresh"' in page
        assert b"<script" not in page
        assert ask(own, "/console/assets/index.js")[0] == 503
        eventually(lambda: "the console is being built" in log.read_text())
        release()
        eventually(lambda: ask(own, "/console/keys")[0] == 200, within=120)
        eventually(lambda: f"console at {own.url}/console/" in log.read_text())
        own.stop()
        shutil.rmtree(checkout.made / "built")
        checkout.main.write_text("import './nowhere';\n")
        own.start()
        eventually(lambda: "The console could not be built" in log.read_text(), within=120)
        said = log.read_text()
        assert "./nowhere" in said
        assert "KEYTRAIL_CONSOLE=off" in said
        assert "nowhere" in (own.data / "logs/console.log").read_text()
        status, _, page = ask(own, "/console/")
        assert (status, b"is not built" in page, b"nowhere" in page) == (503, True, False)
        own.client().create_key()


def test_stopping_keytrail_ends_the_build(built: None, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout")
    settings = {"KEYTRAIL_CONSOLE": "on", "PYTHONPATH": str(checkout.path)}
    own = Installation(tmp_path / "data", own="it is stopped while they start", variables=settings)
    with checkout.held():
        up = subprocess.Popen(
            own.command(), env=own.environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        builder = eventually(lambda: builders(checkout))
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 130
        assert not any(Path(f"/proc/{each}").exists() for each in builder)


def builders(checkout: Checkout) -> list[int]:
    """Processes that build in this checkout."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if (
                b"services.console.build" in (each / "cmdline").read_bytes()
                and str(checkout.path).encode() in (each / "environ").read_bytes()
            ):
                found.append(int(each.name))
        except OSError:
            continue
    return found


def test_the_packages_say_nothing_about_where_they_came_from() -> None:
    """The lock file holds the digest of each package, and no registry's address."""
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert [name for name, each in packages.items() if "resolved" in each] == []
    assert [name for name, each in packages.items() if not each["integrity"].startswith("sha512-")] == []
    named = json.loads((SOURCES / "package.json").read_text())
    versions = (named["dependencies"] | named["devDependencies"]).values()
    assert [each for each in versions if not each[0].isdigit()] == [], "exact versions"
