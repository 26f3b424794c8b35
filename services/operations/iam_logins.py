"""Login profiles and passwords: from parameters to commands, and their descriptions.

A password is in no record: its parameters are marked as sensitive in the service's model, so the writer never reads them.
"""

from __future__ import annotations

from domain.authorization.context import Parameters
from domain.commands.login_profiles import (
    ChangePassword,
    CreateLoginProfile,
    DeleteLoginProfile,
    UpdateLoginProfile,
    login_of,
)
from domain.errors import InvalidRequest
from domain.identities.identity import Identity, LoginProfile
from domain.identities.passwords import HashedPassword
from domain.state.world import World
from services.operations import iam_descriptions
from services.operations.iam_lists import user_or_caller
from services.operations.rows import Answer, Maker, Preparation, RecordedChange, Request

NO_PASSWORD: Preparation = {"fault": InvalidRequest.kind, "message": "Password is required."}
"""AWS takes CreateLoginProfile without a password from an AssumeRoot session alone, which Keytrail does not have."""


async def prepare(request: Request, maker: Maker) -> Preparation:
    if "Password" not in request.parameters:
        return {} if request.operation == "UpdateLoginProfile" else NO_PASSWORD
    named = request.get("UserName") or request.caller.principal.rpartition("/")[2]
    return await maker.password(request.caller.account, named, request["Password"])


async def prepare_change(request: Request, maker: Maker) -> Preparation:
    caller = request.caller
    name = caller.principal.rpartition("/")[2]
    return await maker.changed_password(caller.account, name, request["OldPassword"], request["NewPassword"])


def _hashed(made: Preparation) -> HashedPassword:
    return HashedPassword(made.get("row", ""), made.get("digest", ""), made.get("fault", ""), made.get("message", ""))


def create(parameters: Parameters, made: Preparation) -> CreateLoginProfile:
    return CreateLoginProfile(
        parameters.get("UserName", ""), _hashed(made), parameters.get("PasswordResetRequired", False)
    )


def update(parameters: Parameters, made: Preparation) -> UpdateLoginProfile:
    password = _hashed(made) if made else None
    return UpdateLoginProfile(parameters["UserName"], password, parameters.get("PasswordResetRequired"))


def delete(parameters: Parameters, made: Preparation) -> DeleteLoginProfile:
    return DeleteLoginProfile(parameters.get("UserName", ""))


def change(parameters: Parameters, made: Preparation) -> ChangePassword:
    return ChangePassword(_hashed(made), int(made.get("version") or 0))


def _profile(user: Identity, login: LoginProfile) -> Answer:
    return {
        "LoginProfile": {
            "UserName": user.name,
            "CreateDate": iam_descriptions.seconds(login.created),
            "PasswordResetRequired": login.reset_required,
        }
    }


def described(changed: RecordedChange) -> Answer:
    """The new profile; {} if it was deleted before the client's retry came."""
    user = changed.world.directory.identities.get(changed.event.id)
    return {} if user is None or user.login is None else _profile(user, user.login)


def get(request: Request, world: World) -> Answer:
    """Raises NoSuchEntity."""
    user = user_or_caller(request, world)
    return _profile(user, login_of(user))
