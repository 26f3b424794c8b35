"""`keytrail witness` as somebody runs it on a machine of their own: what it cosigns, and what a kill leaves of it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from domain.transparency.checkpoints import checkpoint, cosigned_at
from domain.transparency.notes import VerifierKey, signature_line, signed_note, verifier_key
from domain.transparency.witnessing import SIZE_TYPE
from services.witness.server import signer_of
from tests.domain.test_witness_policies import KEYS
from tests.domain.test_witnessing import LOG, asking
from tests.e2e.test_notary import calls, fetched, head, is_there
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation, clean_environment, eventually, free_port

NAME = "witness.example/w1"


class RunningWitness:
    def __init__(self, folder: Path, log_key: str = LOG.verifier.text, name: str = NAME) -> None:
        self.folder, self.log_key, self.name, self.port = folder, log_key, name, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            KEYTRAIL,
            "witness",
            self.folder,
            "--name",
            self.name,
            "--log-key",
            self.log_key,
            "--port",
            self.port,
        ]
        self.process = subprocess.Popen(list(map(str, command)), env=clean_environment(), stderr=subprocess.PIPE)
        ends = time.monotonic() + 30
        while True:
            try:
                self.key()
                return
            except OSError:
                assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
                assert time.monotonic() < ends
                time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.communicate(timeout=20)

    def key(self) -> VerifierKey:
        with urllib.request.urlopen(f"{self.url}/key", timeout=5) as answer:
            return verifier_key(answer.read().decode())

    def asked(self, body: bytes) -> tuple[int, str, str]:
        """(status, body, content type)"""
        try:
            with urllib.request.urlopen(f"{self.url}/add-checkpoint", body, timeout=10) as answer:
                return answer.status, answer.read().decode(), answer.headers["content-type"]
        except urllib.error.HTTPError as fault:
            with fault:
                return fault.code, fault.read().decode(), fault.headers["content-type"]


@contextmanager
def witness(folder: Path) -> Iterator[RunningWitness]:
    running = RunningWitness(folder)
    running.start()
    try:
        yield running
    finally:
        running.end()


def request(old: int, new: int) -> bytes:
    return asking(old, new).text.encode()


def test_it_cosigns_what_extends_the_last_also_after_kill_9(tmp_path: Path) -> None:
    """Given a witness that cosigned 7 leaves and is killed at once, when it runs again, then it has the same key and takes nothing
    but what extends these 7."""
    with witness(tmp_path / "witness") as running:
        key = running.key()
        status, line, _ = running.asked(request(0, 7))
        running.end(signal.SIGKILL)
        assert status == 200
        note = asking(0, 7).note.beside([signature_line(line.rstrip("\n"))])
        assert cosigned_at(note, key) == pytest.approx(time.time(), abs=60)
        running.start()
        assert running.key() == key
        assert running.asked(request(0, 9)) == (409, "7\n", SIZE_TYPE)
        assert running.asked(request(7, 9))[0] == 200


def test_of_many_at_once_that_extend_the_same_one_is_cosigned(tmp_path: Path) -> None:
    with witness(tmp_path / "witness") as running, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda new: running.asked(request(0, new))[0], range(10, 30)))
    assert sorted(found) == [200, *[409] * 19]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWitness]:
    with witness(tmp_path_factory.mktemp("asked") / "witness") as running:
        assert running.asked(request(0, 7))[0] == 200
        yield running


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 400), (b"\xff", 400), (b"x" * 200_000, 413), (b"old 0\n\nno note", 400)]
)
def test_what_is_no_request_is_refused(asked: RunningWitness, body: bytes, status: int) -> None:
    assert asked.asked(body or b"\n")[0] == status
    assert asked.asked(request(7, 7))[0] == 200, "it goes on with those that are right"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ((), "--log-key"),
        (("--log-key", "x", "--name", "w"), "a verifier key is a name"),
        (("--log-key", LOG.verifier.text, "--name", "a name"), "neither spaces nor +"),
        (("--log-key", LOG.verifier.text), "A new witness needs a name"),
    ],
)
def test_a_witness_that_cannot_start_says_why(tmp_path: Path, more: tuple[str, ...], says: str) -> None:
    command = [str(KEYTRAIL), "witness", str(tmp_path / "witness"), *more]
    done = forked().run(command, clean_environment(), timeout=30)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with witness(tmp_path / "witness"):
        pass
    (tmp_path / "witness" / "witness.key").chmod(0o644)
    command = [str(KEYTRAIL), "witness", str(tmp_path / "witness"), "--log-key", LOG.verifier.text]
    done = forked().run(command, clean_environment(), timeout=30)
    assert (done.returncode, "chmod 600" in done.stderr) == (2, True)


def policy_of(witnesses: list[RunningWitness]) -> str:
    """Two of three are needed."""
    lines = [
        f"witness W{number} {signer_of(each.folder, each.name).verifier.text} {each.url}/"
        for number, each in enumerate(witnesses)
    ]
    return "\n".join([*lines, "group both 2 W0 W1 W2", "quorum both", ""])


def cosigned(running: Installation, witnesses: list[RunningWitness]) -> tuple[int, set[str]]:
    """(size, names of the witnesses that cosigned it) of the newest checkpoint with enough cosignatures; (0, nothing) before the
    first."""
    if not is_there(running, "cosigned"):
        return 0, set()
    note = signed_note(fetched(running, "cosigned").decode())
    keys = [signer_of(each.folder, each.name).verifier for each in witnesses]
    return checkpoint(note.text).size, {key.name for key in keys if cosigned_at(note, key) is not None}


@pytest.mark.soak
def test_two_of_three_witnesses_are_enough_and_one_is_not(tmp_path: Path) -> None:
    """Given a policy of two of three, when one witness is away, then checkpoints are cosigned by the others; when a second goes,
    calls and checkpoints go on and the cosigned one stays; when it comes back, it is caught up with from where it was."""
    witnesses = [RunningWitness(tmp_path / name, name=f"witness.example/{name}") for name in ("a", "b", "c")]
    both = {each.name for each in witnesses[:2]}
    policy = tmp_path / "policy"
    policy.write_text(policy_of(witnesses))
    (tmp_path / "alerts.toml").write_text("[rules.witness-away]\nseconds = 1\n")
    own = {
        "KEYTRAIL_NOTARIES": "1",
        "KEYTRAIL_WITNESS_POLICY_FILE": str(policy),
        "KEYTRAIL_ALERTS_FILE": str(tmp_path / "alerts.toml"),
    }
    with Installation(tmp_path / ".keytrail", variables=own) as running, ExitStack() as ending:
        eventually(lambda: is_there(running, "checkpoint"))
        key = fetched(running, "key").decode().strip()
        for each in witnesses[:2]:
            each.log_key = key
            each.start()
            ending.callback(each.end)
        calls(running, 3)
        eventually(lambda: cosigned(running, witnesses)[1] == both)
        size = cosigned(running, witnesses)[0]
        eventually(lambda: asyncio.run(kept(running)) >= size)  # without another call
        proof = tmp_path / "proof.json"
        running.keytrail("prove", running.client().list_keys()["ResponseMetadata"]["RequestId"], "-o", str(proof))
        trusted = [part for each in witnesses[:2] for part in ("--witness-key", each.key().text)]
        done = running.keytrail_as({}, "verify-evidence", str(proof), "--log-key", key, *trusted)
        assert (done.returncode, "cosigned by 2" in done.stdout) == (0, True), done.stdout

        # Before they were started, they were away; that is over.
        told = eventually(lambda: [count] if (count := absences(running, "W1")) % 2 == 0 else None)[0]
        witnesses[1].end(signal.SIGKILL)
        before = head(running).size
        calls(running, 3)
        eventually(lambda: head(running).size >= before + 4)
        eventually(lambda: absences(running, "W1") == told + 1, within=60)
        assert cosigned(running, witnesses)[0] <= before
        late = running.client().list_keys()["ResponseMetadata"]["RequestId"]
        refused = running.keytrail("prove", late, "-o", str(tmp_path / "late.json"), check=False)
        assert "too few of the witnesses in the settings have cosigned" in " ".join(refused.stderr.split())
        witnesses[1].start()
        calls(running, 1)
        eventually(lambda: cosigned(running, witnesses)[0] > before)
        assert cosigned(running, witnesses)[1] == both
        # One alert said that it was away, and one says that it is back; the third witness was never there.
        eventually(lambda: absences(running, "W1") == told + 2, within=60)
        eventually(lambda: absences(running, "W2") == 1, within=60)
        assert absences(running, "W0") % 2 == 0


async def kept(running: Installation) -> int:
    """The size of the largest checkpoint that the notary has kept for packages of evidence."""
    async with running.connected() as pool:
        return int(await pool.fetchval("SELECT coalesce(max(size), 0) FROM transparency.heads"))


def absences(running: Installation, name: str) -> int:
    """How many alerts speak of a witness of the policy that is away or back."""
    running.caught_up()
    return sum(
        f"witness {name}" in each["summary"] for each in running.answers("alerts") if each["rule"] == "witness-away"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("quorum nobody\n", "line 1: no witness or group above is named nobody"),
        (f"witness W {KEYS[0]}\nquorum W\n", "the quorum needs witnesses that have no address"),
    ],
)
def test_a_policy_that_cannot_work_keeps_everything_from_starting(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "policy").write_text(text)
    environment = clean_environment() | {"KEYTRAIL_WITNESS_POLICY_FILE": str(tmp_path / "policy")}
    done = forked().run([str(KEYTRAIL), "up", "--data", str(tmp_path / ".keytrail")], environment, timeout=60)
    assert done.returncode == 1
    assert says in " ".join(done.stderr.split())
