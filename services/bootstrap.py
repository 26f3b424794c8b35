"""Where parts are joined, and the only place: settings in, adapters out."""

from __future__ import annotations

from services.adapters import master_key
from services.adapters.postgres import Pool, connect
from services.adapters.vault import Vault
from services.settings import Settings


async def open_pool(settings: Settings, *, size: int = 4) -> Pool:
    """Raises Unavailable."""
    return await connect(settings, size=size)


def open_vault(settings: Settings, pool: Pool) -> Vault:
    """Raises MasterKeyRefused."""
    return Vault(pool, master_key.load(settings.master_key_path))
