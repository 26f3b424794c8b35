"""An MFA device was taken from a user."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.log.identity_events import MfaDeviceDeactivated


def judge(change: Change) -> Iterator[Finding]:
    event = change.event
    user = change.world.directory.identities[event.user].arn
    summary = f"{change.who} took the MFA device {event.serial} from {user}"
    yield Finding(user, summary, event.account, about=(user,))


RULE = AlertRule(
    id="mfa-device-removed",
    title="MFA device removed",
    severity=HIGH,
    means="No code of this device is asked for any more. Without another device, the user's access key is enough.",
    do="Ask the user whether the device was lost. If it was not, deactivate the user's access keys and see what was called.",
    references=("CIS 1.10", "T1556.006"),
    kind=OnChange(judge, on=(MfaDeviceDeactivated,)),
)
