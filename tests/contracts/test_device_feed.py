"""What one batch for an audit device may be."""

from __future__ import annotations

import asyncio

import pytest

from services.adapters import topics
from services.adapters.keyring import VaultKeyring
from services.adapters.record_topics import AT_ONCE
from services.audit_devices import feed
from services.projector.worker import chain_now
from tests.installation import Installation

PATIENCE = 40.0


async def test_large_records_make_small_batches(
    installation: Installation, keys: VaultKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record has up to a megabyte, and compresses well: 2,000 of them would take more memory than the process may have."""
    monkeypatch.setattr(feed, "BATCH_BYTES", 20_000)
    kms = installation.client()
    context = {f"{number}": "x" * 100 for number in range(60)}
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    settings = installation.settings
    async with installation.connected() as pool:
        now = await chain_now(settings, pool, keys)
        start = await feed.start_now(settings, now)
        made = set()
        for _ in range(100):
            answer = await asyncio.to_thread(kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext=context)
            made.add(answer["ResponseMetadata"]["RequestId"])
        reading = feed.DeviceFeed(settings, await topics.prepare(settings, flush=False), keys)
        await reading.open(start.reached, now)
        try:
            async with asyncio.timeout(PATIENCE):
                while made:
                    batch = await reading.next()
                    assert batch.passed <= AT_ONCE
                    made -= {each.item.get("call_id") for each in batch.records}
        finally:
            await reading.close()
