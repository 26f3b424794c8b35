"""A snapshot plus the later records is the full fold. A snapshot that does not fit the log is not used (see
contracts)."""

from __future__ import annotations

import pytest

from domain.state.fold import Fold
from services.adapters import snapshots
from services.adapters.directory_snapshot import directory_document
from tests.logs import a_log


def plain(fold: Fold) -> dict[str, object]:
    """Everything that a fold knows, in a form that can be compared. Compiled policies are functions of their text."""
    world = fold.world
    rest = {name: getattr(world, name) for name in world.__slots__ if name not in ("directory", "resources")}
    rest["directory"] = directory_document(world.directory)
    return rest | {"chain": fold.chain, "next": fold.next, "voids": fold.voids}


@pytest.mark.parametrize("at", range(1, len(a_log().values)))
def test_a_snapshot_and_the_tail_equal_the_full_fold(at: int) -> None:
    log = a_log()
    until = Fold.under(log.keys)
    for offset, value in log.numbered()[:at]:
        until.take(offset, value)
    restored = snapshots.decode(snapshots.encode(until), until.chain.position, until.chain.head, log.keys)
    assert plain(restored) == plain(until)
    for offset, value in log.numbered()[at:]:
        restored.take(offset, value)
    assert plain(restored) == plain(log.fold())
