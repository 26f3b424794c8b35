"""Records of attempts of strangers: sign-ins that were refused because there were too many, and tokens that nobody vouched for.

The first of a flood is recorded at once. Those that come in the seconds after it are counted, and their number is one
record: otherwise a stranger could fill the log at the speed of the network.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from uuid import uuid4

from domain.errors import Refusal
from domain.log.record import Call
from services.client_address import group_of
from services.kms_api.errors import WireError
from services.kms_api.records import Records
from services.logs import logger_of

log = logger_of("strangers")

COUNTED_FOR = 10.0
"""Seconds that one record speaks for."""
MOST_FLOODS = 1_000
"""The most floods that are told apart; what comes beyond counts for all users and addresses of its account together."""
COUNT, ELSEWHERE = "Attempts", "several addresses"

Flood = tuple[str, str, str, str]
"""(operation, account, principal, addresses that are counted together): whoever has one IPv6 address has 2^64 of them."""


@dataclass(slots=True)
class _Counted:
    last: Call
    fault: Refusal
    until: float
    count: int = 0


class RefusedAttempts:
    """One worker's floods."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._floods: dict[Flood, _Counted] = {}

    async def refused(self, call: Call, fault: Refusal) -> None:
        """Records the call, or counts it if one like it was recorded a moment ago. Raises WireError."""
        flood = (call.operation, call.account, call.principal, group_of(call.source))
        if flood not in self._floods and len(self._floods) >= MOST_FLOODS:
            call = replace(call, source="", agent="")
            flood = (call.operation, call.account, ELSEWHERE, "")
        counted = self._floods.get(flood)
        if counted is not None:
            counted.last, counted.fault, counted.count = call, fault, counted.count + 1
            return
        self._floods[flood] = _Counted(call, fault, time.monotonic() + COUNTED_FOR)
        await self._records.refusal(call, fault)

    async def keep_recording(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            await self.record([flood for flood, counted in self._floods.items() if counted.until <= now])

    async def record(self, ended: list[Flood] | None = None) -> None:
        """Records the number of attempts of the floods that have ended, or of all."""
        for flood in list(self._floods) if ended is None else ended:
            counted = self._floods.pop(flood)
            if not counted.count:
                continue
            call = replace(counted.last, id=str(uuid4()), parameters={COUNT: counted.count})
            try:
                await self._records.refusal(call, counted.fault)
            except WireError as fault:
                log.error("refused attempts are not on record", count=counted.count, reason=fault.message)
