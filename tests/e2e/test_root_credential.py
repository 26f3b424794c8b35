"""The root user's credential is replaced while calls go on, by a command that may be killed at any step."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.forking import forked
from tests.installation import Installation, eventually

INVALID = "UnrecognizedClientException", "InvalidClientTokenId"


FIRST = ("AKIAGIVENATTHESTART0", "a-secret-that-the-operator-chose-for-a-test")
NAMED = dict(zip(("KEYTRAIL_ROOT_ACCESS_KEY_ID", "KEYTRAIL_ROOT_SECRET_ACCESS_KEY"), FIRST, strict=True))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Its data folder keeps the credential."""
    with Installation(tmp_path_factory.mktemp("root") / "data") as running:
        yield running


def credentials(access_key: str, secret: str, token: str | None = None) -> dict[str, str]:
    more = {} if token is None else {"AWS_SESSION_TOKEN": token}
    return {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret} | more


def refused(client: Any) -> str:
    """The code with which a call is refused; "" if it is answered."""
    try:
        client.list_keys()
    except ClientError as fault:
        return str(fault.response["Error"]["Code"])
    return ""


class Calling:
    """Calls under one credential, one after another. `answered`: when the last one was; `refusals`: the codes."""

    def __init__(self, client: Any) -> None:
        self._client, self._stop = client, threading.Event()
        self.count, self.refusals = 0, list[str]()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            code = refused(self._client)
            if code:
                self.refusals.append(code)
            else:
                self.count += 1
            time.sleep(0.02)

    def __enter__(self) -> Calling:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()


def test_calls_go_on_under_both_and_the_former_one_ends_everywhere(kept: Installation) -> None:
    before = kept.credentials()
    misplaced = kept.keytrail("root-credential", "rotate", "-o", "elsewhere", check=False)
    assert (misplaced.returncode, "Leave out -o" in misplaced.stderr) == (2, True)
    only = kept.keytrail("root-credential", "retire", before["AWS_ACCESS_KEY_ID"], "--yes", check=False)
    assert (only.returncode, "run `keytrail root-credential rotate` first" in only.stderr) == (1, True)
    old = kept.client(before)
    sts = kept.client(before, service="sts")
    given = sts.get_session_token()["Credentials"]
    session = credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert refused(kept.client(session)) == ""
    with Calling(old) as calling:
        (found,) = kept.answers("root-credential", "rotate", "--overlap", "0.0015")  # 5.4 s
        kept._given = None
        after = kept.credentials()
        assert (found["file"], found["access_key"]) == (None, after["AWS_ACCESS_KEY_ID"])
        works = [row["access_key"] for row in found["keys"] if row["status"] == "Active"]
        assert works == [before["AWS_ACCESS_KEY_ID"], after["AWS_ACCESS_KEY_ID"]]
        new = kept.client(after)
        count = calling.count
        assert [refused(new), refused(kept.client(session))] == ["", ""]
        eventually(lambda: calling.count > count)
        assert calling.refusals == [], "both work at first"
        eventually(lambda: calling.refusals, within=30)
        ended = calling.count
        time.sleep(0.5)
        assert calling.count == ended, "it does not begin again"
    assert set(calling.refusals) <= set(INVALID)
    assert refused(new) == ""
    assert refused(kept.client(session)) in INVALID, "what it was given ended with it"
    (account,) = kept.answers("account", "list")
    shown = {row["id"]: row["status"] for row in account["root_access_keys"]}
    assert (shown[before["AWS_ACCESS_KEY_ID"]], shown[after["AWS_ACCESS_KEY_ID"]]) == ("Inactive", "Active")


DIES = """
import asyncio, os, sys
from services.adapters import vault
from services.cli.main import main
from services.root_credentials import rotation
from services.runtime import data_folder

POINT, LANDED = sys.argv.pop(1), sys.argv.pop(1) == "landed"

def dying(work):
    async def until(*arguments):
        if LANDED:
            await work(*arguments)
            await asyncio.sleep(0.5)
        os._exit(9)
    return until

asked = rotation.ask_writer
async def second(*arguments):
    if arguments[3] == rotation.DISABLE_ROOT_KEY:
        await dying(asked)(*arguments)
    await asked(*arguments)

if POINT == "secret":
    vault.Vault.put_secret = dying(vault.Vault.put_secret)
elif POINT == "created":
    rotation.ask_writer = dying(asked)
elif POINT == "disabled":
    rotation.ask_writer = second
else:
    data_folder.Folder.take_next_credentials = lambda folder: os._exit(9)
main()
"""
"""The command, which kills itself at a step: before it, or when it has landed and nobody knows."""


@pytest.mark.parametrize(
    ("point", "landed"),
    [
        pytest.param("secret", "landed", marks=pytest.mark.soak),
        pytest.param("created", "lost", marks=pytest.mark.soak),
        ("created", "landed"),
        pytest.param("disabled", "lost", marks=pytest.mark.soak),
        pytest.param("disabled", "landed", marks=pytest.mark.soak),
        ("kept", "lost"),
    ],
)
def test_a_command_that_was_killed_goes_on_with_the_access_key_that_it_was_making(
    kept: Installation, point: str, landed: str
) -> None:
    kept._given = None
    before = kept.credentials()["AWS_ACCESS_KEY_ID"]
    arguments = ("root-credential", "rotate", "--overlap", "0", "--data", str(kept.data))
    killed = subprocess.run(
        [sys.executable, "-P", "-c", DIES, point, landed, *arguments], env=kept.environment(), timeout=60, check=False
    )
    assert killed.returncode == 9
    making = json.loads((kept.data / "credentials.json.new").read_text())["access_key_id"]
    (found,) = kept.answers("root-credential", "rotate", "--overlap", "0")
    kept._given = None
    assert found["access_key"] == making == kept.credentials()["AWS_ACCESS_KEY_ID"] != before
    assert [row["access_key"] for row in found["keys"] if row["status"] == "Active"] == [making]
    assert refused(kept.client()) == ""
    assert not (kept.data / "credentials.json.new").exists()


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Installation]:
    """Its settings name the credential."""
    with Installation(tmp_path / "data", variables=NAMED) as running:
        yield running


@pytest.mark.soak  # three starts; tests/domain/test_root_keys.py has the rules
def test_where_the_settings_name_it_the_new_one_goes_to_a_file_and_the_old_one_never_comes_back(
    given: Installation, tmp_path: Path
) -> None:
    file, old = tmp_path / "root.env", given.client(credentials(*FIRST))
    refusal = given.keytrail("root-credential", "rotate", check=False)
    assert (refusal.returncode, "-o FILE" in refusal.stderr) == (2, True)
    done = given.keytrail("root-credential", "rotate", "--overlap", "0", "-o", str(file))
    assert "set KEYTRAIL_ROOT_ACCESS_KEY_ID to the new id" in done.stderr
    named = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert file.stat().st_mode & 0o777 == 0o600
    new = given.client(credentials(*named.values()))
    assert refused(new) == ""
    assert eventually(lambda: refused(old)) in INVALID
    again = given.keytrail("root-credential", "rotate", "-o", str(file), check=False)
    assert (again.returncode, "works already" in again.stderr) == (1, True)
    only = given.keytrail("root-credential", "retire", named["KEYTRAIL_ROOT_ACCESS_KEY_ID"], "--yes", check=False)
    assert "is the only access key" in only.stderr

    given.stop()  # a start with the old settings, as on a machine that somebody forgot
    start = forked().run(given.command(), given.environment(), timeout=60)
    assert start.returncode == 1
    assert f"KEYTRAIL_ROOT_ACCESS_KEY_ID names {FIRST[0]}" in " ".join(start.stderr.split())
    (given.data / "replaced.json").unlink()  # a machine whose data folder knows nothing of it
    given.start()
    assert [refused(new), refused(old)] == ["", INVALID[0]]
    log = given.data / "logs" / "writer-1.log"
    eventually(lambda: "was disabled, and is disabled still" in log.read_text())  # calls are answered before it leads
    given.stop()
    given.extra |= named
    given.start()
    assert refused(given.client()) == ""
