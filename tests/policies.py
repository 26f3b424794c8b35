"""Policies, callers and questions for the evaluator's tests, in a few words each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from domain.arn import iam_arn, root_arn, session_arn
from domain.authorization.caller import Caller, root_of
from domain.authorization.context import encryption_context_keys
from domain.authorization.evaluate import may
from domain.authorization.question import Resource
from domain.authorization.verdict import Verdict
from domain.grants.grant import Grant
from domain.policy.compile import (
    BOUNDARY,
    DELEGATED,
    DIRECT,
    IDENTITY_POLICY,
    NO_PERMISSIONS,
    ROLE,
    SESSION_POLICY,
    Permissions,
    compile_identity_policy,
    compile_key_policy,
)
from domain.policy.parse import MANAGED, SESSION, PolicyKind
from tests.given import ACCOUNT, OTHER, arn

__all__ = ["ACCOUNT", "OTHER"]

V2012 = "2012-10-17"
Context = Mapping[str, Sequence[str] | str]


def statement(**elements: Any) -> dict[str, Any]:
    """A statement of a key policy. Without arguments, it allows everyone everything."""
    return {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"} | elements


def to_identity(**elements: Any) -> dict[str, Any]:
    """A statement of an identity policy. Without arguments, it allows everything."""
    return {"Effect": "Allow", "Action": "kms:*", "Resource": "*"} | elements


def policy(*statements: dict[str, Any], version: str | None = V2012) -> str:
    return json.dumps(({} if version is None else {"Version": version}) | {"Statement": list(statements)})


def delegating(account: str = ACCOUNT, **elements: Any) -> dict[str, Any]:
    return statement(Principal={"AWS": root_arn(account)}, **elements)


def named(*principals: str, **elements: Any) -> dict[str, Any]:
    return statement(Principal={"AWS": list(principals)}, **elements)


def permissions(*statements: dict[str, Any], by: str = IDENTITY_POLICY, kind: PolicyKind = MANAGED) -> Permissions:
    return Permissions(compile_identity_policy(policy(*statements), by, "policy", "v1", kind))


def user_arn(name: str = "alice", account: str = ACCOUNT) -> str:
    return iam_arn(account, "user", "/", name)


def role_arn(name: str = "app", account: str = ACCOUNT) -> str:
    return iam_arn(account, "role", "/", name)


def boundary(*statements: dict[str, Any]) -> Permissions:
    return permissions(*statements, by=BOUNDARY)


def session_policy(*statements: dict[str, Any]) -> Permissions:
    return permissions(*statements, by=SESSION_POLICY, kind=SESSION)


def user(
    *statements: dict[str, Any], account: str = ACCOUNT, name: str = "alice", limit: Permissions | None = None
) -> Caller:
    own = user_arn(name, account)
    return Caller(
        account,
        own,
        {own: DIRECT, f"AIDA{name}": DIRECT, root_arn(account): DELEGATED},
        f"AIDA{name}",
        identity=permissions(*statements) if statements else NO_PERMISSIONS,
        boundary=limit,
        context={
            "aws:username": (name,),
            "aws:principalarn": (own,),
            "kms:calleraccount": (account,),
            "aws:principalaccount": (account,),
        },
    )


def session_of(
    *statements: dict[str, Any],
    account: str = ACCOUNT,
    session: str = "s1",
    limit: Permissions | None = None,
    policies: Permissions | None = None,
) -> Caller:
    role, own = role_arn(account=account), session_arn(account, "app", session)
    return Caller(
        account,
        own,
        {own: DIRECT, role: ROLE, "AROAapp": ROLE, root_arn(account): DELEGATED},
        f"AROAapp:{session}",
        identity=permissions(*statements) if statements else NO_PERMISSIONS,
        boundary=limit,
        session=policies,
        context={"aws:principalarn": (role,), "kms:calleraccount": (account,)},
    )


def grant(grantee: str, *operations: str, constraints: Mapping[str, Any] | None = None, number: int = 1) -> Grant:
    return Grant(
        id=f"{number:064x}",
        key="key",
        name="",
        grantee=grantee,
        grantee_shown=grantee,
        retiring="",
        retiring_shown="",
        operations=frozenset(f"kms:{each}" for each in operations),
        constraints=constraints or {},
        issued_by=ACCOUNT,
        issuer=root_arn(ACCOUNT),
        parent="",
        created=0,
        position=1,
    )


def key(text: str, *grants: Grant, tags: Mapping[str, str] | None = None) -> Resource:
    by_name: dict[str, list[Grant]] = {}
    for each in grants:
        by_name.setdefault(each.grantee, []).append(each)
    context = {f"aws:resourcetag/{name.lower()}": (value,) for name, value in (tags or {}).items()}
    return Resource(arn(), ACCOUNT, compile_key_policy(text, arn(), 1), context, by_name)


def ask(
    text: str | Resource,
    caller: Caller | None = None,
    action: str = "kms:Encrypt",
    context: Context | None = None,
    pairs: Mapping[str, str] | None = None,
) -> Verdict:
    """The answer to a caller (by default the key's root) who asks for a key with this policy."""
    resource = key(text) if isinstance(text, str) else text
    given = {
        name.lower(): (values,) if isinstance(values, str) else tuple(values)
        for name, values in (context or {}).items()
    }
    asking = (caller or root_of(ACCOUNT)).asking(given | encryption_context_keys(pairs or {}), pairs or {})
    return may(asking, action, resource)


def allows(*given: Any, **more: Any) -> bool:
    return ask(*given, **more).allowed
