"""An attacker looks for the one operation in which twice the request costs four times the work.

Measured in counted steps, which come out the same on every machine, and in processor time for the largest request,
since code in C counts as one step.
"""

from __future__ import annotations

from functools import partial
from itertools import zip_longest

import pytest

from services.operations.table import SERVICES
from tests.attacks.at_limits import BODY, Door, of_operation
from tests.attacks.counted import seconds, steps

SMALL = 6_000
GROWTH = 2.5
CONSTANT = 2_000
"""Steps that a request costs whatever its size."""
LONGEST = 0.25
"""Seconds for the largest request. The table of `make fuzz-cost` says 50 ms, on an otherwise idle machine."""
OPERATIONS = [(service, operation) for service, table in SERVICES.items() for operation in table]


@pytest.fixture(scope="module")
def door() -> Door:
    return Door()


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_twice_the_request_costs_twice_the_steps(service: str, operation: str, door: Door) -> None:
    """168 kB of names that differ only in case took 0.64 s; 30 kB of empty tags made 1.9 MB of faults."""
    for one, two in zip_longest(of_operation(service, operation, SMALL), of_operation(service, operation, 2 * SMALL)):
        assert one is not None
        assert two is not None
        assert one.how == two.how
        door.ask(one)  # compiles the validators
        small, large = steps(partial(door.ask, one)), steps(partial(door.ask, two))
        assert large <= GROWTH * small + CONSTANT, (one.how, small, large)


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_the_largest_request_is_refused_in_time(service: str, operation: str, door: Door) -> None:
    """Every other call of the worker waits for as long."""
    for each in of_operation(service, operation, BODY - 4_096):
        took = seconds(partial(door.ask, each), 1)
        if took > LONGEST:  # other work on the machine adds to it
            took = seconds(partial(door.ask, each), 5)
        assert took < LONGEST, (each.how, took)
