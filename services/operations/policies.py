"""GetKeyPolicy, PutKeyPolicy, ListKeyPolicies."""

from __future__ import annotations

from collections.abc import Sequence

from domain.authorization.context import Parameters
from domain.commands.put_key_policy import POLICY_NAME, PutKeyPolicy, require_policy_name
from domain.keys.key import Key
from domain.state.principals import shown
from domain.state.world import World
from services.operations.keys import page
from services.operations.markers import after_marker
from services.operations.rows import Answer, Materials, Preparation, Request


def put_key_policy(parameters: Parameters, made: Preparation) -> PutKeyPolicy:
    return PutKeyPolicy(
        parameters["KeyId"],
        parameters["Policy"],
        parameters.get("PolicyName", POLICY_NAME),
        parameters.get("BypassPolicyLockoutSafetyCheck", False),
    )


async def get_key_policy(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    require_policy_name(request.get("PolicyName", POLICY_NAME))
    key = found[0]
    return {"Policy": shown(key.policy_text, key.principals, world, key.account), "PolicyName": POLICY_NAME}


async def list_key_policies(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    after_marker(request)  # there is only one page, so no answer ever gave a marker
    return page(request, "PolicyNames", [POLICY_NAME], None)
