"""Who calls: the names a Principal element can mean the caller by, and the policies that limit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from domain.arn import root_arn
from domain.policy.compile import DIRECT, NO_PERMISSIONS, CallerNames, Permissions
from domain.policy.variables import Context


@dataclass(slots=True)  # made anew for every call: frozen would cost two microseconds
class Caller:
    """`principal` is an ARN; `unique` what `aws:userid` says of it; `needs_policies`: what it may do in its own account
    its identity policies say (a root user and a service need none). `boundary` and `session` are None where there are
    none. `context` holds what conditions can read of the caller, `request` what of one request, once it asks."""

    account: str
    principal: str
    names: CallerNames
    unique: str
    needs_policies: bool = True
    identity: Permissions = NO_PERMISSIONS
    boundary: Permissions | None = None
    session: Permissions | None = None
    context: Context = field(default_factory=dict)
    request: Context = field(default_factory=dict)
    encryption_context: Mapping[str, str] = field(default_factory=dict)

    def asking(self, request: Context, encryption_context: Mapping[str, str]) -> Caller:
        """The same caller with what one request says."""
        return Caller(
            self.account,
            self.principal,
            self.names,
            self.unique,
            self.needs_policies,
            self.identity,
            self.boundary,
            self.session,
            self.context,
            request,
            encryption_context,
        )

    def knowing(self, more: Context) -> Caller:
        """The same caller with more that is known of it."""
        return replace(self, context={**self.context, **more})

    @property
    def is_root(self) -> bool:
        return self.principal == root_arn(self.account)


def root_of(account: str) -> Caller:
    """The account's root user: it answers to the root ARN alone, and no identity policy limits it."""
    arn = root_arn(account)
    context = {
        "aws:principalarn": (arn,),
        "aws:principalaccount": (account,),
        "aws:principaltype": ("Account",),
        "aws:userid": (account,),
        "aws:principalisawsservice": ("false",),
        "aws:viaawsservice": ("false",),
        "kms:calleraccount": (account,),
    }
    return Caller(account, arn, {arn: DIRECT}, account, needs_policies=False, context=context)
