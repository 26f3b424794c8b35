"""Reads answers of AWS's API about policies: get-key-policy, list-grants, get-account-authorization-details.

Source: KMS API reference, GetKeyPolicy and ListGrants; IAM API reference, GetAccountAuthorizationDetails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from domain.arn import account_in, parse_arn
from domain.cloudtrail.grants import constraints_in
from domain.cloudtrail.iam_changes import VERSION_ID, given, tags_of
from domain.cloudtrail.known import GRANTS, IDENTITY, MANAGED_POLICY, POLICY, AnswerPart, text_in
from domain.cloudtrail.record import Broken
from domain.identities.identity import GROUP, ROLE, USER
from domain.identities.published import AWS, kind_of
from domain.policy.parse import INLINE, TRUST
from domain.policy.parse import KEY as KEY_POLICY


@dataclass(frozen=True, slots=True)
class UnreadPart:
    """A part of an answer that cannot be read. What it is about was never seen; the answer's other parts are known."""

    told: Any
    reason: str


def parts_of(answer: Any, key: str) -> Iterator[AnswerPart | UnreadPart]:
    """The facts in an answer of get-key-policy, list-grants or get-account-authorization-details. `key`: the key's ARN,
    which get-key-policy's answer lacks. Raises Broken for an answer that tells nothing, or not the whole."""
    if not isinstance(answer, dict):
        raise Broken("it is no JSON object")
    policy = answer if "Statement" in answer else answer.get("Policy")  # as --output text or --query Policy gives it
    if isinstance(policy, str) or (isinstance(policy, dict) and "Statement" in policy):
        yield POLICY, _arn(key), {"text": text_in(policy, KEY_POLICY)}
    elif isinstance(answer.get("Grants"), list):
        yield from _grants_of(answer["Grants"], key, whole=not answer.get("Truncated"))
    elif any(name in answer for name in _LISTS):
        yield from _details(answer)
    else:
        raise Broken("it is no answer of get-key-policy, list-grants or get-account-authorization-details")


def whole_answers(documents: Iterable[Any]) -> Iterator[Any]:
    """Joins pages that follow one another into one answer. A document may also be a list of answers."""
    pages: dict[str, Any] | None = None
    for each in _each(documents):
        if pages is not None and isinstance(each, dict) and pages.keys() & each.keys() & {"Grants", *_LISTS}:
            joined = {
                name: [*pages.get(name, ()), *each.get(name, ())]
                for name in ("Grants", *_LISTS)
                if name in {*pages, *each}
            }
            pages = each | joined if _goes_on(each) else {**each, "Truncated": False, "IsTruncated": False, **joined}
        else:
            if pages is not None:
                yield pages
            pages = each if isinstance(each, dict) else None
            if pages is None:
                yield each
        if pages is not None and not _goes_on(pages):
            yield pages
            pages = None
    if pages is not None:
        yield pages


def _each(documents: Iterable[Any]) -> Iterator[Any]:
    for document in documents:
        yield from document if isinstance(document, list) else (document,)


def _goes_on(page: Mapping[str, Any]) -> bool:
    return page.get("Truncated") is True or page.get("IsTruncated") is True


_LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


def _arn(key: str) -> str:
    parsed = parse_arn(key)
    if parsed is None or not parsed.resource.startswith("key/"):
        raise Broken("it does not say which key: name it by its ARN with --key")
    return key


def _grants_of(told: list[Any], key: str, *, whole: bool) -> Iterator[AnswerPart]:
    if not whole:
        raise Broken("it is one page of several")
    by_key: dict[str, list[Any]] = {key: []} if key else {}
    for each in told:
        if not isinstance(each, dict) or not given(each, "GrantId"):
            raise Broken("a grant in it has no GrantId")
        constraints_in(each)
        by_key.setdefault(_arn(given(each, "KeyId") or key), []).append(each)
    if not by_key:
        raise Broken("it does not say which key: name it by its ARN with --key")
    for arn, grants in by_key.items():
        yield GRANTS, _arn(arn), {"grants": grants}


def _details(answer: Mapping[str, Any]) -> Iterator[AnswerPart | UnreadPart]:
    if answer.get("IsTruncated") is True:
        raise Broken("it is one page of several")
    parts: list[tuple[Callable[[Any], AnswerPart], Any]] = [
        (_managed_told, each) for each in answer.get("Policies") or ()
    ]
    for kind, noun in ((GROUP, "Group"), (USER, "User"), (ROLE, "Role")):
        parts += [(partial(_identity_told, kind, noun), each) for each in answer.get(f"{noun}DetailList") or ()]
    for read, each in parts:
        try:
            yield read(each)
        except Broken as fault:
            yield UnreadPart(each, f"{_named(each)}: {fault}")
        except (TypeError, LookupError, AttributeError) as fault:
            yield UnreadPart(each, f"{_named(each)} is not shaped as in an answer: {type(fault).__name__}: {fault}")


def _named(each: Any) -> str:
    return (given(each, "Arn") if isinstance(each, dict) else "") or "somebody in it"


def _managed_told(each: Mapping[str, Any]) -> AnswerPart:
    arn, default = given(each, "Arn"), given(each, "DefaultVersionId")
    # Nobody can choose another version of AWS's own policies.
    versions = {
        name: text_in(version.get("Document"), kind_of(arn))
        for version in each.get("PolicyVersionList") or ()
        if (name := given(version, "VersionId")) == default or account_in(arn) != AWS
    }
    if default not in versions or not all(VERSION_ID.fullmatch(name) for name in versions):
        raise Broken(f"it does not say what version {default} is")
    return MANAGED_POLICY, arn, {"id": given(each, "PolicyId"), "default": default, "versions": versions}


def _identity_told(kind: str, noun: str, each: Mapping[str, Any]) -> AnswerPart:
    boundary = each.get("PermissionsBoundary")
    document = {
        "kind": kind,
        "id": given(each, f"{noun}Id"),
        "inline": {
            given(policy, "PolicyName"): text_in(policy.get("PolicyDocument"), INLINE)
            for policy in each.get("RolePolicyList" if kind == ROLE else f"{noun}PolicyList") or ()
        },
        "attached": [given(policy, "PolicyArn") for policy in each.get("AttachedManagedPolicies") or ()],
        "boundary": given(boundary, "PermissionsBoundaryArn") if isinstance(boundary, dict) else "",
        "tags": tags_of(each.get("Tags")),
        "groups": [name for name in each.get("GroupList") or () if isinstance(name, str)],
        "trust": text_in(each.get("AssumeRolePolicyDocument"), TRUST) if kind == ROLE else "",
    }
    arn = given(each, "Arn")
    if parse_arn(arn) is None:
        raise Broken("it has no Arn")
    return IDENTITY, arn, document
