"""The document that a managed policy gets, beside the one before it."""

from __future__ import annotations

from dataclasses import dataclass

from domain.alerts.change import Change
from domain.log.identity_events import DefaultVersionSet, PolicyVersionCreated


@dataclass(frozen=True, slots=True)
class ReplacedDefault:
    """`policy` is an ARN."""

    policy: str
    before: str
    after: str


def replaced_default(change: Change) -> ReplacedDefault | None:
    """For a PolicyVersionCreated or a DefaultVersionSet; None if the policy is not there, or keeps its default version."""
    event, directory = change.event, change.world.directory
    policy = directory.policies.get(directory.policy_arns.get(event.id, ""))
    if policy is None or (isinstance(event, PolicyVersionCreated) and not event.default):
        return None
    assert isinstance(event, PolicyVersionCreated | DefaultVersionSet), "no other event replaces a default version"
    after = event.document if isinstance(event, PolicyVersionCreated) else policy.versions[event.version].document
    return ReplacedDefault(policy.arn, policy.versions[policy.default].document, after)


def document_of(change: Change, policy: str) -> str:
    """The document in force of a managed policy (an ARN); "" if there is none."""
    held = change.world.directory.managed(policy) if policy else None
    return "" if held is None else held.versions[held.default].document
