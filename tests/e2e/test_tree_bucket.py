"""A transparency log in a bucket: served, proven and verified as one in a folder is, while calls wait for nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.adapters.tile_bucket import TileBucket
from tests import bucket_server
from tests.bucket_server import BucketServer, stored_in
from tests.e2e.test_notary import calls, fetched, head, is_larger, is_there, notarised_all
from tests.installation import Installation, eventually


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    found = bucket_server.started()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def in_bucket(server: BucketServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    address = server.address("audit/log")
    settings = {
        "KEYTRAIL_NOTARIES": "1",
        "KEYTRAIL_TREE": f"s3://{address.bucket}/{address.prefix}/",
        "KEYTRAIL_TREE_ENDPOINT": address.endpoint,
        "KEYTRAIL_TREE_ACCESS_KEY_ID": address.access_key_id,
        "KEYTRAIL_TREE_SECRET_ACCESS_KEY": address.secret_access_key,
    }
    with Installation(tmp_path_factory.mktemp("bucket") / ".keytrail", variables=settings) as running:
        eventually(lambda: is_there(running, "checkpoint"))
        stored = stored_in(TileBucket(address))
        assert {"checkpoint", "key"} <= stored.keys()
        yield running


@pytest.mark.soak
def test_every_record_is_a_leaf_in_the_bucket(in_bucket: Installation, tmp_path: Path) -> None:
    """A stranger reads it under /log/; a proof is made from it, and verify walks all of it. Nothing is in the data folder."""
    calls(in_bucket, 300)
    notarised_all(in_bucket)
    answer = in_bucket.client().list_keys()
    in_bucket.keytrail("prove", answer["ResponseMetadata"]["RequestId"], "-o", str(tmp_path / "p.json"))
    key = fetched(in_bucket, "key").decode()
    assert in_bucket.keytrail_as({}, "verify-evidence", str(tmp_path / "p.json"), "--log-key", key).returncode == 0
    assert in_bucket.verified()["tree"]["differences"] == []
    assert not (in_bucket.data / "tree").exists()


@pytest.mark.soak
def test_a_killed_notary_goes_on_in_the_bucket(in_bucket: Installation) -> None:
    for _ in range(2):
        size = head(in_bucket).size
        notary = in_bucket.process("notary-1")
        notary.kill()
        notary.wait(10)
        calls(in_bucket, 30)
        is_larger(in_bucket, size)
    notarised_all(in_bucket)


@pytest.mark.soak
def test_while_the_server_is_away_calls_go_on_and_afterwards_the_log(
    in_bucket: Installation, server: BucketServer
) -> None:
    """The server hangs: it takes connections and answers nothing. The log under /log/ says so, and the notary's log file."""
    size = notarised_all(in_bucket)[0].size
    with server.paused():
        began = time.monotonic()
        calls(in_bucket, 20)
        assert time.monotonic() - began < 5.0
        eventually(lambda: "begins anew" in (in_bucket.data / "logs" / "notary-1.log").read_text(), within=60.0)
        with pytest.raises(OSError, match="503"):
            fetched(in_bucket, "checkpoint")
        status = in_bucket.answers("status")[0]
        assert status["notary"]["lag"] is None or status["notary"]["lag"] > 0
    eventually(lambda: head(in_bucket).size > size, within=60.0)
    notarised_all(in_bucket)
