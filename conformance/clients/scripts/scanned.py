"""What the scanners examine: an administrator, a role that a user may assume, a policy and keys."""

from __future__ import annotations

import json
from typing import Any

from mfa_device import give_device

ADMIN, READER, ROLE = "scanned-admin", "scanned-reader", "scanned-role"
GUARDED, UNGUARDED = "scanned-guarded", "scanned-unguarded"
"""Users with a password, with an MFA device and without."""
PASSWORD = "Correct-Horse-1"


def allowing(action: str, **elements: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"} | elements
    return {"Version": "2012-10-17", "Statement": [statement]}


def everything() -> dict[str, Any]:
    return allowing("*")


def scanned(iam: Any, kms: Any) -> tuple[str, str]:
    """(a key that rotates, a key that does not)."""
    for name, document in ((ADMIN, everything()), (READER, allowing("sts:AssumeRole"))):
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    iam.create_access_key(UserName=READER)
    reader = iam.get_user(UserName=READER)["User"]["Arn"]
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": reader}}
    trusts = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trusts)
    use = iam.create_policy(PolicyName="scanned-use", PolicyDocument=json.dumps(allowing("kms:Decrypt")))
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=use["Policy"]["Arn"])
    turning, still = (str(kms.create_key()["KeyMetadata"]["Arn"]) for _ in range(2))
    kms.enable_key_rotation(KeyId=turning)
    return turning, still


def passwords(iam: Any) -> None:
    """People with passwords, and a policy for these that is as strict as the scanners want one."""
    for name in (GUARDED, UNGUARDED):
        iam.create_user(UserName=name)
        iam.create_login_profile(UserName=name, Password=PASSWORD)
    give_device(iam, GUARDED, GUARDED)
    iam.update_account_password_policy(
        MinimumPasswordLength=14,
        RequireSymbols=True,
        RequireNumbers=True,
        RequireUppercaseCharacters=True,
        RequireLowercaseCharacters=True,
        AllowUsersToChangePassword=True,
        MaxPasswordAge=90,
        PasswordReusePrevention=24,
    )
