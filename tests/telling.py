"""A notifier's parts put together for tests: its rows in a real Postgres; the alerts topic and the mark in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson

from domain.log.authenticity import ALERTS, Keyring
from domain.log.authority import Authority
from services.adapters.alerts_file import WEBHOOK, Notifier
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.notifier import outbox
from services.notifier.held_rows import LedgerChanged
from services.notifier.ledger import Ledger, begins
from services.notifier.marks import Proved
from services.notifier.outbox import Waiting
from services.notifier.raised_alerts import PATIENCE, AlertFeed, AlertReader, EarlierAlerts, digest_of
from tests.keys import ROOT
from tests.memory_log import MemoryTopic

LOG = "a log"


class MemoryMark:
    """The mark on Kafka, which somebody who can write to Postgres alone cannot reach."""

    def __init__(self) -> None:
        self.proved: Proved | None = None

    async def read(self) -> Proved | None:
        return self.proved

    async def keep(self, proved: Proved) -> None:
        self.proved = proved


class Vault:
    """Keys of processes that learn of a rotation only when they ask."""

    def __init__(self) -> None:
        self.secrets = [ROOT]

    async def record_secrets(self) -> list[bytes]:
        return self.secrets


class Telling:
    """One notifier with a unique name. `start` starts it again as a new process on the same rows."""

    def __init__(self, pool: Pool, group_seconds: int = 0, patience: float = PATIENCE) -> None:
        self.pool, self.patience = pool, patience
        self.topic, self.mark, self.vault = MemoryTopic(), MemoryMark(), Vault()
        self.notifier = Notifier(WEBHOOK, f"n-{uuid4().hex}", "", group_seconds=group_seconds)
        self.now = datetime.now(UTC)
        self.start()

    @property
    def name(self) -> str:
        return self.notifier.name

    def start(self) -> None:
        self.keys: VaultKeyring = VaultKeyring(self.vault, self.vault.secrets, strict=True)
        authority = Authority(LOG, 0, "", self.keys.newest)

        async def newest() -> Authority:
            return authority

        alerts = AlertReader(self.keys, authority, newest)
        self._alerts, self._feed = alerts, AlertFeed(self.topic)
        self._earlier = EarlierAlerts(self.pool, self.topic, alerts, self.patience)
        beginning = begins(len(self.topic.values), self.now)
        self.ledger = Ledger(self.pool, self.keys, self.notifier, LOG, self.mark, self.topic.end, beginning)

    async def begun(self) -> Telling:
        await self.ledger.prove()
        return self

    async def raise_alert(self, id: str, *, rule: str = "root-used", keys: Keyring | None = None) -> None:
        """`keys`: those that seal the alert. A test passes a stranger's."""
        document = {
            "v": 1, "id": id, "log": LOG, "rule": rule, "title": "t", "severity": "high",
            "at": (self.now + timedelta(seconds=1)).isoformat(), "account": "111122223333", "key": "", "subject": id,
            "about": [], "summary": f"what {id} is of", "evidence": {}, "source": {}, "suppressed": None,
        }  # fmt: skip
        made = keys or self.keys
        value, _ = made.seal(made.newest, ALERTS, LOG).sealed(orjson.dumps(document))
        await self.topic.append(value)

    async def surely(self, work: Any) -> Any:
        """Work like the notifier's tasks: check what was found to be changed, then go on."""
        for _ in range(5):
            try:
                return await work()
            except LedgerChanged:
                continue
        raise AssertionError("it does not go on")

    async def gather(self, later: int = 0) -> None:
        """Turn the alerts on the topic into messages; `later` in seconds."""
        await self.surely(lambda: self._gather(later))

    async def _gather(self, later: int) -> None:
        start = await self.ledger.next()
        there = len(self.topic.values)
        while start < there:
            records = await self._feed.more(start, 5, self.ledger.last)
            raised = await self._earlier.new_among(await self._alerts.alerts_of(records))
            now, last = outbox.now() + timedelta(seconds=later), digest_of(records[-1].value)
            await self.ledger.take_in(start, records[-1].offset + 1, raised, now, last)
            start = await self.ledger.next()
        await self.ledger.take_in(start, start, [], outbox.now() + timedelta(seconds=later))

    async def head(self) -> Waiting | None:
        found: Waiting | None = await self.surely(self.ledger.head)
        return found

    async def told(self) -> list[tuple[str, list[str], str]]:
        """Deliver everything that waits. Returns, for each message, its id, the alerts that it names, and the first
        alert's words."""
        await self.gather()
        found = []
        while (waiting := await self.head()) is not None:
            await self.surely(lambda waiting=waiting: self.ledger.delivered(waiting))
            found.append((waiting.id, waiting.message["alerts"], waiting.message["alert"]["summary"]))
            await self.gather()
        return found

    async def end(self) -> None:
        await self._feed.close()
        for table in ("cursors", "storms", "outbox", "dead"):
            await self.pool.execute(f"DELETE FROM notifying.{table} WHERE notifier = $1", self.name)
