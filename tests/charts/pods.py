"""Runs what a pod of the chart would run, without Kubernetes: in a root folder of its own that is read-only, as the image's user, with
the environment, the mounts and the arguments of a rendering.

It needs root, and a kernel that makes mount namespaces. What Kubernetes itself does (scheduling, probes by the kubelet, policies,
hooks) is not tested by this.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.helm.facts import USER
from tests.charts.rendering import ROOT
from tests.charts.test_golden import files

PROGRAMS = ("unshare", "setpriv", "nsenter", "mount", "chroot")
VENV = ROOT / ".venv"
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "usr")
ETC = ("ssl", "hosts", "nsswitch.conf", "ld.so.cache", "alternatives", "localtime")
ACCOUNT = f"keytrail:x:{USER}:"


def can_run() -> bool:
    """Whether this machine lets us make what a pod runs in. Root in a container often may not mount."""
    if os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)):
        return False
    mounts = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(mounts, capture_output=True, check=False).returncode == 0


class LocalPod:
    """One container of a rendering. `contents`: what is in each mounted file, by its name; `given`: variables of the test's own
    broker and database, instead of those of the rendering."""

    def __init__(
        self,
        folder: Path,
        pod: dict[str, Any],
        contents: Mapping[str, str],
        given: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self._pod, self._contents = pod, contents
        (self.container,) = pod["containers"]
        rendered = {each["name"]: each.get("value", "a-pod-0") for each in self.container["env"]}
        # In the image the packages are where the working folder is.
        image = {"PATH": f"{VENV}/bin:/usr/bin:/bin", "HOME": "/keytrail", "PYTHONPATH": "/keytrail"}
        self.environment = image | rendered | {name: value for name, value in given.items() if name in rendered}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LocalPod:
        self.folder.mkdir()
        command = self.container.get("command") or ["python", "-m", *self.container["args"]]
        with (self.folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-euc", self._script(command)],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def ended(self, within: float) -> int:
        assert self._process is not None
        return self._process.wait(within)

    def runs(self) -> bool:
        assert self._process is not None
        return self._process.poll() is None

    def execute(self, command: list[str]) -> int:
        """The exit code of a command in the container, as the kubelet runs a probe."""
        assert self._process is not None
        enter = ["nsenter", f"--target={self._process.pid}", "--mount", "--root", "--wd"]
        return subprocess.run([*enter, *_AS_USER, *command], env=self.environment, check=False).returncode

    def _script(self, command: list[str]) -> str:
        """Every file of Secrets gets the owner, group and mode that Kubernetes gives it with the pod's fsGroup."""
        root = self.folder / "root"
        lines = [f"mkdir {root}", f"mount -t tmpfs -o mode=755 tmpfs {root}", f"cd {root}"]
        lines += [f"mkdir -p etc proc dev tmp root keytrail var/lib/keytrail etc/keytrail; cp -aL {_there(ETC)} etc/"]
        lines += [f"mount --rbind /{each} {each}" for each in ("proc", "dev")]
        for name in SYSTEM:
            source = Path("/", name)
            if source.is_symlink():
                lines.append(f"ln -s {source.readlink()} {name}")
            elif source.exists():
                lines.append(f"mkdir {name}; mount --rbind -o ro /{name} {name}")
        lines += [
            f"echo '{ACCOUNT}{USER}::/keytrail:/bin/sh' > etc/passwd; echo '{ACCOUNT}' > etc/group",
            f"mount --rbind -o ro {ROOT} keytrail",
            "mount -t tmpfs -o mode=1777 tmpfs tmp",
        ]
        for source in (VENV, Path(sys.base_prefix)):
            if not source.is_relative_to("/usr"):
                lines.append(f"mkdir -p .{source}; mount --rbind -o ro {source} .{source}")
        for path, volume in files(self._pod).items():
            content = shlex.quote(self._contents[path.rpartition("/")[2]])
            lines.append(f"mkdir -p .{Path(path).parent}; printf %s {content} > .{path}; chown 0:{USER} .{path}")
            lines.append(f"chmod {'0440' if volume == 'secrets' else '0644'} .{path}")
        for mount in self.container["volumeMounts"]:
            if mount["name"] == "tree":
                tree = self.folder.parent / "tree"
                lines.append(f"mkdir -p {tree} .{mount['mountPath']}; chown {USER}:{USER} {tree}")
                lines.append(f"mount --rbind {'-o ro' if mount['readOnly'] else ''} {tree} .{mount['mountPath']}")
            if mount["name"] in ("audit", "backups"):  # as the kubelet leaves a volume's folder with the pod's fsGroup
                own = self.folder.parent / mount["name"]
                lines.append(f"mkdir -p {own} .{mount['mountPath']}; chown 0:{USER} {own}; chmod 2775 {own}")
                lines.append(f"mount --rbind {'-o ro' if mount.get('readOnly') else ''} {own} .{mount['mountPath']}")
        lines.append(f"mount -o remount,ro {root}")
        inside = f"cd /keytrail && exec {shlex.join([*_AS_USER, *command])}"
        lines.append(f"exec {shutil.which('chroot')} {root} sh -c {shlex.quote(inside)}")
        return "\n".join(lines)


_AS_USER = [
    *("setpriv", f"--reuid={USER}", f"--regid={USER}", f"--groups={USER}"),
    *("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"),
]


def _there(names: tuple[str, ...]) -> str:
    return " ".join(f"/etc/{each}" for each in names if Path("/etc", each).exists())


@contextlib.contextmanager
def relayed(address: str) -> Iterator[int]:
    """A port that leads to a Unix socket of ours, which the pod's user may not open."""
    listening = socket.create_server(("127.0.0.1", 0))

    def join(client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(address)
            other = {client: server, server: client}
            while True:
                for each in select.select(list(other), [], [])[0]:
                    piece = each.recv(65536)
                    if not piece:
                        return
                    other[each].sendall(piece)

    def accept() -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                joined.append(threading.Thread(target=join, args=[listening.accept()[0]]))
                joined[-1].start()

    accepting, joined = threading.Thread(target=accept), list[threading.Thread]()
    accepting.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    for each in (accepting, *joined):
        each.join(20)
