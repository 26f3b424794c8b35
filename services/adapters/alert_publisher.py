"""Publishes alerts to their topic. An alert that was published before is published again under the same name."""

from __future__ import annotations

import time
from collections.abc import Sequence

import orjson

from domain.alerts.engine.alert import Alert
from domain.alerts.engine.judge import Judge
from domain.alerts.health import Health
from domain.alerts.rules import chain_broken
from domain.log.authenticity import ALERTS as ALERTS_TOPIC
from domain.log.authenticity import Keyring
from domain.log.codec import rfc3339
from services.adapters import cloudevents
from services.adapters.kafka import MAX_VALUE, KafkaTopic
from services.adapters.topics import names
from services.metrics import ALERTS
from services.settings import Settings
from services.traces.spans import alert_attributes
from services.traces.tracer import TRACES

RAISED = "alert.raised.v1"
LONGEST_ALERT = MAX_VALUE - 2048


class Publisher:
    def __init__(self, settings: Settings, keys: Keyring) -> None:
        self._keys = keys
        self._topic = KafkaTopic(settings, names(settings).alerts)

    async def publish(self, alerts: Sequence[Alert]) -> None:
        """Raises Unavailable."""
        for alert in alerts:
            began = time.time_ns()
            seal = self._keys.seal(self._keys.newest, ALERTS_TOPIC, alert.log)
            body = orjson.dumps(alert.document())
            if len(body) > LONGEST_ALERT:  # no other try would take it, and nothing behind it would be judged any more
                body = orjson.dumps(alert.shortened())
            value, _ = seal.sealed(body)
            headers = cloudevents.headers(alert.id, alert.log, RAISED, rfc3339(alert.at))
            await self._topic.append(value, headers)
            severity = "suppressed" if alert.suppressed is not None else alert.severity
            ALERTS.labels(alert.rule.id, severity).inc()
            tracer, call = TRACES.tracer, alert.source.get("call", "")
            if tracer is not None and tracer.samples(call):
                tracer.raised(call, alert.id, began, alert_attributes(alert.rule.id, severity))

    async def publish_break(self, judge: Judge, where: str, summary: str) -> None:
        """Publish an alert that the log is not the one that was judged. Raises Unavailable."""
        await self.publish(judge.of_health(Health(chain_broken.RULE, where, time.time_ns() // 1000, summary)))

    async def close(self) -> None:
        await self._topic.close()
