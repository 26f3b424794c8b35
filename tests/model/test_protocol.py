"""The log's protocol holds in every reachable state of the model, and the model detects a protocol that does not
hold."""

from __future__ import annotations

import pytest

from tests.model.protocol import FENCE, Bounds, Model, Record, Violation

SMALL = {
    "two writers, a lost, a late and a duplicated append": Bounds(2, (1, 2)),
    "two writers, a command sent twice": Bounds(2, (1, 1), losses=1, duplicates=0),
    "two writers, a cut tail": Bounds(2, (1,), losses=0, duplicates=0, cuts=1),
    "three writers": Bounds(3, (1,), window=1, losses=1, duplicates=0),
}
FULL = {
    "two writers, three commands, one sent twice, everything at once": Bounds(2, (1, 2, 1), losses=1, duplicates=1),
    "two writers, a cut tail, losses and duplicates": Bounds(2, (1, 2), losses=1, duplicates=1, cuts=1),
    "three writers, two commands": Bounds(3, (1, 2), window=1, losses=1, duplicates=0),
}


@pytest.mark.parametrize("bounds", SMALL.values(), ids=SMALL.keys())
def test_no_reachable_state_breaks_a_property(bounds: Bounds) -> None:
    states = Model(bounds).explore()
    assert states > 1_000, "bounds that reach so little prove nothing"


@pytest.mark.soak
@pytest.mark.parametrize("bounds", FULL.values(), ids=FULL.keys())
def test_no_reachable_state_breaks_a_property_in_wider_bounds(bounds: Bounds) -> None:
    states = Model(bounds).explore()
    assert states > 10_000


class EpochFencing(Model):
    """The rejected alternative: a record is valid if its writer was the last to fence, whatever it was decided on."""

    def is_valid(self, record: Record, head: int, in_force: int) -> bool:
        return record.command == FENCE or record.writer == in_force


class NoRule(Model):
    """Every record that lands counts."""

    def is_valid(self, record: Record, head: int, in_force: int) -> bool:
        return True


@pytest.mark.parametrize("rule", [EpochFencing, NoRule])
def test_the_model_finds_the_faults_of_other_rules(rule: type[Model]) -> None:
    """Fencing by epoch fails when a batch is lost and a later one lands (and when a late batch meets its own epoch)."""
    with pytest.raises(Violation):
        rule(Bounds(2, (1, 2))).explore()
