"""The alert settings that a question needs."""

from __future__ import annotations

from domain.alerts.settings import AlertSettings
from services.adapters import alerts_file
from services.kms_api import errors
from services.settings import BadSetting, Settings


def alert_settings(settings: Settings) -> AlertSettings:
    """Raises WireError."""
    try:
        return alerts_file.load(settings).settings
    except BadSetting as fault:
        raise errors.not_now(f"The alerts' settings cannot be read: {fault}") from None
