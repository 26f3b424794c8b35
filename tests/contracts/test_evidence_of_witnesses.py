"""Between which checkpoints a package of evidence lies where witnesses came later than the log: in a real Postgres and folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.transparency.notes import SignedNote, VerifierKey
from domain.transparency.policies import NO_WITNESSES, WitnessPolicy, witness_policy
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.adapters.tile_folder import TileFolder
from services.evidence.package_trees import PackageHeads
from services.evidence.proofs import ProofMaker
from services.notary import kept_heads, leaf_rows
from services.notary.cosigning import COSIGNED
from services.notary.publisher import CHECKPOINT, KEY
from services.settings import Settings
from tests.domain.test_transparency_tree import StoredTree
from tests.domain.test_witnessing import AT, LOG, SIGNER, head
from tests.installation import Installation

POLICY = witness_policy(f"witness W {SIGNER.verifier.text} https://w.example/\nquorum W\n")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SIZES = {100: NOON, 200: NOON + HOUR, 300: NOON + 2 * HOUR, 400: NOON + 3 * HOUR, 500: NOON + 4 * HOUR}
"""Checkpoints, and when they were kept. The witness cosigned those from 300 leaves on."""


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    async with installation.connected() as found:
        await leaf_rows.prepare(found)
        await kept_heads.prepare(found)
        for size, at in SIZES.items():
            await found.execute("INSERT INTO transparency.heads VALUES ($1, $2, $3)", size, at, str(note(size)))
        yield found
        await found.execute("DELETE FROM transparency.heads")


def note(size: int) -> SignedNote:
    signed = head(size).signed_by(LOG)
    return signed.beside([SIGNER.cosigned(signed.text, AT)]) if size >= 300 else signed


async def between(
    pool: Pool, keys: VaultKeyring, folder: Path, span: tuple[datetime, datetime], policy: WitnessPolicy
) -> tuple[int, int]:
    """The sizes of the two trees of a package about a span."""
    store = TileFolder(folder)
    await store.create_all([(name.path, tile) for name, tile in StoredTree(*SIZES).tiles.items()])
    for path, content in ((CHECKPOINT, note(500)), (COSIGNED, note(500)), (KEY, LOG.verifier.text)):
        await store.replace(path, str(content).encode(), None)

    async def log_keys() -> Sequence[VerifierKey]:
        return [LOG.verifier]

    proofs = ProofMaker(Settings(), pool, keys, store, log_keys, policy)
    after, before = await PackageHeads(proofs).between([], *span)
    await proofs.close()
    return before.size if before is not None else 0, after.head.size


async def test_a_package_about_a_time_before_the_witnesses_ends_with_what_they_cosigned(
    pool: Pool, keys: VaultKeyring, tmp_path: Path
) -> None:
    """Otherwise it does not hold for whoever trusts a witness, though every record in it stands in a tree that was cosigned."""
    span = NOON + HOUR / 2, NOON + 3 * HOUR / 4
    assert await between(pool, keys, tmp_path, span, POLICY) == (100, 300)


async def test_without_witnesses_it_ends_with_the_first_checkpoint_after_its_span(
    pool: Pool, keys: VaultKeyring, tmp_path: Path
) -> None:
    span = NOON + HOUR / 2, NOON + 3 * HOUR / 4
    assert await between(pool, keys, tmp_path, span, NO_WITNESSES) == (100, 200)
