"""Every answer of IAM and KMS that comes in pages: nothing twice, nothing left out, and each page of the requested
length."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import Session

from services.operations.identity_table import IAM
from services.operations.table import OPERATIONS
from tests.e2e.test_mfa import Device
from tests.installation import Installation

ALLOW = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}]}
)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}
        ],
    }
)
ROOT = "arn:aws:iam::111122223333:root"
TAG_KEYS = ("é" * 128, "k0", "Größe", "中" * 127 + "一", "中" * 128, "𠀀" * 127 + "𠀁", "𠀀" * 128)
"""A marker may hold no other characters than those of Latin-1, and no more than 320 of them for IAM."""
NOT_HERE = {"GetAccountAuthorizationDetails"}
"""Its pages count users, groups, roles and policies together: see tests/e2e/test_iam_tools.py."""


def fresh() -> str:
    return f"paged-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def asked(installation: Installation) -> dict[str, dict[str, Any]]:
    """The request of each operation, which has three or more items to answer (two for access keys, the maximum)."""
    iam, kms = installation.client(service="iam"), installation.client()
    path = f"/{fresh()}/{'long/' * 80}"  # no marker has room for an ARN with it
    users, groups, roles = ([fresh() for _ in range(3)] for _ in range(3))
    tags = [{"Key": key, "Value": "v"} for key in TAG_KEYS]
    for user, group, role in zip(users, groups, roles, strict=True):
        iam.create_user(UserName=user, Path=path, Tags=tags)
        iam.create_group(GroupName=group, Path=path)
        iam.create_role(RoleName=role, Path=path, AssumeRolePolicyDocument=TRUST, Tags=tags)
    policies = [
        iam.create_policy(PolicyName=fresh(), Path=path, PolicyDocument=ALLOW, Tags=tags)["Policy"]["Arn"]
        for _ in range(3)
    ]
    profiles = [fresh() for _ in range(3)]
    user, group, role, policy = users[0], groups[0], roles[0], policies[0]
    for number in range(3):
        iam.create_policy_version(PolicyArn=policy, PolicyDocument=ALLOW)
        iam.add_user_to_group(UserName=user, GroupName=groups[number])
        iam.create_instance_profile(InstanceProfileName=profiles[number], Path=path, Tags=tags)
        iam.add_role_to_instance_profile(InstanceProfileName=profiles[number], RoleName=role)
        inline = {"PolicyName": f"p{number}", "PolicyDocument": ALLOW}
        iam.put_user_policy(UserName=user, **inline)
        iam.put_group_policy(GroupName=group, **inline)
        iam.put_role_policy(RoleName=role, **inline)
        iam.attach_user_policy(UserName=user, PolicyArn=policies[number])
        iam.attach_group_policy(GroupName=group, PolicyArn=policies[number])
        iam.attach_role_policy(RoleName=role, PolicyArn=policies[number])
        iam.attach_role_policy(RoleName=roles[number], PolicyArn=policy)
    iam.add_user_to_group(UserName=users[1], GroupName=group)
    iam.put_user_permissions_boundary(UserName=users[1], PermissionsBoundary=policy)
    for _ in range(2):
        iam.create_access_key(UserName=user)
    phones = [Device(iam, fresh(), Tags=tags) for _ in range(3)]
    for phone in phones:
        phone.give(user)
    provider = iam.create_open_id_connect_provider(Url=f"https://{fresh()}.example.com", Tags=tags)
    key = kms.create_key(Tags=[{"TagKey": key, "TagValue": "v"} for key in TAG_KEYS])["KeyMetadata"]["Arn"]
    for _ in range(3):
        kms.create_alias(AliasName=f"alias/{fresh()}", TargetKeyId=key)
        kms.create_grant(KeyId=key, GranteePrincipal=ROOT, RetiringPrincipal=ROOT, Operations=["Decrypt"])
        kms.rotate_key_on_demand(KeyId=key)
        kms.create_key()
    installation.caught_up()  # so that any worker knows all of it
    arn = iam.get_user(UserName=user)["User"]["Arn"]
    under, actions = {"PathPrefix": path}, ["kms:Encrypt", "kms:Decrypt", "kms:Sign"]
    named = {"User": {"UserName": user}, "Group": {"GroupName": group}, "Role": {"RoleName": role}}
    return {
        **dict.fromkeys(("ListUsers", "ListGroups", "ListRoles", "ListPolicies", "ListInstanceProfiles"), under),
        **{f"List{noun}Policies": who for noun, who in named.items()},
        **{f"ListAttached{noun}Policies": who for noun, who in named.items()},
        "GetGroup": {"GroupName": group},
        "ListGroupsForUser": {"UserName": user},
        "ListAccessKeys": {"UserName": user},
        "ListUserTags": {"UserName": user},
        "ListRoleTags": {"RoleName": role},
        "ListPolicyTags": {"PolicyArn": policy},
        "ListInstanceProfileTags": {"InstanceProfileName": profiles[0]},
        "ListInstanceProfilesForRole": {"RoleName": role},
        "ListPolicyVersions": {"PolicyArn": policy},
        "ListEntitiesForPolicy": {"PolicyArn": policy},
        "SimulatePrincipalPolicy": {"PolicySourceArn": arn, "ActionNames": actions},
        "SimulateCustomPolicy": {"PolicyInputList": [ALLOW], "ActionNames": actions},
        "ListMFADevices": {"UserName": user},
        "ListMFADeviceTags": {"SerialNumber": phones[0].serial},
        "ListOpenIDConnectProviderTags": {"OpenIDConnectProviderArn": provider["OpenIDConnectProviderArn"]},
        "ListSigningCertificates": {"UserName": user},
        "ListSSHPublicKeys": {"UserName": user},
        **{name: {} for name in ("ListAccountAliases", "ListServerCertificates", "ListVirtualMFADevices")},
        **{name: {} for name in ("ListKeys", "ListAliases", "DescribeCustomKeyStores")},
        **{name: {"KeyId": key} for name in ("ListGrants", "ListResourceTags", "ListKeyPolicies", "ListKeyRotations")},
        "ListRetirableGrants": {"RetiringPrincipal": ROOT},
    }


PAGED = [
    (service, operation)
    for service, table in (("iam", IAM), ("kms", OPERATIONS))
    for operation in sorted(Session().get_paginator_model(service)._paginator_config)
    if operation in table and operation not in NOT_HERE
]
FEW = {"ListAccessKeys": 2, "GetGroup": 2, "ListKeyPolicies": 1, "DescribeCustomKeyStores": 0}
NONE = ("Alias", "Certificates", "SSHPublicKeys")


@pytest.mark.parametrize(("service", "operation"), PAGED)
def test_pages_of_one_item_hold_what_one_page_holds(
    installation: Installation, asked: dict[str, dict[str, Any]], service: str, operation: str
) -> None:
    client = installation.client(service=service)
    paginator = client.get_paginator(xform_name(operation))
    parameters = asked[operation]

    def items(**config: int) -> list[list[str]]:
        """The items of each page, as texts."""
        return [
            [json.dumps(item, default=str) for key in paginator.result_keys for item in key.search(page) or ()]
            for page in paginator.paginate(**parameters, PaginationConfig=config)
        ]

    whole = [item for page in items() for item in page]
    pages = items(PageSize=1)
    assert sorted(item for page in pages for item in page) == sorted(whole)
    assert max(map(len, pages)) <= 1
    if not (operation.startswith("List") and operation.endswith(NONE) and service == "iam") and operation != "ListAccountAliases":  # fmt: skip
        assert len(whole) >= FEW.get(operation, 3)


def test_a_page_of_long_policies_ends_before_it_has_as_many_items_as_were_asked_for(installation: Installation) -> None:
    """A trust policy may have 131,072 characters with its white space, and is shown three times as long. A page of a thousand such
    roles kept everybody waiting for half a minute, and so did one role that a thousand instance profiles show."""
    iam = installation.client(service="iam")
    path, padded = f"/{fresh()}/", TRUST + " " * (131_072 - len(TRUST))
    roles, profiles = [fresh() for _ in range(5)], [fresh() for _ in range(5)]
    for role in roles:
        iam.create_role(RoleName=role, Path=path, AssumeRolePolicyDocument=padded)
    for profile in profiles:
        iam.create_instance_profile(InstanceProfileName=profile, Path=path)
        iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=roles[0])

    def pages(operation: str, key: str, **parameters: Any) -> list[list[Any]]:
        found = iam.get_paginator(operation).paginate(PaginationConfig={"PageSize": 1000}, **parameters)
        return [page[key] for page in found]

    shown = pages("list_roles", "Roles", PathPrefix=path)
    assert {each["RoleName"] for page in shown for each in page} == set(roles)
    assert max(map(len, shown)) < 5
    shown = pages("list_instance_profiles", "InstanceProfiles", PathPrefix=path)
    assert {each["InstanceProfileName"] for page in shown for each in page} == set(profiles)
    assert max(map(len, shown)) < 5
    found = {
        each["RoleName"]: each
        for page in pages("get_account_authorization_details", "RoleDetailList", Filter=["Role"])
        for each in page
        if each["Path"] == path
    }
    assert set(found) == set(roles)
    role = found[roles[0]]
    assert {each["InstanceProfileName"] for each in role["InstanceProfileList"]} == set(profiles)
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert not any(
        "AssumeRolePolicyDocument" in each for shown in role["InstanceProfileList"] for each in shown["Roles"]
    )


def test_a_marker_is_of_the_operation_that_gave_it(
    installation: Installation, asked: dict[str, dict[str, Any]]
) -> None:
    """API reference, InvalidMarkerException: another list's marker would silently skip items."""
    kms, iam = installation.client(), installation.client(service="iam")
    of_kms = kms.list_keys(Limit=1)["NextMarker"]
    for operation in ("ListAliases", "ListGrants", "ListResourceTags", "ListKeyPolicies", "ListRetirableGrants"):
        for marker in (of_kms, "after:a", "zzz", f"{operation}:"):
            with pytest.raises(ClientError) as refused:
                getattr(kms, xform_name(operation))(**asked[operation], Marker=marker)
            assert refused.value.response["Error"]["Code"] == "InvalidMarkerException", (operation, marker)
    of_iam = iam.list_users(**asked["ListUsers"], MaxItems=1)["Marker"]
    for operation in ("ListRoles", "ListPolicies", "ListEntitiesForPolicy", "SimulatePrincipalPolicy"):
        with pytest.raises(ClientError) as refused:
            getattr(iam, xform_name(operation))(**asked[operation], Marker=of_iam)
        assert refused.value.response["Error"]["Code"] in ("ValidationError", "InvalidInput"), operation


def test_policies_are_listed_by_what_they_are_used_for(
    installation: Installation, asked: dict[str, dict[str, Any]]
) -> None:
    """IAM API reference, ListPolicies, PolicyUsageFilter and OnlyAttached."""
    iam = installation.client(service="iam")
    under, policy = asked["ListPolicies"], asked["ListEntitiesForPolicy"]["PolicyArn"]
    boundary = iam.create_policy(PolicyName=fresh(), Path=under["PathPrefix"], PolicyDocument=ALLOW)["Policy"]["Arn"]
    iam.create_policy(PolicyName=fresh(), Path=under["PathPrefix"], PolicyDocument=ALLOW)
    user = fresh()
    iam.create_user(UserName=user, PermissionsBoundary=boundary)

    def listed(**asks: Any) -> list[str]:
        return [each["Arn"] for each in iam.list_policies(**under, **asks)["Policies"]]

    assert len(listed()) == 5
    assert sorted(listed(PolicyUsageFilter="PermissionsBoundary")) == sorted([policy, boundary])
    assert (len(listed(PolicyUsageFilter="PermissionsPolicy")), boundary in listed(OnlyAttached=True)) == (4, False)
    assert boundary not in listed(PolicyUsageFilter="PermissionsPolicy")
    assert len(listed(OnlyAttached=True)) == 3
