"""The key that a service manages for an account: made when the account's first call through the service needs it."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from domain.arn import alias_arn
from domain.commands.service_key import alias_for
from domain.crypto.specs import SYMMETRIC_DEFAULT
from domain.errors import AlreadyExists
from domain.log.record import Call
from domain.state.world import World
from services.kms_api.errors import WireError
from services.kms_api.writer_client import WriterClient
from services.operations.keys import SERVICE_KEY
from services.operations.rows import Maker, Request


async def make_where_needed(call: Call, request: Request, world: World, maker: Maker, writer: WriterClient) -> None:
    """`call` came through a service and named an alias that does not exist. Raises Unavailable, WireError."""
    via = call.via
    if via is None or not via["behalf"]:
        return
    service = world.services[call.access_key]
    name = alias_for(service)
    if request.get("KeyId") not in (name, alias_arn(world.region, call.account, name)):
        return
    creation = replace(
        call,
        id=str(uuid4()),
        principal=service.name,
        account=service.account,
        operation=SERVICE_KEY,
        parameters={"AccountId": call.account},
        invocation="",
        via={**via, "behalf": "", "source_arn": "", "source_account": ""},
    )
    try:
        await writer.decide(creation, await maker.material(SYMMETRIC_DEFAULT, call.account))
    except WireError as fault:
        if fault.kind != AlreadyExists.kind:  # another call was first
            raise
