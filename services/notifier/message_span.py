"""The notifier's span of a call: one for each attempt to send a message about an alert that the call raised.

A message about several alerts belongs to the trace of the first one's call: it has nothing of the others but their names.
"""

from __future__ import annotations

import time

from services.adapters.alerts_file import Notifier
from services.notifier.outbox import Waiting
from services.traces.spans import message_attributes
from services.traces.tracer import TRACES, AlertMessage

DELIVERED, NOT_DELIVERED, UNDELIVERABLE = "delivered", "failed", "refused"


class MessageSpan:
    """It begins when it is made. `attempt`: how often this message was tried before."""

    def __init__(self, notifier: Notifier, waiting: Waiting, attempt: int) -> None:
        self._began = time.time_ns()
        self._notifier, self._alert, self._attempt = notifier, waiting.message["alert"], attempt

    def end(self, outcome: str) -> None:
        tracer, call = TRACES.tracer, (self._alert.get("source") or {}).get("call", "")
        if tracer is None or not tracer.samples(call):
            return
        message = AlertMessage(self._alert["id"], self._notifier.name, self._attempt)
        said = message_attributes(self._alert["rule"], self._notifier.kind, outcome)
        tracer.notified(call, message, self._began, said, failed=outcome != DELIVERED)
