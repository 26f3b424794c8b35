"""The key policy that the console makes: made, read back and changed.

These answers need no data and no permission: they follow from the request alone, and every caller could work them out. An
account cannot learn from them whether a principal or an account exists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.authorization.audience import Told
from domain.crypto.specs import SPECS
from domain.crypto.uses import USES_BY_USAGE
from domain.errors import InvalidRequest, Refusal
from domain.keys.origins import AWS_KMS, EXTERNAL
from domain.policy.console_changes import changed, not_shown
from domain.policy.console_form import ConsoleForm, KeyKind, OtherForm, make, read
from services.audit_api.answer_shapes import One
from services.audit_api.bodies import document_in, text_in
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter, RouteRow
from services.audit_api.schemas import WORD, JsonSchema, Member, one_of
from services.kms_api import errors
from services.questions.policy_form import NOBODY_TO_DELETE, kind_by_names, shown
from services.shares import QUESTIONS

BODY = 'the body must be an object such as {"spec": "SYMMETRIC_DEFAULT", "administrators": [ARN, ...], "users": [ARN, ...]}'
READ_BODY = 'the body must be {"policy": "..."}, with the text of a key policy'
NAMES: JsonSchema = {"type": "array", "items": WORD}
YES_OR_NO: JsonSchema = {"type": "boolean"}


async def make_policy(audit: AuditContext, request: AuditRequest) -> Told:
    body = document_in(request.body, BODY)
    form = _form(body, ConsoleForm(request.account, may_delete=True))
    return await _answer(request, lambda: {"policy": make(_kind(body), form)})


async def read_policy(audit: AuditContext, request: AuditRequest) -> Told:
    text = _policy(document_in(request.body, READ_BODY), READ_BODY)
    return await _answer(request, lambda: shown(read(text)))


async def change_policy(audit: AuditContext, request: AuditRequest) -> Told:
    body = document_in(request.body, BODY)
    text = _policy(body, BODY)
    return await _answer(request, lambda: {"policy": _changed(text, body)})


async def _answer(request: AuditRequest, work: Callable[[], dict[str, Any]]) -> Told:
    """Works in the account's turn: a long policy takes tens of milliseconds, for which calls must not wait. Raises
    WireError."""
    try:
        return request.audience.own(request.account, await QUESTIONS.run(request.account, work))
    except Refusal as fault:
        raise errors.wire_error(fault) from None


def _changed(text: str, body: dict[str, Any]) -> str:
    """Raises Refusal."""
    found = read(text)
    if isinstance(found, OtherForm):
        raise InvalidRequest(not_shown(found))
    wanted = _form(body, found.form)
    if body.get("may_delete") and not wanted.administrators:
        raise InvalidRequest(NOBODY_TO_DELETE)
    return changed(text, _kind(body), wanted)


def _kind(body: dict[str, Any]) -> KeyKind:
    """Raises InvalidRequest."""
    spec, usage, origin = (text_in(body, name, BODY) for name in ("spec", "usage", "origin"))
    return kind_by_names(spec, usage, origin, multi_region=body.get("multi_region") is True)


def _form(body: dict[str, Any], usual: ConsoleForm) -> ConsoleForm:
    """The form with those lists that the body has."""
    may_delete = body.get("may_delete")
    return ConsoleForm(
        usual.account,
        _names(body, "administrators", usual.administrators),
        _names(body, "users", usual.users),
        _names(body, "accounts", usual.accounts),
        usual.may_delete if may_delete is None else may_delete,
    )


def _names(body: dict[str, Any], name: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    given = body.get(name)
    return usual if given is None else tuple(given)


def _policy(body: dict[str, Any], expected: str) -> str:
    text = text_in(body, "policy", expected)
    if not text:
        raise invalid(expected)
    return text


OF_KIND = (
    Parameter("spec", "KeySpec; SYMMETRIC_DEFAULT where left out", one_of(SPECS)),
    Parameter("usage", "KeyUsage; not needed for a spec that has only one", one_of(USES_BY_USAGE)),
    Parameter("origin", "Origin: AWS_KMS, or EXTERNAL for a key with imported material", one_of((AWS_KMS, EXTERNAL))),
    Parameter("multi_region", "true for a multi-Region key of AWS", YES_OR_NO),
)
OF_FORM = (
    Parameter("administrators", "ARNs of the account's users and roles that administer the key", NAMES),
    Parameter("users", "ARNs of the account's users and roles that use the key", NAMES),
    Parameter("accounts", "the numbers of other accounts that use the key", NAMES),
)
MAKE_POLICY = RouteRow(
    "POST",
    "/v1/key-policies/make",
    "make_policy",
    make_policy,
    "The key policy that the AWS KMS console would make for a new key of the account",
    tag="keys",
    body=(
        *OF_KIND,
        *OF_FORM,
        Parameter("may_delete", "whether administrators may delete the key; true where left out", YES_OR_NO),
    ),
    answer=One((Member("policy", "text", "the text of the policy"),)),
)
READ_POLICY = RouteRow(
    "POST",
    "/v1/key-policies/read",
    "read_policy",
    read_policy,
    "Who administers and uses a key by a policy in the form that the console makes, or why the policy has another form",
    tag="keys",
    body=(Parameter("policy", "the text of a key policy", required=True),),
    answer=One(
        (
            Member("shown", "yes-or-no", "whether the policy has the console's form"),
            Member("account", "text?", "the key's account"),
            Member("administrators", "texts", "ARNs of the users and roles that administer the key"),
            Member("users", "texts", "ARNs of the users and roles that use the key"),
            Member("accounts", "texts", "the numbers of other accounts that use the key"),
            Member("may_delete", "yes-or-no", "whether administrators may delete the key"),
            Member(
                "beside",
                "objects",
                "`statement` (counted from 1) and `sid` of each statement that is not part of the form",
            ),
            Member("why", "text?", "why the policy has another form"),
            Member("sid", "text?", "the Sid of the statement that differs or is missing"),
            Member("statement", "integer?", "the statement that differs, counted from 1; null if one is missing"),
        )
    ),
)
CHANGE_POLICY = RouteRow(
    "POST",
    "/v1/key-policies/change",
    "change_policy",
    change_policy,
    "A policy in the console's form with other administrators, users or accounts, and everything else unchanged",
    tag="keys",
    body=(
        Parameter("policy", "the text of the policy", required=True),
        *OF_KIND,
        *(each._replace(description=f"{each.description}; as they are where left out") for each in OF_FORM),
        Parameter("may_delete", "whether administrators may delete the key; as it is where left out", YES_OR_NO),
    ),
    answer=One((Member("policy", "text", "the text of the changed policy"),)),
)


ROUTES = (MAKE_POLICY, READ_POLICY, CHANGE_POLICY)
