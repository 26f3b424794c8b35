from __future__ import annotations

import pytest

from tests.upgrade.before import VersionBefore


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> VersionBefore:
    return VersionBefore(tmp_path_factory.mktemp("before"))
