"""The result of a simulation in the form of IAM's API (API reference, EvaluationResult and ResourceSpecificResult)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from domain.authorization.simulate import ALLOWED, EXPLICIT, IMPLICIT, Match, Simulated
from services.operations.rows import Answer


def result(action: str, found: Sequence[Simulated]) -> Answer:
    """The result for one action: what is true for all of its resources and, if they have names, the result for each."""
    decisions = {each.decision for each in found}
    decision = next(each for each in (EXPLICIT, IMPLICIT, ALLOWED) if each in decisions)
    named = [each for each in found if each.resource != "*"]
    matched = dict.fromkeys(match for each in found if each.decision == decision for match in each.matched)
    shown: Answer = {
        "EvalActionName": action,
        "EvalResourceName": _template(action) if named else "*",
        "EvalDecision": decision,
        "MatchedStatements": _shown(matched),
        "MissingContextValues": sorted({key for each in found for key in each.missing}),
    }
    bounded = [each.by_boundary for each in found if each.by_boundary is not None]
    if bounded:
        shown["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": all(bounded)}
    if named:
        shown["EvalDecisionDetails"] = _strictest(each.details for each in found)
        shown["ResourceSpecificResults"] = [_of_resource(each) for each in named]
    return shown


def _of_resource(found: Simulated) -> Answer:
    result: Answer = {
        "EvalResourceName": found.resource,
        "EvalResourceDecision": found.decision,
        "MatchedStatements": _shown(found.matched),
        "MissingContextValues": list(found.missing),
        "EvalDecisionDetails": dict(found.details),
    }
    if found.by_boundary is not None:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": found.by_boundary}
    return result


def _strictest(details: Iterable[Mapping[str, str]]) -> dict[str, str]:
    order = (EXPLICIT, IMPLICIT, ALLOWED)
    result: dict[str, str] = {}
    for each in details:
        for kind, decision in each.items():
            result[kind] = min(decision, result.get(kind, ALLOWED), key=order.index)
    return result


def _shown(matched: Iterable[Match]) -> list[Answer]:
    shown = []
    for match in matched:
        begin, end = match.places()
        shown.append(
            {
                "SourcePolicyId": match.source.name,
                "SourcePolicyType": match.source.kind,
                "StartPosition": {"Line": begin[0], "Column": begin[1]},
                "EndPosition": {"Line": end[0], "Column": end[1]},
            }
        )
    return shown


KMS_ANYWHERE = frozenset(
    {"createkey", "generaterandom", "listkeys", "listaliases", "listretirablegrants"}
    | {f"{verb}customkeystore" for verb in ("create", "delete", "update", "connect", "disconnect")}
    | {"describecustomkeystores"}
)
"""Actions of KMS that concern no key (service authorization reference, AWS KMS), in lower case."""
IAM_TEMPLATES = {
    "user": "user/${UserNameWithPath}",
    "group": "group/${GroupNameWithPath}",
    "role": "role/${RoleNameWithPath}",
    "policy": "policy/${PolicyNameWithPath}",
    "instanceprofile": "instance-profile/${InstanceProfileNameWithPath}",
}


def _template(action: str) -> str:
    """The ARN for an action's type of resource, as the service authorization reference writes it; `*` if the type is unknown."""
    service, _, name = action.lower().partition(":")
    if service == "kms" and name not in KMS_ANYWHERE:
        return "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}"
    if action.lower() == "sts:assumerole":
        return "arn:${Partition}:iam::${Account}:" + IAM_TEMPLATES["role"]
    if service == "iam" and not name.startswith("list"):
        for noun in ("instanceprofile", "user", "group", "role", "policy"):
            if noun in name:
                return "arn:${Partition}:iam::${Account}:" + IAM_TEMPLATES[noun]
    return "*"
