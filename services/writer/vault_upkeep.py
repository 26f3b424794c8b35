"""What the leader does to the vault: it removes material that was destroyed or never used, makes what rotations need, and says
what is missing.

Material is removed only after the record that destroys it was read back as valid: `destroy` is called only with the
material of such records. If the process is killed in between, the world remembers that material for two hours, and the
sweep removes it after that.

While a restore's hold on what is due stands (services/adapters/due_hold.py), the sweep removes nothing, and only looks.

What nothing refers to is removed only after a further record was read back. A leader that has lost the brokers, and not the
database, does not learn that another one leads: to its world, all keys that were made since then refer to nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Set
from contextlib import suppress

from domain.crypto.material import NewMaterial, generate
from domain.crypto.specs import SPECS, SYMMETRIC_DEFAULT
from domain.identities.passwords import NOBODYS_ROW
from domain.ports import Unavailable
from domain.state.world import World
from services.adapters.vault import Vault
from services.clock import lasting
from services.logs import logger_of

log = logger_of("writer")

SWEEP_EVERY = 600.0
TellMissing = Callable[[str, set[str], list[str]], Awaitable[bool]]
RETRY_AFTER = 1.0
Leads = Callable[[], Awaitable[None]]
"""Returns once it is certain that this writer leads, and that its world has every record up to now."""
HoldStands = Callable[[str], Awaitable[bool]]


async def _never(_: str) -> bool:
    return False


class VaultUpkeep:
    """Lasts for one term of leadership. `tell_missing` is called with the log's id, the missing materials and the ARNs of their
    keys. `hold_stands` is called with the log's id."""

    def __init__(self, vault: Vault, tell_missing: TellMissing, hold_stands: HoldStands = _never) -> None:
        self._vault = vault
        self._tell_missing = tell_missing
        self._hold_stands = hold_stands
        self._released = False
        self._told_of_hold: float | None = None
        self._doomed: set[str] = set()
        self._wake = asyncio.Event()

    async def is_held(self, log_id: str) -> bool:
        """Whether a restore's hold keeps this log's material from being destroyed. A hold that is lifted stays so: only a restore
        puts one, and no writer runs then. Raises Unavailable."""
        if self._released:
            return False
        if not await self._hold_stands(log_id):
            self._released = True
            return False
        if self._told_of_hold is None or lasting() - self._told_of_hold >= SWEEP_EVERY:
            self._told_of_hold = lasting()
            log.warning("deletions and expiries are held since a restore", mend="keytrail release-due")
        return True

    def destroy(self, materials: Iterable[str]) -> None:
        """Has this material removed now, and tries again until it succeeds."""
        self._doomed.update(materials)
        if self._doomed:
            self._wake.set()

    async def new_material(self, key: str) -> NewMaterial:
        """New material, sealed and in the vault. Raises Unavailable."""
        new = generate(SPECS[SYMMETRIC_DEFAULT])
        await self._vault.put_material(key, new.id, new.secret)
        return new

    async def destroying(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            wanted = sorted(self._doomed)
            try:
                removed = await self._vault.destroy(wanted)
            except Unavailable:
                await asyncio.sleep(RETRY_AFTER)
                self._wake.set()
                continue
            self._doomed.difference_update(wanted)
            log.info("material destroyed", asked=len(wanted), removed=removed)

    async def sweeping(self, world: World, leads: Leads) -> None:
        while True:
            with suppress(Unavailable):
                await self.sweep(world, leads)
            await asyncio.sleep(SWEEP_EVERY)

    async def sweep(self, world: World, leads: Leads) -> None:
        """Look for what the vault lacks, and remove what no event refers to: the command was refused or never came, or the access
        key or MFA device was deleted. `world` may be ahead of what was read back, so recently destroyed material is left to
        `destroy`. Raises Unavailable."""
        referred = set(world.materials)
        held, secrets = await self._vault.materials(), await self._vault.old_secrets()
        old = [name for name, is_old in held.items() if is_old]
        if await self.is_held(world.log):
            old, secrets = [], set()
        missing = referred - held.keys()
        if not (missing or _unused(world, old) or secrets - _named_secrets(world)):
            return
        await leads()
        await self._find_missing(world, missing)
        if (unused := _unused(world, old)) and (removed := await self._vault.destroy(unused)):
            log.info("unreferenced material removed from the vault", count=removed)
        if (gone := sorted(secrets - _named_secrets(world))) and (removed := await self._vault.remove_secrets(gone)):
            log.info("unreferenced secrets removed from the vault", count=removed)

    async def _find_missing(self, world: World, missing: set[str]) -> None:
        """`missing`: what was referred to when the vault was asked, and is not there. A row is in the vault before its event is
        on the log, and leaves it after the event that destroys it."""
        lacking = missing & world.materials
        if lacking:
            keys = [key.arn for key in world.all_keys() if any(each.stored in lacking for each in key.materials)]
            log.error("the vault lacks key material", materials=len(lacking), keys=keys[:10])
            await self._tell_missing(world.log, lacking, sorted(keys))


def _unused(world: World, materials: Iterable[str]) -> list[str]:
    return [name for name in materials if name not in world.materials and name not in world.destroyed]


def _named_secrets(world: World) -> Set[str]:
    return {*world.secrets, NOBODYS_ROW}
