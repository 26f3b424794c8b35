"""An upgrade from the version before while calls go on: its real processes are replaced one after another, in the order of
docs/operations.md and in the other one, and back."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from domain.state.fold import Fold
from services.adapters.topics import names
from tests.attacks.test_console_sessions import SESSIONS, SIGN_OUTS, post_to, signed_in
from tests.cluster.load import ATTEMPT_DEADLINE, Load
from tests.consistency.explained import decided_otherwise
from tests.consistency.judged import decisions, judged, values_of_first
from tests.upgrade.before import VersionBefore
from tests.upgrade.mixed import PROCESSES, WRITERS, MixedInstallation

FLOWS_AGAIN_WITHIN = 10.0
FEW, MANY = (2, 3), (8, 12)
"""How many clients change keys, and how many use them."""
FEW_READERS = ("api-1", "api-2", "projector-1")
"""Those of `make test`: a process takes a second of processor time to start. `make cluster-soak` has all."""
FOLDED_BY_BEFORE = """
import json, sys
from domain.state.fold import Fold
fold, voids = Fold(), []
for offset, value in json.load(sys.stdin):
    if fold.take(offset, bytes.fromhex(value)) is None:
        voids.append(offset)
print(json.dumps([fold.chain.head, voids]))
"""


def roll(
    installation: MixedInstallation,
    load: Load,
    order: Iterable[str],
    of: VersionBefore | None,
    within: float = FLOWS_AGAIN_WITHIN,
    number: int = signal.SIGTERM,
) -> None:
    """Replaces processes. At each step calls have to be answered again within so many seconds."""
    for name in order:
        began = time.monotonic()
        installation.replace(name, of, number)
        time.sleep(1)
        for changing in (True, False):
            gap = load.longest_gap(began, time.monotonic(), changing=changing)
            assert gap <= within, f"{name}: {gap:.1f} s without an answer"


def require_explained(installation: MixedInstallation, load: Load, before: VersionBefore) -> list[tuple[int, bytes]]:
    """Everything that was answered is on the log, and both versions read the same from it. Returns the log's values."""
    settings = installation.settings
    assert judged(settings, load.calls) == []
    assert [each for each in load.calls if not each.answered] == []
    assert max(seconds for each in load.calls for _, seconds, _ in each.attempts) <= ATTEMPT_DEADLINE
    log = asyncio.run(values_of_first(settings, names(settings).events))
    assert list(decided_otherwise(log, asyncio.run(decisions(settings)))) == []
    assert by_this(log) == by_the_one_before(log, before), "what one version writes, the other one voids"
    return log


def by_this(log: list[tuple[int, bytes]]) -> tuple[str, list[int]]:
    fold = Fold()
    voids = [offset for offset, value in log if fold.take(offset, value) is None]
    return fold.chain.head, voids


def by_the_one_before(log: list[tuple[int, bytes]], before: VersionBefore) -> tuple[str, list[int]]:
    """The digest of the last valid record, and the positions of void ones."""
    given = json.dumps([[offset, value.hex()] for offset, value in log])
    head, voids = json.loads(before.run(FOLDED_BY_BEFORE, given))
    return head, voids


def console_session(installation: MixedInstallation) -> dict[str, str]:
    """The root user's."""
    root = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), installation.root, strict=True))
    return signed_in(post_to(installation.urls[0], SESSIONS, {}, root))


def sign_out(installation: MixedInstallation, by: dict[str, str]) -> int:
    """Returns the status of the answer."""
    return post_to(installation.urls[1], SIGN_OUTS, {}, by)[0]


def test_processes_are_replaced_one_after_another_while_calls_go_on(tmp_path: Path, before: VersionBefore) -> None:
    with MixedInstallation(tmp_path / "mixed", before, [*FEW_READERS, *WRITERS]) as installation:
        with Load(installation.urls, installation.root, None, changing=FEW[0], using=FEW[1], pause=0.1) as load:
            prepared = installation.answer("upgrade", "prepare")
            assert prepared["position"] > 0
            refused = installation.keytrail("upgrade", "finish")
            assert (refused.returncode, "of an earlier version" in refused.stderr) == (1, True), refused.stderr
            refused = installation.keytrail("upgrade", "finish", "--whatever-runs")
            assert (refused.returncode, "writer that leads is of an earlier" in refused.stderr) == (1, True), (
                refused.stderr
            )
            # Other tests run at the same time; `make cluster-soak` runs alone, and holds each step to the promise.
            roll(installation, load, FEW_READERS, None, 3 * FLOWS_AGAIN_WITHIN)
            session = console_session(installation)
            assert sign_out(installation, session) == 403, "a writer of the version before does not know the command"
            roll(installation, load, WRITERS, None, 3 * FLOWS_AGAIN_WITHIN)
        require_explained(installation, load, before)
        verified = installation.keytrail("verify", "--topics-only", "--json", of=before)
        assert json.loads(verified.stdout)["whole"], verified.stdout + verified.stderr
        with Load(installation.urls, installation.root, None, changing=FEW[0], using=FEW[1], pause=0.1) as after:
            assert installation.answer("upgrade", "finish")["raised"] is True
            assert installation.answer("upgrade", "finish")["raised"] is False, "twice is once"
            assert [sign_out(installation, session) for _ in range(2)] == [200, 403]
            time.sleep(1)
        assert judged(installation.settings, after.calls) == []
        verified = installation.keytrail("verify", "--json")
        assert json.loads(verified.stdout)["whole"], verified.stdout + verified.stderr
        installation.processes["writer-2"].stop()  # a writer reads the log when it is elected
        for name in ("api-1", "writer-1"):
            process = installation.processes[name]
            process.stop()
            process.start(before, wanted=False)
            assert process.ends_within(60) != 0
            assert "was written by a newer Keytrail" in process.log.read_text()


@pytest.mark.cluster
def test_the_other_order_and_the_way_back(tmp_path: Path, before: VersionBefore) -> None:
    """Until it is finished, an upgrade may be done in any order, and taken back."""
    with MixedInstallation(tmp_path / "mixed", before) as installation:
        with Load(installation.urls, installation.root, None, changing=MANY[0], using=MANY[1], pause=0.1) as load:
            roll(installation, load, reversed(PROCESSES), None)
            roll(installation, load, PROCESSES, before, number=signal.SIGKILL)
            roll(installation, load, reversed(PROCESSES), None, number=signal.SIGKILL)
            roll(installation, load, PROCESSES, before)
        require_explained(installation, load, before)
        verified = installation.keytrail("verify", "--json", of=before)
        assert json.loads(verified.stdout)["whole"], verified.stdout + verified.stderr
