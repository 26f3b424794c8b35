"""OpenID Connect providers: from parameters to commands, and their descriptions."""

from __future__ import annotations

from collections.abc import Sequence

from domain.authorization.context import Parameters
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import on_oidc_provider
from domain.commands.oidc_providers import (
    AddClientId,
    CreateOidcProvider,
    DeleteOidcProvider,
    RemoveClientId,
    SetThumbprints,
)
from domain.identities.oidc_providers import OidcProvider, provider_arn
from domain.state.world import World
from services.operations import iam_descriptions
from services.operations.iam_lists import paged_tags
from services.operations.rows import AccessCheck, Answer, Preparation, RecordedChange, Request

ARN = "OpenIDConnectProviderArn"


def create(parameters: Parameters, made: Preparation) -> CreateOidcProvider:
    return CreateOidcProvider(
        parameters["Url"],
        parameters.get("ClientIDList", []),
        parameters.get("ThumbprintList", []),
        parameters.get("Tags", []),
    )


def created(changed: RecordedChange) -> Answer:
    event = changed.event
    tags = {"Tags": iam_descriptions.tags(event.tags)} if event.tags else {}
    return {ARN: provider_arn(event.account, event.name), **tags}


def set_thumbprints(parameters: Parameters, made: Preparation) -> SetThumbprints:
    return SetThumbprints(parameters[ARN], parameters["ThumbprintList"])


def add_client(parameters: Parameters, made: Preparation) -> AddClientId:
    return AddClientId(parameters[ARN], parameters["ClientID"])


def remove_client(parameters: Parameters, made: Preparation) -> RemoveClientId:
    return RemoveClientId(parameters[ARN], parameters["ClientID"])


def delete(parameters: Parameters, made: Preparation) -> DeleteOidcProvider:
    return DeleteOidcProvider(parameters[ARN])


def access_on_provider(action: str) -> AccessCheck:
    def access(request: Request, world: World) -> Sequence[Verdict]:
        return on_oidc_provider(action, request[ARN], request.caller, world)

    return access


def _provider(request: Request, world: World) -> OidcProvider:
    """Raises NoSuchEntity."""
    return world.directory.oidc_provider(request[ARN], request.caller.account)


def get(request: Request, world: World) -> Answer:
    """Raises NoSuchEntity."""
    provider = _provider(request, world)
    return {
        "Url": provider.name,
        "ClientIDList": list(provider.client_ids),
        "ThumbprintList": list(provider.thumbprints),
        "CreateDate": iam_descriptions.seconds(provider.created),
        "Tags": iam_descriptions.tags(provider.tags),
    }


def list_all(request: Request, world: World) -> Answer:
    account = request.caller.account
    arns = sorted(arn for arn, each in world.directory.oidc.items() if each.account == account)
    return {"OpenIDConnectProviderList": [{"Arn": arn} for arn in arns]}


def list_tags(request: Request, world: World) -> Answer:
    """Raises NoSuchEntity."""
    return paged_tags(_provider(request, world).tags, request)
