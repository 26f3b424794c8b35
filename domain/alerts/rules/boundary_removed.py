"""A permissions boundary was taken away."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    event = change.event
    identity = change.world.directory.identities[event.id]
    if not event.policy and identity.boundary:
        summary = f"{change.who} removed the boundary {identity.boundary} of {identity.arn}"
        yield Finding(identity.arn, summary, event.account, about=(identity.arn,))
