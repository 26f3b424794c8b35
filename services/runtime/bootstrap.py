"""The one place where processes get their parts: settings in, adapters out."""

from __future__ import annotations

import os
from dataclasses import dataclass

from services.adapters import (
    level_mark,
    master_key,
    pins,
    postgres_hosts,
    restore_mark,
    services_file,
    snapshots,
    topics,
)
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.master_key import FileMasterKey, MasterKeyRefused
from services.adapters.postgres import Pool, connect
from services.adapters.vault import Vault
from services.inherited import BUNDLED_KAFKA
from services.settings import BadSetting, Settings


@dataclass(frozen=True, slots=True)
class PreparedProcess:
    """What every process needs: the number of partitions of `decisions`, the vault, and the keys of its records."""

    partitions: int
    vault: Vault
    keys: VaultKeyring


async def open_pool(settings: Settings, *, size: int = 4, patience: float = 60.0) -> Pool:
    """`patience`: seconds that a statement may take. Raises Unavailable."""
    return await connect(settings, size=size, patience=patience)


def open_vault(settings: Settings, pool: Pool) -> Vault:
    """Raises MasterKeyRefused."""
    return Vault(pool, FileMasterKey(settings.master_key_path))


async def prepare(settings: Settings, pool: Pool, *, make_master_key: bool = False) -> PreparedProcess:
    """Make topics, vault, snapshots and the root secret if they are missing, and check them if they exist.

    Every process does this at its start: on several machines no supervisor did it before. Raises LogRefused, MasterKeyRefused,
    BadSetting, Unavailable.
    """
    await postgres_hosts.require_safe(settings)
    # Before anything is made that would have to be removed before the next restore.
    await restore_mark.require_none(settings, pool)
    partitions = await topics.prepare(settings, flush=BUNDLED_KAFKA in os.environ)
    await snapshots.prepare(pool)
    if not settings.master_key_path.exists() and make_master_key:
        if await Vault.is_sealed(pool):
            raise MasterKeyRefused(
                f"There is no master key at {settings.master_key_path}, and the vault is sealed with one. "
                "Put it back, or say where it is in KEYTRAIL_MASTER_KEY_FILE."
            )
        master_key.make(settings.master_key_path)
    vault = open_vault(settings, pool)
    await vault.prepare(lambda: pins.why_not_new(settings))
    keys = await open_keyring(vault)
    await pins.require(settings, vault, keys)
    await level_mark.require_known(settings, pool, keys)
    if not settings.root_access_key_id:
        raise BadSetting(
            "KEYTRAIL_ROOT_ACCESS_KEY_ID and KEYTRAIL_ROOT_SECRET_ACCESS_KEY are not set: `keytrail up` makes them, "
            "processes that are started one by one are given them."
        )
    named = [("KEYTRAIL_ROOT_SECRET_ACCESS_KEY", settings.root_access_key_id, settings.root_secret_access_key)]
    for each in services_file.load(settings):
        setting = f"KEYTRAIL_SERVICES_FILE: [{each.registered.service}]"
        named.append((setting, each.registered.access_key, each.secret))
    for setting, access_key, secret in named:
        kept = await vault.secret(access_key)
        if kept is None:
            await vault.put_secret(access_key, secret)
        elif kept != secret:
            # It may be the one that was replaced because it leaked, on a machine where nobody changed the file. And API workers
            # that know the former one would go on taking it.
            raise BadSetting(
                f"{setting} has another secret of {access_key} than the vault. A new secret takes a new access key: "
                "`keytrail root-credential rotate` makes one of the root user; of a service, change access_key_id too."
            )
    return PreparedProcess(partitions, vault, keys)
