"""What the tests share: a real installation, started once by `keytrail up`, and how many faults to inject."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from xdist.remote import Producer

import domain
from tests import certificates, compiling, scheduling, servers
from tests.installation import Installation


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak", action="store_true", help="every test, with the full counts of faults and generated examples"
    )


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--soak"))


def pytest_configure(config: pytest.Config) -> None:
    imported = Path(domain.__file__).parents[1]
    if imported != config.rootpath:  # a virtual environment that two checkouts share
        raise pytest.UsageError(f"these tests would try the code of {imported}: run `make .venv/.dev` in this checkout")
    if config.getoption("numprocesses", None):  # its processes share the servers of this one
        servers.place()
        servers.fork_server()
    from hypothesis import HealthCheck, settings

    common: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    # The same examples each time when many wait for the result; new ones in every soak.
    settings.register_profile("test", max_examples=200, derandomize=True, **common)
    settings.register_profile("soak", max_examples=5000, **common)
    settings.load_profile("soak" if config.getoption("--soak") else "test")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> scheduling.BySharedInstallation | None:
    if config.getoption("dist") == "loadfile" and not config.getoption("--soak"):
        return scheduling.BySharedInstallation(config, log)
    return None


LONGEST = ("tests/oracle/", "tests/e2e/test_trails.py", "tests/domain/test_trail_documents.py")
"""Files that take minutes at full counts. They run first, so that no other process waits for one at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that ask for the shared installation come last. Until the last test of a process that has one, it takes a tenth
    of a core while nobody calls."""
    if config.getoption("--soak"):
        items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    else:
        shared = {item.path for item in items if scheduling.kind_of(item) == scheduling.WIDELY}
        items.sort(key=lambda item: item.path in shared)
    if hasattr(config, "workerinput"):
        scheduling.tell(items)


def pytest_collection(session: pytest.Session) -> None:
    """Modules and tests are no garbage: with its collector, this takes a fifth more."""
    if not session.config.getoption("numprocesses", None):  # the controller of processes collects nothing
        gc.disable()
        compiling.import_own_share(session.config)


def pytest_collection_finish() -> None:
    """The libraries and tests that are loaded by now stay. Where the collector looked at them again and again, that was a tenth
    of this process's time. Young objects are looked at as often as ever: looking less often at more of them takes longer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 20, 50)
    gc.enable()


@pytest.fixture(autouse=True)
def logs_go_where_each_test_reads_them() -> Iterator[None]:
    """The command line quietens the logs of its process. Undo that after the test, since later tests read their
    logs."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def provider_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificates.make(tmp_path_factory.mktemp("provider"))


@pytest.fixture(scope="session")
def installation(
    tmp_path_factory: pytest.TempPathFactory, provider_certificate: tuple[Path, Path]
) -> Iterator[Installation]:
    """One real Keytrail (two writers, projector, two API workers) for every test that only calls
    it."""
    data = tmp_path_factory.mktemp("installation") / "data"
    # A provider of OpenID Connect tokens, if a test starts one, has this certificate and an address of this machine.
    trusts = {"KEYTRAIL_OIDC_CA": str(provider_certificate[0]), "KEYTRAIL_OIDC_ADDRESSES": "127.0.0.0/8"}
    with Installation(data, workers=2, KEYTRAIL_WRITERS="2", KEYTRAIL_ALERT_WORKERS="1", variables=trusts) as running:
        running.client().list_keys()  # so that there is a decision to recheck, whichever tests run
        yield running
        # Whatever the tests did, each decision comes out again as recorded, with the same reasons.
        running.caught_up()
        found = json.loads(running.keytrail("recheck", "--json", check=False).stdout)
        assert (found["mismatches"], found["gaps"]) == (0, []), json.dumps(found["explained"], indent=1)
        assert found["decisions"] > 0
        # Nothing they did looks like somebody else's work, and the projections agree with the topics.
        verified = running.verified()
        assert verified["whole"], json.dumps(verified, indent=1)
        # And every rule could be judged.
        assert running.answers("alerts", "--rule", "rule-failed") == []
