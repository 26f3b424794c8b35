"""Somebody who saw a code of an MFA device, who guesses codes, or who writes to the database with the seeds."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.e2e.test_mfa import User, refused, temporary
from tests.installation import Installation, eventually
from tests.pausing import pause


@pytest.fixture(scope="module")
def iam(installation: Installation) -> Any:
    return installation.client(service="iam")


def test_of_many_that_show_one_code_in_the_same_moment_one_is_let_in(iam: Any, installation: Installation) -> None:
    """Gained: whoever sees a code signs in with it beside its user."""
    user = User(iam)
    shown = {"SerialNumber": user.device.serial, "TokenCode": user.device.code()}

    def asked(_: int) -> bool:
        sts = installation.client(user.credentials, service="sts", retries={"total_max_attempts": 1})
        try:
            sts.get_session_token(**shown)
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(asked, range(16))) == 1


def test_a_guesser_is_stopped_after_five_and_so_is_who_asks_another_worker(
    iam: Any, installation: Installation
) -> None:
    """Gained: with three codes good at a time, a million guesses at a hundred a second take an hour."""
    user = User(iam)

    def guessed(number: int) -> str:
        sts = installation.client(user.credentials, service="sts", retries={"total_max_attempts": 1})
        with pytest.raises(ClientError) as fault:
            sts.get_session_token(SerialNumber=user.device.serial, TokenCode=f"{number:06}")
        return str(fault.value.response["Error"]["Code"])

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(guessed, range(40)))
    assert answers.count("AccessDenied") <= 5
    assert answers.count("Throttling") >= 35


async def test_another_seed_in_the_database_is_no_seed(iam: Any, installation: Installation) -> None:
    """Gained: whoever writes to Postgres puts the seed of an own device in the place of a user's, or an old one back."""
    user, thief = User(iam), User(iam)
    sts = installation.client(user.credentials, service="sts", retries={"total_max_attempts": 1})
    async with installation.connected() as pool:
        rows = await pool.fetch("SELECT access_key FROM vault.secrets WHERE access_key LIKE 'mfa-%' ORDER BY at")
        own, others = rows[-2]["access_key"], rows[-1]["access_key"]
        await pool.execute(
            "UPDATE vault.secrets SET (sealed, under) = (SELECT sealed, under FROM vault.secrets WHERE access_key = $2) "
            "WHERE access_key = $1",
            own,
            others,
        )
    with pytest.raises(ClientError) as fault:
        sts.get_session_token(SerialNumber=user.device.serial, TokenCode=thief.device.code())
    assert fault.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


@pytest.fixture
def crashing(tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path / "data", KEYTRAIL_COMMAND_DEADLINE="2") as running:
        yield running


@pytest.mark.soak
def test_a_code_stays_used_whatever_is_killed(crashing: Installation) -> None:
    """Gained: whoever can crash a process, or wait for a crash, uses a code a second time. Before that, the other half: a
    code whose use did not reach the log is still good."""
    iam = crashing.client(service="iam")
    user = User(iam)
    shown = {"SerialNumber": user.device.serial, "TokenCode": user.device.code()}
    sts = crashing.client(user.credentials, service="sts", retries={"total_max_attempts": 1})
    writer = crashing.process("writer-1")
    pause(writer)
    with pytest.raises(ClientError) as fault:
        sts.get_session_token(**shown)
    assert fault.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    writer.resume()
    eventually(lambda: crashing.client(temporary(sts.get_session_token(**shown))) is not None)
    assert crashing.up is not None
    whole = psutil.Process(crashing.up.pid)
    for each in (whole, *whole.children(recursive=True)):
        each.send_signal(signal.SIGKILL)
    crashing.up.wait(30)
    crashing.start()
    sts = crashing.client(user.credentials, service="sts")
    refused(sts.get_session_token, "AccessDenied", "invalid MFA", **shown)


def test_who_may_manage_an_own_device_locks_nobody_else_out(iam: Any, installation: Installation) -> None:
    """Gained: with the permission that AWS gives as the example for one's own device, five attempts a minute on anybody's
    device kept that user from signing in."""
    alice, mallory = User(iam), User(iam)
    allow = {"Effect": "Allow", "Action": ["iam:ResyncMFADevice", "iam:EnableMFADevice"], "Resource": mallory.arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": allow})
    iam.put_user_policy(UserName=mallory.name, PolicyName="own", PolicyDocument=document)
    own = installation.client(mallory.credentials, service="iam", retries={"total_max_attempts": 1})
    guess = {
        "UserName": mallory.name,
        "SerialNumber": alice.device.serial,
        "AuthenticationCode1": "000000",
        "AuthenticationCode2": "000001",
    }
    for _ in range(6):
        refused(own.resync_mfa_device, "NoSuchEntity", **guess)
        refused(own.enable_mfa_device, "EntityAlreadyExists", **guess)
    sts = installation.client(alice.credentials, service="sts", retries={"total_max_attempts": 1})
    assert sts.get_session_token(SerialNumber=alice.device.serial, TokenCode=alice.device.code())["Credentials"]
    iam.resync_mfa_device(
        UserName=alice.name,
        SerialNumber=alice.device.serial,
        AuthenticationCode1=alice.device.code(1),
        AuthenticationCode2=alice.device.code(2),
    )
