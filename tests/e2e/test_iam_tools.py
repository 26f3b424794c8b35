"""What tools ask of IAM beside users, roles and policies: everything at once, simulations, AWS's managed policies."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.installation import Installation

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture(scope="module")
def iam(installation: Installation) -> Any:
    return installation.client(service="iam")


def fresh(name: str) -> str:
    return f"{name}-{uuid4().hex[:8]}"


def allowing(*actions: str, **elements: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"} | elements
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def a_user(iam: Any, installation: Installation, *policies: str, name: str = "") -> tuple[str, str, dict[str, str]]:
    """(name, ARN, credentials)."""
    name = name or fresh("tool")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    for number, document in enumerate(policies):
        iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return name, arn, {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def code_of(fault: pytest.ExceptionInfo[ClientError]) -> str:
    return str(fault.value.response["Error"]["Code"])


def test_a_policy_of_awss_own_is_attached_decides_and_is_shown(iam: Any, installation: Installation) -> None:
    name, arn, credentials = a_user(iam, installation)
    kms = installation.client(credentials)
    with pytest.raises(ClientError):
        kms.list_keys()
    iam.attach_user_policy(UserName=name, PolicyArn=ADMINISTRATOR)
    kms.list_keys()
    (attached,) = iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
    assert attached == {"PolicyName": "AdministratorAccess", "PolicyArn": ADMINISTRATOR}
    shown = iam.get_policy(PolicyArn=ADMINISTRATOR)["Policy"]
    assert (shown["DefaultVersionId"], shown["AttachmentCount"] >= 1) == ("v1", True)
    document = iam.get_policy_version(PolicyArn=ADMINISTRATOR, VersionId="v1")["PolicyVersion"]["Document"]
    assert document["Statement"] == [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    users = iam.list_entities_for_policy(PolicyArn=ADMINISTRATOR)["PolicyUsers"]
    assert name in [user["UserName"] for user in users]
    listed = [each["PolicyName"] for page in iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 2}) for each in page["Policies"]]  # fmt: skip
    assert listed == sorted(listed, key=str.lower)
    assert "AWSKeyManagementServicePowerUser" in listed
    installation.caught_up()
    as_it_was = installation.answers("show", arn)[0]["principal"]
    assert as_it_was["attached"][ADMINISTRATOR]["version"] == "v1"
    attempts: list[Callable[[], Any]] = [
        lambda: iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/SecurityAudit"),
        lambda: iam.delete_policy(PolicyArn=ADMINISTRATOR),
        lambda: iam.create_policy_version(PolicyArn=ADMINISTRATOR, PolicyDocument=allowing("kms:*")),
        lambda: iam.tag_policy(PolicyArn=ADMINISTRATOR, Tags=[{"Key": "a", "Value": "b"}]),
    ]
    for attempt in attempts:
        with pytest.raises(ClientError) as fault:
            attempt()
        assert code_of(fault) == "NoSuchEntity"
    iam.detach_user_policy(UserName=name, PolicyArn=ADMINISTRATOR)
    with pytest.raises(ClientError):
        kms.list_keys()


def test_an_awss_own_policy_can_be_a_boundary(iam: Any, installation: Installation) -> None:
    name, _, credentials = a_user(iam, installation, allowing("kms:*", "iam:*"))
    power = "arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser"
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=power)
    installation.client(credentials).list_keys()
    with pytest.raises(ClientError) as fault:
        installation.client(credentials, "iam").create_user(UserName=fresh("no"))
    assert "no permissions boundary allows" in str(fault.value)


def test_everything_of_an_account_page_by_page(iam: Any, installation: Installation) -> None:
    name, arn, _ = a_user(iam, installation, allowing("kms:Encrypt"))
    group, role = fresh("group"), fresh("role")
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=name)
    trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}]})  # fmt: skip
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
    policy = iam.create_policy(PolicyName=fresh("policy"), PolicyDocument=allowing("kms:Sign"))["Policy"]
    iam.attach_role_policy(RoleName=role, PolicyArn=policy["Arn"])
    iam.attach_group_policy(GroupName=group, PolicyArn=ADMINISTRATOR)
    found: dict[str, list[dict[str, Any]]] = {}
    pages = 0
    for page in iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 3}):
        pages += 1
        for member in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"):
            found.setdefault(member, []).extend(page[member])
    assert pages > 1
    whole = iam.get_account_authorization_details(MaxItems=1000)
    for member, items in found.items():
        assert items == whole[member], member
        assert len({each["Arn"] for each in items}) == len(items)
    user = next(each for each in found["UserDetailList"] if each["UserName"] == name)
    assert (user["GroupList"], user["UserPolicyList"][0]["PolicyName"]) == ([group], "p0")
    assert user["UserPolicyList"][0]["PolicyDocument"]["Statement"][0]["Action"] == ["kms:Encrypt"]
    shown = next(each for each in found["RoleDetailList"] if each["RoleName"] == role)
    assert shown["AttachedManagedPolicies"] == [{"PolicyName": policy["PolicyName"], "PolicyArn": policy["Arn"]}]
    own = next(each for each in found["Policies"] if each["Arn"] == policy["Arn"])
    assert [each["VersionId"] for each in own["PolicyVersionList"]] == ["v1"]
    assert ADMINISTRATOR in [each["Arn"] for each in found["Policies"]]
    only = iam.get_account_authorization_details(Filter=["Role"], MaxItems=1000)
    assert (only["UserDetailList"], bool(only["RoleDetailList"])) == ([], True)
    provider = iam.create_open_id_connect_provider(Url=f"https://{fresh('id')}.example.com", ClientIDList=["a"])
    summary = iam.get_account_summary()["SummaryMap"]
    assert summary["Providers"] == len(iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]) >= 1
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider["OpenIDConnectProviderArn"])
    assert summary["Users"] == len(whole["UserDetailList"])
    assert (summary["AccountAccessKeysPresent"], summary["AccountMFAEnabled"]) == (1, 0)


def test_instance_profiles_and_the_accounts_alias_are_kept(iam: Any, installation: Installation) -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})  # fmt: skip
    role, profile = fresh("role"), fresh("profile")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
    made = iam.create_instance_profile(InstanceProfileName=profile, Tags=[{"Key": "team", "Value": "a"}])
    assert made["InstanceProfile"]["Roles"] == []
    iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)
    iam.tag_instance_profile(InstanceProfileName=profile, Tags=[{"Key": "stage", "Value": "test"}])
    iam.untag_instance_profile(InstanceProfileName=profile, TagKeys=["team"])
    shown = iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]
    assert [each["RoleName"] for each in shown["Roles"]] == [role]
    assert shown["Tags"] == [{"Key": "stage", "Value": "test"}]
    assert iam.list_instance_profile_tags(InstanceProfileName=profile)["Tags"] == shown["Tags"]
    (of_role,) = iam.list_instance_profiles_for_role(RoleName=role)["InstanceProfiles"]
    assert of_role["Arn"] == shown["Arn"]
    assert profile in [each["InstanceProfileName"] for each in iam.list_instance_profiles()["InstanceProfiles"]]
    details = iam.get_account_authorization_details(Filter=["Role"], MaxItems=1000)["RoleDetailList"]
    (whole,) = [each for each in details if each["RoleName"] == role]
    assert [each["InstanceProfileName"] for each in whole["InstanceProfileList"]] == [profile]
    with pytest.raises(ClientError) as fault:
        iam.delete_role(RoleName=role)
    assert code_of(fault) == "DeleteConflict"
    iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=role)
    iam.delete_role(RoleName=role)
    iam.delete_instance_profile(InstanceProfileName=profile)
    with pytest.raises(ClientError) as fault:
        iam.get_instance_profile(InstanceProfileName=profile)
    assert code_of(fault) == "NoSuchEntity"
    alias = fresh("payments")
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases()["AccountAliases"] == [alias]
    iam.delete_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases()["AccountAliases"] == []


@pytest.mark.usefixtures("no_password_policy")
def test_the_password_policy_is_replaced_whole_and_deleted(iam: Any, installation: Installation) -> None:
    with pytest.raises(ClientError) as fault:
        iam.get_account_password_policy()
    assert code_of(fault) == "NoSuchEntity"
    iam.update_account_password_policy(MinimumPasswordLength=14, RequireSymbols=True, MaxPasswordAge=90)
    iam.update_account_password_policy(MinimumPasswordLength=12, PasswordReusePrevention=24)
    assert iam.get_account_password_policy()["PasswordPolicy"] == {
        "MinimumPasswordLength": 12,
        "RequireSymbols": False,
        "RequireNumbers": False,
        "RequireUppercaseCharacters": False,
        "RequireLowercaseCharacters": False,
        "AllowUsersToChangePassword": False,
        "ExpirePasswords": False,
        "PasswordReusePrevention": 24,
        "HardExpiry": False,
    }
    with pytest.raises(ClientError) as fault:
        iam.update_account_password_policy(MinimumPasswordLength=129)
    assert code_of(fault) == "ValidationError"
    nobody = installation.client(a_user(iam, installation)[2], service="iam")
    for refused in (nobody.get_account_password_policy, nobody.update_account_password_policy):
        with pytest.raises(ClientError) as fault:
            refused()
        assert code_of(fault) == "AccessDenied"
    iam.delete_account_password_policy()
    with pytest.raises(ClientError) as fault:
        iam.delete_account_password_policy()
    assert code_of(fault) == "NoSuchEntity"


@pytest.mark.parametrize(
    ("operation", "member"),
    [
        ("list_saml_providers", "SAMLProviderList"),
        ("list_server_certificates", "ServerCertificateMetadataList"),
    ],
)
def test_an_absent_collection_is_an_empty_list(iam: Any, operation: str, member: str) -> None:
    assert getattr(iam, operation)()[member] == []


def test_a_users_policies_are_simulated_and_answer_as_the_calls_do(iam: Any, installation: Installation) -> None:
    only_payroll = {"StringEquals": {"kms:EncryptionContext:team": "payroll"}}
    name, arn, credentials = a_user(
        iam, installation, allowing("kms:Encrypt", Condition=only_payroll), allowing("kms:DescribeKey")
    )
    key = installation.client().create_key()["KeyMetadata"]["Arn"]
    kms = installation.client(credentials)

    def simulated(*actions: str, **more: Any) -> list[dict[str, Any]]:
        found = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, ResourceArns=[key], **more)
        return list(found["EvaluationResults"])

    without, describe, decrypt = simulated("kms:Encrypt", "kms:DescribeKey", "kms:Decrypt")
    assert [each["EvalDecision"] for each in (without, describe, decrypt)] == [
        "implicitDeny",
        "allowed",
        "implicitDeny",
    ]
    assert without["MissingContextValues"] == ["kms:EncryptionContext:team"]
    (match,) = describe["MatchedStatements"]
    assert (match["SourcePolicyId"], match["SourcePolicyType"]) == (f"user_{name}_p1", "IAM Policy")
    (of_key,) = describe["ResourceSpecificResults"]
    assert (of_key["EvalResourceName"], of_key["EvalResourceDecision"]) == (key, "allowed")
    entry = {
        "ContextKeyName": "kms:EncryptionContext:team",
        "ContextKeyValues": ["payroll"],
        "ContextKeyType": "string",
    }
    assert simulated("kms:Encrypt", ContextEntries=[entry])[0]["EvalDecision"] == "allowed"
    kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"team": "payroll"})
    kms.describe_key(KeyId=key)
    with pytest.raises(ClientError):
        kms.encrypt(KeyId=key, Plaintext=b"x")
    excluded = [{"InlinePolicyIdentifier": {"PolicyName": "p1", "AttachmentType": "user", "AttachmentName": name}}]
    assert simulated("kms:DescribeKey", PolicyExclusionList=excluded)[0]["EvalDecision"] == "implicitDeny"
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == [
        "kms:EncryptionContext:team"
    ]
    # Each page goes on where the one before ended.
    actions = ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:Sign", "kms:Verify"]
    paged = [each["EvalActionName"] for page in iam.get_paginator("simulate_principal_policy").paginate(PolicySourceArn=arn, ActionNames=actions, PaginationConfig={"PageSize": 2}) for each in page["EvaluationResults"]]  # fmt: skip
    assert paged == actions


def test_a_simulation_of_given_policies_refuses_unsupported_parameters(iam: Any, installation: Installation) -> None:
    answer = iam.simulate_custom_policy(
        PolicyInputList=[allowing("s3:Get*")], ActionNames=["s3:GetObject", "s3:PutObject"]
    )
    decisions = {each["EvalActionName"]: each["EvalDecision"] for each in answer["EvaluationResults"]}
    assert decisions == {"s3:GetObject": "allowed", "s3:PutObject": "implicitDeny"}
    for wrong in (
        {"PolicyInputList": ["{}"], "ActionNames": ["s3:GetObject"]},
        {"PolicyInputList": [allowing("s3:Get*")], "ActionNames": ["s3:*"]},
        {"PolicyInputList": [allowing("s3:Get*")], "ActionNames": ["s3:GetObject"], "ResourceArns": ["bucket"]},
        {"PolicyInputList": [allowing("s3:Get*")], "ActionNames": ["s3:GetObject"], "ResourcePolicy": allowing("s3:*")},
        {"PolicyInputList": [allowing("s3:Get*")] * 400, "ActionNames": ["s3:GetObject"]},
        {
            "PolicyInputList": [allowing("s3:Get*")],
            "ActionNames": ["s3:GetObject"],
            "ResourceHandlingOption": "EC2-VPC-EBS",
        },
    ):
        with pytest.raises(ClientError) as fault:
            iam.simulate_custom_policy(**wrong)
        assert code_of(fault) in ("InvalidInput", "ValidationError"), wrong
    # A caller who may not simulate learns nothing of anybody's policies.
    _, arn, credentials = a_user(iam, installation, allowing("iam:SimulateCustomPolicy"))
    own = installation.client(credentials, "iam")
    own.simulate_custom_policy(PolicyInputList=[allowing("s3:Get*")], ActionNames=["s3:GetObject"])
    with pytest.raises(ClientError) as fault:
        own.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:GetObject"])
    assert code_of(fault) == "AccessDenied"


@pytest.mark.parametrize(
    ("source", "caller"),
    [
        ("arn:aws:sts::111122223333:assumed-role/a/b", None),
        ("arn:aws:iam::111122223333:root", None),
        ("arn:aws:iam::111122223333:policy/named", None),
        ("no arn, and long enough", None),
        ("", "arn:aws:sts::111122223333:assumed-role/a/b"),
        ("", "arn:aws-cn:iam::111122223333:user/named"),
        ("", "arn:aws:iam::111122223333:root"),
    ],
)
def test_a_simulation_is_of_users_groups_and_roles(
    iam: Any, installation: Installation, source: str, caller: str | None
) -> None:
    """IAM API reference, SimulatePrincipalPolicy, PolicySourceArn and CallerArn."""
    _, arn, _ = a_user(iam, installation)
    asked = {"PolicySourceArn": source or arn, "ActionNames": ["kms:Encrypt"]}
    with pytest.raises(ClientError) as fault:
        iam.simulate_principal_policy(**asked | ({} if caller is None else {"CallerArn": caller}))
    assert code_of(fault) == "InvalidInput"
    if source:
        said = f"Invalid Entity Arn: {source} does not clearly define entity type and name."
        assert fault.value.response["Error"]["Message"] == said


def test_a_simulation_knows_the_codes_of_mfa_devices(iam: Any, installation: Installation) -> None:
    actions = ["iam:CreateLoginProfile", "iam:ChangePassword", "iam:DeactivateMFADevice"]
    keys = {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "59"}
    young = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "60"}}
    _, arn, _ = a_user(iam, installation, allowing(*actions, Condition=young))
    assert sorted(iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"]) == sorted(keys)
    asked = {"PolicySourceArn": arn, "ActionNames": actions}
    for each in iam.simulate_principal_policy(**asked)["EvaluationResults"]:
        assert (each["EvalDecision"], sorted(each["MissingContextValues"])) == ("implicitDeny", sorted(keys))
    entries = [{"ContextKeyName": key, "ContextKeyValues": [keys[key]], "ContextKeyType": "string"} for key in keys]
    results = iam.simulate_principal_policy(**asked, ContextEntries=entries)["EvaluationResults"]
    assert {each["EvalDecision"] for each in results} == {"allowed"}


def test_the_past_of_a_credential_comes_from_the_decisions(iam: Any, installation: Installation) -> None:
    """When a key was last used, by whom a service was used, and the report on all of them."""
    name, arn, credentials = a_user(iam, installation, allowing("kms:ListKeys", "sts:*"))
    access_key = credentials["AWS_ACCESS_KEY_ID"]
    unused = iam.get_access_key_last_used(AccessKeyId=access_key)
    assert (unused["UserName"], unused["AccessKeyLastUsed"]) == (name, {"ServiceName": "N/A", "Region": "N/A"})
    kms = installation.client(credentials)
    kms.list_keys()
    with pytest.raises(ClientError):
        kms.list_aliases()
    installation.caught_up()
    used = iam.get_access_key_last_used(AccessKeyId=access_key)["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"], "LastUsedDate" in used) == ("kms", "us-east-1", True)
    job = iam.generate_service_last_accessed_details(Arn=arn, Granularity="ACTION_LEVEL")["JobId"]
    found = iam.get_service_last_accessed_details(JobId=job)
    assert (found["JobStatus"], found["JobType"]) == ("COMPLETED", "ACTION_LEVEL")
    services = {each["ServiceNamespace"]: each for each in found["ServicesLastAccessed"]}
    assert set(services) == {"kms", "sts"}
    assert services["kms"]["LastAuthenticatedEntity"] == arn
    # Refused attempts count as well (API reference).
    assert [each["ActionName"] for each in services["kms"]["TrackedActionsLastAccessed"]] == ["ListAliases", "ListKeys"]
    assert (services["sts"]["TotalAuthenticatedEntities"], "LastAuthenticated" in services["sts"]) == (0, False)
    group = fresh("group")
    of_group = iam.create_group(GroupName=group)["Group"]["Arn"]
    iam.add_user_to_group(GroupName=group, UserName=name)
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=allowing("kms:*"))
    job = iam.generate_service_last_accessed_details(Arn=of_group)["JobId"]
    (who,) = iam.get_service_last_accessed_details_with_entities(JobId=job, ServiceNamespace="kms")["EntityDetailsList"]
    assert (who["EntityInfo"]["Arn"], "LastAuthenticated" in who) == (arn, True)
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    report = iam.get_credential_report()["Content"].decode()
    rows = {row["user"]: row for row in csv.DictReader(report.splitlines())}
    root = rows["<root_account>"]
    assert root["access_key_1_active"] == "true"
    passwords = {name: value for name, value in root.items() if name.startswith("password_")}
    # Prowler reads password_last_used as a time unless it is one of the user guide's two words for it.
    assert passwords == {
        "password_enabled": "not_supported",
        "password_last_used": "no_information",
        "password_last_changed": "not_supported",
        "password_next_rotation": "not_supported",
    }
    mine = rows[name]
    assert (mine["arn"], mine["access_key_1_last_used_service"], mine["access_key_2_active"]) == (arn, "kms", "false")
    for unknown in ("0" * 36, "x" * 36, "f" * 36):
        with pytest.raises(ClientError) as fault:
            iam.get_service_last_accessed_details(JobId=unknown)
        assert code_of(fault) == "NoSuchEntity"
    # A caller who may not have a report made does not get one that somebody else had made.
    _, _, other = a_user(iam, installation, allowing("iam:GetServiceLastAccessedDetails"))
    with pytest.raises(ClientError) as fault:
        installation.client(other, "iam").get_service_last_accessed_details(JobId=job)
    assert code_of(fault) == "AccessDenied"


def test_a_renamed_user_keeps_its_past_and_a_later_user_of_the_name_has_none(
    iam: Any, installation: Installation, tmp_path: Path
) -> None:
    """Decisions have the ARN of their time. A name that is given again stands for somebody else (IAM user guide,
    reference_identifiers, unique ids)."""
    name, former, credentials = a_user(iam, installation, allowing("kms:ListKeys"))
    access_key = credentials["AWS_ACCESS_KEY_ID"]
    kms = installation.client(credentials)
    kms.list_keys()
    renamed = fresh("renamed")
    iam.update_user(UserName=name, NewUserName=renamed, NewPath="/moved/")
    arn = iam.get_user(UserName=renamed)["User"]["Arn"]
    with pytest.raises(ClientError):
        kms.list_aliases()
    _, again, other = a_user(iam, installation, allowing("kms:*"), name=name)
    assert again == former
    installation.caught_up()

    def accessed(entity: str) -> list[tuple[str, str]]:
        job = iam.generate_service_last_accessed_details(Arn=entity, Granularity="ACTION_LEVEL")["JobId"]
        (used,) = iam.get_service_last_accessed_details(JobId=job)["ServicesLastAccessed"]
        assert used["TotalAuthenticatedEntities"] == len({each["LastAccessedEntity"] for each in _actions(used)})
        return [(each["ActionName"], each["LastAccessedEntity"]) for each in _actions(used)]

    assert accessed(arn) == [("ListAliases", arn), ("ListKeys", arn)]
    assert accessed(again) == []
    installation.client(other).list_retirable_grants(RetiringPrincipal=again)
    installation.caught_up()
    assert accessed(again) == [("ListRetirableGrants", again)]
    used = iam.get_access_key_last_used(AccessKeyId=access_key)
    assert (used["UserName"], used["AccessKeyLastUsed"]["ServiceName"]) == (renamed, "kms")
    rows = {row["user"]: row for row in csv.DictReader(_report(iam).splitlines())}
    assert rows[renamed]["access_key_1_last_used_service"] == "kms"
    (permissions,) = installation.answers("unused", "--principal", arn)
    assert [set(each["used"]) for each in permissions["items"]] == [{"kms:ListKeys"}]

    draft = tmp_path / "denies.json"
    draft.write_text(allowing("kms:*", Effect="Deny"))
    (weighed,) = installation.answers("what-if", "--principal", arn, "--policy", str(draft))
    assert [each["operation"] for each in weighed["groups"]] == ["ListKeys"]

    def operations(principal: str) -> list[str]:
        rows = installation.answers("decisions", "--principal", principal)
        last = installation.answers("decisions", "--principal", principal, "--limit", "1")
        assert last == rows[-1:]
        return [row["operation"] for row in rows]

    assert operations(arn) == ["ListKeys", "ListAliases"]
    # A name stands for every call that was recorded under it; a unique id for one user.
    assert operations(former) == ["ListKeys", "ListRetirableGrants"]
    assert operations(iam.get_user(UserName=name)["User"]["UserId"]) == ["ListRetirableGrants"]


def test_a_draft_for_a_renamed_user_decides_the_calls_from_before_too(
    iam: Any, installation: Installation, tmp_path: Path
) -> None:
    """A key policy means the user by its unique id. Only the calls under the present ARN were decided again."""
    name, _, credentials = a_user(iam, installation, allowing("kms:Encrypt"))
    key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    installation.client(credentials).encrypt(KeyId=key, Plaintext=b"x")
    renamed = fresh("renamed")
    iam.update_user(UserName=name, NewUserName=renamed)
    arn = iam.get_user(UserName=renamed)["User"]["Arn"]
    policy = json.loads(installation.client().get_key_policy(KeyId=key)["Policy"])
    policy["Statement"].append({"Effect": "Deny", "Principal": {"AWS": arn}, "Action": "kms:*", "Resource": "*"})
    draft = tmp_path / "denies.json"
    draft.write_text(json.dumps(policy))
    installation.caught_up()
    (weighed,) = installation.answers("what-if", key, "--policy", str(draft))
    assert [each["operation"] for each in weighed["groups"]] == ["Encrypt"]


def _actions(service: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service["TrackedActionsLastAccessed"]
    return found


def _report(iam: Any) -> str:
    iam.generate_credential_report()
    return str(iam.get_credential_report()["Content"].decode())


def test_whose_an_access_key_is(iam: Any, installation: Installation) -> None:
    _, _, credentials = a_user(iam, installation)
    sts = installation.client(service="sts")
    assert sts.get_access_key_info(AccessKeyId=credentials["AWS_ACCESS_KEY_ID"])["Account"] == "111122223333"
    with pytest.raises(ClientError):
        sts.get_access_key_info(AccessKeyId="AKIANOBODYHASTHISKEY")


def test_a_service_linked_role_is_made_protected_and_deleted(iam: Any, installation: Installation) -> None:
    """The calls of Terraform's aws_iam_service_linked_role."""
    suffix = uuid4().hex[:8]
    made = iam.create_service_linked_role(
        AWSServiceName="autoscaling.amazonaws.com", CustomSuffix=suffix, Description="scales"
    )["Role"]
    name = made["RoleName"]
    assert (name, made["Path"]) == (
        f"AWSServiceRoleForAutoScaling_{suffix}",
        "/aws-service-role/autoscaling.amazonaws.com/",
    )
    assert made["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": ["autoscaling.amazonaws.com"]}
    with pytest.raises(ClientError, match="has been taken in this account") as fault:
        iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com", CustomSuffix=suffix)
    assert code_of(fault) == "InvalidInput"
    with pytest.raises(ClientError, match="only modifiable by AWS") as fault:
        iam.attach_role_policy(RoleName=name, PolicyArn=ADMINISTRATOR)
    assert code_of(fault) == "UnmodifiableEntity"
    with pytest.raises(ClientError) as fault:
        iam.delete_role(RoleName=name)
    assert code_of(fault) == "UnmodifiableEntity"
    only = allowing(
        "iam:CreateServiceLinkedRole", Condition={"StringEquals": {"iam:AWSServiceName": "ecs.amazonaws.com"}}
    )
    _, _, credentials = a_user(iam, installation, only)
    with pytest.raises(ClientError) as fault:
        installation.client(credentials, "iam").create_service_linked_role(AWSServiceName="rds.amazonaws.com")
    assert code_of(fault) == "AccessDenied"
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    with pytest.raises(ClientError) as fault:
        iam.get_role(RoleName=name)
    assert code_of(fault) == "NoSuchEntity"
