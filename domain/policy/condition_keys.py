"""Where the value of each condition key comes from. Some keys never have a value here.

Rule of this file: it lists exactly the keys that `context.py`, the callers and the resources put into a context. A test
compares both, and compares them with the reference's list. Names compare without case; `*` is any tag key, or any name
of an encryption-context pair. A key that never has a value here is absent from every request.
Source: IAM user guide, reference_policies_condition-keys; KMS developer guide, conditions-kms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CALLER = "caller"
"""The user, role or root who signed, from the directory."""
SESSION = "session"
"""Temporary credentials."""
CALL = "call"
"""The request itself: its connection, headers and time."""
PARAMETERS = "parameters"
"""The parameters of the operation."""
RESOURCE = "resource"
"""The key, role or other resource that the permission is asked on."""
SETTING = "setting"
"""The installation's settings."""
NEVER = "never"
SOURCES = (CALLER, SESSION, CALL, PARAMETERS, RESOURCE, SETTING, NEVER)


@dataclass(frozen=True, slots=True)
class ConditionKey:
    """`many`: the key can have several values (ForAllValues, ForAnyValue)."""

    name: str
    source: str
    meaning: str
    many: bool = False


_OF_AN_ISSUER = re.compile(r"[.:/]")
"""What the name of an OpenID Connect provider has, and no service's prefix: a dot, a port or a path."""


def _table(text: str) -> dict[str, ConditionKey]:
    rows: dict[str, ConditionKey] = {}
    for line in text.strip().splitlines():
        name, source, meaning = (part.strip() for part in line.split("|"))
        assert source in SOURCES, f"{name}: {source} is no source"
        rows[name.lower().rstrip("+")] = ConditionKey(name.rstrip("+"), source, meaning, name.endswith("+"))
    return rows


# A name that ends with + has many values.
CONDITION_KEYS = _table("""
    aws:CalledVia+                              | call       | the service that calls for the caller
    aws:CalledViaFirst                          | call       | see aws:CalledVia
    aws:CalledViaLast                           | call       | see aws:CalledVia
    aws:CurrentTime                             | call       | when the call is decided
    aws:EpochTime                               | call       | the same in seconds
    aws:FederatedProvider                       | session    | the ARN of the OpenID Connect provider that the session came from
    aws:MultiFactorAuthAge                      | call       | seconds since the user showed a code for these credentials
    aws:MultiFactorAuthPresent                  | session    | whether a code was shown; absent for long-term credentials
    aws:PrincipalAccount                        | caller     | its account
    aws:PrincipalArn                            | caller     | the user's, the root's, or the role's and not its session's
    aws:PrincipalIsAWSService                   | caller     | false but for service principals
    aws:PrincipalOrgID                          | setting    | KEYTRAIL_ORG_ID, of roots, users and roles; absent if unset
    aws:PrincipalOrgPaths+                      | never      | there are no organizational units
    aws:PrincipalServiceName                    | caller     | the name of a service that calls for itself
    aws:PrincipalServiceNamesList+              | never      | a service principal has one name here
    aws:PrincipalTag/*                          | caller     | the user's or role's tags, with the session's over them
    aws:PrincipalType                           | caller     | Account, User or AssumedRole
    aws:Referer                                 | never       | the header is not read
    aws:RequestTag/*                            | parameters | the tags that the request gives
    aws:RequestedRegion                         | setting    | KEYTRAIL_REGION
    aws:ResourceAccount                         | resource   | the account that owns it
    aws:ResourceOrgID                           | never      | not told apart from the principal's
    aws:ResourceOrgPaths+                       | never      | there are no organizational units
    aws:ResourceTag/*                           | resource   | its tags
    aws:SecureTransport                         | call       | whether it came by TLS
    aws:SourceAccount                           | call       | as the service says that signed it
    aws:SourceArn                               | call       | as the service says that signed it
    aws:SourceIdentity                          | session    | as AssumeRole was given it
    aws:SourceIp                                | call       | the connection's other end
    aws:SourceVpc                               | never      | there are no VPCs
    aws:SourceVpce                              | never      | there are no VPC endpoints
    aws:TagKeys+                                | parameters | the keys of the tags that the request gives or takes away
    aws:TokenIssueTime                          | session    | when the temporary credentials were issued
    aws:UserAgent                               | call       | the header
    aws:userid                                  | caller     | the unique id; role-id:session-name for a role's session
    aws:username                                | caller     | the user's name; absent for roles and roots
    aws:ViaAWSService                           | call       | whether a service calls for the caller
    aws:VpcSourceIp                             | never      | there are no VPC endpoints
    iam:PassedToService                         | never      | no role is passed to a service
    iam:AWSServiceName                          | parameters | the service whose role is made
    iam:PermissionsBoundary                     | parameters | the boundary that the request sets, or that the identity has
    iam:PolicyARN                               | parameters | the managed policy that is attached or detached
    iam:ResourceTag/*                           | resource   | the tags of the user, role or policy
    kms:BypassPolicyLockoutSafetyCheck          | parameters | CreateKey, PutKeyPolicy; false where left out
    kms:CallerAccount                           | caller     | its account
    kms:CustomerMasterKeySpec                   | resource   | kms:KeySpec under its old name
    kms:CustomerMasterKeyUsage                  | resource   | kms:KeyUsage under its old name
    kms:DataKeyPairSpec                         | parameters | GenerateDataKeyPair and its WithoutPlaintext
    kms:EncryptionAlgorithm                     | parameters | SYMMETRIC_DEFAULT where left out
    kms:EncryptionContext:*                     | parameters | a pair of the encryption context, or of a grant's constraint
    kms:EncryptionContextKeys+                  | parameters | the names of the pairs
    kms:ExpirationModel                         | parameters | ImportKeyMaterial
    kms:GrantConstraintSourceArn                | parameters | CreateGrant
    kms:GrantConstraintType                     | parameters | CreateGrant: the encryption-context constraint's name
    kms:GrantIsForAWSResource                   | call       | whether a service calls for the caller
    kms:GrantOperations+                        | parameters | CreateGrant
    kms:GranteePrincipal                        | parameters | CreateGrant
    kms:GranteeServicePrincipal                 | parameters | CreateGrant
    kms:KeyAgreementAlgorithm                   | parameters | DeriveSharedSecret
    kms:KeyOrigin                               | resource   | of the key; of the request for CreateKey
    kms:KeySpec                                 | resource   | of the key; of the request for CreateKey
    kms:KeyUsage                                | resource   | of the key; of the request for CreateKey
    kms:MacAlgorithm                            | parameters | GenerateMac, VerifyMac
    kms:MessageType                             | parameters | Sign, Verify; RAW where left out
    kms:MultiRegion                             | resource   | of the key; of the request for CreateKey
    kms:MultiRegionKeyType                      | never      | there are no multi-Region keys
    kms:PrimaryRegion                           | never      | there are no multi-Region keys
    kms:ReEncryptOnSameKey                      | parameters | ReEncrypt: whether both keys are one
    kms:RecipientAttestation:*                  | never      | no enclave is attested
    kms:ReplicaRegion                           | never      | there are no multi-Region keys
    kms:RequestAlias                            | parameters | the alias that the request names the key by
    kms:ResourceAliases+                        | resource   | the key's aliases
    kms:RetiringPrincipal                       | parameters | CreateGrant
    kms:RetiringServicePrincipal                | parameters | CreateGrant
    kms:RotationPeriodInDays                    | parameters | EnableKeyRotation
    kms:ScheduleKeyDeletionPendingWindowInDays  | parameters | ScheduleKeyDeletion
    kms:SigningAlgorithm                        | parameters | Sign, Verify
    kms:TrailingDaysWithoutKeyUsage             | never      | a key's last use is not known when a call is decided
    kms:ValidTo                                 | parameters | ImportKeyMaterial
    kms:ViaService                              | call       | NAME.REGION.amazonaws.com of the service that calls for the caller
    kms:WrappingAlgorithm                       | parameters | GetParametersForImport
    kms:WrappingKeySpec                         | parameters | GetParametersForImport
    ISSUER:sub                                  | session    | the subject of a provider's token; ISSUER is its URL without https://
    ISSUER:aud                                  | session    | whom the token was for: its azp if it has one, else its aud
    ISSUER:amr+                                 | session    | how the provider authenticated the subject, where the token says it
    ISSUER:email+                               | session    | the subject's address, if the token says `email_verified`
    sts:ExternalId                              | parameters | AssumeRole
    sts:RoleSessionName                         | parameters | AssumeRole, AssumeRoleWithWebIdentity, "Sign in with ..."
    sts:SourceIdentity                          | parameters | AssumeRole
    sts:TransitiveTagKeys+                      | parameters | AssumeRole
""")


def row_of(key: str) -> ConditionKey | None:
    """The row of a key, by its name in a policy or a context; None if the table does not have it."""
    folded = key.lower()
    found = CONDITION_KEYS.get(folded)
    if found is not None:
        return found
    for separator in ("/", ":"):
        prefix, _, name = folded.rpartition(separator) if separator == "/" else _encryption_context(folded)
        if name and f"{prefix}{separator}*" in CONDITION_KEYS:
            return CONDITION_KEYS[f"{prefix}{separator}*"]
    issuer, _, claim = folded.rpartition(":")
    return CONDITION_KEYS.get(f"issuer:{claim}") if _OF_AN_ISSUER.search(issuer) else None


def _encryption_context(key: str) -> tuple[str, str, str]:
    service, _, rest = key.partition(":")
    family, colon, name = rest.partition(":")
    return f"{service}:{family}", colon, name
