"""What several files of whole calls share."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest

from tests.e2e.test_authorisation import Credentials
from tests.installation import Installation, eventually

OTHER = "444455556666"


@pytest.fixture(scope="session")
def proving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a transparency log, for tests that only ask it for proofs."""
    with Installation(tmp_path_factory.mktemp("proving") / "data", KEYTRAIL_NOTARIES="1") as running:
        assert running.client().list_keys()  # so that there is a record, and a checkpoint
        yield running
        found = running.verified()
        assert found["whole"], json.dumps(found, indent=1)


@pytest.fixture(scope="session")
def other(proving: Installation) -> Credentials:
    """The root user of another account of that installation."""
    made = json.loads(proving.keytrail("account", "create", OTHER, "--json").stdout)
    return {"AWS_ACCESS_KEY_ID": made["access_key_id"], "AWS_SECRET_ACCESS_KEY": made["secret_access_key"]}


@asynccontextmanager
async def leaves_elsewhere(running: Installation) -> AsyncIterator[None]:
    """Rows in Postgres say that each change is the leaf after its own; meanwhile the notary may add further rows."""
    moved = "UPDATE transparency.runs SET leaf = leaf + $1 WHERE kind = 'events' AND first <= $2"
    async with running.connected() as pool:
        last = await pool.fetchval("SELECT max(first) FROM transparency.runs WHERE kind = 'events'")
        await pool.execute(moved, 1, last)
        try:
            yield
        finally:
            await pool.execute(moved, -1, last)


@pytest.fixture(scope="session")
def log_key(proving: Installation) -> str:
    return str(eventually(partial(_published_key, proving)))


def _published_key(proving: Installation) -> str:
    """ "" until the notary has published its first checkpoint."""
    try:
        with urllib.request.urlopen(f"{proving.url}/log/key", timeout=10) as answer:
            return str(answer.read().decode()).strip()
    except urllib.error.HTTPError as fault:
        fault.close()
        if fault.code != 404:
            raise
        return ""


@pytest.fixture
def no_password_policy(installation: Installation) -> None:
    """The account has no password policy. Another test of the same installation may have set one."""
    iam = installation.client(service="iam")
    with suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_account_password_policy()
