"""Which managed policies an account may attach, and who of it has one."""

from __future__ import annotations

from collections.abc import Mapping

from domain.arn import iam_arn
from domain.errors import NoSuchEntity
from domain.identities.directory import Directory
from domain.identities.identity import POLICY, Identity, ManagedPolicy
from domain.identities.published import AWS, PUBLISHED

OF_AWS = iam_arn(AWS, POLICY, "/", "")
"""How the ARN of a policy of AWS's own begins."""


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
    raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")


def attached(directory: Directory, policy: ManagedPolicy, account: str) -> set[str]:
    """Unique ids of the account that have the policy attached."""
    return _of(directory, policy, account, directory.attached_to)


def bounded(directory: Directory, policy: ManagedPolicy, account: str) -> set[str]:
    """Unique ids of the account that have the policy as their boundary."""
    return _of(directory, policy, account, directory.bounded_by)


def holders(directory: Directory, policy: ManagedPolicy, account: str) -> set[str]:
    return attached(directory, policy, account) | bounded(directory, policy, account)


def _of(directory: Directory, policy: ManagedPolicy, account: str, index: Mapping[str, set[str]]) -> set[str]:
    """A policy that AWS publishes is in use in every account. A log from before boundaries were held to one account can
    have others there as well: they keep nobody from anything."""
    return {each for each in index.get(policy.arn, ()) if directory.identities[each].account == account}


def own_identity(unique: str | None, account: str, directory: Directory) -> Identity | None:
    """An identity by its unique id, where it is the account's own."""
    found = None if unique is None else directory.identities[unique]
    return found if found is not None and found.account == account else None
