"""Whether the vault answers. It is asked once a second, for /healthz."""

from __future__ import annotations

import asyncio

from services.adapters.postgres import INTERRUPTED, Pool
from services.logs import logger_of

log = logger_of("api")

ASK_EVERY = 1.0
PATIENCE = 2.0
OK, VAULT_AWAY = "ok", "degraded: the vault does not answer, only keys in use can be used"


class VaultWatch:
    """A worker that has lost the vault can still answer some calls: those whose key material is in memory."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.answers = True

    @property
    def status(self) -> str:
        return OK if self.answers else VAULT_AWAY

    async def keep_asking(self) -> None:
        while True:
            answers = await self._ask()
            if answers != self.answers:
                self.answers = answers
                log.warning("the vault answers again" if answers else "the vault does not answer")
            await asyncio.sleep(ASK_EVERY)

    async def _ask(self) -> bool:
        # A separate task, so that the wait can end: even giving up a connection to a hanging server may take too long.
        asking = asyncio.create_task(self._pool.fetchval("SELECT 1"))
        done, _ = await asyncio.wait({asking}, timeout=PATIENCE)
        if not done:
            asking.cancel()
            return False
        return not isinstance(asking.exception(), INTERRUPTED)
