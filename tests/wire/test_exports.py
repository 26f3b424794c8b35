"""Decided calls as a file: the same bytes as the command line's, a bounded cost, and never half a file taken for a whole one."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from services.audit_api.paced_response import STALLED
from services.exports.formats import CallFormat
from tests.installation import Installation, eventually
from tests.wire.test_audit_api import ask, get

FORMULA = "=HYPERLINK(1)"
MANY = 40_000
"""Calls of forty megabytes, which no buffer between server and client holds."""
LONG_AGO = "from=1999-01-01&to=2000-01-01"


@pytest.fixture(scope="module")
def key(installation: Installation) -> str:
    kms = installation.client()
    key: str = kms.create_key()["KeyMetadata"]["KeyId"]
    for _ in range(3):
        kms.encrypt(KeyId=key, Plaintext=b"-", EncryptionContext={"who": FORMULA})
    installation.client(user_agent=FORMULA).update_key_description(KeyId=key, Description=FORMULA)
    installation.caught_up()
    return key


@pytest.fixture(scope="module")
def long_ago(installation: Installation, key: str) -> Iterator[None]:
    """Rows of the projection, of years in which nobody called. There is no other quick way to many of them."""
    begun = asyncio.run(_execute(installation, COPIES, key, MANY))
    assert begun == f"INSERT 0 {MANY}"
    yield
    asyncio.run(_execute(installation, "DELETE FROM p_decisions.decisions WHERE at < '2000-01-01'"))


COPIES = """
INSERT INTO p_decisions.decisions (at, origin, record, seen, call_id, account, principal, access_key, operation, effect,
    owners, source, agent, summary, parameters)
SELECT '1999-01-01'::timestamptz + n * interval '1 second', 0, n, seen, n::text, account, principal, access_key, operation,
    effect, owners, source, repeat('agent ', 150), summary, parameters
FROM (SELECT * FROM p_decisions.decisions WHERE key_id = $1 LIMIT 1) one, generate_series(1, $2) n
"""


async def _execute(installation: Installation, query: str, *given: Any) -> str:
    connection = await asyncpg.connect(installation.settings.postgres)
    try:
        return str(await connection.execute(query, *given))
    finally:
        await connection.close()


@contextmanager
def opened(
    installation: Installation, path: str, credentials: dict[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    """An answer of which only the head was read."""
    given = credentials or installation.credentials()
    request = AWSRequest("GET", installation.url + path)
    keys = Credentials(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, "keytrail", "us-east-1").add_auth(request)
    with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=60)) as connection:
        connection.request("GET", path, headers=dict(request.headers))
        with connection.getresponse() as answer:
            yield answer


def writing(installation: Installation) -> list[psutil.Process]:
    """The processes that write files."""
    workers = [psutil.Process(installation.pid(name)) for name in ("api-1", "api-2")]
    return [each for worker in workers for each in worker.children() if _lives(each)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended after it was listed
        return False


@pytest.mark.parametrize("form", CallFormat)
def test_the_file_is_the_one_that_the_command_writes(
    installation: Installation, key: str, form: CallFormat, tmp_path: Path
) -> None:
    installation.keytrail("decisions", "--key", key, "--export", str(tmp_path / "file"), "--format", form)
    with opened(installation, f"/v1/decisions/export?format={form}&key={key}") as answer:
        assert (answer.status, answer.headers["content-type"]) == (200, form.media)
        assert answer.headers["content-disposition"].endswith(f'{form.ending}"')
        assert answer.read() == (tmp_path / "file").read_bytes()


def test_text_that_a_spreadsheet_would_run_is_harmless(installation: Installation, key: str) -> None:
    status, answer = ask(installation, f"/v1/decisions/export?format=csv&key={key}&operation=UpdateKeyDescription")
    (row,) = csv.DictReader(io.StringIO(answer.decode()))
    assert (status, row["agent"][:14], json.loads(row["parameters"])["Description"]) == (200, f"'{FORMULA}", FORMULA)
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", f"format must be one of {', '.join(CallFormat)}"),
        ("?format=parqet", "not 'parqet'. Near it: parquet."),
        ("?format=PARQUET", "not 'PARQUET'. Near it: parquet."),
        ("?format=csv&limit=5", "There is no parameter 'limit' here."),
        ("?format=csv&effect=maybe", "effect must be one of allowed, refused"),
        ("?format=csv&trail=nope", "There is no trail nope"),
    ],
)
def test_a_bad_question_is_told_before_any_file_begins(installation: Installation, query: str, words: str) -> None:
    status, answer = get(installation, f"/v1/decisions/export{query}")
    assert (status in (400, 404), words in answer["error"]["message"]) == (True, True), answer


def reader(installation: Installation, name: str, *actions: str) -> dict[str, str]:
    iam = installation.client(service="iam")
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    if actions:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}


def test_who_may_not_read_decisions_gets_no_file(installation: Installation) -> None:
    status, answer = get(installation, "/v1/decisions/export?format=csv", reader(installation, "reads-nothing"))
    assert (status, answer["error"]["code"]) == (403, "AccessDeniedException")
    assert "keytrail:ReadDecisions" in answer["error"]["message"]


@pytest.mark.soak
def test_downloads_that_are_cancelled_free_their_places_and_processes(
    installation: Installation, long_ago: None
) -> None:
    path = f"/v1/decisions/export?format=csv&{LONG_AGO}"
    with ExitStack() as open_ones:
        answers = []
        for _ in range(8):  # two for each of two workers, which the kernel chooses
            answers.append(open_ones.enter_context(opened(installation, path)))
            if answers[-1].status != 200:
                break
        assert (answers[-1].status, b"try again" in answers[-1].read()) == (503, True)
        assert 1 <= len(writing(installation)) <= 4
        answers[0].read(1 << 20)
        assert installation.client().list_keys()["Keys"]  # nobody else waits
    eventually(lambda: writing(installation) == [])
    with opened(installation, path) as answer:
        assert answer.read().count(b"\r\n") == MANY + 1


@pytest.mark.soak
def test_readers_that_stop_reading_give_their_places_back(installation: Installation, long_ago: None) -> None:
    """They would otherwise keep everybody from asking long questions, for as long as they like."""
    path = f"/v1/decisions/export?format=csv&{LONG_AGO}"
    with ExitStack() as open_ones:
        held = [open_ones.enter_context(opened(installation, path)) for _ in range(8)]
        assert {each.status for each in held} == {200, 503}
        eventually(lambda: writing(installation) == [], within=2 * STALLED)
        with opened(installation, path) as answer:
            assert answer.read().count(b"\r\n") == MANY + 1
        broken = next(each for each in held if each.status == 200)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            broken.read()


def test_a_file_ends_early_when_its_reader_may_no_longer_ask(installation: Installation, long_ago: None) -> None:
    given = reader(installation, "reads-for-a-while", "keytrail:ReadDecisions")
    with opened(installation, f"/v1/decisions/export?format=csv&{LONG_AGO}", given) as answer:
        answer.read(1000)
        installation.client(service="iam").delete_user_policy(UserName="reads-for-a-while", PolicyName="p")
        with pytest.raises(http.client.IncompleteRead):
            eventually(lambda: not answer.read(100_000))  # a megabyte or two a second
            raise AssertionError("the file came to its end")
    refused = installation.answers("decisions", "--effect", "refused", "--principal", "reads-for-a-while")
    assert [each["operation"] for each in refused] == ["keytrail:ReadDecisions"]


def test_a_file_ends_early_when_the_process_that_writes_it_ends(installation: Installation, long_ago: None) -> None:
    with opened(installation, f"/v1/decisions/export?format=parquet&{LONG_AGO}") as answer:
        (process,) = eventually(lambda: writing(installation))
        process.kill()
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
