"""A call as a trail has it: what its record tells and does not tell, and whom a policy may mean by its caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.arn import account_in, root_arn
from domain.cloudtrail.callers import OF_ARN
from domain.cloudtrail.record import TOLD
from domain.cloudtrail.vpc_endpoint import is_absent
from domain.policy import unseen
from domain.policy.compile import CompiledStatement
from domain.policy.condition_keys import PARAMETERS, RESOURCE, row_of
from domain.policy.variables import Context

NO, MAYBE, YES = 0, 1, 2


@dataclass(frozen=True, slots=True)
class TrailCall:
    """A call as the trail has it. `context` lacks the values that were not recorded; `sure`: it lacks nothing. `root`:
    the caller is an account's root user or a service, which no identity policy limits. `parameters`: the record has the
    request's parameters; else `context` and `pairs` lack what they said. `unnamed`: the record does not tell the caller's ARN, so
    whoever of the account is named may be the caller. `service_told`: it tells which service called for the caller, or that
    none did."""

    action: str
    account: str
    names: Mapping[str, int]
    context: Context
    pairs: Mapping[str, str]
    sure: bool
    root: bool
    parameters: bool = True
    unnamed: bool = False
    service_told: bool = True


class Missing:
    def __init__(self) -> None:
        self.words: dict[str, None] = {}

    def add(self, words: str) -> None:
        self.words[words] = None


def is_known(key: str, asked: TrailCall, of_key: str) -> bool:
    """Whether the record tells the value, or the absence, of a condition key. `of_key`: the parts of the key that were
    never seen."""
    if key in asked.context:
        return key != unseen.KEY.lower()
    if (is_parameter(key) and not asked.parameters) or (key in OF_ARN and asked.unnamed):
        return False
    if asked.sure:
        return key != unseen.KEY.lower()
    row = row_of(key)
    if row is None:
        return False
    if key == "kms:viaservice":
        return asked.service_told
    if row.source == PARAMETERS or key in TOLD or is_absent(key, asked.context):
        return True
    if row.source == RESOURCE:
        return not of_key or key in ("aws:resourceaccount", "kms:multiregion")  # the key's ARN tells both
    return False


def is_parameter(key: str) -> bool:
    """Whether a condition key reads the request's parameters."""
    row = row_of(key)
    return row is not None and row.source == PARAMETERS


CALLERS_ARN = "the ARN of the caller"


def may_be_caller(name: str, asked: TrailCall) -> bool:
    """Whether a name in a policy, or of a grant's principal, may be the ARN that the record does not tell."""
    arn = name.removeprefix("ARN:")  # how a grant names somebody whose unique id no record told
    return asked.unnamed and account_in(arn) == asked.account and arn != root_arn(asked.account)


def means_caller(rule: CompiledStatement, asked: TrailCall) -> int:
    """Whether a statement means the caller."""
    if rule.who is None:
        return YES
    named, means = rule.statement.principal, rule.who(asked.names)
    others = rule.statement.not_principal
    if named is not None and means:
        return YES
    if any(may_be_caller(name, asked) for each in (named, others) if each is not None for name in each.names):
        return MAYBE
    return YES if means else NO
