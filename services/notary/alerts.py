"""Alerts that the notary raises itself: it stopped, or a witness is away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from domain.log.codec import rfc3339
from services.adapters.keyring import VaultKeyring
from services.runtime.health_alerts import HealthAlerts
from services.settings import Settings

if TYPE_CHECKING:
    from domain.alerts.rule import AlertRule


class NotaryAlerts:
    """`log` is the log's id."""

    def __init__(self, settings: Settings, keys: VaultKeyring, log: str) -> None:
        self._health, self._log = HealthAlerts(settings, keys), log

    async def stopped(self, fault: Exception, size: int) -> None:
        """Says why the notary ends. Started again, it may say the same, which is the same alert until the tree has grown."""
        from domain.alerts.rules import notary_stopped

        await self._publish(notary_stopped.RULE, f"{size} {fault}", str(fault))

    async def away(self, witness: str, since: int, why: str) -> bool:
        """A witness has not cosigned since this time in microseconds. False if it has not been away for long enough, or nobody
        can be told now."""
        from domain.alerts.rules import witness_away

        least = self._health.rules().numbers_of(witness_away.RULE)[witness_away.AWAY]
        if time.time_ns() // 1000 - since < least * 1_000_000:
            return False
        summary = f"The witness {witness} has not cosigned since {rfc3339(since)}: {why}"
        return await self._publish(witness_away.RULE, f"{witness} {since}", summary)

    async def back(self, witness: str, since: int) -> bool:
        """False if nobody can be told now."""
        from domain.alerts.rules import witness_away

        summary = f"The witness {witness}, which had not cosigned since {rfc3339(since)}, cosigns again"
        return await self._publish(witness_away.RULE, f"{witness} {since} over", summary)

    async def _publish(self, rule: AlertRule, where: str, summary: str) -> bool:
        return await self._health.publish(rule, self._log, where, summary)
