"""Somebody who guesses passwords and user names, who locks others out, or who writes to the database with the hashes."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from domain.log.events import AccountAliasSet
from services.kms_api.errors import Throttled
from services.kms_api.password_hashes import MOST_IN_A_ROW, PasswordHashes
from services.kms_api.sign_ins import account_named
from tests.attacks.strangers import PROXY
from tests.e2e.test_mfa import Device
from tests.e2e.test_passwords import FIRST, SECOND, THIRD, person
from tests.given import OTHER, given
from tests.installation import Installation, eventually
from tests.sign_in import ACCOUNT, SIGN_INS, let_in, refused_as, sign_in


@pytest.fixture(scope="module")
def iam(installation: Installation) -> Any:
    return installation.client(service="iam")


def addresses(number: int) -> list[str]:
    """Addresses of the loopback network that nobody else of these tests uses."""
    first = 1 + int(time.monotonic() * 10) % 200
    return [f"127.{first}.{1 + each // 250}.{1 + each % 250}" for each in range(number)]


def raw(installation: Installation, user: str, password: str, source: str, **headers: str) -> tuple[float, str, bytes]:
    """(seconds, status and names of headers, body without the call's id) of one attempt."""
    body = json.dumps({"account": ACCOUNT, "user": user, "password": password})
    connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=30, source_address=(source, 0))
    with closing(connection):
        connection.connect()
        began = time.perf_counter()
        connection.request("POST", SIGN_INS, body, headers)
        answer = connection.getresponse()
        found = answer.read()
        took = time.perf_counter() - began
    call = answer.headers["x-amzn-requestid"]
    names = sorted(
        f"{name}: {value}" for name, value in answer.getheaders() if name not in ("x-amzn-requestid", "date")
    )
    return took, f"{answer.status} {names}", found.replace(call.encode(), b"")


def test_a_name_that_is_no_users_and_a_wrong_password_cannot_be_told_apart(
    iam: Any, installation: Installation, soak: bool
) -> None:
    """Gained: a list of an account's users, to be tried with the passwords of other companies' leaks."""
    user, said = person(iam), set[Any]()
    times: dict[bool, list[float]] = {True: [], False: []}
    for number, source in enumerate(addresses(4_000 if soak else 80)):
        known = number % 2 == 0
        took, head, body = raw(installation, user if known else f"nobody-{uuid4().hex[:8]}", SECOND, source)
        times[known].append(took)
        said.add((head, body))
    assert len(said) == 1
    apart = abs(statistics.median(times[True]) - statistics.median(times[False]))
    # The spread of a median, from the data's own quartiles (McGill, Tukey and Larsen 1978).
    spread = 0.0
    for each in times.values():
        low, _, high = statistics.quantiles(each, n=4)
        spread += (1.57 * (high - low)) ** 2 / len(each)
    print(f"{apart * 1e6:.0f} us apart; a difference of {2 * spread**0.5 * 1e6:.0f} us could be chance")
    assert apart < 2 * spread**0.5


def test_guesses_at_a_user_are_stopped_and_the_user_gets_in_from_elsewhere(
    iam: Any, installation: Installation
) -> None:
    """Gained: a password by guessing; or nobody else's sign-in, if guesses from one address locked the user out."""
    user, (guessing, at_home) = person(iam), addresses(2)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: refused_as(sign_in(installation, user, f"guess {n}", guessing)), range(40)))
    assert answers.count("AccessDeniedException") <= 5
    assert answers.count("ThrottlingException") >= 35
    assert refused_as(sign_in(installation, user, FIRST, guessing)) == "ThrottlingException"
    let_in(sign_in(installation, user, FIRST, at_home))


def test_an_accounts_alias_gives_no_more_guesses(iam: Any, installation: Installation) -> None:
    user, (guessing,), alias = person(iam), addresses(1), f"alias-{uuid4().hex[:8]}"
    iam.create_account_alias(AccountAlias=alias)
    answers = [
        refused_as(sign_in(installation, user, "a guess", guessing, account=account))
        for account in [ACCOUNT, alias] * 6
    ]
    iam.delete_account_alias(AccountAlias=alias)
    assert answers.count("AccessDeniedException") <= 5


@pytest.fixture
def remembering(iam: Any) -> Iterator[None]:
    """The account's users may not use their last three passwords again."""
    iam.update_account_password_policy(PasswordReusePrevention=3, AllowUsersToChangePassword=True)
    yield
    iam.delete_account_password_policy()


def test_a_password_without_its_code_does_not_test_former_passwords(
    iam: Any, installation: Installation, remembering: None
) -> None:
    """Gained: the former passwords of a user with an MFA device, by as many guesses as the thief of the present one liked."""
    user, (guessing, at_home) = person(iam), addresses(2)
    iam.update_login_profile(UserName=user, Password=SECOND)
    device = Device(iam, user)
    device.give(user)
    guesses = [FIRST, *(f"{THIRD} {number}" for number in range(9))]
    answers = [refused_as(sign_in(installation, user, SECOND, guessing, new_password=new)) for new in guesses]
    assert answers[:5] == ["PasswordPolicyViolation", *["MfaCodeRequired"] * 4]
    assert answers.count("ThrottlingException") >= 4  # there is one more in a minute
    # A password that breaks the rules is compared with none, and the user is not kept from a new one.
    assert refused_as(sign_in(installation, user, SECOND, guessing, new_password="aB1!")) == "PasswordPolicyViolation"
    assert refused_as(sign_in(installation, user, SECOND, at_home, new_password=FIRST)) == "PasswordPolicyViolation"
    let_in(sign_in(installation, user, SECOND, at_home, new_password=THIRD, code=device.code()))


def test_an_alias_of_two_accounts_names_neither() -> None:
    """Gained: the account that is older on the log got the passwords of those who sign in to the other by its alias. Two have
    one in logs of earlier versions."""
    theirs, mine = AccountAliasSet(OTHER, "company"), AccountAliasSet(ACCOUNT, "company")
    assert account_named("company", given(theirs).world) == OTHER
    assert account_named("company", given(theirs, mine).world) == ""
    assert account_named("company", given(theirs, mine, AccountAliasSet(ACCOUNT, "")).world) == OTHER
    assert account_named(ACCOUNT, given(theirs, mine).world) == ACCOUNT


@pytest.mark.parametrize(
    "more", [{"code": "\0"}, {"new_password": "a\0b"}, {"seconds": -1}, {"seconds": "900"}, {"x": 1}]
)
def test_a_request_of_wrong_form_does_not_tell_whether_the_password_was_right(
    iam: Any, installation: Installation, more: dict[str, Any]
) -> None:
    """Gained: a password is found right, and no sign-in is on record."""
    user, (guessing,) = person(iam), addresses(1)
    right, wrong = (sign_in(installation, user, password, guessing, **more) for password in (FIRST, SECOND))
    assert right == wrong


def throttled_on_record(installation: Installation, source: str) -> list[int]:
    """How many attempts each record of a throttled sign-in from this address speaks for."""
    asked = ("decisions", "--operation", "ConsoleLogin", "--where", f"source={source}", "--limit", "200")
    calls = [each["call_id"] for each in installation.answers(*asked) if each["error"] == "throttled"]
    told = [json.dumps(installation.answers("explain", call)) for call in calls]
    return [int(re.findall(r'"Attempts": (\d+)', each)[0]) if "Attempts" in each else 1 for each in told]


def test_guesses_at_many_users_from_one_address_are_stopped_and_counted_as_one_record(
    iam: Any, installation: Installation
) -> None:
    """Gained: one password tried with each of a company's users; or a full log."""
    (guessing,) = addresses(1)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: refused_as(sign_in(installation, f"u{n}", FIRST, guessing)), range(100)))
    assert answers.count("AccessDeniedException") <= 40
    throttled = answers.count("ThrottlingException")
    assert throttled >= 60

    eventually(lambda: sum(throttled_on_record(installation, guessing)) == throttled)
    assert (
        len(throttled_on_record(installation, guessing)) <= 4
    )  # for each of two workers the first one, and the others


@pytest.mark.soak
def test_guesses_are_counted_on_record_though_the_workers_are_restarted_meanwhile(
    iam: Any, installation: Installation
) -> None:
    """Gained: a flood that ends before a restart, or with one, is on record as two attempts."""
    (guessing,) = addresses(1)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: refused_as(sign_in(installation, f"v{n}", FIRST, guessing)), range(60)))
    for number in range(1, installation.workers + 1):
        worker = installation.process(f"api-{number}")
        worker.terminate()
        worker.wait(30)
    eventually(installation.healthy)
    eventually(
        lambda: sum(throttled_on_record(installation, guessing)) == answers.count("ThrottlingException"), within=15
    )


def test_a_password_in_clear_is_refused_unless_it_stays_on_the_machine(attacked: Installation) -> None:
    """Gained: passwords of whoever signs in over a network that the thief listens to."""
    user = person(attacked.client(service="iam"))

    def status(**headers: str) -> str:
        return raw(attacked, user, FIRST, PROXY, **headers)[1][:3]

    remote = {"X-Forwarded-For": "198.51.100.7"}
    assert status(**remote) == "403"
    assert status(**remote, **{"X-Forwarded-Proto": "https, http"}) == "403"
    assert status(**remote, **{"X-Forwarded-Proto": "https"}) == "200"


async def test_a_hash_from_another_row_or_an_old_one_is_no_hash(iam: Any, installation: Installation) -> None:
    """Gained: whoever writes to Postgres puts an own password's hash in the place of a user's, or an old one back."""
    user = person(iam)
    async with installation.connected() as pool:
        latest = (
            "SELECT access_key, sealed FROM vault.secrets WHERE access_key LIKE 'password-%' ORDER BY at DESC LIMIT 1"
        )
        first = await pool.fetchrow(latest)
        assert first is not None
        assert b"argon2" not in first["sealed"]
        assert FIRST.encode() not in first["sealed"]
        iam.update_login_profile(UserName=user, Password=THIRD)
        second = await pool.fetchrow(latest)
        assert second is not None
        assert second["access_key"] != first["access_key"]
        await pool.execute(
            "UPDATE vault.secrets SET sealed = $1 WHERE access_key = $2", first["sealed"], second["access_key"]
        )
    for password in (FIRST, THIRD):
        assert sign_in(installation, user, password, addresses(1)[0])[0] >= 500


def test_a_code_that_somebody_saw_lets_nobody_in_beside_its_user(iam: Any, installation: Installation) -> None:
    user = person(iam)
    device = Device(iam, user)
    device.give(user)
    code = device.code()
    sources = addresses(8)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda source: sign_in(installation, user, FIRST, source, code=code)[0], sources))
    assert found.count(200) == 1


async def test_an_account_that_sets_many_passwords_waits_for_its_own() -> None:
    """A hundred connections that set a password which must not be one of the last 24 kept everybody else from signing in."""
    hashes = PasswordHashes()
    held = await hashes.made("attacker", FIRST)
    asked = [asyncio.create_task(hashes.fits_any("attacker", [held] * 24, SECOND)) for _ in range(MOST_IN_A_ROW)]
    await asyncio.sleep(0)
    with pytest.raises(Throttled):
        await hashes.fits_any("attacker", [held], FIRST)
    began = time.perf_counter()
    assert await hashes.fits_any("203.0.113.7", [held], FIRST)
    took = time.perf_counter() - began
    assert not any(task.done() for task in asked), f"it waited for another's 24 hashes: {took:.1f} s"
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
