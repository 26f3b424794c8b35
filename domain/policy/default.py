"""The key policy of a key that was made through the API without one.

Source: KMS developer guide, key-policy-default: one statement that gives the account's root `kms:*`, which lets
identity policies of the account give access too.
"""

from __future__ import annotations

import json

from domain.arn import root_arn


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
