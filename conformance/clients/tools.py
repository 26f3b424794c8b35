"""How each kind of package is fetched from its registry, and how its script is started."""

from __future__ import annotations

import hashlib
import os
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
    """This machine cannot fetch, build or start a client; the message says why."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a group must end, by the monotonic clock."""

    at: float

    def left(self) -> float:
        return max(self.at - time.monotonic(), 0.1)


@dataclass(frozen=True, slots=True)
class Started:
    """The command that starts a client's script, and the variables that it needs beside `keytrail env`."""

    command: list[str]
    environment: dict[str, str]


def fetched(
    command: list[str], deadline: Deadline, folder: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    """Run the registry's own client, or a compiler."""
    with_ours = os.environ | (environment or {})
    try:
        done = subprocess.run(
            command, cwd=folder, env=with_ours, capture_output=True, text=True, check=False, timeout=deadline.left()
        )
    except FileNotFoundError as error:
        raise NotToBeHad(f"{command[0]} is not on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise NotToBeHad(f"the group's time ended during: {' '.join(command[:3])}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NotToBeHad(f"{' '.join(command[:3])}: {' / '.join(said[-3:])}")
    return done.stdout


def folder_of(client: Client) -> Path:
    """A folder of the cache for exactly these packages. Another version gets another folder."""
    mark = hashlib.sha256("\n".join(client.packages).encode()).hexdigest()[:8]
    return CACHE / f"{client.name}-{mark}"


def on_path(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotToBeHad(f"{name} is not on this machine")
    return found


def python(client: Client, deadline: Deadline) -> Started:
    """A virtual environment with packages from PyPI."""
    folder, uv = folder_of(client), str(HERE / ".tools" / "bin" / "uv")
    if not (folder / ".ready").exists():
        fetched([uv, "venv", "--quiet", "--clear", "--python", str(HERE / ".venv/bin/python"), str(folder)], deadline)
        fetched([uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), *client.packages], deadline)
        (folder / ".ready").touch()
    return Started([str(folder / "bin" / "python"), str(SCRIPTS / client.script)], {})


def copied(client: Client, folder: Path, *others: str) -> Path:
    """A copy of the script beside its packages, where some languages look for them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (client.script, *others):
        shutil.copy(SCRIPTS / name, folder / name)
    return folder / client.script


def node(client: Client, deadline: Deadline) -> Started:
    """npm's packages beside the script, where its imports find them."""
    folder, program = folder_of(client), on_path("node")
    script = copied(client, folder, "cases.mjs")
    if not (folder / ".ready").exists():
        (folder / "package.json").write_text('{"private": true}')
        quiet = ["--silent", "--no-audit", "--no-fund"]
        fetched([on_path("npm"), "install", *quiet, *client.packages], deadline, folder)
        (folder / ".ready").touch()
    return Started([program, str(script)], {})


def terraform(client: Client, deadline: Deadline) -> Started:
    """Terraform's own registry is not a package registry, so the program and its provider must be on the machine."""
    on_path("terraform")
    if PLUGINS is None:
        raise NotToBeHad("no AWS provider for terraform: TERRAFORM_PLUGIN_DIR names the folder of one")
    return Started([sys.executable, str(SCRIPTS / client.script), PLUGINS], {})


def golang(client: Client, deadline: Deadline) -> Started:
    """Modules from the Go proxy, each at its version, with the dependencies that they declare."""
    folder, program = folder_of(client), on_path("go")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(SCRIPTS / client.script, folder, dirs_exist_ok=True)
    if not (folder / ".ready").exists():
        if not (folder / "go.mod").exists():
            fetched([program, "mod", "init", "conformance"], deadline, folder)
        fetched([program, "get", *client.packages], deadline, folder)
        (folder / ".ready").touch()
    fetched([program, "build", "-mod=mod", "-o", "client", "."], deadline, folder)
    return Started([str(folder / "client")], {})


def go_command(client: Client, deadline: Deadline) -> Started:
    """A program from the Go proxy. The script gets its path."""
    folder, program = folder_of(client), on_path("go")
    if not (folder / ".ready").exists():
        fetched([program, "install", *client.packages], deadline, environment={"GOBIN": str(folder)})
        (folder / ".ready").touch()
    return Started([sys.executable, str(SCRIPTS / client.script), str(folder / client.name)], {})


def ruby(client: Client, deadline: Deadline) -> Started:
    """Debian's packages (`name=version`), unpacked into the cache. Nothing is installed, and root is not needed."""
    folder = folder_of(client)
    if not (folder / ".ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        fetched([on_path("apt-get"), "download", *client.packages], deadline, folder)
        for package in folder.glob("*.deb"):
            fetched([on_path("dpkg"), "-x", str(package), str(folder)], deadline)
        (folder / ".ready").touch()
    usr = folder / "usr"
    (libraries,) = (path.parent for path in (usr / "lib").glob("*/libruby-*.so.3.1"))
    gems = usr / "share/rubygems-integration/all"
    places = [*sorted(gems.glob("gems/*/lib")), usr / "lib/ruby/vendor_ruby", usr / "lib/ruby/3.1.0"]
    environment = {
        "RUBYLIB": ":".join(map(str, [*places, libraries / "ruby/3.1.0"])),
        "LD_LIBRARY_PATH": str(libraries),
        "GEM_PATH": str(gems),
    }
    return Started([str(usr / "bin/ruby3.1"), str(SCRIPTS / client.script)], environment)


def rust(client: Client, deadline: Deadline) -> Started:
    """Crates at the versions of the script's Cargo.toml, which are the table's."""
    folder, program = folder_of(client), on_path("cargo")
    shutil.copytree(SCRIPTS / client.script, folder, dirs_exist_ok=True)
    fetched([program, "build", "--quiet", "--target-dir", "target"], deadline, folder)
    return Started([str(folder / "target/debug/client")], {})


DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
POM = (
    "<project><modelVersion>4.0.0</modelVersion>"
    "<groupId>conformance</groupId><artifactId>client</artifactId><version>1</version>"
    "<dependencies>{}</dependencies></project>"
)
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


def java(client: Client, deadline: Deadline) -> Started:
    """Maven fetches the jars (`group:artifact:version`). Java compiles the script's one file when it starts it."""
    folder, program = folder_of(client), on_path("java")
    if not (folder / ".ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = "".join(DEPENDENCY.format(*package.split(":")) for package in client.packages)
        (folder / "pom.xml").write_text(POM.format(wanted))
        fetched([on_path("mvn"), "--quiet", "--batch-mode", COPY, "-DoutputDirectory=jars"], deadline, folder)
        (folder / ".ready").touch()
    return Started([program, "--class-path", f"{folder}/jars/*", str(SCRIPTS / client.script)], {})


TOOLS: dict[str, Callable[[Client, Deadline], Started]] = {
    "python": python,
    "node": node,
    "terraform": terraform,
    "java": java,
    "ruby": ruby,
    "rust": rust,
    "go": golang,
    "go-command": go_command,
}
