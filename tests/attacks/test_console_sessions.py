"""A thief of a console session or of a code, and a user who wants more from one than it is."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from services.kms_api.console_codes import ConsoleCode, new_code_id, sealed_code
from services.runtime.bootstrap import open_vault
from tests.attacks.test_sessions import ACCOUNT, ROOT, allow, role, session, trust, user
from tests.installation import Installation, eventually
from tests.keys import tokens_of
from tests.pausing import pause

SESSIONS, CODES, REDEEM = "/v1/console/sessions", "/v1/console/codes", "/v1/console/codes/redeem"
SIGN_OUTS = "/v1/console/sign-outs"
SIGNED_OUT = "The console session has ended: it was signed out."
Variables = dict[str, str]


def post(installation: Installation, path: str, body: Any, by: Variables | None = None) -> tuple[int, Any]:
    """(status, answer), signed by these credentials or not at all."""
    return post_to(installation.url, path, body, by)


def post_to(url: str, path: str, body: Any, by: Variables | None = None) -> tuple[int, Any]:
    request = AWSRequest("POST", url + path, data=json.dumps(body).encode())
    if by is not None:
        SigV4Auth(keys_of(by), "keytrail", "us-east-1").add_auth(request)
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
        connection.request("POST", path, request.data, dict(request.headers))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def keys_of(by: Variables) -> Credentials:
    return Credentials(by["AWS_ACCESS_KEY_ID"], by["AWS_SECRET_ACCESS_KEY"], by.get("AWS_SESSION_TOKEN"))


def signed_in(answer: tuple[int, Any]) -> Variables:
    status, found = answer
    assert status == 200, found
    return {
        "AWS_ACCESS_KEY_ID": found["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": found["secret_access_key"],
        "AWS_SESSION_TOKEN": found["session_token"],
    }


def refused(answer: tuple[int, Any]) -> tuple[int, str, str]:
    status, found = answer
    return status, found["error"]["code"], found["error"]["message"]


def lasts(found: Any) -> float:
    """Seconds from now."""
    return time.mktime(time.strptime(found["expires"][:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.gmtime())


def console_of(installation: Installation, by: Variables) -> Variables:
    return signed_in(post(installation, SESSIONS, {}, by))


def test_a_console_session_is_the_user_and_may_call_iam(installation: Installation) -> None:
    """Credentials of GetSessionToken may not call IAM without MFA (API reference, GetSessionToken)."""
    alice = user(installation, "console-alice", allow(["iam:GetUser", "keytrail:ReadDecisions"]))
    status, found = post(installation, SESSIONS, {"seconds": 1800}, alice)
    assert (status, found["principal"], found["root"]) == (200, f"arn:aws:iam::{ACCOUNT}:user/console-alice", False)
    assert 1700 < lasts(found) <= 1800
    console = signed_in((status, found))
    assert installation.client(console, "iam").get_user()["User"]["UserName"] == "console-alice"
    assert installation.client(console, "sts").get_caller_identity()["Arn"] == found["principal"]
    with pytest.raises(ClientError, match="AccessDenied"):
        installation.client(console, "iam").list_users()
    installation.caught_up()
    (made,) = installation.answers(
        "decisions", "--principal", found["principal"], "--operation", "CreateConsoleSession"
    )
    assert (made["effect"], made["kind"], made["parameters"]) == ("allowed", "no-permission-needed", {"Seconds": 1800})
    assert found["secret_access_key"] not in json.dumps(made)


def test_a_console_session_is_never_exchanged_for_a_longer_one(installation: Installation) -> None:
    """Gained: a session that was stolen once is renewed for ever, by itself or by way of a role."""
    alice = user(installation, "renewing-alice", allow("sts:AssumeRole"))
    found = post(installation, SESSIONS, {"seconds": 900}, alice)[1]
    console = signed_in((200, found))
    for path in (SESSIONS, CODES):
        status, code, message = refused(post(installation, path, {}, console))
        assert (status, code) == (403, "AccessDeniedException")
        assert "cannot be exchanged for another one" in message
    with pytest.raises(ClientError, match="Cannot call GetSessionToken with session credentials"):
        installation.client(console, "sts").get_session_token()
    arn = role(installation, "renewing-role", trust(ROOT, "sts:AssumeRole"), allow("sts:AssumeRole"))
    assumed = installation.client(console, "sts").assume_role(RoleArn=arn, RoleSessionName="work", DurationSeconds=3600)
    assert assumed["Credentials"]["Expiration"].isoformat()[:19] == found["expires"][:19]
    as_role = session(installation, console, arn)
    assert refused(post(installation, SESSIONS, {}, as_role))[:2] == (403, "AccessDeniedException")


def test_only_what_signs_in_to_the_console_at_aws_does_so_here(installation: Installation) -> None:
    """Gained: credentials of GetSessionToken, which may not call IAM, become a session that may.

    IAM user guide, id_credentials_sts-comparison: single sign-on to the console is not allowed.
    """
    alice = user(installation, "exchanging-alice", allow("sts:AssumeRole"))
    token = installation.client(alice, "sts").get_session_token()["Credentials"]
    names = {"AccessKeyId": "ACCESS_KEY_ID", "SecretAccessKey": "SECRET_ACCESS_KEY", "SessionToken": "SESSION_TOKEN"}
    temporary = {f"AWS_{names[name]}": str(token[name]) for name in names}
    status, code, message = refused(post(installation, SESSIONS, {}, temporary))
    assert (status, code) == (403, "AccessDeniedException")
    assert message.startswith(
        "Credentials of GetSessionToken open the console only if they were asked for with an MFA code"
    )
    arn = role(installation, "exchanging-role", trust(ROOT, "sts:AssumeRole"), allow(["iam:ListUsers", "kms:ListKeys"]))
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow("kms:ListKeys")]})
    limited = session(installation, alice, arn, Policy=policy, DurationSeconds=900)
    status, found = post(installation, SESSIONS, {}, limited)
    assert found["principal"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/exchanging-role/work"
    assert lasts(found) <= 900
    assert installation.client(signed_in((status, found))).list_keys()["Keys"] is not None
    with pytest.raises(ClientError, match="AccessDenied"):  # the session policy came along
        installation.client(signed_in((status, found)), "iam").list_users()


def test_the_root_users_console_session_lasts_an_hour(installation: Installation) -> None:
    status, found = post(installation, SESSIONS, {"seconds": 43_200}, installation.credentials())
    assert (status, found["root"], found["principal"]) == (200, True, ROOT)
    assert 3500 < lasts(found) <= 3600
    assert refused(post(installation, SESSIONS, {"seconds": 43_201}, installation.credentials()))[0] == 400


@pytest.mark.parametrize("end", ["inactive", "deleted", "renamed", "moved"])
def test_a_console_session_ends_with_its_key_and_its_user(installation: Installation, end: str) -> None:
    """Gained: a dismissed user, or the thief of a key that was deactivated, kept the console for twelve hours, and the
    roles that the console switched to."""
    iam, name = installation.client(service="iam"), f"ending-{end}"
    alice = user(installation, name, allow(["iam:GetUser", "sts:AssumeRole"]))
    arn = role(installation, f"ending-role-{end}", trust(ROOT, "sts:AssumeRole"), allow("iam:ListUsers"))
    console = console_of(installation, alice)
    code = post(installation, CODES, {}, alice)[1]["code"]
    switched = session(installation, console, arn)
    other = console_of(installation, _another_key(installation, name))
    match end:
        case "inactive":
            iam.update_access_key(UserName=name, AccessKeyId=alice["AWS_ACCESS_KEY_ID"], Status="Inactive")
        case "deleted":
            iam.delete_access_key(UserName=name, AccessKeyId=alice["AWS_ACCESS_KEY_ID"])
        case "renamed":
            iam.update_user(UserName=name, NewUserName=f"{name}-2")
        case "moved":
            iam.update_user(UserName=name, NewPath="/elsewhere/")
    for each in (console, switched):
        with pytest.raises(ClientError, match=r"InvalidClientTokenId.*The console session has ended"):
            installation.client(each, "iam").list_users()
        for _ in range(6):  # at both workers
            status, fault, message = refused(post(installation, SESSIONS, {}, each))
            assert (status, fault) == (403, "UnrecognizedClientException")
            assert message.startswith("The console session has ended")
    if end == "inactive":  # whoever activates the key again may not know who held a session
        iam.update_access_key(UserName=name, AccessKeyId=alice["AWS_ACCESS_KEY_ID"], Status="Active")
        assert refused(post(installation, SESSIONS, {}, console))[:2] == (403, "UnrecognizedClientException")
        assert console_of(installation, alice)
        iam.update_access_key(UserName=name, AccessKeyId=alice["AWS_ACCESS_KEY_ID"], Status="Inactive")
    if end in ("inactive", "deleted"):
        assert installation.client(other, "iam").get_user()  # it came from another key of the same user
        assert refused(post(installation, REDEEM, {"code": code}))[:2] == (403, "UnrecognizedClientException")


def _another_key(installation: Installation, name: str) -> Variables:
    made = installation.client(service="iam").create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}


def test_a_code_opens_the_console_once(installation: Installation) -> None:
    """Gained: twenty who saw the code at the same moment were all signed in."""
    alice = user(installation, "code-alice", allow("iam:GetUser"))
    status, made = post(installation, CODES, {"seconds": 900}, alice)
    assert (status, 50 < lasts(made) <= 60) == (200, True)
    with ThreadPoolExecutor(20) as redeemers:
        answers = list(redeemers.map(lambda _: post(installation, REDEEM, {"code": made["code"]}), range(20)))
    (won,) = [answer for answer in answers if answer[0] == 200]
    lost = {refused(answer)[:2] for answer in answers if answer[0] != 200}
    assert lost == {(403, "AccessDeniedException")}
    assert lasts(won[1]) <= 900
    assert installation.client(signed_in(won), "iam").get_user()["User"]["UserName"] == "code-alice"
    installation.caught_up()
    rows = installation.answers("decisions", "--principal", won[1]["principal"], "--operation", "RedeemConsoleCode")
    assert sorted(row["effect"] for row in rows) == ["allowed"] + 19 * ["refused"]
    (opened,) = [row for row in rows if row["effect"] == "allowed"]
    assert opened["event_type"] == "console.code-redeemed.v1"
    assert made["code"] not in json.dumps(rows)


def sign_out(installation: Installation, by: Variables) -> tuple[int, Any]:
    return post(installation, SIGN_OUTS, {}, by)


def require_signed_out(installation: Installation, by: Variables) -> None:
    """At both workers and by the writer, whichever way the credential is used."""
    for service, operation, given in (
        ("iam", "list_users", {}),
        ("iam", "create_group", {"GroupName": "late"}),
        ("sts", "get_caller_identity", {}),
        ("kms", "list_keys", {}),
        ("kms", "create_key", {}),
    ):
        code = "UnrecognizedClientException" if service == "kms" else "InvalidClientTokenId"
        with pytest.raises(ClientError, match=f"{code}.*{SIGNED_OUT}"):
            getattr(installation.client(by, service), operation)(**given)
    presigned = AWSRequest("GET", f"{installation.url}/?Action=GetCallerIdentity&Version=2011-06-15")
    SigV4QueryAuth(keys_of(by), "sts", "us-east-1", expires=60).add_auth(presigned)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(str(presigned.url))
    for path in 3 * (SESSIONS, SIGN_OUTS):
        assert refused(post(installation, path, {}, by)) == (403, "UnrecognizedClientException", SIGNED_OUT)


def test_signing_out_ends_the_session_for_whoever_copied_it(installation: Installation) -> None:
    """Gained: twelve hours, as the user, and as each role that the thief switched to while there was time."""
    alice = user(installation, "leaving-alice", allow(["iam:*", "sts:AssumeRole", "kms:*", "keytrail:*"]))
    arn = role(installation, "leaving-role", trust(ROOT, "sts:AssumeRole"), allow(["iam:*", "sts:AssumeRole"]))
    console, other = console_of(installation, alice), console_of(installation, alice)
    switched, from_other = session(installation, console, arn), session(installation, other, arn)
    chained = session(installation, switched, arn)
    for each in (console, switched, chained):  # every worker has them in memory
        assert [installation.client(each, "iam").list_users()["Users"] != [] for _ in range(4)] == 4 * [True]
    assert sign_out(installation, console) == (200, {"access_key_id": console["AWS_ACCESS_KEY_ID"]})
    for each in (console, switched, chained):
        require_signed_out(installation, each)
    for each in (alice, other, from_other):
        assert installation.client(each, "iam").list_users()["Users"] != []
    installation.caught_up()
    rows = installation.answers("decisions", "--where", f"access_key={console['AWS_ACCESS_KEY_ID']}", "--limit", "1000")
    out = [row for row in rows if row["event_type"] == "console.signed-out.v1"]
    assert [(row["operation"], row["effect"], row["principal"].rpartition("/")[2]) for row in out] == [
        ("ConsoleLogout", "allowed", "leaving-alice")
    ]
    late = [row for row in rows if row["position"] is None and row["seen"] >= out[0]["position"]]
    assert {row["effect"] for row in late} == {"refused"}


def test_a_session_is_signed_out_by_nobody_but_whoever_holds_it(installation: Installation) -> None:
    """Gained: somebody ends the sessions of others, or an access key that has other ways to end."""
    alice = user(installation, "staying-alice", allow(["iam:ListUsers", "sts:AssumeRole"]))
    arn = role(installation, "staying-role", trust(ROOT, "sts:AssumeRole"), allow("iam:ListUsers"))
    console = console_of(installation, alice)
    switched, plain = session(installation, console, arn), session(installation, alice, arn)
    token = installation.client(alice, "sts").get_session_token()["Credentials"]
    temporary = {"AWS_ACCESS_KEY_ID": token["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": token["SecretAccessKey"]}
    temporary["AWS_SESSION_TOKEN"] = token["SessionToken"]
    for other in (installation.credentials(), alice, switched, plain, temporary):
        status, code, message = refused(sign_out(installation, other))
        assert (status, code) == (403, "AccessDeniedException")
        assert message.startswith(("Only a console session", "This is the session of a role"))
    bodies: list[Any] = [{"access_key_id": console["AWS_ACCESS_KEY_ID"]}, [], "x"]
    for body in bodies:
        other = console_of(installation, installation.credentials())
        assert refused(post(installation, SIGN_OUTS, body, other))[:2] == (400, "ValidationException")
        assert post(installation, SIGN_OUTS + f"?session={console['AWS_ACCESS_KEY_ID']}", {}, other)[0] != 200
        assert sign_out(installation, other)[0] == 200
    forged = console | {"AWS_SECRET_ACCESS_KEY": "x" * 40}
    made_up = console | {"AWS_SESSION_TOKEN": console["AWS_SESSION_TOKEN"][::-1]}
    for stranger in (None, forged, made_up):
        assert post(installation, SIGN_OUTS, {}, stranger)[0] == 403
    for each in (console, switched, plain):
        assert installation.client(each, "iam").list_users()["Users"] != []


def test_signing_out_twice_at_once_is_once(installation: Installation) -> None:
    alice = user(installation, "hasty-alice")
    console = console_of(installation, alice)
    with ThreadPoolExecutor(12) as tabs:
        answers = list(tabs.map(lambda _: sign_out(installation, console), range(12)))
    assert [status for status, _ in answers].count(200) == 1
    assert {refused(each) for each in answers if each[0] != 200} == {(403, "UnrecognizedClientException", SIGNED_OUT)}
    installation.caught_up()
    rows = installation.answers("decisions", "--where", f"access_key={console['AWS_ACCESS_KEY_ID']}", "--limit", "100")
    assert [row["event_type"] for row in rows if row["event_type"]] == ["console.signed-out.v1"]


def test_a_recheck_that_begins_after_a_session_ended_knows_that_it_had(installation: Installation) -> None:
    """Gained: honest refusals count as mismatches, with an alert, and nobody looks when there is a real one. What the history has
    of each thing says of no session that it ended, so a recheck from there on let the calls in."""
    alice = user(installation, "rechecked-alice", allow("iam:ListUsers"))
    left, cut_off = console_of(installation, alice), console_of(installation, alice)
    assert sign_out(installation, left)[0] == 200
    for status in ("Inactive", "Active"):
        installation.client(service="iam").update_access_key(
            UserName="rechecked-alice", AccessKeyId=alice["AWS_ACCESS_KEY_ID"], Status=status
        )
    installation.caught_up()
    began = installation.answers("decisions", "--operation", "UpdateAccessKey", "--limit", "1")[0]["position"]
    for each in (left, cut_off):
        assert refused(post(installation, SESSIONS, {}, each))[1] == "UnrecognizedClientException"
    assert console_of(installation, alice)
    installation.caught_up()
    found = json.loads(installation.keytrail("recheck", "--from", f"@{began}", "--json", check=False).stdout)
    assert (found["mismatches"], found["decisions"] >= 3) == (0, True), found


def sealed(installation: Installation, by: Variables, expires: float) -> str:
    """A code as Keytrail seals it, which expires in so many seconds."""
    code = ConsoleCode(
        new_code_id(), by["AWS_ACCESS_KEY_ID"], None, 900, int((time.time() + expires) * 1_000_000), 10**9
    )

    async def seal() -> str:
        async with installation.connected() as pool:
            secrets = await open_vault(installation.settings, pool).record_secrets()
            return sealed_code(tokens_of(*secrets), code)

    return asyncio.run(seal())


def test_a_code_that_expired_or_was_made_up_opens_nothing(installation: Installation) -> None:
    """Gained: a code from last week's browser history, or a text of the right shape, signs somebody in."""
    alice = user(installation, "late-alice")
    status, code, message = refused(post(installation, REDEEM, {"code": sealed(installation, alice, -0.001)}))
    assert (status, code) == (403, "AccessDeniedException")
    assert message.startswith("The code has expired")
    good = sealed(installation, alice, 60)
    flipped = good[:40] + ("A" if good[40] != "A" else "B") + good[41:]
    for text in ("", "x", flipped, good * 40, alice["AWS_ACCESS_KEY_ID"]):
        status, code, message = refused(post(installation, REDEEM, {"code": text}))
        assert (status, code) in ((403, "AccessDeniedException"), (400, "ValidationException")), text
    bodies: list[Any] = [{}, [], {"code": 1}, {"code": good, "more": "x"}, {"code": "x" * 200_000}]
    for body in bodies:
        assert refused(post(installation, REDEEM, body))[:2] == (400, "ValidationException"), str(body)[:80]
    assert post(installation, REDEEM, {"code": good})[0] == 200


def _writes(installation: Installation) -> bool:
    """Whether the writer decides again, so that the command before has its record."""
    try:
        installation.client(service="iam").update_user(UserName="crashing-alice", NewPath="/")
    except ClientError:
        return False
    return True


def test_a_code_stays_used_and_a_session_ended_whatever_is_killed(tmp_path: Path) -> None:
    """Gained: whoever can crash a process, or wait for a crash, uses a code a second time, or a session after its sign-out. Before
    that, the other half: a code whose redemption did not reach the log is still good."""
    with Installation(tmp_path / "data", KEYTRAIL_COMMAND_DEADLINE="2") as running:
        alice = user(running, "crashing-alice", allow("iam:GetUser"))
        code = sealed(running, alice, 300)  # so that only the log can refuse it after the restart
        writer = running.process("writer-1")
        pause(writer)
        assert refused(post(running, REDEEM, {"code": code}))[:2] == (503, "DependencyTimeoutException")
        writer.resume()
        eventually(lambda: _writes(running))
        console = signed_in(post(running, REDEEM, {"code": code}))
        left = console_of(running, alice)
        assert sign_out(running, left)[0] == 200
        assert running.up is not None
        whole = psutil.Process(running.up.pid)
        for each in (whole, *whole.children(recursive=True)):
            each.send_signal(signal.SIGKILL)
        running.up.wait(30)
        running.start()
        status, fault, message = refused(post(running, REDEEM, {"code": code}))
        assert (status, fault) == (403, "AccessDeniedException")
        assert message.startswith("The code was used already")
        require_signed_out(running, left)
        assert running.client(console, "iam").get_user()["User"]["UserName"] == "crashing-alice"
