"""Tokens of an OpenID Connect provider become credentials of a role (IAM user guide, id_roles_providers_create_oidc)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore import UNSIGNED

from tests.e2e.test_mfa import refused, temporary
from tests.installation import KEYTRAIL, Installation, clean_environment, eventually
from tests.oidc import Provider
from tests.sign_in import ACCOUNT


@pytest.fixture(scope="module")
def iam(installation: Installation) -> Any:
    return installation.client(service="iam")


@pytest.fixture(scope="module")
def provider(iam: Any, provider_certificate: tuple[Path, Path]) -> Iterator[Provider]:
    """A provider that is registered for the audience `keytrail`."""
    with Provider(provider_certificate) as running:
        iam.create_open_id_connect_provider(Url=running.issuer, ClientIDList=["keytrail"])
        yield running


def arn_of(provider: Provider) -> str:
    return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider.name}"


def role(iam: Any, provider: Provider, condition: dict[str, Any] | None = None, *actions: str) -> str:
    """The ARN of a role that the provider's tokens may assume."""
    name = f"web-{uuid4().hex[:8]}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": arn_of(provider)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        **({"Condition": condition} if condition else {}),
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if actions:
        may = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
    return arn


def sts(installation: Installation) -> Any:
    """A client without credentials."""
    return installation.client(service="sts", signature_version=UNSIGNED, retries={"total_max_attempts": 1})


def assume(installation: Installation, role: str, token: str, **more: Any) -> Any:
    asked = {"RoleArn": role, "RoleSessionName": "web", "WebIdentityToken": token, **more}
    return sts(installation).assume_role_with_web_identity(**asked)


def test_the_whole_life_of_a_provider(iam: Any) -> None:
    url, thumbprint = f"https://{uuid4().hex}.example.com/id", "ab" * 20
    made = iam.create_open_id_connect_provider(
        Url=url, ClientIDList=["one"], ThumbprintList=[thumbprint], Tags=[{"Key": "team", "Value": "blue"}]
    )
    arn = made["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{url.removeprefix('https://')}"
    assert made["Tags"] == [{"Key": "team", "Value": "blue"}]
    refused(iam.create_open_id_connect_provider, "EntityAlreadyExists", Url=url)
    for wrong in (
        "http://example.com",
        "https://",
        "https://example.com?a=b",
        "https://a@example.com",
        "https://x/../y",
    ):
        refused(iam.create_open_id_connect_provider, "InvalidInput", Url=wrong)
    refused(iam.create_open_id_connect_provider, "InvalidInput", Url="https://a.example", ThumbprintList=["x" * 40])
    named = {"OpenIDConnectProviderArn": arn}
    for client in ("two", "two", "three"):
        iam.add_client_id_to_open_id_connect_provider(**named, ClientID=client)
    for client in ("one", "nobody"):
        iam.remove_client_id_from_open_id_connect_provider(**named, ClientID=client)
    iam.update_open_id_connect_provider_thumbprint(**named, ThumbprintList=["cd" * 20])
    iam.tag_open_id_connect_provider(**named, Tags=[{"Key": "stage", "Value": "test"}])
    iam.untag_open_id_connect_provider(**named, TagKeys=["team"])
    found = iam.get_open_id_connect_provider(**named)
    assert (found["Url"], found["ClientIDList"], found["ThumbprintList"]) == (url[8:], ["two", "three"], ["cd" * 20])
    assert iam.list_open_id_connect_provider_tags(**named)["Tags"] == [{"Key": "stage", "Value": "test"}]
    assert {"Arn": arn} in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    iam.delete_open_id_connect_provider(**named)
    refused(iam.get_open_id_connect_provider, "NoSuchEntity", **named)
    refused(iam.delete_open_id_connect_provider, "NoSuchEntity", **named)


def test_who_can_names_those_whom_a_provider_lets_in(iam: Any, installation: Installation, provider: Provider) -> None:
    key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    arn = role(iam, provider, {"StringEquals": {f"{provider.name}:sub": "pod-9"}}, "kms:Decrypt")
    installation.caught_up()
    (found,) = installation.answers("who-can", "kms:Decrypt", key)
    who = [each["principal"] for each in found["items"] if each["kind"] == "federated"]
    assert f"anyone of {provider.issuer} with sub pod-9, as {arn}" in who


@pytest.mark.parametrize("kid", ["rsa", "ec"])
def test_a_pods_token_becomes_credentials_of_a_role(
    iam: Any, installation: Installation, provider: Provider, kid: str
) -> None:
    only = {"StringEquals": {f"{provider.name}:sub": "pod-1", f"{provider.name}:aud": "keytrail"}}
    arn = role(iam, provider, only, "kms:ListKeys")
    found = assume(installation, arn, f"{provider.token(kid)}\n")  # as a file has it that a shell wrote
    assert found["SubjectFromWebIdentityToken"] == "pod-1"
    assert found["Audience"] == "keytrail"
    assert found["Provider"] == provider.issuer
    assert found["AssumedRoleUser"]["Arn"].endswith("/web")
    installation.client(temporary(found)).list_keys()
    refused(installation.client(temporary(found)).list_aliases, "AccessDeniedException")
    refused(assume, "AccessDenied", installation=installation, role=arn, token=provider.token(kid, sub="pod-2"))


def test_a_token_in_the_form_of_kubernetes_is_taken(iam: Any, installation: Installation, provider: Provider) -> None:
    """A projected token of a service account: a list with one audience, and claims of Kubernetes' own."""
    subject = "system:serviceaccount:shop:payments"
    bound = {
        "namespace": "shop",
        "pod": {"name": "payments-0", "uid": str(uuid4())},
        "serviceaccount": {"name": "payments"},
    }
    more: dict[str, Any] = {"sub": subject, "aud": ["keytrail"], "jti": str(uuid4()), "kubernetes.io": bound}
    only = {"StringEquals": {f"{provider.name}:sub": subject, f"{provider.name}:aud": "keytrail"}}
    arn = role(iam, provider, only, "kms:ListKeys")
    found = assume(installation, arn, provider.token(**more))
    assert (found["SubjectFromWebIdentityToken"], found["Audience"]) == (subject, "keytrail")
    installation.client(temporary(found)).list_keys()
    other = provider.token(**more | {"sub": "system:serviceaccount:shop:default"})
    refused(assume, "AccessDenied", installation=installation, role=arn, token=other)


def test_a_policy_reads_the_tokens_claims_in_the_session_too(
    iam: Any, installation: Installation, provider: Provider
) -> None:
    arn = role(iam, provider)
    only = {"StringEquals": {f"{provider.name}:sub": "pod-7"}}
    may = {"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*", "Condition": only}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_role_policy(RoleName=arn.rpartition("/")[2], PolicyName="p", PolicyDocument=document)
    seventh, eighth = (temporary(assume(installation, arn, provider.token(sub=f"pod-{each}"))) for each in (7, 8))
    installation.client(seventh).list_keys()
    refused(installation.client(eighth).list_keys, "AccessDeniedException")


def test_the_decision_names_the_sender_and_the_statement(
    iam: Any, installation: Installation, provider: Provider
) -> None:
    arn = role(iam, provider)
    subject = f"pod-{uuid4().hex[:8]}"
    call = assume(installation, arn, provider.token(sub=subject))["ResponseMetadata"]["RequestId"]
    refused(assume, "InvalidIdentityToken", installation=installation, role=arn, token=provider.token(aud="other"))
    installation.caught_up()
    asked = ("decisions", "--operation", "AssumeRoleWithWebIdentity", "--limit", "100")
    found = {each["call_id"]: each for each in installation.answers(*asked)}
    assert found[call]["principal"] == f"{arn_of(provider)}:keytrail:{subject}"
    assert "sts:AssumeRoleWithWebIdentity" in json.dumps(installation.answers("explain", call))
    assert any(each["error"] == "invalid-identity-token" for each in found.values())


def test_the_command_line_of_aws_sends_it_unsigned(iam: Any, installation: Installation, provider: Provider) -> None:
    arn, token = role(iam, provider), provider.token()
    parameters = ("--role-arn", arn, "--role-session-name", "cli", "--web-identity-token", token)
    done = installation.aws("sts", "assume-role-with-web-identity", *parameters)
    assert json.loads(done.stdout)["SubjectFromWebIdentityToken"] == "pod-1"


def test_a_provider_that_is_deleted_or_loses_its_audience_lets_nobody_in(
    iam: Any, installation: Installation, provider_certificate: tuple[Path, Path]
) -> None:
    with Provider(provider_certificate) as other:
        named = {"OpenIDConnectProviderArn": arn_of(other)}
        iam.create_open_id_connect_provider(Url=other.issuer, ClientIDList=["keytrail"])
        arn, token = role(iam, other), other.token()
        assume(installation, arn, token)
        iam.remove_client_id_from_open_id_connect_provider(**named, ClientID="keytrail")
        refused(assume, "InvalidIdentityToken", "audience", installation=installation, role=arn, token=token)
        iam.add_client_id_to_open_id_connect_provider(**named, ClientID="keytrail")
        eventually(lambda: assume(installation, arn, token))
        iam.delete_open_id_connect_provider(**named)
        refused(
            assume,
            "InvalidIdentityToken",
            "No OpenIDConnect provider",
            installation=installation,
            role=arn,
            token=token,
        )


def test_an_sdk_exchanges_the_token_in_a_file_by_itself(
    iam: Any, installation: Installation, provider: Provider, tmp_path: Path
) -> None:
    """As in a pod, whose platform writes the file and sets the variables."""
    file = tmp_path / "token"
    file.write_text(provider.token())
    pod = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(file),
        "AWS_ROLE_ARN": role(iam, provider, None, "kms:ListKeys"),
        "AWS_ENDPOINT_URL": installation.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": f"{KEYTRAIL.parent}:/usr/bin:/bin",
    }
    done = subprocess.run(
        ["aws", "kms", "list-keys"], env=clean_environment() | pod, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
