"""Every route of the audit API, in the order of its documents."""

from __future__ import annotations

from services.audit_api.openapi import OPENAPI
from services.audit_api.resources import (
    access,
    accounts,
    alert_rules,
    alert_scan,
    alert_stream,
    alerts,
    changes,
    console,
    decisions,
    draft_alerts,
    drafts,
    explanations,
    installation_settings,
    key_policies,
    keys,
    notifiers,
    own_log,
    past,
    policies,
    policy_drafts,
    principals,
    recheck,
    status,
    trails,
    unused,
    verification,
)
from services.audit_api.route import RouteRow

ROUTES: tuple[RouteRow, ...] = (
    *keys.ROUTES,
    *draft_alerts.ROUTES,
    *keys.ONE_KEY,
    *key_policies.ROUTES,
    *decisions.ROUTES,
    *unused.ROUTES,
    *own_log.ROUTES,
    *accounts.ROUTES,
    *status.ROUTES,
    *verification.ROUTES,
    *installation_settings.ROUTES,
    *trails.ROUTES,
    *alerts.LISTED,
    *alert_stream.ROUTES,
    *alert_scan.ROUTES,
    *notifiers.ROUTES,
    *alerts.ROUTES,
    *alert_rules.ROUTES,
    *explanations.ROUTES,
    *changes.ROUTES,
    *past.ROUTES,
    *principals.ROUTES,
    *access.ROUTES,
    *drafts.ROUTES,
    *policies.ROUTES,
    *policy_drafts.ROUTES,
    *recheck.ROUTES,
    *console.ROUTES,
    OPENAPI,
)
ACTIONS = frozenset(action for route in ROUTES for action in route.actions)
"""The permissions that the routes need."""
