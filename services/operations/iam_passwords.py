"""The account's password policy: from parameters to commands, and its description.

Source: IAM API reference, UpdateAccountPasswordPolicy, GetAccountPasswordPolicy.
"""

from __future__ import annotations

from domain.authorization.context import Parameters
from domain.commands.password_policies import DeletePasswordPolicy, SetPasswordPolicy, policy_of
from domain.identities.password_policy import PasswordPolicy
from domain.state.world import World
from services.operations.rows import Answer, Preparation, Request

_MEMBERS = {
    "MinimumPasswordLength": "minimum_length",
    "RequireSymbols": "symbols",
    "RequireNumbers": "numbers",
    "RequireUppercaseCharacters": "uppercase",
    "RequireLowercaseCharacters": "lowercase",
    "AllowUsersToChangePassword": "users_may_change",
    "MaxPasswordAge": "max_age",
    "PasswordReusePrevention": "reuse_prevention",
    "HardExpiry": "hard_expiry",
}
"""From IAM's names to those of PasswordPolicy."""
_UNLESS_ZERO = ("MaxPasswordAge", "PasswordReusePrevention")
"""The members that an answer has only if they are set: 0 is no value that they can have."""


def set_policy(parameters: Parameters, made: Preparation) -> SetPasswordPolicy:
    given = {ours: parameters[theirs] for theirs, ours in _MEMBERS.items() if theirs in parameters}
    return SetPasswordPolicy(PasswordPolicy(**given))


def delete_policy(parameters: Parameters, made: Preparation) -> DeletePasswordPolicy:
    return DeletePasswordPolicy()


def get_policy(request: Request, world: World) -> Answer:
    """Raises NoSuchEntity."""
    policy = policy_of(request.caller.account, world)
    shown = {theirs: getattr(policy, ours) for theirs, ours in _MEMBERS.items()}
    kept = {name: value for name, value in shown.items() if value or name not in _UNLESS_ZERO}
    return {"PasswordPolicy": kept | {"ExpirePasswords": policy.max_age > 0}}
