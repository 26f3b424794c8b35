"""Key material that an API worker keeps in memory goes when the log says that it was destroyed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from domain.keys.key import Key
from domain.ports import Unavailable
from domain.state.fold import Fold
from services.adapters.tokens import Tokens
from services.api.__main__ import forgetting
from services.kms_api.live_state import LiveState
from services.kms_api.materials import HeldMaterials
from tests.given import key_id
from tests.keys import keyring, process_keys
from tests.logs import NOW, SECOND, Log, command, created
from tests.memory_log import MemoryTopic
from tests.simulation.vault import MemoryVault, VaultRows

BYTES = b"k" * 32


def imported(number: int, stored: str) -> bytes:
    """A command that imports the same material, which the vault has under this name."""
    made = {"key": key_id(), "expires": str(NOW + 3600 * SECOND), "material": "aa" * 32, "stored": stored}
    parameters = {"KeyId": key_id(), "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    return command(number, "ImportKeyMaterial", parameters, made | {"fingerprint": "f", "public_key": ""})


class Worker:
    """What an API worker does about material, over a log and a vault in memory."""

    def __init__(self) -> None:
        self.log, self.events = Log(), MemoryTopic()
        self.rows = VaultRows(Random(1))
        vault = MemoryVault(self.rows)
        fold = Fold.under(keyring())
        self.materials = HeldMaterials(vault, Tokens(keyring(), fold))
        self.live = LiveState(self.events, fold, process_keys(), 5.0, forgetting(fold.world, self.materials))

    @property
    def key(self) -> Key:
        return self.live.world.keys[key_id()]

    def put(self, stored: str) -> None:
        self.rows.materials[stored] = (key_id(), BYTES, 0.0)

    async def told(self, value: bytes) -> None:
        """The writer answers a command, and this worker folds its record."""
        self.log.answer(value)
        for each in self.log.values[len(self.events.values) :]:
            await self.events.append(each)
        await self.live.barrier()

    async def secret(self) -> bytes:
        return await self.materials.secret(self.key, self.key.current)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    found = Worker()
    tasks = [asyncio.create_task(found.live.follow()), asyncio.create_task(found.live.keep_asking())]
    yield found
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_material_that_was_imported_again_is_not_kept_under_its_old_name(worker: Worker) -> None:
    """DeleteImportedKeyMaterial destroys the bytes that were imported last, and the same bytes would still be in memory."""
    made = {"key": key_id(), "material": "", "fingerprint": "", "public_key": ""}
    await worker.told(command(1, "CreateKey", {"Origin": "EXTERNAL"}, made))
    worker.put("first")
    await worker.told(imported(2, "first"))
    first = worker.key
    assert await worker.secret() == BYTES
    worker.put("second")
    await worker.told(imported(3, "second"))
    assert await worker.secret() == BYTES
    await worker.told(command(4, "DeleteImportedKeyMaterial", {"KeyId": key_id()}))
    worker.rows.materials.clear()
    for material in (first.current, first.current.__class__(first.current.id, "second", "f")):
        with pytest.raises(Unavailable):
            await worker.materials.secret(first, material)


async def test_material_that_is_destroyed_while_the_vault_is_asked_is_not_kept(worker: Worker) -> None:
    """The vault still gave it to a Decrypt that was allowed before. The next call must not find it in memory."""
    await worker.told(created(1, 1))
    key = worker.key
    worker.put(key.current.stored)
    asked = asyncio.create_task(worker.secret())
    await asyncio.sleep(0)  # the vault is asked, and answers in a millisecond
    worker.materials.forget([key.current.stored])
    assert await asked == BYTES
    worker.rows.materials.clear()
    with pytest.raises(Unavailable):
        await worker.secret()


async def test_material_is_read_once(worker: Worker) -> None:
    await worker.told(created(1, 1))
    worker.put(worker.key.current.stored)
    assert await worker.secret() == BYTES
    worker.rows.materials.clear()
    worker.materials.forget(["another"])
    assert await worker.secret() == BYTES
