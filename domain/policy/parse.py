"""Parses the text of a policy into statements. Raises MalformedPolicy with AWS's message and the JSON path of the fault.

Source: IAM user guide, reference_policies_grammar and reference_policies_elements; KMS developer guide, key-policy-overview
(#statement-without-action-or-resource). `check.py` holds the further checks of a policy that is put into force.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.arn import ACCOUNT_ID, parse_arn, root_arn
from domain.characters import encodable
from domain.errors import LimitExceeded, MalformedPolicy


@dataclass(frozen=True, slots=True)
class PolicyKind:
    """What a kind of policy must have and may not have. `most` is in bytes, or, where `spaced`, in characters without
    white space. `open_elements`: Action or Resource may be absent (and the statement then has no effect)."""

    name: str
    most: int
    principal: bool
    resource: bool
    open_elements: bool = False
    spaced: bool = False


MOST_TEXT = 131_072
"""The most characters of a policy, white space included (IAM API reference, PolicyDocument)."""
KEY = PolicyKind("key policy", 32_768, principal=True, resource=True, open_elements=True)
MANAGED = PolicyKind("managed policy", 6_144, principal=False, resource=True, spaced=True)
INLINE = PolicyKind("inline policy", 10_240, principal=False, resource=True, spaced=True)
SESSION = PolicyKind("session policy", 2_048, principal=False, resource=True)
TRUST = PolicyKind("trust policy", 8_192, principal=True, resource=False, spaced=True)
SIMULATED = PolicyKind("simulated policy", 32_768, principal=False, resource=True)

VERSIONS = ("2012-10-17", "2008-10-17")
POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
STATEMENT_ELEMENTS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
PRINCIPAL_TYPES = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
ANYONE = "*"
SERVICE_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?|\*")
UNIQUE_ID = re.compile(r"A[A-Z0-9]{15,}")
_ACTION = re.compile(r"[A-Za-z0-9*?-]+:[A-Za-z0-9*?]+|\*")
_IAM_RESOURCE = re.compile(r"root|(user|role|assumed-role|federated-user)/[^*?]+")
_RESOURCE = re.compile(r"\*|arn:.*|\$\{.*", re.DOTALL)
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""A whole string, so that no bracket in it counts. A string without an end goes to the end of the text."""
MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Principals:
    """The names of a Principal or NotPrincipal element in canonical form: an account id becomes its root ARN
    (#account-id-is-its-root-arn), a service `Service:name`. `anyone`: `*` is among them."""

    anyone: bool
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the policy writes it. An absent element is None; `index` counts from 0 within the document."""

    index: int
    sid: str
    effect: str
    principal: Principals | None
    not_principal: Principals | None
    action: tuple[str, ...] | None
    not_action: tuple[str, ...] | None
    resource: tuple[str, ...] | None
    not_resource: tuple[str, ...] | None
    condition: Mapping[str, Mapping[str, tuple[str, ...]]] | None


@dataclass(frozen=True, slots=True)
class Policy:
    version: str
    id: str
    statements: tuple[Statement, ...]


def parse_policy(text: str, kind: PolicyKind) -> Policy:
    """Raises MalformedPolicy (with the path of the fault) and LimitExceeded (longer than its kind may be)."""
    _require_size(text, kind)
    document = _json(text)
    if not isinstance(document, dict):
        raise _fault("$", "a policy is a JSON object")
    _known(document, POLICY_ELEMENTS, "$")
    version = document.get("Version", VERSIONS[1])
    if version not in VERSIONS:
        raise _fault("$.Version", f"the version is one of {', '.join(VERSIONS)}")
    identifier = document.get("Id", "")
    if not isinstance(identifier, str):
        raise _fault("$.Id", "the id is a string")
    if "Statement" not in document:
        raise _fault("$", "Statement is missing")
    statements = document["Statement"]
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise _fault("$.Statement", "a policy has at least one statement")
    parsed = tuple(_statement(index, statement, kind) for index, statement in enumerate(statements))
    seen: set[str] = set()
    for statement in parsed:
        if statement.sid and statement.sid in seen:
            raise _fault(f"$.Statement[{statement.index}].Sid", f"the Sid {statement.sid!r} is there twice")
        seen.add(statement.sid)
    return Policy(version, identifier, parsed)


def size(text: str) -> int:
    """Characters without white space, as IAM counts them (IAM user guide, reference_iam-quotas)."""
    return len("".join(text.split()))


def _require_size(text: str, kind: PolicyKind) -> None:
    if kind.spaced:
        if len(text) > kind.most and (len(text) > MOST_TEXT or size(text) > kind.most):
            raise LimitExceeded(f"The {kind.name} is longer than {kind.most} characters without its white space.")
    elif len(text.encode("utf-8", "surrogatepass")) > kind.most:
        raise LimitExceeded(f"The {kind.name} is longer than {kind.most} bytes.")


def _fault(path: str, what: str) -> MalformedPolicy:
    return MalformedPolicy(f"Syntax error in policy at {path}: {what}.")


def _json(text: str) -> Any:
    # A nesting deeper than any policy's would exhaust the parser's stack, so it is counted before parsing.
    depth = deepest = 0
    for part in _BRACKETS.findall(text):
        if part in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif part in "}]":
            depth -= 1
    if deepest > MAX_DEPTH:
        raise _fault("$", f"it is nested deeper than {MAX_DEPTH} levels")
    try:
        document = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except ValueError as fault:
        raise MalformedPolicy(f"The policy is not valid JSON: {fault}.") from None
    # If a Sid were half of a surrogate pair, the decisions of its statement could not be recorded.
    return encodable(document) if "\\u" in text else document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an element is there twice in one object")
    return result


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _known(element: dict[str, Any], names: frozenset[str], path: str) -> None:
    for name in element:
        if name not in names:
            raise _fault(path, f"{name!r} is no element of a policy here (element names are case-sensitive)")


def _statement(index: int, statement: Any, kind: PolicyKind) -> Statement:
    path = f"$.Statement[{index}]"
    if not isinstance(statement, dict):
        raise _fault(path, "a statement is a JSON object")
    _known(statement, STATEMENT_ELEMENTS, path)
    for name in ("Principal", "Action", "Resource"):
        if name in statement and f"Not{name}" in statement:
            raise _fault(path, f"{name} and Not{name} exclude each other")
    sid = statement.get("Sid", "")
    if not isinstance(sid, str):
        raise _fault(f"{path}.Sid", "the Sid is a string")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _fault(f"{path}.Effect", "the effect is Allow or Deny")
    _require_elements(statement, kind, path)
    return Statement(
        index=index,
        sid=sid,
        effect=statement["Effect"],
        principal=_principals(statement.get("Principal"), f"{path}.Principal"),
        not_principal=_principals(statement.get("NotPrincipal"), f"{path}.NotPrincipal"),
        action=_actions(statement, "Action", path),
        not_action=_actions(statement, "NotAction", path),
        resource=_resources(statement, "Resource", path, kind),
        not_resource=_resources(statement, "NotResource", path, kind),
        condition=_condition(statement, path),
    )


def _require_elements(statement: dict[str, Any], kind: PolicyKind, path: str) -> None:
    """Checks which elements the kind of policy requires and forbids. Faults are in AWS's words."""
    has = {name: name in statement or f"Not{name}" in statement for name in ("Principal", "Action", "Resource")}
    if kind.principal and not has["Principal"]:
        raise _said(f"A statement of a {kind.name} has a Principal.", path)
    if has["Principal"] and not kind.principal:
        raise _said("Policy document should not specify a principal.", path)
    if not kind.open_elements and not has["Action"]:
        raise _said("Policy statement must contain actions.", path)
    if kind.resource and not kind.open_elements and not has["Resource"]:
        raise _said("Policy statement must contain resources.", path)
    if has["Resource"] and not kind.resource:
        raise _said("Has prohibited field Resource.", path)


def _said(words: str, path: str) -> MalformedPolicy:
    return MalformedPolicy(f"{words} ({path})")


def _strings(holder: dict[str, Any], name: str, path: str) -> tuple[str, ...] | None:
    if name not in holder:
        return None
    value = holder[name]
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise _fault(f"{path}.{name}", "it is a string or a list of strings")
    return tuple(values)


def _actions(statement: dict[str, Any], name: str, path: str) -> tuple[str, ...] | None:
    actions = _strings(statement, name, path)
    for action in actions or ():
        if not _ACTION.fullmatch(action):
            raise _fault(f"{path}.{name}", f"{action!r} is no action: write service:Name, kms:Encrypt for instance")
    return actions


def _resources(statement: dict[str, Any], name: str, path: str, kind: PolicyKind) -> tuple[str, ...] | None:
    resources = _strings(statement, name, path)
    if not kind.open_elements:
        for resource in resources or ():
            if not _RESOURCE.fullmatch(resource):
                raise _said(f'Resource {resource} must be in ARN format or "*".', f"{path}.{name}")
    return resources


def _principals(value: Any, path: str) -> Principals | None:
    if value is None:
        return None
    if value == ANYONE:
        return Principals(anyone=True)
    if not isinstance(value, dict) or not value:
        raise _fault(path, 'a principal is "*" or an object such as {"AWS": ...}')
    _known(value, PRINCIPAL_TYPES, path)
    names: set[str] = set()
    for kind in value:
        for name in _strings(value, kind, path) or ():
            if kind == "AWS":
                names.add(_aws_principal(name, f"{path}.AWS"))
            elif kind == "Service" and not SERVICE_NAME.fullmatch(name):
                raise invalid_principals(f"{path}.Service")
            else:
                names.add(f"{kind}:{name}")
    if not names:
        raise invalid_principals(path)
    return Principals(ANYONE in names, frozenset(names - {ANYONE}))


def invalid_principals(path: str) -> MalformedPolicy:
    return _said("Policy contains a statement with one or more invalid principals.", path)


def _aws_principal(name: str, path: str) -> str:
    """The canonical form: `*`, an IAM or STS ARN without wildcards (#role-arn-covers-its-sessions), or a unique id."""
    if name == ANYONE or UNIQUE_ID.fullmatch(name):
        return name
    if ACCOUNT_ID.fullmatch(name):
        return root_arn(name)
    if not is_principal(name):
        raise invalid_principals(path)
    return name


def is_principal(name: str) -> bool:
    """Whether the name is the ARN of an account's root, a user, a role or a session."""
    arn = parse_arn(name)
    return (
        arn is not None
        and arn.service in ("iam", "sts")
        and not arn.region
        and ACCOUNT_ID.fullmatch(arn.account) is not None
        and _IAM_RESOURCE.fullmatch(arn.resource) is not None
    )


def _condition(statement: dict[str, Any], path: str) -> Mapping[str, Mapping[str, tuple[str, ...]]] | None:
    if "Condition" not in statement:
        return None
    path = f"{path}.Condition"
    condition = statement["Condition"]
    if not isinstance(condition, dict):
        raise _fault(path, "a condition is an object of operators")
    result: dict[str, Mapping[str, tuple[str, ...]]] = {}
    for operator, keys in condition.items():
        if not isinstance(keys, dict):
            raise _fault(f"{path}.{operator}", "an operator holds an object of condition keys")
        result[operator] = {key: _condition_values(value, f"{path}.{operator}.{key}") for key, value in keys.items()}
    return result


def _condition_values(value: Any, path: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str | bool | int | float) for each in values):
        raise _fault(path, "a condition value is a string, a number, a boolean or a list of them")
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in values)
