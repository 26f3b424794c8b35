"""`GET /v1/verify` and `GET /v1/settings`: the installation's own questions, over the audit API."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from services.audit_api.resources.verification import ONE_AT_A_TIME
from services.settings import SECRETIVE, Settings, shown
from tests.attacks.test_sessions import allow, user
from tests.installation import Installation, eventually
from tests.wire.test_audit_api import get

PROCESS = "services.verification"


@contextmanager
def asked(installation: Installation, path: str = "/v1/verify") -> Iterator[http.client.HTTPResponse]:
    """The answer, which is still under way. Its connection is closed at the end, as when a browser leaves the page."""
    given = installation.credentials()
    request = AWSRequest("GET", installation.url + path)
    keys = Credentials(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, "keytrail", "us-east-1").add_auth(request)
    with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=60)) as connection:
        connection.request("GET", path, headers=dict(request.headers))
        yield connection.getresponse()


def line(answer: http.client.HTTPResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.readline())
    return found


def verifying(installation: Installation) -> list[psutil.Process]:
    workers = [installation.process(name) for name in ("api-1", "api-2")]
    return [each for worker in workers for each in worker.children() if PROCESS in each.cmdline()]


def left_in_postgres(installation: Installation) -> list[str]:
    """Tables and schemas that a verification made and that are still there."""

    async def ask() -> list[str]:
        async with installation.connected() as pool:
            rows = await pool.fetch(
                "SELECT nspname || '.' || relname AS name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
                "WHERE relpersistence = 't' AND relkind = 'r' UNION SELECT nspname FROM pg_namespace WHERE nspname LIKE '%verified'"
            )
            return [row["name"] for row in rows]

    return asyncio.run(ask())


@contextmanager
def held_up(installation: Installation) -> Iterator[http.client.HTTPResponse]:
    """The answer of a verification that waits for a table that somebody has locked."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(installation.settings.postgres))
        runner.run(connection.execute("BEGIN; LOCK TABLE p_alerts.alerts IN ACCESS EXCLUSIVE MODE"))
        try:
            with asked(installation) as answer:
                while line(answer)["step"] != "comparing the table alerts of alerts":
                    pass
                assert "alerts" in " ".join(left_in_postgres(installation))
                yield answer
        finally:
            runner.run(connection.close())


def test_the_server_finds_what_the_operators_command_finds(installation: Installation) -> None:
    client = installation.client()
    client.encrypt(KeyId=client.create_key()["KeyMetadata"]["KeyId"], Plaintext=b"x")
    installation.caught_up()
    done = installation.keytrail("verify", "--remote", "--json")
    found, local = json.loads(done.stdout), installation.verified()
    assert found["whole"]
    assert found.keys() == local.keys()
    assert {name: found[name] for name in ("log", "fault", "projections")} == {
        name: local[name] for name in ("log", "fault", "projections")
    }
    head = f"{found['position']}:{found['head']}"
    assert installation.keytrail("verify", "--remote", "--topics-only", "--expect", head).returncode == 0
    broken = installation.keytrail(
        "verify", "--remote", "--expect", f"{found['position']}:{'0' * 64}", "--json", check=False
    )
    assert (broken.returncode, json.loads(broken.stdout)["at"]) == (1, found["position"])


def test_its_steps_are_told_one_after_the_other(installation: Installation) -> None:
    """The transparency log and the projections are compared side by side. A bar that is told of both in turn would be done and
    undone again."""
    with asked(installation) as answer:
        *told, last = [json.loads(each) for each in answer.read().splitlines()]
    assert last["result"]["whole"]
    steps = [step for step, _ in groupby(each["step"] for each in told)]
    assert len(set(steps)) == len(steps)
    assert "checking the log" in steps


@pytest.mark.parametrize("expect", ["1", "1:ab", f"x:{'0' * 64}", f"{'9' * 18}:{'0' * 64}", f"1:{'G' * 64}"])
def test_a_head_that_cannot_be_one_is_refused(installation: Installation, expect: str) -> None:
    status, answer = get(installation, f"/v1/verify?expect={expect}")
    assert (status, answer["error"]["code"]) == (400, "ValidationException")
    assert get(installation, "/v1/verify?projections=no")[0] == 400


def test_one_runs_at_a_time_and_ends_when_its_asker_goes(installation: Installation) -> None:
    with held_up(installation):
        status, refused = get(installation, "/v1/verify")
        assert (status, refused["error"]["message"]) == (503, ONE_AT_A_TIME)
        (process,) = verifying(installation)
    eventually(lambda: not process.is_running())
    eventually(lambda: left_in_postgres(installation) == [])


@pytest.mark.soak
def test_a_verification_that_is_killed_leaves_nothing(installation: Installation) -> None:
    with held_up(installation) as answer:
        (process,) = verifying(installation)
        process.kill()
        *_, last = [json.loads(each) for each in answer.read().splitlines()]
        assert last["error"]["code"] == "DependencyTimeoutException"
    eventually(lambda: left_in_postgres(installation) == [])
    assert json.loads(installation.keytrail("verify", "--remote", "--json").stdout)["whole"]


@pytest.mark.soak
def test_a_verification_ends_with_its_worker(installation: Installation) -> None:
    with held_up(installation):
        (process,) = verifying(installation)
        worker = process.parent()
        assert worker is not None
        worker.kill()
        eventually(lambda: not process.is_running())
    eventually(installation.healthy)
    eventually(lambda: left_in_postgres(installation) == [])


@pytest.mark.parametrize(("path", "action"), [("verify", "Verify"), ("settings", "ReadSettings")])
def test_both_need_their_permission(installation: Installation, path: str, action: str) -> None:
    without = user(installation, f"no-{path}", allow("keytrail:ReadStatus"))
    status, answer = get(installation, f"/v1/{path}", without)
    assert (status, answer["error"]["code"]) == (403, "AccessDeniedException")
    assert f"keytrail:{action}" in answer["error"]["message"]


def test_the_settings_are_those_of_the_server_without_its_secrets(installation: Installation) -> None:
    status, answer = get(installation, "/v1/settings")
    assert status == 200
    found = {each["name"]: each for each in answer["items"]}
    assert (found["KEYTRAIL_PORT"]["value"], found["KEYTRAIL_PORT"]["source"]) == (str(installation.port), "set")
    assert (found["KEYTRAIL_REGION"]["value"], found["KEYTRAIL_REGION"]["source"]) == ("us-east-1", "default")
    secrets = installation.settings.secrets()
    root = "KEYTRAIL_ROOT_SECRET_ACCESS_KEY"  # `keytrail up` makes it, and this test's settings do not have it
    assert {*secrets, root} == {each["name"] for each in answer["items"] if each["secret"] and each["source"] == "set"}
    for secret in (*secrets.values(), installation.credentials()["AWS_SECRET_ACCESS_KEY"]):
        assert secret not in json.dumps(answer)


def test_a_setting_that_sounds_like_a_secret_is_one() -> None:
    """So that a secret that is added later is not shown, passed on in environments, or written into compose.yaml."""
    unmarked = [each.name for each in fields(Settings) if SECRETIVE.search(each.name) and not each.metadata["secret"]]
    assert unmarked == []


def test_no_secret_is_shown_whichever_settings_there_are() -> None:
    texts = [each.name for each in fields(Settings) if isinstance(each.default, str)]
    values: dict[str, Any] = {name: f"value-of-{name}." for name in texts}
    filled = replace(Settings(), **values)
    told = json.dumps(shown(filled))
    hidden = [name for name in texts if f"value-of-{name}." not in told]
    assert hidden == [each.name for each in fields(Settings) if each.metadata["secret"]]
    login = shown(replace(Settings(), kafka="//admin:hunter2@broker:9092"))
    assert "hunter2" not in json.dumps(login)
    assert re.search(r"//\*\*\*@broker:9092", json.dumps(login))
