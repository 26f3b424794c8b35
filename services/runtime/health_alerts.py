"""Alerts about what a process notices of the installation itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from domain.ports import Unavailable
from services.adapters.keyring import VaultKeyring
from services.logs import logger_of
from services.settings import BadSetting, Settings

if TYPE_CHECKING:
    from domain.alerts.rule import AlertRule
    from domain.alerts.settings import AlertSettings

log = logger_of("alerts")


class HealthAlerts:
    """What judges and publishes alerts is loaded with the first one: it takes 20 MB."""

    def __init__(self, settings: Settings, keys: VaultKeyring) -> None:
        self._settings, self._keys = settings, keys
        self._good: AlertSettings | None = None
        self._fault = ""

    def rules(self) -> AlertSettings:
        """The settings of rules. While their file is wrong, these are the last good ones, or else the defaults: an alert about
        the installation itself is rather raised under other numbers than not at all, and what raises it goes on."""
        from domain.alerts.settings import AlertSettings
        from services.adapters import alerts_file

        try:
            self._good, self._fault = alerts_file.load(self._settings).settings, ""
        except BadSetting as fault:
            if str(fault) != self._fault:
                self._fault = str(fault)
                log.error("the alerts' settings cannot be used; the former ones hold", reason=self._fault)
        return self._good or AlertSettings()

    async def publish(self, rule: AlertRule, log_id: str, where: str, summary: str) -> bool:
        """Alerts of one rule with the same `where` are the same alert. False if nobody can be told now."""
        from domain.alerts.engine.judge import Judge
        from domain.alerts.health import Health
        from services.adapters.alert_publisher import Publisher

        try:
            judge = Judge(log_id, self.rules(), self._settings.region)
            publisher = Publisher(self._settings, self._keys)
            try:
                await publisher.publish(judge.of_health(Health(rule, where, time.time_ns() // 1000, summary)))
            finally:
                await publisher.close()
        except Unavailable as fault:
            log.warning("an alert cannot be raised", alert=rule.id, reason=str(fault))
            return False
        return True
