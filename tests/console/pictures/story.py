"""A bank's payroll: its people, its keys, an opening of a policy that raises an alert, and a trail from AWS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

from botocore.exceptions import ClientError

from domain.policy.console_form import ConsoleForm, make
from services.cli.client import Client
from services.questions.policy_form import kind_by_names
from tests.e2e.test_mfa import Device
from tests.e2e.test_trails import key_arn, record, who
from tests.installation import Installation

A, BUREAU = "111122223333", "444455556666"
AGENT = "payroll/4.2"
SALARIES = {"department": "payroll", "month": "2026-11"}
USERS = {
    "anna.keller": "key-administrators",
    "ben.okafor": "payroll",
    "carla.mendes": "auditors",
    "david.lind": "payroll",
}
"""Each user's group."""


def arn(kind: str, name: str) -> str:
    return f"arn:aws:iam::{A}:{kind}/{name}"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def allow(action: str | Sequence[str], sid: str, **more: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": "*"} | more


class PayrollStory:
    """`key` is the payroll key, `draft` a policy for it that would let the bureau decrypt, `before` the position before its policy
    was opened. `refused` is a call, `auditors` the ARN of a policy, `provider` that of
    an OpenID Connect provider. `auditor` and `administrator` are credentials, `password` is everybody's."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self._installation, self._folder = installation, folder
        self._kms, self._iam = installation.client(), installation.client(service="iam")
        self.key = self.releases = self.draft = self.refused = self.alert = self.before = self.auditors = (
            self.imported
        ) = self.provider = ""
        self.auditor: dict[str, str] = {}
        self.administrator: dict[str, str] = {}
        self.password = f"Salaries {token_hex(4)}"

    def tell(self) -> None:
        self._people()
        self._keys()
        self._calls()
        self._opening()
        self._trail()
        self._installation.judged()
        alerts = self._installation.answers("alerts")
        self.alert = next(each["id"] for each in alerts if each["severity"] == "critical")
        (deletion,) = (each["id"] for each in alerts if each["rule"] == "deletion-scheduled")
        self._installation.keytrail("alerts", "resolve", deletion, "--note", "Agreed with the owner of the key")
        self._installation.keytrail("alerts", "ack", self.alert, "--note", "Anna put the earlier policy back")
        self._installation.judged()

    def _people(self) -> None:
        iam = self._iam
        may = {
            "key-administrators": policy(allow("kms:*", "Keys"), allow("keytrail:*", "Records"), allow("iam:*", "Own")),
            "payroll": policy(allow(["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"], "Salaries")),
            "auditors": policy(allow(["keytrail:Read*", "keytrail:List*", "keytrail:WhoCan"], "Audit")),
        }
        for group, text in may.items():
            iam.create_group(GroupName=group)
            iam.put_group_policy(GroupName=group, PolicyName="work", PolicyDocument=text)
        for name, group in USERS.items():
            iam.create_user(UserName=name, Tags=[{"Key": "team", "Value": group}])
            iam.add_user_to_group(GroupName=group, UserName=name)
        trust = policy({"Effect": "Allow", "Principal": {"AWS": arn("user", "ben.okafor")}, "Action": "sts:AssumeRole"})
        for role, says in (("payroll-batch", "Seals the salaries of each month"), ("backup", "Copies the archives")):
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust, Description=says)
            iam.put_role_policy(RoleName=role, PolicyName="work", PolicyDocument=may["payroll"])
        iam.put_user_policy(
            UserName="ben.okafor", PolicyName="batch", PolicyDocument=policy(allow("sts:AssumeRole", "Batch"))
        )
        reading = policy(allow(["kms:DescribeKey", "kms:ListKeys"], "Look"))
        made = iam.create_policy(PolicyName="read-keys", PolicyDocument=reading, Description="Looks at keys, uses none")
        self.auditors = made["Policy"]["Arn"]
        provider = iam.create_open_id_connect_provider(
            Url="https://token.example-bank.org/realms/staff",
            ClientIDList=["keytrail", "payroll-pods"],
            Tags=[{"Key": "team", "Value": "platform"}],
        )
        self.provider = provider["OpenIDConnectProviderArn"]
        iam.attach_group_policy(GroupName="auditors", PolicyArn=self.auditors)
        iam.put_user_permissions_boundary(UserName="david.lind", PermissionsBoundary=self.auditors)
        self.auditor = self._credentials("carla.mendes")
        self.administrator = self._credentials("anna.keller")
        for name in ("anna.keller", "ben.okafor", "david.lind"):
            Device(iam, name).give(name)
            iam.create_login_profile(UserName=name, Password=self.password, PasswordResetRequired=name == "david.lind")

    def _keys(self) -> None:
        kms = self._kms
        form = ConsoleForm(
            A, (arn("user", "anna.keller"),), (arn("role", "payroll-batch"), arn("user", "ben.okafor")), ()
        )
        text = make(kind_by_names("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "AWS_KMS"), form)
        self.key = self._made("payroll", "Salaries and bonuses", "payroll", Policy=text)
        kms.enable_key_rotation(KeyId=self.key, RotationPeriodInDays=365)
        self.releases = self._made(
            "releases", "Signs releases of the mobile app", "mobile", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY"
        )
        self._made("card-tokens", "Tokens of card numbers", "payments")
        archive = self._made("statements", "Statements older than a year", "archive")
        self.imported = self._made(
            "partner-files", "Files exchanged with the payroll bureau", "payroll", Origin="EXTERNAL"
        )
        session = self._made(
            "session-codes", "Codes of the web bank", "payments", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"
        )
        kms.disable_key(KeyId=archive)
        kms.schedule_key_deletion(KeyId=session, PendingWindowInDays=14)
        kms.tag_resource(KeyId=self.imported, Tags=[{"TagKey": "partner", "TagValue": BUREAU}])
        kms.create_grant(
            KeyId=self.key, GranteePrincipal=arn("role", "backup"), Operations=["Decrypt", "DescribeKey"],
            Constraints={"EncryptionContextSubset": {"department": "payroll"}}, Name="month-end-backup",
        )  # fmt: skip

    def _made(self, alias: str, description: str, team: str, **more: Any) -> str:
        tags = [{"TagKey": "team", "TagValue": team}, {"TagKey": "environment", "TagValue": "production"}]
        key: str = self._kms.create_key(Description=description, Tags=tags, **more)["KeyMetadata"]["KeyId"]
        self._kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key)
        return key

    def _credentials(self, name: str) -> dict[str, str]:
        made = self._iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}

    def _calls(self) -> None:
        ben = self._credentials("ben.okafor")
        lent = self._installation.client(ben, "sts", user_agent=AGENT).assume_role(
            RoleArn=arn("role", "payroll-batch"), RoleSessionName="november"
        )["Credentials"]
        batch = self._installation.client(
            {
                "AWS_ACCESS_KEY_ID": lent["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": lent["SecretAccessKey"],
                "AWS_SESSION_TOKEN": lent["SessionToken"],
            },
            user_agent=AGENT,
        )
        kms = self._installation.client(ben, user_agent=AGENT)
        for number in range(24):
            context = SALARIES | {"employee": str(4100 + number)}
            sealed = batch.encrypt(KeyId="alias/payroll", Plaintext=b"salary", EncryptionContext=context)
            if number % 3 == 0:
                kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
        for _ in range(6):
            batch.generate_data_key(KeyId="alias/payroll", KeySpec="AES_256", EncryptionContext=SALARIES)
        self._kms.sign(KeyId=self.releases, Message=b"release 7.2", SigningAlgorithm="ECDSA_SHA_256")
        david = self._installation.client(self._credentials("david.lind"), user_agent=AGENT)
        for _ in range(3):
            try:
                david.decrypt(KeyId="alias/payroll", CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
            except ClientError as fault:
                self.refused = fault.response["ResponseMetadata"]["RequestId"]
        self._installation.caught_up()
        self.before = f"@{Client(self._installation.data).get('/v1/status')['position']}"

    def _opening(self) -> None:
        """The policy is opened to everybody by mistake, and closed again."""
        former = self._kms.get_key_policy(KeyId=self.key)["Policy"]
        document = json.loads(former)
        everybody = allow("kms:Decrypt", "TemporaryAccess", Principal={"AWS": "*"})
        self._put(document | {"Statement": [*document["Statement"], everybody]})
        self._installation.judged()
        self._kms.put_key_policy(KeyId=self.key, Policy=former)
        bureau = allow("kms:Decrypt", "PayrollBureau", Principal={"AWS": f"arn:aws:iam::{BUREAU}:root"})
        self.draft = json.dumps(document | {"Statement": [*document["Statement"][:-2], bureau]}, indent=2)

    def _put(self, document: dict[str, Any]) -> None:
        self._kms.put_key_policy(KeyId=self.key, Policy=json.dumps(document, indent=2))

    def _trail(self) -> None:
        def at(minutes: int) -> str:
            return (datetime.now(UTC) - timedelta(days=2, minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")

        opened = {
            "keyId": key_arn(1),
            "policyName": "default",
            "policy": policy(allow("kms:Decrypt", "Use", Principal={"AWS": who()["arn"]})),
        }
        records = [record("Decrypt", at(600 - each)) for each in range(0, 500, 25)]
        records += [record("PutKeyPolicy", at(300), requestParameters=opened)]
        records += [
            record("Decrypt", at(90 - each), identity=who("mallory"), errorCode="AccessDenied") for each in range(3)
        ]
        file = self._folder / "cloudtrail.json"
        file.write_text(json.dumps({"Records": records}))
        self._installation.keytrail("import", "cloudtrail", str(file), "--trail", "frankfurt")
