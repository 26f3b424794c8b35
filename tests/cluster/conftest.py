from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster import rounds
from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster") / "cluster") as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.getoption("--soak"):
        terminalreporter.write_line(f"all runs here: {rounds.line(each.name for each in FAULTS)}")
