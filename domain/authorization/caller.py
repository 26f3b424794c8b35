"""Who calls: the names by which a Principal element can mean the caller, and the policies that limit the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from domain.arn import root_arn
from domain.policy.compile import DIRECT, NO_PERMISSIONS, CallerNames, Permissions
from domain.policy.variables import Context

ORGANIZATION = "aws:principalorgid"


@dataclass(slots=True)  # made for every call: frozen would cost two microseconds
class Caller:
    """`principal` is an ARN, `unique` the value of `aws:userid`. `needs_policies`: in its own account the caller may do
    what its identity policies allow (a root user and a service need none). `boundary` and `session` are None if the
    caller has none. `context` holds what conditions can read of the caller; `request`, once it asks, holds what they
    can read of one request. `mfa` is when the caller entered a code of an MFA device, in seconds since the
    epoch; 0 if the caller entered no code."""

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
    mfa: int = 0

    def asking(self, request: Context, encryption_context: Mapping[str, str]) -> Caller:
        """The same caller with what one request adds. Only a root user, a user or a role belongs to an organization; the sender
        of a provider's token and a service do not (IAM user guide, reference_policies_condition-keys, aws:PrincipalOrgID)."""
        if ORGANIZATION in request and "aws:principalaccount" not in self.context:
            request = {key: values for key, values in request.items() if key != ORGANIZATION}
        if self.mfa and "aws:epochtime" in request:
            age = int(request["aws:epochtime"][0]) - self.mfa
            request = {**request, "aws:multifactorauthage": (str(max(age, 0)),)}
        # Every call comes here, and `replace` would be slower.
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
            self.mfa,
        )

    def knowing(self, more: Context) -> Caller:
        """The same caller with further values for conditions."""
        return replace(self, context={**self.context, **more})

    @property
    def is_root(self) -> bool:
        return self.principal == root_arn(self.account)


def root_of(account: str) -> Caller:
    """The account's root user. A Principal element means it only by the root ARN, and no identity policy limits it."""
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
