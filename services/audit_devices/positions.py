"""How far each audit device has taken the records: a row in Postgres, with a MAC.

Whoever can write to Postgres can remove a row or put an earlier one back. Then records are written again, with the same
ids; none is left out. (A device that begins at the end of the log, `begin = "now"`, is the exception.)
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from domain.characters import visible
from domain.log.authenticity import DEVICE, key_of_row
from domain.log.authority import authority_from
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Connection, Pool
from services.audit_devices.device_rows import SCHEMA
from services.logs import logger_of
from services.projector.store import ReadTo

log = logger_of("audit-devices")

_SINCE = "CASE excluded.fault WHEN '' THEN NULL ELSE coalesce(d.since, excluded.since) END"
"""A device that goes on failing fails since the first time, whatever it says later."""


async def seal_anew(connection: Connection, keys: VaultKeyring, retired: Container[str]) -> list[str]:
    """Give each position a MAC under the current key, before the log retires the others: a device that is away meanwhile would
    begin again. Returns which positions Keytrail did not write. Raises Postgres's errors."""
    if await connection.fetchval("SELECT to_regclass($1) IS NULL", f"{SCHEMA}.devices"):
        return []
    strange = []
    async with connection.transaction():
        rows = await connection.fetch(
            f"SELECT device, log, document, mac FROM {SCHEMA}.devices WHERE mac <> '' ORDER BY device FOR UPDATE"
        )
        for row in rows:
            named = (row["device"], row["log"], row["document"])
            if key_of_row(row["mac"]) in retired or not keys.holds(row["mac"], DEVICE, *named):
                strange.append(f"audit device {row['device']}")
                continue
            await connection.execute(
                f"UPDATE {SCHEMA}.devices SET mac = $2 WHERE device = $1", row["device"], keys.mac(DEVICE, *named)
            )
    return strange


@dataclass(frozen=True, slots=True)
class DevicePositions:
    """The positions of one device. `log_name` is the log's id."""

    pool: Pool
    keys: VaultKeyring
    log_name: str
    device: str

    async def read(self, retired: Container[str] = ()) -> ReadTo | None:
        """How far the device has come; None if no row of ours says so. `retired`: the names of keys that the log has retired.
        Raises INTERRUPTED."""
        row = await self.pool.fetchrow(
            f"SELECT log, document, mac FROM {SCHEMA}.devices WHERE device = $1", self.device
        )
        if row is None or not row["mac"]:  # it was never kept
            return None
        await self.keys.know_that_of(row["mac"])
        ours = self.keys.holds(row["mac"], DEVICE, self.device, row["log"], row["document"])
        if not ours or row["log"] != self.log_name or key_of_row(row["mac"]) in retired:
            log.error(
                "the position of an audit device is another log's, somebody else's, or under a key that was retired; the device "
                "begins again, and its records have the ids that they had",
                device=self.device,
            )
            return None
        document = orjson.loads(row["document"])
        offsets = {_partition(name): after for name, after in document["next"].items()}
        last = {_partition(name): each for name, each in document.get("last", {}).items()}
        return ReadTo(offsets, document["digest"], authority_from(document["authority"]), last=last)

    async def keep(self, reached: ReadTo, fault: str = "") -> None:
        """`fault`: why the device takes nothing, though the position moves past what is not for it. Raises INTERRUPTED."""
        document: dict[str, Any] = {
            "next": {f"{topic}/{partition}": after for (topic, partition), after in sorted(reached.offsets.items())},
            "last": {f"{topic}/{partition}": each for (topic, partition), each in sorted(reached.last.items())},
            "digest": reached.digest,
            "authority": reached.authority.document(),
        }
        text = orjson.dumps(document).decode()
        mac = self.keys.mac(DEVICE, self.device, self.log_name, text)
        await self.pool.execute(
            f"INSERT INTO {SCHEMA}.devices AS d (device, log, document, mac, at, fault, since) "
            "VALUES ($1, $2, $3, $4, $5, $6, CASE $6::text WHEN '' THEN NULL ELSE $5::timestamptz END) "
            "ON CONFLICT (device) DO UPDATE SET log = excluded.log, document = excluded.document, "
            "mac = excluded.mac, at = excluded.at, "
            f"fault = excluded.fault, since = {_SINCE}",
            self.device, self.log_name, text, mac, datetime.now(UTC), visible(fault),
        )  # fmt: skip

    async def tell(self, fault: str) -> None:
        """Keep for people why the device takes nothing. Raises INTERRUPTED."""
        await self.pool.execute(
            f"INSERT INTO {SCHEMA}.devices AS d (device, log, document, mac, at, fault, since) "
            "VALUES ($1, '', '', '', $3, $2, CASE $2::text WHEN '' THEN NULL ELSE $3::timestamptz END) "
            f"ON CONFLICT (device) DO UPDATE SET fault = excluded.fault, since = {_SINCE}",
            self.device, visible(fault), datetime.now(UTC),
        )  # fmt: skip


def _partition(name: str) -> tuple[str, int]:
    topic, _, partition = name.rpartition("/")
    return topic, int(partition)
