"""The Query protocol of IAM and STS: operations by version, and IAM's codes where KMS has others."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.installation import Installation, eventually

FORM = "application/x-www-form-urlencoded; charset=utf-8"
VERSIONS = {"iam": "2010-05-08", "sts": "2011-06-15"}


def asked(installation: Installation, service: str, method: str, **parameters: str) -> tuple[int, str]:
    return sent(installation, service, method, urlencode(parameters))


def sent(installation: Installation, service: str, method: str, text: str) -> tuple[int, str]:
    path, body, headers = ("/", text, {"Content-Type": FORM}) if method == "POST" else (f"/?{text}", "", {})
    request = AWSRequest(method, installation.url + path, data=body, headers=headers)
    given = installation.credentials()
    keys = Credentials(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, service, "us-east-1").add_auth(request)
    with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=30)) as connection:
        connection.request(method, path, body or None, dict(request.headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("service", "parameters", "code", "sentence"),
    [
        ("sts", {"Version": "2011-06-15"}, "MissingAction", "The request is missing an action."),
        ("iam", {"Version": "2010-05-08", "Action": ""}, "MissingAction", "The request is missing an action."),
        ("sts", {"Action": "GetCallerIdentity"}, "InvalidAction", "GetCallerIdentity for version NO_VERSION_SPECIFIED"),
        (
            "sts",
            {"Action": "GetCallerIdentity", "Version": "2010-05-08"},
            "InvalidAction",
            "GetCallerIdentity for version 2010-05-08",
        ),
        ("iam", {"Action": "ListUsers", "Version": "2011-06-15"}, "InvalidAction", "ListUsers for version 2011-06-15"),
        ("iam", {"Action": "listUsers", "Version": "2010-05-08"}, "InvalidAction", "listUsers for version 2010-05-08"),
        ("iam", {"Action": "ListKeys", "Version": "2010-05-08"}, "InvalidAction", "ListKeys for version 2010-05-08"),
    ],
)
def test_an_operation_is_one_of_its_version(
    installation: Installation, method: str, service: str, parameters: dict[str, str], code: str, sentence: str
) -> None:
    """API references of IAM and STS: common parameters and common errors."""
    if code == "InvalidAction":
        sentence = f"Could not find operation {sentence}"
    status, text = asked(installation, service, method, **parameters)
    assert (status, f"<Code>{code}</Code><Message>{sentence}</Message>" in text) == (400, True), text


@pytest.mark.parametrize("text", ["1_000", "\uff11\uff10\uff10\uff10", " 1000", "+1000", "1e3", "1" * 5000])
def test_a_number_is_written_in_digits(installation: Installation, text: str) -> None:
    """Python's own reader takes the first four."""
    asks = {"Action": "GetSessionToken", "Version": "2011-06-15", "DurationSeconds": text}
    status, answer = asked(installation, "sts", "POST", **asks)
    assert (status, "<Code>MalformedInput</Code>" in answer) == (400, True), answer


def test_a_parameter_is_there_once_and_a_list_may_have_gaps(installation: Installation) -> None:
    iam, name = installation.client(service="iam"), fresh("user")
    iam.create_user(UserName=name, Tags=[{"Key": key, "Value": ""} for key in "abc"])
    asks = {"Action": "UntagUser", "Version": "2010-05-08", "UserName": name}
    assert asked(installation, "iam", "POST", **asks, **{"TagKeys.member.2": "a", "TagKeys.member.10": "b"})[0] == 200
    # Another worker than the one asked now may have answered it.
    eventually(lambda: [tag["Key"] for tag in iam.list_user_tags(UserName=name)["Tags"]] == ["c"])
    twice = "Action=GetUser&Version=2010-05-08&UserName=a&UserName=b"
    for method in ("GET", "POST"):
        status, text = sent(installation, "iam", method, twice)
        assert (status, "<Code>ValidationError</Code><Message>The parameter 'UserName' is there twice." in text) == (
            400,
            True,
        ), text


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/nothing"), ("PUT", "/"), ("DELETE", "/"), ("POST", "/2010-05-08")]
)
def test_a_query_client_reads_xml_at_a_wrong_place_too(installation: Installation, method: str, path: str) -> None:
    with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=30)) as connection:
        for headers, kind in (({"Content-Type": FORM}, "text/xml"), ({}, "application/x-amz-json-1.1")):
            connection.request(method, path, "Action=ListUsers&Version=2010-05-08", headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            assert (answer.status, answer.getheader("Content-Type")) == (404, kind)
            assert text.startswith("<ErrorResponse") == (kind == "text/xml")
            assert "There is nothing here: KMS, IAM and STS answer on POST /." in text


TRUST = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}
ALLOW = {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}


def document(statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def fresh(name: str) -> str:
    return f"{name}-{uuid4().hex[:8]}"


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ([("aws:a", "1")], "aws: prefixed tag key names are not allowed for external use."),
        ([("AWS:a", "1")], "aws: prefixed tag key names are not allowed for external use."),
        ([("a", "1"), ("A", "2")], "Duplicate tag keys found. Please note that Tag keys are case insensitive."),
        ([("a", "1"), ("a", "1")], "Duplicate tag keys found. Please note that Tag keys are case insensitive."),
    ],
)
def test_tags_that_iam_and_sts_do_not_take(
    installation: Installation, tags: list[tuple[str, str]], sentence: str
) -> None:
    """InvalidInput is an error of every operation of IAM that takes tags, and of no operation of STS (API
    references)."""
    iam = installation.client(service="iam")
    user, role, profile, policy = (fresh(name) for name in ("user", "role", "profile", "policy"))
    iam.create_user(UserName=user)
    role_arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    iam.create_instance_profile(InstanceProfileName=profile)
    policy_arn = iam.create_policy(PolicyName=policy, PolicyDocument=document(ALLOW))["Policy"]["Arn"]
    given = [{"Key": key, "Value": value} for key, value in tags]
    for call, parameters in (
        (iam.tag_user, {"UserName": user}),
        (iam.create_user, {"UserName": fresh("user")}),
        (iam.tag_role, {"RoleName": role}),
        (iam.create_role, {"RoleName": fresh("role"), "AssumeRolePolicyDocument": document(TRUST)}),
        (iam.tag_policy, {"PolicyArn": policy_arn}),
        (iam.create_policy, {"PolicyName": fresh("policy"), "PolicyDocument": document(ALLOW)}),
        (iam.tag_instance_profile, {"InstanceProfileName": profile}),
        (iam.create_instance_profile, {"InstanceProfileName": fresh("profile")}),
    ):
        with pytest.raises(ClientError) as refused:
            call(**parameters, Tags=given)
        assert refused.value.response["Error"]["Code"] == "InvalidInput", call
        assert refused.value.response["Error"]["Message"] == sentence
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document(ALLOW | {"Action": "sts:*"}))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    trust = document(TRUST | {"Action": ["sts:AssumeRole", "sts:TagSession"]})
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust)
    with pytest.raises(ClientError) as refused:
        installation.client(keys, "sts").assume_role(RoleArn=role_arn, RoleSessionName="tagged", Tags=given)
    assert refused.value.response["Error"] == {"Type": "Sender", "Code": "ValidationError", "Message": sentence}


def test_what_a_session_may_be_asked_for(installation: Installation) -> None:
    """STS API reference, AssumeRole: Policy, PolicyArns, DurationSeconds. STS has no LimitExceeded."""
    iam = installation.client(service="iam")
    user, role = fresh("user"), fresh("role")
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document(ALLOW | {"Action": "sts:*"}))
    made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document(TRUST), MaxSessionDuration=7200)["Role"]
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=document(ALLOW | {"Action": "sts:*"}))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def assumed(by: dict[str, str], **asks: Any) -> dict[str, str]:
        given = installation.client(by, "sts").assume_role(RoleArn=made["Arn"], RoleSessionName="asks", **asks)
        return {
            "AWS_ACCESS_KEY_ID": given["Credentials"]["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["Credentials"]["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["Credentials"]["SessionToken"],
        }

    def refused(by: dict[str, str], **asks: Any) -> str:
        with pytest.raises(ClientError) as fault:
            assumed(by, **asks)
        assert fault.value.response["Error"]["Code"] == "ValidationError"
        return str(fault.value.response["Error"]["Message"])

    bare = document(ALLOW)
    assumed(keys, Policy=bare + " " * (2048 - len(bare)))
    wrong = "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must have length less than or equal to {}"  # fmt: skip
    assert refused(keys, Policy=bare + " " * (2049 - len(bare))) == wrong.format("policy", 2048)
    administrator = {"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    assumed(keys, PolicyArns=[administrator] * 10)
    assert refused(keys, PolicyArns=[administrator] * 11) == wrong.format("policyArns", 10)
    session = assumed(keys, DurationSeconds=7200)
    assert "role chaining" in refused(session, DurationSeconds=3601)
    own = installation.client(keys, "sts").get_session_token()["Credentials"]
    of_user = {
        "AWS_ACCESS_KEY_ID": own["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": own["SecretAccessKey"],
        "AWS_SESSION_TOKEN": own["SessionToken"],
    }
    assumed(of_user, DurationSeconds=7200)
