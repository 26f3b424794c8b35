"""The network of a cluster: each machine a network namespace with an address of its own, which can be cut off from others.

That takes root, `ip`, and a kernel that lets us. Without them every machine is this one, and nothing can be cut: `Network.can_cut`
says which it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

NOWHERE = "02:00:00:00:00:99"
"""A hardware address that nobody has: what is sent to it is lost, and the sender learns nothing."""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@dataclass(frozen=True, slots=True)
class Machine:
    """`enter` begins the command line of whatever runs on this machine."""

    name: str
    address: str
    enter: tuple[str, ...] = ()


class Network:
    """Use as a context manager."""

    def __init__(self, names: Sequence[str]) -> None:
        self.can_cut = os.geteuid() == 0 and shutil.which("ip") is not None
        # Interfaces have at most 15 characters, and other runs of the tests may be under way.
        self._mark = f"kt{os.getpid() % 1_000_000}"
        third = os.getpid() % 250
        self._net = f"10.{214 + os.getpid() // 250 % 40}.{third}"
        self._names = list(names)
        self.machines: dict[str, Machine] = {}

    @property
    def own_address(self) -> str:
        """The address by which machines reach the tests themselves."""
        return f"{self._net}.1" if self.can_cut else "127.0.0.1"

    def __enter__(self) -> Network:
        try:
            if self.can_cut:
                self._make()
        except subprocess.CalledProcessError as fault:
            print(f"no networks can be made here, so none is cut: {fault.stderr.decode().strip()}")
            self.__exit__()
            self.can_cut = False
        except BaseException:
            self.__exit__()
            raise
        if not self.can_cut:
            self.machines = {name: Machine(name, "127.0.0.1") for name in self._names}
        return self

    def _make(self) -> None:
        _ip("link", "add", self._mark, "type", "bridge")
        _ip("addr", "add", f"{self.own_address}/24", "dev", self._mark)
        _ip("link", "set", self._mark, "up")
        for number, name in enumerate(self._names, 10):
            self._add(name, number)

    def _add(self, name: str, number: int) -> None:
        space, link, address = f"{self._mark}-{name}", f"{self._mark}v{number}", f"{self._net}.{number}"
        _ip("netns", "add", space)
        _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("link", "set", link, "master", self._mark, "up")
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "eth0", "up")
        _ip("-n", space, "link", "set", "lo", "up")
        self.machines[name] = Machine(name, address, ("ip", "netns", "exec", space))

    def __exit__(self, *exception: object) -> None:
        if not self.can_cut:
            return
        for name in self._names:
            subprocess.run(["ip", "netns", "del", f"{self._mark}-{name}"], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self._mark], check=False, capture_output=True)

    def cut(self, sender: str, receiver: str) -> None:
        """From now on, what `sender` sends to `receiver` is lost."""
        _ip(
            "-n",
            f"{self._mark}-{sender}",
            "neigh",
            "replace",
            self.machines[receiver].address,
            "lladdr",
            NOWHERE,
            "dev",
            "eth0",
            "nud",
            "permanent",
        )

    def mend(self, sender: str, receiver: str) -> None:
        _ip("-n", f"{self._mark}-{sender}", "neigh", "del", self.machines[receiver].address, "dev", "eth0")
