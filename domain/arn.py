"""Amazon Resource Names. An installation is one service in one region.

Source: IAM user guide, reference-arns; KMS developer guide, concepts (key ARN, alias ARN).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PARTITION = "aws"
ACCOUNT_ID = re.compile(r"\d{12}")
KEY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The id of a key that this version makes."""
MULTI_REGION = "mrk-"
"""How the id of a multi-Region key begins, and of no other key (KMS developer guide, multi-region-keys-overview)."""
WELL_FORMED = re.compile(rf"{KEY_ID.pattern}|{MULTI_REGION}[0-9a-f]{{32}}")
"""The id of any key. The id of a multi-Region key is also well formed, although Keytrail has no such keys."""


@dataclass(frozen=True, slots=True)
class Arn:
    """`arn:partition:service:region:account:resource`."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def parse_arn(text: str) -> Arn | None:
    """The ARN that a text spells, or None if it is not an ARN."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[5]:
        return None
    return Arn(*parts[1:])


def is_elsewhere(reference: str, region: str) -> bool:
    """Whether a reference is an ARN of another partition or Region. An installation of this Region has nothing by that name."""
    arn = parse_arn(reference)
    return arn is not None and (arn.partition != PARTITION or arn.region != region)


def key_arn(region: str, account: str, key_id: str) -> str:
    """`key_id` may include the Region. A trail's keys do so if the same id exists in several Regions
    (cloudtrail/keys_named.py)."""
    name, _, own = key_id.partition("@")
    return f"arn:{PARTITION}:kms:{own or region}:{account}:key/{name}"


def region_in(arn: str) -> str:
    """ "" for anything else, and for an ARN without a Region, as IAM's are."""
    found = parse_arn(arn)
    return "" if found is None else found.region


def alias_arn(region: str, account: str, name: str) -> str:
    """`name` includes its prefix `alias/`, like AliasName."""
    return f"arn:{PARTITION}:kms:{region}:{account}:{name}"


def root_arn(account: str) -> str:
    return f"arn:{PARTITION}:iam::{account}:root"


def iam_arn(account: str, kind: str, path: str, name: str) -> str:
    """`kind` is user, group, role or policy; `path` begins and ends with a slash."""
    return f"arn:{PARTITION}:iam::{account}:{kind}{path}{name}"


def session_arn(account: str, role: str, session: str) -> str:
    """An assumed role's session: the role's name without its path (IAM user guide, reference_identifiers)."""
    return f"arn:{PARTITION}:sts::{account}:assumed-role/{role}/{session}"


def audit_arn(region: str, account: str) -> str:
    """The resource of `keytrail:` actions that do not concern one key: an account's part of the audit API."""
    return f"arn:{PARTITION}:keytrail:{region}:{account}:audit"


def account_in(arn: str) -> str:
    """The account of an ARN; "" for anything else."""
    found = parse_arn(arn)
    return "" if found is None else found.account
