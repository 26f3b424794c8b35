"""The key policy of a key whose caller gave none.

Source: KMS developer guide, key-policy-default. Its one statement gives the account's root `kms:*`, so identity
policies of the account can give access too.
"""

from __future__ import annotations

import json

from domain.arn import root_arn

THROUGH = ("Encrypt", "Decrypt", "ReEncrypt*", "GenerateDataKey*", "CreateGrant", "DescribeKey")
LOOKING = ("Describe*", "Get*", "List*", "RevokeGrant")


def service_key_policy(alias: str, account: str, region: str) -> str:
    """The key policy of a key that a service manages for an account (developer guide, key-policy of AWS managed keys).
    The account's principals use the key through the service, and may look at it themselves."""
    through = {"kms:ViaService": f"{alias}.{region}.amazonaws.com", "kms:CallerAccount": account}
    document = {
        "Version": "2012-10-17",
        "Id": f"auto-{alias}-1",
        "Statement": [
            {
                "Sid": f"Allow access through {alias} for all principals in the account that are authorized to use it",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [f"kms:{name}" for name in THROUGH],
                "Resource": "*",
                "Condition": {"StringEquals": through},
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": {"AWS": root_arn(account)},
                "Action": [f"kms:{name}" for name in LOOKING],
                "Resource": "*",
            },
        ],
    }
    return json.dumps(document, indent=2, separators=(",", " : "))


def default_key_policy(account: str) -> str:
    document = {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": root_arn(account)},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }
    return json.dumps(document, indent=2, separators=(",", " : "))
