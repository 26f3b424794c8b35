"""The audit API: a bad question gets a 400, foreign resources stay hidden, and no caller can stop the projections."""

from __future__ import annotations

import http.client
import json
import re
import time
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from domain.characters import STANDS_FOR_NUL
from services.audit_api.answer_shapes import EVENT_STREAM
from services.audit_api.resources.routes import ROUTES
from services.cli.client import Client
from services.wording.names import summary
from tests.conforming import conforms
from tests.installation import Installation, eventually
from tests.pausing import paused


def get(
    installation: Installation,
    path: str,
    credentials: dict[str, str] | None = None,
    method: str = "GET",
    body: bytes = b"",
) -> tuple[int, Any]:
    status, answer = ask(installation, path, credentials, method, body)
    return status, json.loads(answer)


def ask(
    installation: Installation,
    path: str,
    credentials: dict[str, str] | None = None,
    method: str = "GET",
    body: bytes = b"",
) -> tuple[int, bytes]:
    given = credentials or installation.credentials()
    request = AWSRequest(method, installation.url + path, data=body)
    keys = Credentials(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, "keytrail", "us-east-1").add_auth(request)
    with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=30)) as connection:
        connection.request(method, path, body or None, dict(request.headers))
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/keys?limit=0",
        "/v1/keys?limit=1001",
        "/v1/keys?limit=0001000000",
        "/v1/keys?limit=000100000000",
        "/v1/keys?limit=x",
        "/v1/keys?limit=%C2%B2",
        "/v1/keys?cursor=!",
        "/v1/keys?cursor=W10%3D",
        "/v1/keys?cursor=WzFd",
        "/v1/keys?cursor=%F0%9F%98%80",
        "/v1/decisions?cursor=WyJ4IiwxLDJd",
        "/v1/decisions?cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsMSw5OTk5OTk5OTk5OTk5OTk5OTk5OTld",
        "/v1/decisions?effect=maybe",
        "/v1/decisions?from=yesterday",
        "/v1/decisions?from=@x",
        "/v1/decisions?from=@999999999",
        "/v1/decisions?key=%00",
        "/v1/events?after=x",
        "/v1/events?after=99999999999999999999",
    ],
)
def test_a_bad_question_is_a_400(installation: Installation, path: str) -> None:
    status, document = get(installation, path)
    assert (status, document["error"]["code"]) == (400, "ValidationException")


@pytest.fixture(scope="module")
def key(installation: Installation) -> str:
    return str(installation.client().create_key()["KeyMetadata"]["KeyId"])


OF_TIME = sorted(
    (route.path, each.name)
    for route in ROUTES
    for each in route.parameters
    if route.method == "GET" and route.answer.media != EVENT_STREAM and each.name in ("at", "from", "to")
)


@pytest.mark.parametrize(("path", "name"), OF_TIME)
def test_a_time_at_the_end_of_time_is_answered(installation: Installation, key: str, path: str, name: str) -> None:
    place = re.sub(r"\{[^}]+\}", key, path)
    for at in ("0001-01-01T00:00:00Z", "0001-01-02", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"):
        status, answer = ask(installation, f"{place}?{name}={quote(at)}&action=kms:Decrypt&key={key}")
        assert (status < 500, b"Internal" in answer) == (True, False), (at, answer[-300:])


def test_a_missing_resource_is_a_404(installation: Installation) -> None:
    assert get(installation, "/v1/keys/nope")[0] == 404
    assert get(installation, "/v1/keys/alias/nope/history")[0] == 404
    assert get(installation, "/v1/nothing")[0] == 404


def test_unsigned_and_wrongly_signed_are_a_403(installation: Installation) -> None:
    with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=30)) as connection:
        connection.request("GET", "/v1/keys")
        assert connection.getresponse().status == 403
    wrong = installation.credentials() | {"AWS_SECRET_ACCESS_KEY": "x"}
    assert get(installation, "/v1/keys", wrong)[0] == 403


def test_the_description_names_every_route_and_its_lists_are_as_said(installation: Installation) -> None:
    with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=30)) as connection:
        connection.request("GET", "/v1/openapi.json")  # anybody may read it: it says nothing about anybody
        answer = connection.getresponse()
        status, document = answer.status, json.loads(answer.read())
    assert (status, document["openapi"]) == (200, "3.1.0")
    assert {"/v1/keys", "/v1/keys/{key}", "/v1/keys/{key}/history", "/v1/keys/{key}/policies"} <= set(document["paths"])
    for path in ("/v1/keys", "/v1/decisions", "/v1/events"):
        status, page = get(installation, path)
        assert status == 200
        assert set(page) == {"items", "next"}
        said = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        fields = set(said["properties"]["items"]["items"]["properties"])
        assert conforms(page, said) == []
        assert all(fields <= set(item) for item in page["items"])


def test_a_key_is_found_by_id_arn_and_alias(installation: Installation) -> None:
    client = installation.client()
    made = client.create_key()["KeyMetadata"]
    client.create_alias(AliasName="alias/found/by", TargetKeyId=made["KeyId"])
    eventually(lambda: get(installation, f"/v1/keys/{made['KeyId']}")[0] == 200)
    for name in (made["KeyId"], quote(made["Arn"], safe=""), made["Arn"], "alias/found/by"):
        status, document = get(installation, f"/v1/keys/{name}")
        assert (status, document["key_id"]) == (200, made["KeyId"]), name


@pytest.mark.parametrize(
    "path", ["keys/{}", "keys/{}/history", "keys/{}/policies", "keys/{}/last-use", "as-of/keys/{}"]
)
@pytest.mark.parametrize("elsewhere", ["arn:aws-cn:kms:us-east-1", "arn:aws:kms:eu-west-1"])
def test_a_key_of_another_partition_or_region_is_refused(installation: Installation, path: str, elsewhere: str) -> None:
    made = installation.client().create_key()["KeyMetadata"]
    eventually(lambda: get(installation, f"/v1/keys/{made['KeyId']}")[0] == 200)
    assert get(installation, "/v1/" + path.format(quote(made["Arn"], safe="")))[0] == 200
    abroad = made["Arn"].replace("arn:aws:kms:us-east-1", elsewhere)
    assert get(installation, "/v1/" + path.format(quote(abroad, safe="")))[0] == 404
    assert get(installation, f"/v1/decisions?key={quote(made['Arn'], safe='')}")[0] == 200
    for asked in ("decisions", "alerts"):
        status, told = get(installation, f"/v1/{asked}?key={quote(abroad, safe='')}")
        assert (status, told["error"]["message"]) == (
            404,
            f"{abroad} is in another Region or partition: this installation only has keys of us-east-1.",
        )


def test_pages_join_without_a_gap_or_a_twin(installation: Installation) -> None:
    client = installation.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    for number in range(7):
        client.update_key_description(KeyId=key, Description=str(number))
    eventually(lambda: len(get(installation, f"/v1/keys/{key}/history")[1]["items"]) == 8)
    positions, cursor = [], ""
    while True:
        _, page = get(installation, f"/v1/keys/{key}/history?limit=3{cursor}")
        positions += [item["position"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={quote(page['next'])}"
    assert len(positions) == len(set(positions)) == 8
    assert positions == sorted(positions)
    _, after = get(installation, f"/v1/events?after={positions[-2]}&limit=1")
    assert after["items"][0]["position"] == positions[-1]


def test_no_caller_can_stop_the_projections(installation: Installation) -> None:
    """JSON and KMS allow U+0000 in a description, but Postgres does not."""
    client = installation.client()
    key = client.create_key(Description="a\0b")["KeyMetadata"]["KeyId"]
    client.update_key_description(KeyId=key, Description="\0")
    with pytest.raises(ClientError):
        client.describe_key(KeyId="x\0y")
    client.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"\0": "\0"})
    client.update_key_description(KeyId=key, Description="after")
    eventually(lambda: len(installation.answers("history", key)) == 3)
    assert installation.answers("history", key)[-1]["parameters"]["Description"] == "after"
    encrypted = eventually(lambda: installation.answers("decisions", "--key", key, "--operation", "Encrypt"))
    assert encrypted[0]["encryption_context"] == {STANDS_FOR_NUL: STANDS_FOR_NUL}


def test_what_a_foreign_keys_policy_says_is_for_its_owner(installation: Installation) -> None:
    made = installation.answers("account", "create", "222233334444")[0]
    other = {"AWS_ACCESS_KEY_ID": made["access_key_id"], "AWS_SECRET_ACCESS_KEY": made["secret_access_key"]}
    arn = installation.client().create_key()["KeyMetadata"]["Arn"]
    with pytest.raises(ClientError, match="AccessDenied"):
        installation.client(other).encrypt(KeyId=arn, Plaintext=b"x")
    seen = eventually(lambda: get(installation, "/v1/decisions?operation=Encrypt", other)[1]["items"])
    assert len(seen) == 1
    assert (seen[0]["effect"], seen[0]["sid"], seen[0]["reasons"]) == ("refused", None, [])
    assert get(installation, f"/v1/keys/{quote(arn, safe='')}/history", other)[0] == 403
    assert get(installation, "/v1/keys", other)[1]["items"] == []
    refused = get(installation, "/v1/accounts", other, "POST", b'{"account_id": "999988887777"}')
    assert refused[0] == 400
    assert refused[1]["error"]["code"] == "AccessDeniedException"


def test_a_projector_that_stands_still_stops_no_question(installation: Installation) -> None:
    projector = installation.process("projector")
    with paused(projector):
        key = installation.client().create_key()["KeyMetadata"]["KeyId"]
        status, answer = get(installation, f"/v1/decisions?key={key}")
    assert (status, answer["items"]) == (200, [])


def test_the_log_for_an_auditor_has_what_it_says_that_it_goes_up_to(installation: Installation) -> None:
    """An auditor compares the last line's position with the log: a change up to it that no line has looks removed."""
    kms = installation.client()
    projector = installation.process("projector")
    with paused(projector):
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        assert get(installation, "/v1/log")[0] == 503
    client = Client(installation.data)

    def told(**span: str) -> tuple[list[Any], int]:
        *lines, last = client.lines("/v1/log", **span)
        assert last["end"]["records"] == len(lines)
        return [line["record"] for line in lines], last["end"]["position"]

    rows, position = told()
    (made,) = [row["position"] for row in rows if row["operation"] == "CreateKey" and row["key_id"] == key]
    assert position >= made == max(row["position"] or -1 for row in rows)
    rows, position = told(to=f"@{made - 1}")
    assert max((row["position"] or -1 for row in rows), default=-1) <= position < made


def test_keys_are_found_by_what_they_are(installation: Installation) -> None:
    kms = installation.client()
    tag = [{"TagKey": "found", "TagValue": "one_by=one"}]
    made = [
        kms.create_key(Tags=tag, **more)["KeyMetadata"]["KeyId"]
        for more in ({"Description": "50% paid"}, {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}, {})
    ]
    kms.create_alias(AliasName="alias/found/first", TargetKeyId=made[0])
    kms.create_alias(AliasName="alias/found/second", TargetKeyId=made[2])
    kms.disable_key(KeyId=made[2])
    installation.caught_up()

    def found(**filters: str) -> list[int]:
        status, answer = get(installation, f"/v1/keys?{urlencode({'tag': 'found', **filters})}")
        assert status == 200, answer
        return sorted(made.index(each["key_id"]) for each in answer["items"])

    assert found() == found(tag="found=one_by=one") == [0, 1, 2]
    assert found(tag="found=one") == found(tag="lost") == []
    assert found(state="Disabled") == [2]
    assert found(spec="HMAC_*") == found(usage="GENERATE_VERIFY_MAC") == [1]
    assert found(description="50%*") == [0]
    assert found(description="5%") == found(description="5_% paid*") == []
    assert found(alias="found/first") == found(alias="alias/found/f*") == found(alias="*/first") == [0]
    assert found(alias="found/*") == found(alias="found/*", origin="AWS_KMS", manager="customer") == [0, 2]
    assert found(alias="found") == found(manager="service") == []
    arn = kms.describe_key(KeyId=made[1])["KeyMetadata"]["Arn"]
    assert found(key=made[1]) == found(key=f"{made[1][:20]}*") == found(key=arn) == found(key=f"{arn[:-4]}*") == [1]
    assert found(key=arn[:-1]) == found(key=made[1].replace("-", "_")) == found(key="arn:aws:kms:*:key/%") == []
    for wrong in ("state=Enable", "manager=me"):
        status, answer = get(installation, f"/v1/keys?{wrong}")
        assert (status, "must be one of" in answer["error"]["message"]) == (400, True)
    pages = []
    cursor: str | None = ""
    while cursor is not None:
        after = {"cursor": cursor} if cursor else {}
        page = get(installation, f"/v1/keys?{urlencode({'tag': 'found', 'limit': '1', **after})}")[1]
        pages += [each["key_id"] for each in page["items"]]
        cursor = page["next"]
    assert pages == sorted(made)
    (told,) = installation.answers("keys", "--tag", "found", "--state", "Disabled", "--key", made[2])
    assert told["key_id"] == made[2]
    assert "no key with --tag lost" in installation.keytrail("keys", "--tag", "lost").stdout


def test_questions_that_could_not_be_answered_are_on_record_and_can_be_left_out(installation: Installation) -> None:
    assert get(installation, "/v1/decisions?effect=refuse")[0] == 400
    assert get(installation, "/v1/decisions?unanswered=true")[0] == 400
    installation.caught_up()

    def errors(*options: str) -> set[str]:
        return {each["error"] for each in installation.answers("decisions", "--effect", "refused", *options)}

    assert errors() - errors("--answerable") == {"question-refused"}
    path = "/v1/decisions/counts?by=error&effect=refused"
    counted = [
        {each["error"] for each in get(installation, path + more)[1]["items"]} for more in ("", "&unanswered=false")
    ]
    assert counted[0] - counted[1] == {"question-refused"}


def test_a_filter_with_many_stars_holds_up_nobody(installation: Installation) -> None:
    """An alias is matched on the loop that every caller shares. A regular expression would take minutes for this one."""
    kms, name = installation.client(), "a" * 200
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    begun = time.monotonic()
    assert get(installation, f"/v1/keys?{urlencode({'alias': '*a' * 5 + '*b'})}")[1]["items"] == []
    assert len(get(installation, f"/v1/keys?{urlencode({'alias': '*a' * 100})}")[1]["items"]) == 1
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"account_id": 5}', b'{"account_id": "12"}'])
def test_an_account_that_cannot_be(installation: Installation, body: bytes) -> None:
    assert get(installation, "/v1/accounts", None, "POST", body)[0] == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/keys?lmit=5",
        "/v1/decisions?princpal=bob",
        "/v1/decisions?effect=",
        "/v1/decisions?effect=allowed&effect=refused",
        "/v1/decisions?inputs=yes",
        "/v1/alerts?suppressed=1",
        "/v1/events?after=",
        "/v1/log?key=x",
        "/v1/status?trail=x",
        "/v1/recheck?trail=x",
    ],
)
def test_undescribed_input_is_refused_and_never_ignored(installation: Installation, path: str) -> None:
    status, document = get(installation, path)
    assert (status, document["error"]["code"]) == (400, "ValidationException")


def test_a_misspelt_parameter_is_answered_with_the_nearest(installation: Installation) -> None:
    _, document = get(installation, "/v1/decisions?princpal=bob")
    assert document["error"]["message"] == "There is no parameter 'princpal' here. Near it: principal."
    _, document = get(installation, "/v1/what-if", None, "POST", b'{"polcy": "x"}')
    assert document["error"]["message"] == "There is no member 'polcy' here. Near it: policy, policy_name."


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/what-if", {"key": 5}),
        ("/v1/what-if", {"key": False}),
        ("/v1/what-if", {"calls": "true"}),
        ("/v1/what-if", {"after": True}),
        ("/v1/what-if", {"after": -5}),
        ("/v1/what-if", {"after": -5.0}),
        ("/v1/what-if", {"after": 2.5}),
        ("/v1/what-if", {"after": 1e300}),
        ("/v1/what-if", {"after": "2"}),
        ("/v1/explain", {"principal": "root", "operation": "Decrypt", "key": "x", "encryption_context": []}),
        ("/v1/explain", {"principal": "root", "operation": "Decrypt", "key": "x", "conditions": {"a": {"b": "c"}}}),
        ("/v1/explain", {"principal": "root", "operation": "Decrypt", "key": "x", "conditions": {"a": ["b", 1]}}),
        ("/v1/explain", {"principal": "root", "operation": "CreateKey", "key": "x"}),
        ("/v1/keys/x/diff", {"from": 0}),
        ("/v1/keys/x/alerts", {"policy": {}}),
        ("/v1/alerts/x", {"state": "open", "note": 0}),
        ("/v1/accounts", {"account_id": "222233334444", "name": "x"}),
    ],
)
def test_a_body_that_is_not_as_described_is_refused(installation: Installation, path: str, body: Any) -> None:
    status, document = get(installation, path, None, "POST", json.dumps(body).encode())
    assert (status, document["error"]["code"]) == (400, "ValidationException"), document


def test_a_change_names_the_principal_it_concerns(installation: Installation) -> None:
    """Summaries have unique ids. Each answer gives the name of that time, also for deleted things, and the alias of a
    key."""
    iam, kms = installation.client(service="iam"), installation.client()
    iam.create_user(UserName="nadia")
    iam.create_group(GroupName="night-shift")
    iam.add_user_to_group(UserName="nadia", GroupName="night-shift")
    iam.update_user(UserName="nadia", NewUserName="nadja")
    iam.remove_user_from_group(UserName="nadja", GroupName="night-shift")
    statement = {"Effect": "Allow", "Action": "kms:Sign", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    policy = iam.create_policy(PolicyName="sign", PolicyDocument=document)["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=document)
    iam.delete_user(UserName="nadja")
    keys = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    kms.create_alias(AliasName="alias/day", TargetKeyId=keys[0])
    kms.create_alias(AliasName="alias/night", TargetKeyId=keys[0])
    kms.update_alias(AliasName="alias/night", TargetKeyId=keys[1])
    installation.caught_up()

    def told(path: str) -> list[tuple[str, str]]:
        items = get(installation, path)[1]["items"]
        return [(row["operation"], summary(row, "111122223333")) for row in items]

    of_nadia = [
        ("CreateUser", "user nadia created"),
        ("AddUserToGroup", "user/nadia joined group/night-shift"),
        ("UpdateUser", "user/nadia is now /nadja"),
        ("RemoveUserFromGroup", "user/nadja left group/night-shift"),
        ("DeleteUser", "user nadja deleted"),
    ]
    moved = ("UpdateAlias", f"alias/night moved from alias/day {keys[0]}")
    # A change of two keys stands in the history of both: who took the alias from the first one is asked there.
    assert [told(f"/v1/keys/{each}/history")[-1] for each in keys] == [moved, moved]
    assert told(f"/v1/decisions?key={keys[0]}&limit=3&order=newest")[0] == moved
    sealed = kms.encrypt(KeyId=keys[1], Plaintext=b"x")["CiphertextBlob"]
    kms.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=keys[0])
    installation.caught_up()
    of_both = [told(f"/v1/decisions?key={each}&operation=ReEncrypt&principal=root") for each in keys]
    assert of_both == [[("ReEncrypt", "ReEncrypt answered")]] * 2
    kms.update_alias(AliasName="alias/night", TargetKeyId=keys[0])
    installation.caught_up()
    last = get(installation, f"/v1/keys/{keys[1]}/last-use")[1]["last"]
    assert (last["operation"], kms.get_key_last_usage(KeyId=keys[1])["KeyLastUsage"]["Operation"]) == ("ReEncrypt",) * 2
    (made,) = get(installation, "/v1/principals/user%2Fnadia/history?operation=CreateUser")[1]["items"]
    events = told(f"/v1/events?after={made['position'] - 1}&limit=100")
    assert [each for each in events if "nadia" in each[1] or "nadja" in each[1]] == of_nadia
    assert {moved, ("CreatePolicyVersion", "version v2 of policy/sign created")} <= {*events}
    (call,) = get(installation, "/v1/principals/user%2Fnadia/history?operation=UpdateUser")[1]["items"]
    assert get(installation, f"/v1/calls/{call['call_id']}")[1]["names"] == call["names"] != {}


def test_a_number_without_a_fraction_is_an_integer_however_json_writes_it(installation: Installation, key: str) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    draft = {"key": key, "policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]}), "to": "@1"}
    asked = [json.dumps(draft | {"after": 2}).replace(": 2}", f": {after}}}") for after in ("2", "2.0", "2e0")]
    answers = [get(installation, "/v1/what-if", None, "POST", body.encode()) for body in asked]
    assert [(status, document.get("result")) for status, document in answers] == [
        (200, {"decisions": 0, "flipped": 0, "unknown": 0, "groups": []})
    ] * 3
    # in a query it is text, and the description gives its pattern
    status, document = get(installation, "/v1/keys?limit=2.0")
    assert (status, document["error"]["code"]) == (400, "ValidationException")


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_a_wrong_method_is_answered_with_the_right_ones(installation: Installation, path: str) -> None:
    url, taken = re.sub("{[^}]*}", "x", path), {route.method for route in ROUTES if route.path == path}
    allow = sorted(taken | ({"HEAD"} if "GET" in taken else set()))
    for method in {"GET", "POST", "DELETE", "TRACE", "OPTIONS"} - taken:
        with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=30)) as connection:
            connection.request(method, url)
            answer = connection.getresponse()
            assert (answer.status, answer.headers["allow"]) == (405, ", ".join(allow)), method


def test_a_span_may_end_after_the_last_record(installation: Installation) -> None:
    """`to` is what comes after the last that is wanted: so it is for whoever looks at the present as a position."""
    key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    installation.caught_up()
    (made,) = get(installation, f"/v1/keys/{key}/history")[1]["items"]
    end = get(installation, "/v1/status")[1]["position"]
    for to, found in ((made["position"], []), (made["position"] + 1, ["CreateKey"]), (end + 1, ["CreateKey"])):
        answer = get(installation, f"/v1/decisions?key={key}&to=@{to}")[1]
        assert [each["operation"] for each in answer["items"]] == found
    assert get(installation, f"/v1/alerts?key={key}&to=@{end + 1}")[0] == 200
    assert get(installation, f"/v1/decisions?from=@{end + 50}")[0] == 400
