"""What conditions can read of a request: its connection, its time and its parameters. `condition_keys.py` lists every key.

Condition keys compare without case, so a context's names are in lower case; its values keep theirs
(#case-of-an-encryption-context). Two tags, or two pairs of an encryption context, whose names differ only in case are two
values of one key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from domain.authorization.caller import ORGANIZATION
from domain.log.codec import rfc3339
from domain.policy.condition_keys import PARAMETERS, row_of
from domain.policy.variables import Context

Parameters = Mapping[str, Any]
ContextValues = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Via:
    """The service whose credential signed a call, and what it says about the call. `behalf` is the principal (an
    ARN) for which it calls, "" if it calls for itself; the others are the resource and the account that the call is
    about."""

    service: str
    alias: str
    behalf: str = ""
    source_arn: str = ""
    source_account: str = ""


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class RequestOrigin:
    """Where a request comes from and when. `at` is in microseconds since the epoch. `org` is the installation's
    organization ("" if it has none), `via` the service that signed the request (None if no service did)."""

    source: str
    agent: str
    secure: bool
    at: int
    region: str
    org: str = ""
    via: Via | None = None


def request_context(origin: RequestOrigin, operation: str, parameters: Parameters) -> ContextValues:
    """The request's part of the context. What is particular to ReEncrypt is left out: its parameters concern two keys
    and are added with each."""
    now, epoch = _time(origin.at // 1_000_000)
    context: ContextValues = {
        "aws:currenttime": now,
        "aws:epochtime": epoch,
        "aws:securetransport": ("true",) if origin.secure else ("false",),
        "aws:requestedregion": (origin.region,),
    }
    if origin.source:
        context["aws:sourceip"] = (origin.source,)
    if origin.agent:
        context["aws:useragent"] = (origin.agent,)
    if origin.org:
        context[ORGANIZATION] = (origin.org,)
    for key, read in BY_OPERATION.get(operation, ()):
        values = read(parameters)
        if values:
            context[key] = values
    if origin.via is not None:
        _add_via(context, origin.via, origin.region)
    context_of = WITH_ENCRYPTION_CONTEXT.get(operation)
    if context_of is not None:
        _add_pairs(context, context_of(parameters))
    if "Tags" in parameters:
        context.update(tag_keys(parameters["Tags"]))
    elif "TagKeys" in parameters:
        context["aws:tagkeys"] = tuple(parameters["TagKeys"])
    return context


def _add_via(context: ContextValues, via: Via, region: str) -> None:
    """Source: developer guide, conditions-kms (kms:ViaService); IAM user guide, condition-keys of services' calls."""
    if via.behalf:
        context["aws:viaawsservice"] = ("true",)
        context["kms:viaservice"] = (f"{via.alias}.{region}.amazonaws.com",)
        context["aws:calledvia"] = context["aws:calledviafirst"] = context["aws:calledvialast"] = (via.service,)
        if "kms:grantisforawsresource" in context:
            context["kms:grantisforawsresource"] = ("true",)
    if via.source_arn:
        context["aws:sourcearn"] = (via.source_arn,)
    if via.source_account:
        context["aws:sourceaccount"] = (via.source_account,)


@lru_cache(maxsize=16)  # there are thousands of calls in one second
def _time(seconds: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (rfc3339(seconds * 1_000_000),), (str(seconds),)


def encryption_context_keys(pairs: Mapping[str, str]) -> ContextValues:
    """The condition keys that an encryption context gives; no key for an empty one."""
    context: ContextValues = {}
    _add_pairs(context, pairs)
    return context


def _add_pairs(context: ContextValues, pairs: Mapping[str, str]) -> None:
    if not pairs:
        return
    context["kms:encryptioncontextkeys"] = tuple(pairs)
    again: dict[str, list[str]] = {}
    for name, value in pairs.items():
        key = "kms:encryptioncontext:" + name.lower()
        if key in context:
            again.setdefault(key, [*context[key]]).append(value)
        else:
            context[key] = (value,)
    _add_again(context, again)


def _add_again(context: ContextValues, again: Mapping[str, list[str]]) -> None:
    """Adds the keys whose names came several times. They are gathered first: a tuple that grows is copied each time."""
    for key, values in again.items():
        context[key] = tuple(values)


def tag_keys(tags: Iterable[Mapping[str, str]]) -> ContextValues:
    """Tags in the form of KMS (TagKey, TagValue) or of IAM (Key, Value)."""
    context: ContextValues = {}
    names = []
    again: dict[str, list[str]] = {}
    for tag in tags:
        name, value = (tag["TagKey"], tag["TagValue"]) if "TagKey" in tag else (tag["Key"], tag["Value"])
        names.append(name)
        key = f"aws:requesttag/{name.lower()}"
        if key in context:
            again.setdefault(key, [*context[key]]).append(value)
        else:
            context[key] = (value,)
    _add_again(context, again)
    if names:
        context["aws:tagkeys"] = tuple(names)
    return context


def request_alias(reference: Any) -> ContextValues:
    """The value of kms:RequestAlias, for a request that names its key by an alias's name or ARN."""
    if not isinstance(reference, str) or "alias/" not in reference:
        return {}
    if reference.startswith("alias/"):
        return {"kms:requestalias": (reference,)}
    _, colon, name = reference.partition(":alias/")
    return {"kms:requestalias": (f"alias/{name}",)} if colon else {}


ReadParameters = Callable[[Parameters], tuple[str, ...]]


def _given(name: str, default: str = "") -> ReadParameters:
    def read(parameters: Parameters) -> tuple[str, ...]:
        value = parameters.get(name, default)
        if isinstance(value, bool):
            return ("true" if value else "false",)
        return (str(value),) if value != "" else ()

    return read


def _each(name: str) -> ReadParameters:
    return lambda parameters: tuple(parameters.get(name, ()))


def _alias(parameters: Parameters) -> tuple[str, ...]:
    return request_alias(parameters.get("KeyId")).get("kms:requestalias", ())


def _constraint_type(parameters: Parameters) -> tuple[str, ...]:
    constraints = parameters.get("Constraints", {})
    equals = ("EncryptionContextEquals",) if "EncryptionContextEquals" in constraints else ()
    # A subset of no pairs constrains nothing.
    return (*equals, *(("EncryptionContextSubset",) if constraints.get("EncryptionContextSubset") else ()))


def _constraint_source(parameters: Parameters) -> tuple[str, ...]:
    return _given("SourceArn")(parameters.get("Constraints", {}))


def _false(parameters: Parameters) -> tuple[str, ...]:
    return ("false",)


def _spec(parameters: Parameters) -> tuple[str, ...]:
    return (parameters.get("KeySpec") or parameters.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT",)


def _grant_constraint(parameters: Parameters) -> Mapping[str, str]:
    constraints = parameters.get("Constraints", {})
    found: Mapping[str, str] = (
        constraints.get("EncryptionContextEquals") or constraints.get("EncryptionContextSubset") or {}
    )
    return found


def _encryption_context(parameters: Parameters) -> Mapping[str, str]:
    found: Mapping[str, str] = parameters.get("EncryptionContext", {})
    return found


DATA_KEYS = ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext")
DATA_KEY_PAIRS = ("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext")


def _algorithm(parameters: Parameters) -> tuple[str, ...]:
    return (parameters.get("EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),)


ALGORITHM = ("kms:encryptionalgorithm", _algorithm)
ALIAS = ("kms:requestalias", _alias)
FOR_RESOURCE = ("kms:grantisforawsresource", _false)
BYPASS = ("kms:bypasspolicylockoutsafetycheck", _given("BypassPolicyLockoutSafetyCheck", "false"))
SIGNING = (
    ALIAS,
    ("kms:signingalgorithm", _given("SigningAlgorithm")),
    ("kms:messagetype", _given("MessageType", "RAW")),
)
MAC = (ALIAS, ("kms:macalgorithm", _given("MacAlgorithm")))
BOUNDARY = ("iam:permissionsboundary", _given("PermissionsBoundary"))
SESSION_NAME = ("sts:rolesessionname", _given("RoleSessionName"))
ATTACHED = ("iam:policyarn", _given("PolicyArn"))

BY_OPERATION: dict[str, tuple[tuple[str, ReadParameters], ...]] = {
    "Encrypt": (ALIAS, ALGORITHM),
    "Decrypt": (ALIAS, ALGORITHM),
    **dict.fromkeys(DATA_KEYS, (ALIAS, ALGORITHM)),
    **dict.fromkeys(DATA_KEY_PAIRS, (ALIAS, ALGORITHM, ("kms:datakeypairspec", _given("KeyPairSpec")))),
    "Sign": SIGNING,
    "Verify": SIGNING,
    "GenerateMac": MAC,
    "VerifyMac": MAC,
    "DeriveSharedSecret": (ALIAS, ("kms:keyagreementalgorithm", _given("KeyAgreementAlgorithm"))),
    "DescribeKey": (ALIAS,),
    "GetPublicKey": (ALIAS,),
    "CreateKey": (
        BYPASS,
        ("kms:keyspec", _spec),
        ("kms:keyusage", _given("KeyUsage", "ENCRYPT_DECRYPT")),
        ("kms:keyorigin", _given("Origin", "AWS_KMS")),
        ("kms:multiregion", _given("MultiRegion", "false")),
    ),
    "PutKeyPolicy": (BYPASS,),
    "CreateGrant": (
        FOR_RESOURCE,
        ("kms:grantconstrainttype", _constraint_type),
        ("kms:grantconstraintsourcearn", _constraint_source),
        ("kms:grantoperations", _each("Operations")),
        ("kms:granteeprincipal", _given("GranteePrincipal")),
        ("kms:granteeserviceprincipal", _given("GranteeServicePrincipal")),
        ("kms:retiringprincipal", _given("RetiringPrincipal")),
        ("kms:retiringserviceprincipal", _given("RetiringServicePrincipal")),
    ),
    "ListGrants": (FOR_RESOURCE,),
    "RevokeGrant": (FOR_RESOURCE,),
    "EnableKeyRotation": (("kms:rotationperiodindays", _given("RotationPeriodInDays")),),
    "ScheduleKeyDeletion": (("kms:schedulekeydeletionpendingwindowindays", _given("PendingWindowInDays", "30")),),
    "GetParametersForImport": (
        ("kms:wrappingalgorithm", _given("WrappingAlgorithm")),
        ("kms:wrappingkeyspec", _given("WrappingKeySpec")),
    ),
    "ImportKeyMaterial": (
        ("kms:expirationmodel", _given("ExpirationModel", "KEY_MATERIAL_EXPIRES")),
        ("kms:validto", _given("ValidTo")),
    ),
    "CreateUser": (BOUNDARY,),
    "CreateRole": (BOUNDARY,),
    "CreateServiceLinkedRole": (("iam:awsservicename", _given("AWSServiceName")),),
    "PutUserPermissionsBoundary": (BOUNDARY,),
    "PutRolePermissionsBoundary": (BOUNDARY,),
    **{f"{verb}{kind}Policy": (ATTACHED,) for verb in ("Attach", "Detach") for kind in ("User", "Group", "Role")},
    "AssumeRole": (
        ("sts:externalid", _given("ExternalId")),
        SESSION_NAME,
        ("sts:sourceidentity", _given("SourceIdentity")),
        ("sts:transitivetagkeys", _each("TransitiveTagKeys")),
    ),
    "AssumeRoleWithWebIdentity": (SESSION_NAME,),
}

WITH_ENCRYPTION_CONTEXT: dict[str, Callable[[Parameters], Mapping[str, str]]] = {
    **dict.fromkeys(("Encrypt", "Decrypt", *DATA_KEYS, *DATA_KEY_PAIRS), _encryption_context),
    "CreateGrant": _grant_constraint,
}


def encryption_context(operation: str, parameters: Parameters) -> Mapping[str, str]:
    """The request's own encryption context, with its case; {} if the operation takes none."""
    return _encryption_context(parameters) if operation not in ("CreateGrant", "ReEncrypt") else {}


def re_encrypt_context(parameters: Parameters, side: str, same_key: bool) -> tuple[Context, Mapping[str, str]]:
    """What ReEncrypt says about its `Source` or `Destination`: (context, encryption context with its case)."""
    pairs: Mapping[str, str] = parameters.get(f"{side}EncryptionContext", {})
    context: ContextValues = {
        "kms:reencryptonsamekey": ("true" if same_key else "false",),
        "kms:encryptionalgorithm": (parameters.get(f"{side}EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),),
    }
    return context | request_alias(parameters.get(f"{side}KeyId")) | encryption_context_keys(pairs), pairs


def carriers(key: str) -> frozenset[str] | None:
    """The operations whose parameters can give a condition key (in lower case) a value, by the names that their actions have;
    None for a key whose values do not all come from parameters of KMS, or from tags in a request."""
    if key == "kms:encryptioncontextkeys" or key.startswith("kms:encryptioncontext:"):
        return frozenset(WITH_ENCRYPTION_CONTEXT) | RE_ENCRYPT
    if key == "aws:tagkeys" or key.startswith("aws:requesttag/"):
        return TAGGING if key != "aws:tagkeys" else TAGGING | UNTAGGING
    found = frozenset(name for name, rows in BY_OPERATION.items() if any(row == key for row, _ in rows))
    if key in OF_RE_ENCRYPT:
        found |= RE_ENCRYPT
    row = row_of(key)
    return found if row is not None and row.source == PARAMETERS and key.startswith("kms:") else None


_TAGGED = ("User", "Role", "Policy", "InstanceProfile", "MFADevice", "OpenIDConnectProvider")
_MADE_WITH_TAGS = ("User", "Role", "Policy", "InstanceProfile", "VirtualMFADevice", "OpenIDConnectProvider")
TAGGING = frozenset({
    "CreateKey", "TagResource", *(f"Tag{each}" for each in _TAGGED), *(f"Create{each}" for each in _MADE_WITH_TAGS),
    "AssumeRole", "TagSession", "SetSourceIdentity",
})  # fmt: skip
"""AssumeRole takes session tags; the other two actions are asked about for the same call.

Source: service authorization reference, KMS, IAM and STS (aws:RequestTag/${TagKey}, aws:TagKeys)."""
UNTAGGING = frozenset({"UntagResource", *(f"Untag{each}" for each in _TAGGED)})
RE_ENCRYPT = frozenset({"ReEncryptFrom", "ReEncryptTo"})
OF_RE_ENCRYPT = frozenset({"kms:reencryptonsamekey", "kms:encryptionalgorithm", "kms:requestalias"})
