"""A permissions boundary was taken away, or limits less than before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding, some_of
from domain.alerts.replaced_default import document_of, replaced_default
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.alerts.wide_identity_policy import Bounded, Tagged, newly_frees, newly_given, newly_gives_rights
from domain.identities.identity import POLICY, Identity
from domain.log.identity_events import BoundarySet, DefaultVersionSet, PolicyVersionCreated
from domain.policy import unseen


def judge(change: Change) -> Iterator[Finding]:
    """A boundary that limits less is as good as none: it is compared with the one before, by what both let identity policies
    allow on every key, and by the ways to more rights that they leave open. One that names its own user, or the path of its
    own role, is as good as none too, if he may take it away: so he himself is asked about."""
    if isinstance(change.event, BoundarySet):
        yield from _of_identity(change)
    else:
        yield from _of_policy(change)


def _of_identity(change: Change) -> Iterator[Finding]:
    event = change.event
    identity = change.world.directory.identities[event.id]
    if not identity.boundary or event.policy == identity.boundary:
        return
    if event.policy:
        before, after = (document_of(change, each) for each in (identity.boundary, event.policy))
        as_bounded = (_bounded(change, identity, identity.boundary), _bounded(change, identity, event.policy))
        freed = _freed(change, before, after, [as_bounded])
        summary = f"{change.who} replaced the boundary {identity.boundary} of {identity.arn} by {event.policy}: {freed}"
        if not freed:
            return
    else:
        summary = f"{change.who} removed the boundary {identity.boundary} of {identity.arn}"
    yield Finding(identity.arn, summary, event.account, about=(identity.arn,))


def _of_policy(change: Change) -> Iterator[Finding]:
    directory, replaced = change.world.directory, replaced_default(change)
    bounded = directory.bounded_by.get(replaced.policy, ()) if replaced is not None else ()
    if replaced is None or not bounded:
        return
    people = sorted((directory.identities[each] for each in bounded), key=lambda each: each.arn)
    as_bounded = (_bounded(change, each, replaced.policy) for each in people)
    freed = _freed(change, replaced.before, replaced.after, ((each, each) for each in as_bounded))
    if freed:
        whose = [each.arn for each in people]
        summary = f"{change.who} changed {replaced.policy}, the boundary of {some_of(whose)}: {freed}"
        yield Finding(replaced.policy, summary, change.event.account, about=tuple(whose))


def _bounded(change: Change, identity: Identity, by: str) -> Bounded:
    policy = change.world.directory.managed(by)
    who = Tagged(identity.kind, identity.arn, tuple(sorted(identity.tags.items())))
    return Bounded(who, Tagged(POLICY, by, tuple(sorted(policy.tags.items())) if policy is not None else ()))


def _freed(change: Change, before: str, after: str, whom: Iterable[tuple[Bounded, Bounded]]) -> str:
    """What the boundary no longer keeps from the identity, in words; "" for nothing."""
    if not after or (change.world.of_trail and unseen.is_document(after)):
        return ""  # what was never seen is not known to allow more
    on_keys = newly_given([before], [after], change.event.account, change.world.region)
    rights = newly_gives_rights(before, after, change.event.account)
    out = newly_frees(before, after, whom, change.event.account)
    if None in (*on_keys.values(), *rights.values(), *out.values()):
        return "it may allow more, which takes too many steps to say"
    parts = [f"{', '.join(sorted(on_keys))} on every key"] if on_keys else []
    parts += [f"what gives more rights ({some_of(sorted(rights))})"] if rights else []
    more = sorted(out.keys() - rights.keys())
    parts += [f"what takes the boundary away ({', '.join(more)})"] if more else []
    return f"it allows {' and '.join(parts)}" if parts else ""


RULE = AlertRule(
    id="boundary-removed",
    title="Permissions boundary removed",
    severity=HIGH,
    means="Nothing limits any more what the identity's policies can allow; or a boundary does that allows more than the one "
    "before: on every key, of the ways to more rights (other policies, access keys, boundaries, another role), or of what takes "
    "the boundary itself away from its own identity.",
    do="Put the boundary back.",
    references=("T1548.005",),
    kind=OnChange(judge, on=(BoundarySet, PolicyVersionCreated, DefaultVersionSet)),
)
