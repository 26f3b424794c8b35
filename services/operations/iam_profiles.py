"""Instance profiles and the account's alias: from parameters to commands, and from events to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from domain.authorization.context import Parameters
from domain.authorization.verdict import Verdict
from domain.commands.accounts import SetAccountAlias
from domain.commands.identity_permissions import on_profile
from domain.commands.instance_profiles import AddRole, CreateProfile, DeleteProfile, RemoveRole
from domain.identities.identity import PROFILE, ROLE, InstanceProfile
from domain.state.world import World
from services.operations import iam_descriptions
from services.operations.iam_lists import paged, paged_tags
from services.operations.markers import after_marker
from services.operations.rows import AccessCheck, Answer, Preparation, RecordedChange, Request


def create(parameters: Parameters, made: Preparation) -> CreateProfile:
    return CreateProfile(
        made["id"], parameters["InstanceProfileName"], parameters.get("Path", "/"), parameters.get("Tags", [])
    )


def created(changed: RecordedChange) -> Answer:
    """The new profile; only its name if it was deleted before the client's retry came."""
    profile = changed.world.directory.profiles.get(changed.event.id)
    if profile is None:
        return {"InstanceProfile": {"InstanceProfileName": changed.event.name}}
    return {"InstanceProfile": iam_descriptions.profile(profile, changed.world)}


def delete(parameters: Parameters, made: Preparation) -> DeleteProfile:
    return DeleteProfile(parameters["InstanceProfileName"])


def add_role(parameters: Parameters, made: Preparation) -> AddRole:
    return AddRole(parameters["InstanceProfileName"], parameters["RoleName"])


def remove_role(parameters: Parameters, made: Preparation) -> RemoveRole:
    return RemoveRole(parameters["InstanceProfileName"], parameters["RoleName"])


def set_alias(*, deletes: bool) -> Callable[[Parameters, Preparation], SetAccountAlias]:
    return lambda parameters, made: SetAccountAlias(parameters["AccountAlias"], deletes)


def access_on_profile(action: str) -> AccessCheck:
    def access(request: Request, world: World) -> Sequence[Verdict]:
        return on_profile(action, request["InstanceProfileName"], request.caller, world)

    return access


def _profile(request: Request, world: World) -> InstanceProfile:
    """Raises NoSuchEntity."""
    return world.directory.profile(request.caller.account, request["InstanceProfileName"])


def get(request: Request, world: World) -> Answer:
    return {"InstanceProfile": iam_descriptions.profile(_profile(request, world), world)}


def list_tags(request: Request, world: World) -> Answer:
    return paged_tags(_profile(request, world).tags, request)


def list_all(request: Request, world: World) -> Answer:
    account, directory = request.caller.account, world.directory
    names = directory.page(PROFILE, account, after_marker(request), request.get("PathPrefix", "/"))
    return _listed(((name, directory.profile(account, name)) for name in names), request, world)


def list_for_role(request: Request, world: World) -> Answer:
    directory = world.directory
    role = directory.get(ROLE, request.caller.account, request["RoleName"])
    held = [directory.profiles[each] for each in directory.profiles_of.get(role.id, ())]
    return _listed(sorted((each.name.lower(), each) for each in held), request, world)


def _listed(found: Iterable[tuple[str, InstanceProfile]], request: Request, world: World) -> Answer:
    items = ((name, iam_descriptions.profile(profile, world, tags=False)) for name, profile in found)
    return paged("InstanceProfiles", items, request)


def list_aliases(request: Request, world: World) -> Answer:
    alias = world.accounts[request.caller.account].alias
    return {"AccountAliases": [alias] if alias else [], "IsTruncated": False}
