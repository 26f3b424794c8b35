"""An OpenID Connect provider was registered."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.identities.oidc_providers import HTTPS, provider_arn
from domain.log.identity_events import OidcProviderCreated


def judge(change: Change) -> Iterator[Finding]:
    event = change.event
    arn = provider_arn(event.account, event.name)
    audiences = ", ".join(event.client_ids) or "no audience yet"
    summary = f"{change.who} registered {HTTPS}{event.name} for {audiences}"
    yield Finding(arn, summary, event.account, about=(arn,))


RULE = AlertRule(
    id="oidc-provider-registered",
    title="OpenID Connect provider registered",
    severity=MEDIUM,
    means="Whoever runs the provider decides who its tokens name. Roles that trust it let these in.",
    do="Ask whether somebody wanted it. If not, delete it (`aws iam delete-open-id-connect-provider`), and look at the roles "
    "that were made or changed since (`keytrail changes`).",
    references=("T1484.002",),
    kind=OnChange(judge, on=(OidcProviderCreated,)),
)
