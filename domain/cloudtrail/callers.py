"""Who called, as a CloudTrail record says it: every name that a policy can mean the caller by, and what conditions read of it.

Source: CloudTrail user guide, the userIdentity element.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.arn import ACCOUNT_ID, parse_arn, root_arn
from domain.log.record import Document
from domain.policy.compile import DELEGATED, DIRECT, ROLE
from domain.policy.parse import UNIQUE_ID
from domain.policy.variables import Context

UNKNOWN_CALLER = "not recorded"
"""The caller's name if a record does not say who called."""


def told_text(document: Document, name: str) -> str:
    found = document.get(name)
    return found if isinstance(found, str) else ""


def told_object(document: Document, name: str) -> Document:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class CallerTold:
    account: str
    principal: str
    unique: str
    names: Mapping[str, int]
    context: Context
    role: str = ""
    role_id: str = ""


def who_called(identity: Document, recipient: str, region: str) -> CallerTold:
    kind, arn, unique = told_text(identity, "type"), told_text(identity, "arn"), told_text(identity, "principalId")
    parsed = parse_arn(arn) if arn else None
    account = told_text(identity, "accountId") or (parsed.account if parsed is not None else "") or recipient
    if not ACCOUNT_ID.fullmatch(account):
        account = recipient if ACCOUNT_ID.fullmatch(recipient) else ""
    root = root_arn(account)
    invoked = told_text(identity, "invokedBy")
    if kind == "AWSService" or (not arn and not unique and invoked.endswith(".amazonaws.com")):
        of_service: Context = {"aws:principalisawsservice": ("true",), "aws:principalservicename": (invoked,)}
        return CallerTold(account, invoked or UNKNOWN_CALLER, "", _services(invoked, region), of_service)
    context: dict[str, tuple[str, ...]] = {
        "aws:principalaccount": (account,),
        "kms:calleraccount": (account,),
        "aws:principalisawsservice": ("false",),
    }
    if unique:
        context["aws:userid"] = (unique,)
    if kind == "Root" or arn == root:
        names: dict[str, int] = {root: DIRECT}
        return CallerTold(account, root, account, names, context | _called(root, "Account"))
    if kind == "AssumedRole" or ":assumed-role/" in arn:
        return _session(identity, account, arn, unique, dict(context))
    if kind == "FederatedUser" and arn:
        return CallerTold(account, arn, unique, {arn: DIRECT, root: DELEGATED}, context | _called(arn, "FederatedUser"))
    name = told_text(identity, "userName")
    if kind == "IAMUser" or ":user/" in arn:
        own = arn or f"arn:aws:iam::{account}:user/{name}"
        names = {own: DIRECT, root: DELEGATED} | ({unique: DIRECT} if unique else {})
        more = {"aws:username": (own.rpartition("/")[2],)}
        return CallerTold(account, own, unique, names, context | _called(own, "User") | more)
    if kind in ("WebIdentityUser", "SAMLUser"):
        provider = told_text(identity, "identityProvider")
        return CallerTold(account, unique or provider, unique, {f"Federated:{provider}": DIRECT}, {})
    if not kind and not arn:
        return CallerTold(account, invoked or UNKNOWN_CALLER, "", {}, {})
    # A caller of another account. The record in the key's account tells its unique id, and no ARN.
    names = {root: DELEGATED} | ({arn: DIRECT} if arn else {})
    head, colon, _ = unique.partition(":")
    if UNIQUE_ID.fullmatch(head):
        names[head] = ROLE if colon else DIRECT
    return CallerTold(account, arn or unique or account or UNKNOWN_CALLER, unique, names, context)


def is_service(names: Iterable[str]) -> bool:
    return any(name.startswith("Service:") for name in names)


OF_ARN = frozenset({"aws:principalarn", "aws:principaltype", "aws:username"})
"""The condition keys that a record without the caller's ARN does not tell."""


def _services(invoked: str, region: str) -> dict[str, int]:
    """The names of a service that calls: a grant may name it by its Regional name, dynamodb.us-west-2.amazonaws.com, where the
    call says dynamodb.amazonaws.com."""
    names = {f"Service:{invoked}": DIRECT} if invoked else {}
    name, _, rest = invoked.partition(".")
    if rest == "amazonaws.com":
        names[f"Service:{name}.{region}.{rest}"] = DIRECT
    return names


def _called(arn: str, kind: str) -> dict[str, tuple[str, ...]]:
    return {"aws:principalarn": (arn,), "aws:principaltype": (kind,)}


def _session(
    identity: Document, account: str, arn: str, unique: str, context: dict[str, tuple[str, ...]]
) -> CallerTold:
    held = told_object(identity, "sessionContext")
    issuer = told_object(held, "sessionIssuer")
    _, _, rest = arn.partition(":assumed-role/")
    name, _, session = rest.partition("/")
    role = told_text(issuer, "arn") or f"arn:aws:iam::{account}:role/{name}"
    role_id = told_text(issuer, "principalId") or unique.partition(":")[0]
    own = (
        arn
        or f"arn:aws:sts::{account}:assumed-role/{told_text(issuer, 'userName')}/{unique.partition(':')[2] or session}"
    )
    names = {own: DIRECT, role: ROLE, root_arn(account): DELEGATED} | ({role_id: ROLE} if role_id else {})
    if unique and not UNIQUE_ID.fullmatch(role_id):
        # A service's session on an instance, 111122223333:aws:ec2-infrastructure:i-81e2f56c: grants name it by its whole id.
        names[unique] = DIRECT
    attributes = told_object(held, "attributes")
    more: dict[str, tuple[str, ...]] = {}
    if created := told_text(attributes, "creationDate"):
        more["aws:tokenissuetime"] = (created,)
    if mfa := told_text(attributes, "mfaAuthenticated"):
        more["aws:multifactorauthpresent"] = (mfa,)
    if source := told_text(held, "sourceIdentity"):
        more["aws:sourceidentity"] = (source,)
    return CallerTold(account, own, unique, names, context | _called(role, "AssumedRole") | more, role, role_id)
