"""How a client's packages come from their registry, and how its script is started."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conformance.clients.table import Client
from conformance.explained import HERE
from tests.e2e.test_terraform import PLUGINS

CACHE = HERE / ".clients"
SCRIPTS = Path(__file__).with_name("scripts")


class NotToBeHad(Exception):
    """A client that this machine cannot fetch, build or start, and why."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A group's end, by the monotonic clock."""

    at: float

    def left(self) -> float:
        return max(self.at - time.monotonic(), 0.1)


@dataclass(frozen=True, slots=True)
class Started:
    """What starts a client's script, and what its environment has beside `keytrail env`."""

    command: list[str]
    environment: dict[str, str]


def fetched(command: list[str], deadline: Deadline, folder: Path | None = None) -> str:
    """Run a registry's own client, or a compiler."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=deadline.left())
    except FileNotFoundError as error:
        raise NotToBeHad(f"{command[0]} is not on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise NotToBeHad(f"the group's time ended during: {' '.join(command[:3])}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NotToBeHad(f"{' '.join(command[:3])}: {' / '.join(said[-3:])}")
    return done.stdout


def folder_of(client: Client) -> Path:
    """A folder of the cache for exactly these packages: another version gets another."""
    mark = hashlib.sha256("\n".join(client.packages).encode()).hexdigest()[:8]
    return CACHE / f"{client.name}-{mark}"


def on_path(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotToBeHad(f"{name} is not on this machine")
    return found


def python(client: Client, deadline: Deadline) -> Started:
    """A virtual environment of its own, from PyPI."""
    folder, uv = folder_of(client), str(HERE / ".tools" / "bin" / "uv")
    if not (folder / ".ready").exists():
        fetched([uv, "venv", "--quiet", "--clear", "--python", str(HERE / ".venv/bin/python"), str(folder)], deadline)
        fetched([uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), *client.packages], deadline)
        (folder / ".ready").touch()
    return Started([str(folder / "bin" / "python"), str(SCRIPTS / client.script)], {})


def copied(client: Client, folder: Path, *others: str) -> Path:
    """The script in the folder of its packages: some languages look for these beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (client.script, *others):
        shutil.copy(SCRIPTS / name, folder / name)
    return folder / client.script


def node(client: Client, deadline: Deadline) -> Started:
    """npm's packages beside the script, as its imports want them."""
    folder, program = folder_of(client), on_path("node")
    script = copied(client, folder, "cases.mjs")
    if not (folder / ".ready").exists():
        (folder / "package.json").write_text('{"private": true}')
        quiet = ["--silent", "--no-audit", "--no-fund"]
        fetched([on_path("npm"), "install", *quiet, *client.packages], deadline, folder)
        (folder / ".ready").touch()
    return Started([program, str(script)], {})


def terraform(client: Client, deadline: Deadline) -> Started:
    """Terraform's own registry is no package registry: the program and its provider are on the machine or are not."""
    on_path("terraform")
    if PLUGINS is None:
        raise NotToBeHad("no AWS provider for terraform: TERRAFORM_PLUGIN_DIR names the folder of one")
    return Started([sys.executable, str(SCRIPTS / client.script), PLUGINS], {})


TOOLS: dict[str, Callable[[Client, Deadline], Started]] = {
    "python": python,
    "node": node,
    "terraform": terraform,
}
