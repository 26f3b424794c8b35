"""The store of the transparency log that the settings name: a folder or a bucket."""

from __future__ import annotations

from domain.ports import TileStore
from services.adapters.tile_bucket import BucketAddress, TileBucket
from services.adapters.tile_folder import TileFolder
from services.setting_forms import TREE_BUCKET
from services.settings import BadSetting, Settings


def tile_store(settings: Settings) -> TileStore:
    named = TREE_BUCKET.fullmatch(settings.tree)
    if named is None:
        return TileFolder(settings.tree_path)
    address = BucketAddress(
        named["bucket"],
        (named["prefix"] or "").strip("/"),
        settings.tree_endpoint,
        settings.tree_region or settings.region,
        settings.tree_access_key_id,
        settings.tree_secret_access_key,
    )
    return TileBucket(address)


async def require_conditions(store: TileStore) -> None:
    """That a bucket's server heeds conditional writes: on others, two notaries could take back each other's checkpoint. Raises
    BadSetting, Unavailable."""
    if isinstance(store, TileBucket) and not await store.heeds_conditions():
        raise BadSetting(
            "KEYTRAIL_TREE: the bucket's server passes over If-None-Match or If-Match, which S3 has and the transparency log "
            "needs. Use another server, or a folder."
        )
