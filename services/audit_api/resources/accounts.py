"""Accounts that the first account hosts."""

from __future__ import annotations

import orjson

from domain.authorization.audience import Told
from domain.log.codec import rfc3339
from domain.ports import Unavailable
from services.audit_api.answer_shapes import One
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid
from services.audit_api.permissions import READ_STATUS
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter, RouteRow
from services.audit_api.schemas import Member
from services.kms_api import errors
from services.kms_api.bounds import parsed


async def create_account(audit: AuditContext, request: AuditRequest) -> Told:
    try:
        account = parsed(request.body)["account_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise invalid('the body must be {"account_id": "444455556666"}') from None
    if not isinstance(account, str) or len(account) > 64:
        raise invalid("account_id must be a string of twelve digits")
    await audit.records.require_rate(request, "CreateAccount")  # each try leaves a secret in the vault for a while
    try:
        made = await audit.maker.access_key()
        host = audit.settings.account_id
        await audit.records.change(request, "CreateAccount", {"AccountId": account}, {**made, "host": host})
        secret = await audit.maker.secret(made["access_key"])
    except Unavailable as fault:
        raise errors.not_now(str(fault)) from None
    answer = {"account_id": account, "access_key_id": made["access_key"], "secret_access_key": secret}
    return request.audience.own(request.account, answer)


CREATE_ACCOUNT = RouteRow(
    "POST",
    "/v1/accounts",
    "create_account",
    create_account,
    "Host one more account; the first account's root alone may",
    tag="installation",
    action="keytrail:CreateAccount",
    body=(Parameter("account_id", "twelve digits", {"type": "string", "pattern": "^[0-9]{12}$"}, required=True),),
    answer=One(
        (
            Member("account_id", "text", "twelve digits"),
            Member("access_key_id", "text", "its root's access key"),
            Member("secret_access_key", "text", "shown once"),
        )
    ),
)


async def list_accounts(audit: AuditContext, request: AuditRequest) -> Told:
    """The first account sees every account; any other one sees itself."""
    world = audit.live.world
    shown = sorted(world.accounts) if audit.is_host(request) else [request.account]
    items = [
        {
            "account_id": each.id,
            "alias": each.alias,
            "created": rfc3339(each.created),
            "keys": len(world.key_ids(each.id)),
            "root_access_keys": [{"id": key, "status": status} for key, status in sorted(each.access_keys.items())],
        }
        for each in map(world.accounts.__getitem__, shown)
    ]
    answer = {"items": items}
    return request.audience.public(answer) if audit.is_host(request) else request.audience.own(request.account, answer)


LIST_ACCOUNTS = RouteRow(
    "GET",
    "/v1/accounts",
    "list_accounts",
    list_accounts,
    "The accounts that this installation hosts; for any account but the first, that account alone",
    tag="installation",
    action=READ_STATUS,
    answer=One(
        (),
        items=(
            Member("account_id", "text", "twelve digits"),
            Member("alias", "text", "the name of its sign-in page; empty if it has none"),
            Member("created", "time", "when it was made"),
            Member("keys", "integer", "how many keys it has"),
            Member("root_access_keys", "objects", "the access keys of its root user: id and status"),
        ),
    ),
)


ROUTES = (CREATE_ACCOUNT, LIST_ACCOUNTS)
