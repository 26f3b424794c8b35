"""What the attackers share: one installation with one API worker, so that all attack the same process."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from tests.attacks.strangers import PROXY
from tests.installation import Installation


@pytest.fixture(scope="package")  # it ends with the attackers: an idle broker takes a thirtieth of a core
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    # An attacker needs as many file descriptors as the worker.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    data = tmp_path_factory.mktemp("attacked") / "data"
    with Installation(data, workers=1, KEYTRAIL_TRUSTED_PROXIES=f"{PROXY}, 10.0.0.0/8") as running:
        yield running
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
