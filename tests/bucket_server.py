"""A server that speaks S3's protocol: moto's, in a process of its own, one for each process of tests (atomic_bucket.py)."""

from __future__ import annotations

import atexit
import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

import obstore
import psutil

from services.adapters.tile_bucket import BucketAddress, TileBucket
from services.adapters.tile_folder import TileFolder
from tests.installation import clean_environment, free_port
from tests.pausing import paused
from tests.simulation.tiles import SimulatedTiles

STARTS_WITHIN = 30.0


@dataclass(slots=True)
class BucketServer:
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def address(self, prefix: str = "tree") -> BucketAddress:
        """A new bucket's."""
        bucket = f"log-{uuid4().hex}"
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/{bucket}", method="PUT"), timeout=10):
            return BucketAddress(bucket, prefix, self.url, "us-east-1", "access", "secret")

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Meanwhile it takes connections and answers none of them."""
        return paused(psutil.Process(self.process.pid))

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)


def started(port: int = 0) -> BucketServer:
    port = port or free_port()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.atomic_bucket", str(port)],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[1],
    )
    found, ends = BucketServer(port, process), time.monotonic() + STARTS_WITHIN
    while True:
        try:
            with urllib.request.urlopen(found.url, timeout=10):
                return found
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > ends:
                found.stop()
                raise
            time.sleep(0.1)


@cache
def shared() -> BucketServer:
    found = started()
    atexit.register(found.stop)
    return found


def new_bucket(folder: Path) -> TileBucket:
    """`folder` is for the stores that are folders."""
    return TileBucket(shared().address())


def stored_in(store: TileFolder | TileBucket | SimulatedTiles) -> dict[str, bytes]:
    """Everything that a store holds."""
    if isinstance(store, SimulatedTiles):
        return dict(store.files.files)
    if isinstance(store, TileFolder):
        folder = store._folder
        return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    names = [each["path"] for some in obstore.list(store._store) for each in some]
    return {name: bytes(obstore.get(store._store, name).bytes()) for name in names}
