"""Policies and CloudTrail records in the shapes that AWS documents. They are Keytrail's own, so that a clean clone has
them. If AWS's own collections stand beside a checkout, the same tests read those as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

ROOT = Path(__file__).parents[1]
GUIDES = ROOT.parent / "shared" / "data" / "policies" / "kms-guide-policies.json"
"""AWS's KMS developer guide: each policy with its page and kind."""
RECORDS = ROOT.parent / "shared" / "data" / "cloudtrail"
OURS, THEIRS, REGION = "111122223333", "444455556666", "us-west-2"
KEY = f"arn:aws:kms:{REGION}:{OURS}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_POLICY, OF_KEY_POLICY = "key policy", "statement of a key policy"
IDENTITY_POLICY, OF_IDENTITY_POLICY = "identity policy", "statement of an identity policy"


def arn(who: str, account: str = OURS) -> str:
    return f"arn:aws:iam::{account}:{who}"


ROOT_USER = {"AWS": arn("root")}
CLERK, AUDITOR, APP = {"AWS": arn("user/clerk")}, {"AWS": arn("user/auditor")}, {"AWS": arn("role/app")}
BOTH = {"AWS": [arn("user/clerk"), arn("role/app")]}
STRANGER = {"AWS": arn("user/clerk", THEIRS)}
TRAIL = {"Service": "cloudtrail.amazonaws.com"}
MAIL = {"Service": "ses.amazonaws.com"}
USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
ADMINISTER = ["kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Revoke*"]
GRANTS = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]

Statement = dict[str, Any]


def statement(
    action: str | list[str], principal: Any = None, *, effect: str = "Allow", resource: Any = "*", **operators: Any
) -> Statement:
    """`operators`: a condition's operators, with `_` for the colon of `ForAllValues:`."""
    made = {"Effect": effect, "Action": action, "Resource": resource}
    if principal is not None:
        made["Principal"] = principal
    if operators:
        made["Condition"] = {name.replace("_", ":"): keys for name, keys in operators.items()}
    return made


DELEGATES = statement("kms:*", ROOT_USER)
ADMINISTRATOR = statement(ADMINISTER, {"AWS": arn("role/keys")})
USERS = statement(USE, BOTH)
FOR_SERVICES = statement(GRANTS, BOTH, Bool={"kms:GrantIsForAWSResource": "true"})


@dataclass(frozen=True)
class PolicyShape:
    """A policy's statements, and the rules that fire if it is a new key's policy or a user's."""

    kind: str
    statements: tuple[Statement, ...]
    raises: tuple[str, ...] = ()

    @property
    def document(self) -> Any:
        """As the guide prints it: a single statement, or a whole policy."""
        if self.kind in (OF_KEY_POLICY, OF_IDENTITY_POLICY) and len(self.statements) == 1:
            return self.statements[0]
        return {"Version": "2012-10-17", "Statement": list(self.statements)}


def _key(*statements: Statement, raises: tuple[str, ...] = ()) -> PolicyShape:
    return PolicyShape(KEY_POLICY, statements, raises)


def _one(condition: dict[str, dict[str, Any]], *, action: Any = "kms:Encrypt", effect: str = "Allow") -> PolicyShape:
    made = statement(action, CLERK, effect=effect)
    return PolicyShape(OF_KEY_POLICY, ({**made, "Condition": condition},))


LOCKED = ("key-policy-root-removed", "key-policy-last-administrator")
"""The rules that fire for a policy that nobody can replace any more."""
APP_NAME, STAGE = "kms:EncryptionContext:AppName", "kms:EncryptionContext:Stage"
NAMES = "kms:EncryptionContextKeys"

POLICY_SHAPES: tuple[PolicyShape, ...] = (
    # Whole key policies.
    _key(DELEGATES),
    _key(DELEGATES, ADMINISTRATOR),
    _key(DELEGATES, ADMINISTRATOR, USERS, FOR_SERVICES),
    _key(
        DELEGATES,
        statement(["kms:GenerateMac", "kms:VerifyMac"], CLERK, StringEquals={"kms:MacAlgorithm": "HMAC_SHA_384"}),
    ),
    _key(DELEGATES, statement("kms:CreateGrant", CLERK, StringEquals={"kms:KeyOrigin": "AWS_KMS"})),
    _key(DELEGATES, statement("kms:*", ROOT_USER, NotIpAddress={"aws:SourceIp": "192.0.2.0/24"})),
    _key(
        DELEGATES, statement("kms:Decrypt", {"AWS": "*"}, effect="Deny", StringNotEquals={"aws:PrincipalAccount": OURS})
    ),
    _key(DELEGATES, statement(USE, "*", effect="Deny", StringNotEquals={"aws:sourceVpce": "vpce-1234abcdf5678c90a"})),
    _key(
        DELEGATES,
        statement(
            "kms:GenerateDataKey*",
            TRAIL,
            StringLike={"kms:EncryptionContext:aws:cloudtrail:arn": f"arn:aws:cloudtrail:*:{OURS}:trail/*"},
            ArnEquals={"aws:SourceArn": f"arn:aws:cloudtrail:{REGION}:{OURS}:trail/all"},
        ),
    ),
    _key(USERS, raises=LOCKED),
    _key(DELEGATES, statement("kms:CreateKey", CLERK), raises=("key-policy-dead-statement",)),
    _key(DELEGATES, statement("kms:Decrypt", "*"), raises=("key-policy-public",)),
    _key(DELEGATES, statement(USE, STRANGER), raises=("key-policy-unknown-account",)),
    # Statements that stand beside the default policy.
    PolicyShape(OF_KEY_POLICY, (statement(USE, CLERK),)),
    PolicyShape(OF_KEY_POLICY, (USERS,)),
    PolicyShape(OF_KEY_POLICY, (FOR_SERVICES,)),
    PolicyShape(OF_KEY_POLICY, (statement(USE, {"AWS": arn("root", THEIRS)}),), ("key-policy-unknown-account",)),
    PolicyShape(OF_KEY_POLICY, (statement("kms:Decrypt", MAIL),), ("key-policy-service",)),
    PolicyShape(
        OF_KEY_POLICY,
        (
            statement(
                "kms:Decrypt",
                MAIL,
                Null={
                    "kms:EncryptionContext:aws:ses:rule-name": "false",
                    "kms:EncryptionContext:aws:ses:message-id": "false",
                },
                StringEquals={"kms:EncryptionContext:aws:ses:source-account": OURS},
            ),
        ),
        ("key-policy-service",),
    ),
    _one({"StringEquals": {"kms:CallerAccount": OURS, "kms:ViaService": f"ec2.{REGION}.amazonaws.com"}}),
    _one({"StringEquals": {"kms:ViaService": [f"ec2.{REGION}.amazonaws.com", f"rds.{REGION}.amazonaws.com"]}}),
    _one({"StringEquals": {"kms:ViaService": f"lambda.{REGION}.amazonaws.com"}}, action="kms:*", effect="Deny"),
    _one({"StringLike": {"kms:DataKeyPairSpec": "ECC_NIST*"}}, action="kms:GenerateDataKeyPair"),
    _one({"StringNotEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}}, effect="Deny"),
    _one({"StringEquals": {APP_NAME: "payroll"}}, action=USE),
    _one({"StringEquals": {"kms:EncryptionContext:Department": "finance", "kms:EncryptionContext:Project": "alpha"}}),
    _one({"StringEquals": {STAGE: "appstage"}}, effect="Deny"),
    _one({"ForAnyValue:StringEquals": {NAMES: "AppName"}}),
    _one({"ForAllValues:StringEquals": {NAMES: ["AppName"]}, "StringEquals": {APP_NAME: "payroll"}}),
    _one({"ForAnyValue:StringEquals": {NAMES: ["AppName", "Stage"]}, "StringEquals": {APP_NAME: "payroll"}}),
    _one({"Null": {NAMES: "false"}}),
    _one({"StringEquals": {"kms:ExpirationModel": "KEY_MATERIAL_EXPIRES"}}, action="kms:ImportKeyMaterial"),
    _one({"Null": {"kms:ExpirationModel": "false"}}, action="kms:ImportKeyMaterial"),
    _one({"NumericLessThanEquals": {"kms:ValidTo": "1767225599.0"}}, action="kms:ImportKeyMaterial"),
    _one({"StringNotEquals": {"kms:WrappingAlgorithm": "RSAES_PKCS1_V1_5"}}, action="kms:GetParametersForImport"),
    _one({"StringEquals": {"kms:WrappingKeySpec": "RSA_4096"}}, action="kms:GetParametersForImport"),
    _one({"StringEquals": {"kms:GrantConstraintType": "EncryptionContextEquals"}}, action="kms:CreateGrant"),
    _one({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt", "Decrypt"]}}, action="kms:CreateGrant"),
    _one({"StringEquals": {"kms:GranteePrincipal": arn("role/app")}}, action="kms:CreateGrant"),
    _one({"StringEquals": {"kms:RetiringPrincipal": arn("role/keys")}}, action="kms:CreateGrant"),
    _one({"StringEquals": {"kms:MessageType": "DIGEST"}}, action="kms:Sign"),
    _one({"StringLike": {"kms:SigningAlgorithm": "RSASSA_PSS*"}}, action="kms:Sign"),
    _one({"StringEquals": {"kms:PrimaryRegion": "us-east-1"}}, action="kms:UpdatePrimaryRegion"),
    _one({"StringEquals": {"kms:ReplicaRegion": "us-east-1"}}, action="kms:ReplicateKey"),
    _one({"Bool": {"kms:ReEncryptOnSameKey": "true"}}, action=["kms:ReEncryptTo", "kms:ReEncryptFrom"]),
    _one({"StringLike": {"kms:RequestAlias": "alias/finance-*"}}, action=USE),
    _one(
        {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": "9fedcba8abcdef7abcdef6"}},
        action="kms:Decrypt",
    ),
    _one(
        {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:PCR1": "abc1de4f2dcf774f6e3b679f62e5f1"}},
        action="kms:Decrypt",
    ),
    # Identity policies.
    PolicyShape(IDENTITY_POLICY, (statement(USE, resource=KEY),)),
    PolicyShape(IDENTITY_POLICY, (statement(["kms:CreateKey", "kms:ListKeys", "kms:ListAliases"]),)),
    PolicyShape(IDENTITY_POLICY, (statement("kms:*"),), ("identity-wide",)),
    PolicyShape(
        IDENTITY_POLICY, (statement("kms:Decrypt", resource=f"arn:aws:kms:{REGION}:{OURS}:key/*"),), ("identity-wide",)
    ),
    PolicyShape(
        IDENTITY_POLICY, (statement(USE, StringEquals={"kms:KeySpec": "SYMMETRIC_DEFAULT"}),), ("identity-wide",)
    ),
    PolicyShape(
        IDENTITY_POLICY, (statement(GRANTS, StringEquals={"kms:KeyUsage": "SIGN_VERIFY"}),), ("identity-wide",)
    ),
    PolicyShape(
        IDENTITY_POLICY,
        (
            statement(USE),
            statement(USE, effect="Deny", StringEquals={"aws:ResourceTag/Type": "secret"}),
            statement(USE, effect="Deny", Null={"aws:ResourceTag/Type": "true"}),
        ),
        ("identity-wide",),
    ),
    PolicyShape(IDENTITY_POLICY, (statement("kms:*", effect="Deny", StringEquals={"aws:ResourceTag/Type": "secret"}),)),
    PolicyShape(IDENTITY_POLICY, (statement(USE, StringEquals={"aws:ResourceTag/Purpose": "test"}),)),
    PolicyShape(IDENTITY_POLICY, (statement(USE, ForAnyValue_StringEquals={"kms:ResourceAliases": "alias/finance"}),)),
    PolicyShape(IDENTITY_POLICY, (statement(USE, ForAnyValue_StringLike={"kms:ResourceAliases": "alias/finance-*"}),)),
    PolicyShape(
        IDENTITY_POLICY, (statement("kms:TagResource", ForAllValues_StringEquals={"aws:TagKeys": ["team", "stage"]}),)
    ),
    PolicyShape(OF_IDENTITY_POLICY, (statement("kms:CreateKey", StringEquals={"kms:KeyOrigin": "EXTERNAL"}),)),
    PolicyShape(OF_IDENTITY_POLICY, (statement("kms:CreateKey", StringEquals={"kms:KeyUsage": "SIGN_VERIFY"}),)),
    PolicyShape(OF_IDENTITY_POLICY, (statement("kms:CreateKey", StringLike={"kms:KeySpec": "RSA_*"}),)),
    PolicyShape(OF_IDENTITY_POLICY, (statement("kms:CreateKey", Bool={"kms:MultiRegion": "false"}),)),
    PolicyShape(
        OF_IDENTITY_POLICY,
        (
            statement(
                ["kms:CreateKey", "kms:PutKeyPolicy"],
                effect="Deny",
                Bool={"kms:BypassPolicyLockoutSafetyCheck": "true"},
            ),
        ),
    ),
)


# -- CloudTrail -------------------------------------------------------------------------------------------------------


def user(name: str = "alice", **more: Any) -> dict[str, Any]:
    identity = {
        "type": "IAMUser",
        "principalId": f"AIDA{name.upper():X<17}",
        "arn": arn(f"user/{name}"),
        "userName": name,
    }
    return identity | {"accountId": OURS, "accessKeyId": "AKIAIOSFODNN7EXAMPLE"} | more


def session(name: str = "app", **more: Any) -> dict[str, Any]:
    issuer = {"type": "Role", "principalId": f"AROA{name.upper():X<17}", "arn": arn(f"role/{name}"), "accountId": OURS}
    return {
        "type": "AssumedRole",
        "principalId": f"AROA{name.upper():X<17}:run",
        "arn": f"arn:aws:sts::{OURS}:assumed-role/{name}/run",
        "accountId": OURS,
        "sessionContext": {"sessionIssuer": issuer | {"userName": name}},
    } | more


ALICE, ROLE_SESSION = user(), session()
BY_SERVICE = {"type": "AWSService", "invokedBy": "ebs.amazonaws.com"}
BY_KMS = {"accountId": OURS, "invokedBy": "AWS Internal"}
THROUGH_S3 = user("dan", invokedBy="s3.amazonaws.com", sessionContext={"attributes": {"mfaAuthenticated": "false"}})
ALGORITHM: dict[str, Any] = {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"}
CONTEXT: dict[str, Any] = {"encryptionContext": {"purpose": "test"}}


@dataclass(frozen=True)
class RecordShape:
    """One record: who did what with which key, and the members that its operation has."""

    operation: str
    who: dict[str, Any] = field(default_factory=lambda: ALICE)
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    of_key: bool = True
    service: str = "kms"
    more: dict[str, Any] = field(default_factory=dict)


def of(key: str = KEY, **request: Any) -> dict[str, Any]:
    return {"keyId": key, **request}


METADATA = {
    "keyMetadata": {"aWSAccountId": OURS, "keyId": KEY.rpartition("/")[2], "arn": KEY, "keySpec": "SYMMETRIC_DEFAULT"}
}
STORE = {"customKeyStoreId": "cks-1234567890abcdef0"}
CLUSTER = {"customKeyStoreName": "store", "clusterId": "cluster-1a23b4cdefg"}
RECORD_SHAPES: tuple[RecordShape, ...] = (
    RecordShape("CreateKey", request={"description": "", "origin": "AWS_KMS"}, response=METADATA),
    RecordShape("CreateAlias", request={"aliasName": "alias/payroll", "targetKeyId": KEY}),
    RecordShape("UpdateAlias", request={"aliasName": "alias/payroll", "targetKeyId": KEY}),
    RecordShape("DeleteAlias", request={"aliasName": "alias/payroll"}),
    RecordShape(
        "CreateGrant",
        request=of(
            granteePrincipal=arn("role/ours", THEIRS),
            operations=["Encrypt"],
            constraints={"encryptionContextSubset": {"a": "b"}},
        ),
        response={"grantId": "f020fe75197b93991dc8491d6f19dd3cebb24ee62277a05914386724f3d48758"},
    ),
    RecordShape("RevokeGrant", request=of(grantId="f020fe75197b93991dc8491d6f19dd3cebb24ee62277a05914386724f3d48758")),
    RecordShape("RetireGrant", more={"additionalEventData": {"grantId": "1b5ad2f0" * 8}}),
    RecordShape("EnableKey", request=of()),
    RecordShape("DisableKey", request=of()),
    RecordShape("EnableKeyRotation", request=of()),
    RecordShape("DisableKeyRotation", request=of()),
    RecordShape("RotateKey", BY_KMS, more={"eventType": "AwsServiceEvent", "serviceEventDetails": {"keyId": KEY}}),
    RecordShape("UpdateKeyDescription", request=of(description="of payroll")),
    RecordShape("TagResource", request=of(tags=[{"tagKey": "team", "tagValue": "pay"}])),
    RecordShape("UntagResource", request=of(tagKeys=["team"])),
    RecordShape("GetKeyPolicy", request=of(policyName="default")),
    RecordShape(
        "GetParametersForImport", request=of(wrappingAlgorithm="RSAES_OAEP_SHA_256", wrappingKeySpec="RSA_2048")
    ),
    RecordShape("ImportKeyMaterial", request=of(expirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")),
    RecordShape("DeleteExpiredKeyMaterial", BY_KMS, more={"eventType": "AwsServiceEvent"}),
    RecordShape(
        "ScheduleKeyDeletion", request=of(pendingWindowInDays=7), response={"keyId": KEY, "keyState": "PendingDeletion"}
    ),
    RecordShape("CancelKeyDeletion", request=of(), response={"keyId": KEY}),
    RecordShape("DeleteKey", BY_KMS, more={"eventType": "AwsServiceEvent"}),
    RecordShape("SynchronizeMultiRegionKey", BY_KMS, more={"eventType": "AwsServiceEvent"}),
    RecordShape("UpdatePrimaryRegion", request=of(primaryRegion="us-east-1")),
    RecordShape("DescribeKey", request=of()),
    RecordShape("ListAliases", request={"limit": 50, "marker": "AGM"}, of_key=False),
    RecordShape("ListGrants", request=of(limit=50)),
    RecordShape("Encrypt", BY_SERVICE, of(**CONTEXT)),
    RecordShape("Decrypt", BY_SERVICE, CONTEXT),
    RecordShape("Decrypt", ROLE_SESSION, CONTEXT),
    RecordShape("Decrypt", session(invokedBy="ssm.amazonaws.com"), CONTEXT),
    RecordShape("Decrypt", request=of(**ALGORITHM, **CONTEXT), more={"additionalEventData": STORE}),
    RecordShape(
        "Decrypt",
        request=of(**ALGORITHM, **CONTEXT),
        more={"errorCode": "KMSInvalidStateException", "errorMessage": "The external key store proxy did not respond."},
    ),
    RecordShape("ReEncrypt", request={"sourceEncryptionContext": {"a": "b"}, "destinationKeyId": KEY}),
    RecordShape("GenerateDataKey", request=of(keySpec="AES_256", **CONTEXT)),
    RecordShape(
        "GenerateDataKey",
        request=of(numberOfBytes=32),
        more={"additionalEventData": {"recipient": {"attestationDocumentModuleId": "i-123456789abcde123"}}},
    ),
    RecordShape("GenerateDataKeyWithoutPlaintext", request=of(numberOfBytes=64, **CONTEXT)),
    RecordShape(
        "GenerateDataKeyWithoutPlaintext",
        request=of(keySpec="AES_256"),
        more={"errorCode": "InvalidKeyUsageException", "errorMessage": "The key usage does not fit."},
    ),
    RecordShape("GenerateDataKeyPair", request=of(keyPairSpec="RSA_3072", **CONTEXT)),
    RecordShape("GenerateDataKeyPairWithoutPlaintext", request=of(keyPairSpec="RSA_4096")),
    RecordShape("GenerateMac", request=of(macAlgorithm="HMAC_SHA_512")),
    RecordShape("VerifyMac", request=of(macAlgorithm="HMAC_SHA_384")),
    RecordShape("GenerateRandom", of_key=False),
    RecordShape("Sign", request=of(messageType="DIGEST", signingAlgorithm="ECDSA_SHA_256")),
    RecordShape("Verify", request=of(messageType="RAW", signingAlgorithm="ECDSA_SHA_256")),
    RecordShape("CreateCustomKeyStore", request=CLUSTER, response=STORE, of_key=False),
    RecordShape("ConnectCustomKeyStore", request=STORE, of_key=False, more={"additionalEventData": CLUSTER}),
    RecordShape("DescribeCustomKeyStores", request=STORE, of_key=False),
    RecordShape("DeleteCustomKeyStore", request=STORE, of_key=False, more={"additionalEventData": CLUSTER}),
    RecordShape("CreateVolume", request={"size": "10", "encrypted": True}, of_key=False, service="ec2"),
    RecordShape("RunInstances", request={"instancesSet": {}}, of_key=False, service="ec2"),
    # the last one: before it, nothing shows the policy that decided
    RecordShape(
        "PutKeyPolicy",
        request=of(policyName="default", policy=json.dumps({"Version": "2012-10-17", "Statement": [DELEGATES]})),
    ),
)
CALLS_THROUGH_S3 = (
    RecordShape("Decrypt", THROUGH_S3, {**ALGORITHM, "encryptionContext": {"aws:s3:arn": "arn:aws:s3:::pay"}}),
    RecordShape("Encrypt", THROUGH_S3, of(**ALGORITHM, encryptionContext={"aws:s3:arn": "arn:aws:s3:::pay"})),
    RecordShape(
        "GenerateDataKey", THROUGH_S3, of(keySpec="AES_256", encryptionContext={"aws:s3:arn": "arn:aws:s3:::pay"})
    ),
)


def record_of(shape: RecordShape, number: int, at: str) -> dict[str, Any]:
    """The `number`-th record, as CloudTrail writes it."""
    key = [{"accountId": OURS, "type": "AWS::KMS::Key", "ARN": KEY}]
    return {
        "eventVersion": "1.08",
        "userIdentity": shape.who,
        "eventTime": at,
        "eventSource": f"{shape.service}.amazonaws.com",
        "eventName": shape.operation,
        "awsRegion": REGION,
        "sourceIPAddress": shape.who.get("invokedBy", "192.0.2.0"),
        "userAgent": shape.who.get("invokedBy", "aws-cli/2.15.0"),
        "requestParameters": shape.request,
        "responseElements": shape.response,
        "requestID": str(UUID(int=2 * number)),
        "eventID": str(UUID(int=2 * number + 1)),
        "readOnly": shape.response is None,
        "resources": key if shape.of_key else [],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": OURS,
    } | shape.more


def records(calls: int = 80) -> Iterator[dict[str, Any]]:
    """Each shape once, a minute apart, and before them `calls` of each call through a service, a second apart."""
    for number in range(calls * len(CALLS_THROUGH_S3)):
        shape = CALLS_THROUGH_S3[number % len(CALLS_THROUGH_S3)]
        yield record_of(shape, number, f"2024-02-01T10:{number // 60:02}:{number % 60:02}Z")
    for number, shape in enumerate(RECORD_SHAPES):
        yield record_of(shape, 100_000 + number, f"2024-02-02T{10 + number // 60:02}:{number % 60:02}:00Z")
