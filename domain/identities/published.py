"""The AWS managed policies that Keytrail has, word for word as AWS publishes them.

Rules of this file: A policy is here only if a source that can be cited has its whole document, its version and its date. No
other AWS managed policy can be attached (holders.py, `attachable`), and none is approximated. A row that was released never
changes, because past decisions are decided again with it. So a newer version of a policy needs an event that puts it on the log.
Source: AWS Managed Policy Reference, the page of each name, compared with the repository zoph-io/MAMIP at 0387244.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from domain.arn import account_in
from domain.identities.identity import ManagedPolicy, PolicyVersion
from domain.log.codec import micros
from domain.policy.parse import MANAGED, MOST_TEXT, PolicyKind

AWS = "aws"
"""Stands in the place of the account in the ARN of an AWS managed policy."""

OF_AWS = replace(MANAGED, name="AWS managed policy", most=MOST_TEXT)
"""Nobody puts one. AWS's own policies may be longer than a customer's: ReadOnlyAccess has eight times as many characters."""


def kind_of(arn: str) -> PolicyKind:
    """The kind of a managed policy."""
    return OF_AWS if account_in(arn) == AWS else MANAGED


def _policy(
    name: str, unique_id: str, version: str, created: str, updated: str, description: str, *statements: dict[str, Any]
) -> ManagedPolicy:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=4)
    return ManagedPolicy(
        id=unique_id,
        account=AWS,
        name=name,
        path="/",
        description=description,
        created=micros(created),
        updated=micros(updated),
        versions={version: PolicyVersion(document, micros(updated))},
        default=version,
        latest=int(version.removeprefix("v")),
    )


_ROWS = (
    _policy(
        "AWSKeyManagementServicePowerUser",
        "ANPAJNPP7PPPPMJRV2SA4",
        "v2",
        "2015-02-06T18:40:00Z",
        "2017-03-07T00:55:11Z",
        "Provides access to AWS Key Management Service (KMS).",
        {
            "Effect": "Allow",
            "Action": [
                "kms:CreateAlias",
                "kms:CreateKey",
                "kms:DeleteAlias",
                "kms:Describe*",
                "kms:GenerateRandom",
                "kms:Get*",
                "kms:List*",
                "kms:TagResource",
                "kms:UntagResource",
                "iam:ListGroups",
                "iam:ListRoles",
                "iam:ListUsers",
            ],
            "Resource": "*",
        },
    ),
    _policy(
        "AdministratorAccess",
        "ANPAIWMBCKSKIEE64ZLYK",
        "v1",
        "2015-02-06T18:39:46Z",
        "2015-02-06T18:39:46Z",
        "Provides full access to AWS services and resources.",
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
    ),
    _policy(
        "IAMFullAccess",
        "ANPAI7XKCFMBPM3QQRRVQ",
        "v2",
        "2015-02-06T18:40:00Z",
        "2019-06-21T19:40:00Z",
        "Provides full access to IAM via the AWS Management Console.",
        {
            "Effect": "Allow",
            "Action": [
                "iam:*",
                "organizations:DescribeAccount",
                "organizations:DescribeOrganization",
                "organizations:DescribeOrganizationalUnit",
                "organizations:DescribePolicy",
                "organizations:ListChildren",
                "organizations:ListParents",
                "organizations:ListPoliciesForTarget",
                "organizations:ListRoots",
                "organizations:ListPolicies",
                "organizations:ListTargetsForPolicy",
            ],
            "Resource": "*",
        },
    ),
    _policy(
        "IAMReadOnlyAccess",
        "ANPAJKSO7NDY4T57MWDSQ",
        "v4",
        "2015-02-06T18:40:00Z",
        "2018-01-25T19:11:27Z",
        "Provides read only access to IAM via the AWS Management Console.",
        {
            "Effect": "Allow",
            "Action": [
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy",
            ],
            "Resource": "*",
        },
    ),
    _policy(
        "PowerUserAccess",
        "ANPAJYRXTHIB4FOVS3ZXS",
        "v12",
        "2015-02-06T18:39:00Z",
        "2026-02-12T17:59:14Z",
        "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
        {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": [
                "account:GetAccountInformation",
                "account:GetGovCloudAccountInformation",
                "account:GetPrimaryEmail",
                "account:ListRegions",
                "iam:CreateServiceLinkedRole",
                "iam:DeleteServiceLinkedRole",
                "iam:ListRoles",
                "organizations:DescribeEffectivePolicy",
                "organizations:DescribeOrganization",
            ],
            "Resource": "*",
        },
    ),
)

PUBLISHED: dict[str, ManagedPolicy] = {row.arn: row for row in _ROWS}
"""By ARN, in the order of their names."""
