"""GetUser and ListUsers, with the time of each user's last sign-in with a password.

That time comes from the decisions: a moment behind the log, and complete from the log's first day on. It says nothing of an
earlier user with the same name.
Source: IAM API reference, GetUser, ListUsers and User (PasswordLastUsed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import anywhere
from domain.identities.identity import USER, Identity
from domain.ports import Unavailable
from domain.state.world import World
from services.operations import iam_descriptions
from services.operations.iam_lists import access_on_self, paged, user_or_caller
from services.operations.markers import after_marker
from services.operations.rows import Answer, Recall, Request


def _is_root_itself(request: Request) -> bool:
    return request.caller.is_root and "UserName" not in request.parameters


def access_to_get(request: Request, world: World) -> Sequence[Verdict]:
    if _is_root_itself(request):
        return anywhere("iam:GetUser", USER, request.caller)
    return access_on_self("GetUser")(request, world)


async def get(request: Request, world: World, recall: Recall) -> Answer:
    """Without a name, the caller. A root is shown with the account's id (API reference, GetUser). Raises NoSuchEntity,
    Unavailable."""
    caller = request.caller
    if _is_root_itself(request):
        created = world.accounts[caller.account].created
        root = {"UserId": caller.account, "Arn": caller.principal, "CreateDate": iam_descriptions.seconds(created)}
        return {"User": root | {"Path": "/", "UserName": "root"}}
    user = user_or_caller(request, world)
    shown = iam_descriptions.full(user, world)
    return {"User": shown | _last_used(user, await last_logins([user], recall))}


async def list_all(request: Request, world: World, recall: Recall) -> Answer:
    """Raises Unavailable."""
    account = request.caller.account
    names = world.directory.page(USER, account, after_marker(request), request.get("PathPrefix", "/"))
    page = paged("Users", ((name, world.directory.get(USER, account, name)) for name in names), request)
    logins = await last_logins(page["Users"], recall)
    page["Users"] = [iam_descriptions.brief(each, world) | _last_used(each, logins) for each in page["Users"]]
    return page


async def last_logins(users: Sequence[Identity], recall: Recall) -> Mapping[str, int]:
    """When each user last signed in with a password, by unique id, in microseconds since the epoch. A user without a password may
    have had one; but users are shown even while the decisions do not answer, if none of them has a password now. Raises
    Unavailable."""
    try:
        return await recall.last_logins([each.id for each in users])
    except Unavailable:
        if any(each.login is not None for each in users):
            raise
        return {}


def _last_used(user: Identity, logins: Mapping[str, int]) -> Answer:
    """The member is absent if the user never signed in with a password."""
    at = logins.get(user.id)
    return {} if at is None else {"PasswordLastUsed": iam_descriptions.seconds(at)}
