"""Which managed policies an account may attach, and which of its identities have one."""

from __future__ import annotations

from collections.abc import Mapping

from domain.arn import iam_arn, parse_arn
from domain.errors import NoSuchEntity
from domain.identities.directory import Directory
from domain.identities.identity import POLICY, Identity, ManagedPolicy
from domain.identities.published import AWS, PUBLISHED

OF_AWS = iam_arn(AWS, POLICY, "/", "")
"""The beginning of the ARN of a policy that AWS publishes."""
NOT_ATTACHABLE = "Policy {arn} does not exist or is not attachable."


def attachable(directory: Directory, arn: str, account: str) -> ManagedPolicy:
    """A policy that the account may attach and read: its own, or one that AWS publishes. Raises NoSuchEntity."""
    found = directory.managed(arn)
    if found is not None and found.account in (account, AWS):
        return found
    if arn.startswith(OF_AWS):
        names = ", ".join(each.name for each in PUBLISHED.values())
        raise NoSuchEntity(
            f"Policy {arn} does not exist or is not attachable: of the policies that AWS manages, Keytrail has {names}."
        )
    raise NoSuchEntity(NOT_ATTACHABLE.format(arn=arn))


def require_of_account(arn: str, account: str) -> None:
    """Whether this can be the ARN of a policy that the account may attach, by its text alone: nothing is looked up, so the
    answer tells nothing about the policies that there are. Raises NoSuchEntity."""
    named = parse_arn(arn)
    if named is None or named.account not in (account, AWS):
        raise NoSuchEntity(NOT_ATTACHABLE.format(arn=arn))


def attached(directory: Directory, policy: ManagedPolicy, account: str) -> set[str]:
    """The unique ids of the account's identities that have the policy attached."""
    return _of(directory, policy, account, directory.attached_to)


def bounded(directory: Directory, policy: ManagedPolicy, account: str) -> set[str]:
    """The unique ids of the account's identities that have the policy as their boundary."""
    return _of(directory, policy, account, directory.bounded_by)


def holders(directory: Directory, policy: ManagedPolicy, account: str) -> set[str]:
    return attached(directory, policy, account) | bounded(directory, policy, account)


def has_holders(directory: Directory, policy: ManagedPolicy, account: str) -> bool:
    """As soon as one is found: a policy may have a hundred thousand."""
    found = (each for index in (directory.attached_to, directory.bounded_by) for each in index.get(policy.arn, ()))
    return any(directory.identities[each].account == account for each in found)


def _of(directory: Directory, policy: ManagedPolicy, account: str, index: Mapping[str, set[str]]) -> set[str]:
    """Every account uses the policies that AWS publishes. In a log from before boundaries were limited to one account,
    other accounts' identities may have this boundary too; they do not keep it from being changed."""
    return {each for each in index.get(policy.arn, ()) if directory.identities[each].account == account}


def own_identity(unique: str | None, account: str, directory: Directory) -> Identity | None:
    """The account's own identity with this unique id, or None."""
    found = None if unique is None else directory.identities[unique]
    return found if found is not None and found.account == account else None
