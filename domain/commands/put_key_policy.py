"""PutKeyPolicy replaces the whole policy of a key. No operation edits a part of it.

Source: KMS API reference, PutKeyPolicy; developer guide, key-policy-modifying.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import Verdict
from domain.commands.change_key import on_own_key
from domain.commands.create_key import is_locked_out, lockout
from domain.commands.rules import CommandRules
from domain.errors import NoSuchPolicyName
from domain.keys.key import with_policy
from domain.keys.states import require_state
from domain.log.events import PolicyReplaced
from domain.policy.check import check_policy
from domain.policy.parse import KEY
from domain.state.principals import principals_of
from domain.state.world import World

POLICY_NAME = "default"


@dataclass(frozen=True, slots=True)
class PutKeyPolicy:
    key: str
    policy: str
    name: str = POLICY_NAME
    bypass_lockout_check: bool = False


def required_permissions(command: PutKeyPolicy, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:PutKeyPolicy", command.key, caller, world)


def decide(command: PutKeyPolicy, caller: Caller, world: World) -> PolicyReplaced:
    """Return the event that replaces the policy.

    Raises:
        KeyNotFound, InvalidKeyState: the key cannot take a policy now.
        NoSuchPolicyName: a key has one policy, named `default`.
        MalformedPolicy: the document is not a key policy, or names a principal that does not exist. Also if the policy
            would stop the caller from calling PutKeyPolicy again, unless the caller bypasses that check.
        LimitExceeded: the document is longer than 32,768 bytes.
    """
    key = world.key(command.key, caller.account)
    require_state("PutKeyPolicy", key.arn, key.state)
    require_policy_name(command.name)
    version = key.policy_version + 1
    principals = principals_of(check_policy(command.policy, KEY), world, key.account)
    locked_out = is_locked_out(with_policy(key, command.policy, version, principals), caller, world)
    if locked_out and not command.bypass_lockout_check:
        raise lockout()
    return PolicyReplaced(key.id, version, command.policy, command.bypass_lockout_check, locked_out, principals)


def require_policy_name(name: str) -> None:
    if name != POLICY_NAME:
        raise NoSuchPolicyName("No such policy exists")


RULES: CommandRules = {
    PutKeyPolicy: (required_permissions, decide),
}
