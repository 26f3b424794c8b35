"""Nobody stops the service: while each attacker of the table does what it can, an honest client's calls are answered in
time, and no process grows.

`make test` gives each one and a half seconds, `make soak` a minute.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Mapping
from urllib.parse import urlsplit

import psutil
import pytest

from services import signing
from services.runtime.data_folder import Folder
from tests.attacks.attackers import ATTACKERS, Target, attack
from tests.counts import with_all_in_soak
from tests.installation import Installation

MOST_MEMORY = 400 * 1_048_576
OTHER = "444455556666"
FORKING = multiprocessing.get_context("forkserver")
"""Attackers fork from a process that has imported what they need. A plain fork would copy this process's threads and
sockets."""
FORKING.set_forkserver_preload(["tests.attacks.attackers"])
SERVERS = ("kafka", "postgres")
"""Processes that are not Keytrail's."""
ALIKE = {
    "trailers",  # as a body in chunks
    "long Authorization headers",
    "a byte at a time",
    "900 unfinished bodies",  # as idle connections
    "passwords from one address",  # as from 80
    "the description again and again",  # as the metrics
    "access keys that nobody has",  # as wrong signatures
    "10,000 requests ahead",  # as connections that come and go
    "answers that nobody reads",  # test_stranger.py has one
    "empty tags of a user without rights",  # as keys that nobody may make
    "a pattern of 30,000 signs",  # as policies that nobody understands
    "questions about policies that nobody understands",  # as policies that nobody understands
}
"""Attackers that do much the same as others of the table: in a soak alone."""


class Honest:
    """Encrypts again and again, every eighth time on a new connection, like a client that has just started."""

    def __init__(self, installation: Installation) -> None:
        self._given = installation.credentials()
        self._netloc = urlsplit(installation.url).netloc
        key = installation.client().create_key()["KeyMetadata"]["KeyId"]
        self._body = json.dumps({"KeyId": key, "Plaintext": "QUFB" * 20}).encode()
        self._connection = http.client.HTTPConnection(self._netloc, timeout=30)
        self.close = self._connection.close
        self.latencies: list[float] = []
        self.statuses: Counter[object] = Counter()
        self.largest = (0, "")
        """(bytes of memory, name) of Keytrail's largest process at any time."""

    def calls(self, seconds: float, watched: Mapping[str, psutil.Process]) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if len(self.latencies) % 8 == 0:
                self._connection.close()
                sizes = [(each.memory_info().rss, name) for name, each in watched.items()]
                self.largest = max(self.largest, *sizes)
            began = time.perf_counter()
            self.statuses[self._encrypt()] += 1
            self.latencies.append(time.perf_counter() - began)
            time.sleep(0.005)

    def _encrypt(self) -> object:
        named = {"host": self._netloc, "x-amz-target": "TrentService.Encrypt"}
        request = signing.Signed("POST", "/", "", named, self._body)
        key, secret = self._given["AWS_ACCESS_KEY_ID"], self._given["AWS_SECRET_ACCESS_KEY"]
        headers = signing.sign(request, key, secret, "us-east-1", "kms", time.time())
        try:
            self._connection.request("POST", "/", self._body, headers)
            answer = self._connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException) as fault:
            self._connection.close()
            return type(fault).__name__

    def percentile(self, share: float) -> float:
        """Seconds."""
        return sorted(self.latencies)[int(len(self.latencies) * share)]


@pytest.fixture(scope="module")
def credentials(attacked: Installation) -> tuple[dict[str, str], dict[str, str]]:
    """Those of the user without rights, and of the other account's root."""
    iam = attacked.client(service="iam")
    iam.create_user(UserName="least")
    made = iam.create_access_key(UserName="least")["AccessKey"]
    (other,) = attacked.answers("account", "create", OTHER)
    return (
        {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]},
        {"AWS_ACCESS_KEY_ID": other["access_key_id"], "AWS_SECRET_ACCESS_KEY": other["secret_access_key"]},
    )


def ours(installation: Installation) -> dict[str, psutil.Process]:
    running = Folder(installation.data).state()
    assert running is not None
    return {name: installation.process(name) for name in running.children if name not in SERVERS}


@pytest.mark.parametrize("name", with_all_in_soak(ATTACKERS, ATTACKERS.keys() - ALIKE))
def test_the_service_goes_on(
    attacked: Installation, credentials: tuple[dict[str, str], dict[str, str]], soak: bool, name: str
) -> None:
    target = Target(attacked.url, attacked.port, *credentials, FORKING.Event(), FORKING.Event())
    attacker = FORKING.Process(target=attack, args=(name, target))
    honest = Honest(attacked)
    attacker.start()
    try:
        assert target.began.wait(60)
        honest.calls(60 if soak else 1.5, ours(attacked))
        assert attacker.is_alive(), "the attacker ended before it was told to"
    finally:
        target.stop.set()
        attacker.join(30)
        attacker.kill()
        attacker.join()
        attacker.close()
        honest.close()
    p99, (memory, process) = honest.percentile(0.99), honest.largest
    print(f"{name}: {dict(honest.statuses)}, p99 {p99 * 1e3:.0f} ms, {process} has {memory >> 20} MB")
    assert set(honest.statuses) == {200}
    assert memory < MOST_MEMORY, process
    # The slowest calls of a short round mostly show other work on the machine, so there most calls must be in time.
    assert honest.percentile(0.99 if soak else 0.5) < (0.1 if soak else 0.25)
