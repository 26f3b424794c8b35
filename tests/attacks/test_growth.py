"""An attacker looks for the one operation in which twice the request costs four times the work.

Measured in counted steps, which come out the same on every machine, and in processor time for the largest request,
since code in C counts as one step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import zip_longest

import pytest

from domain.log.identity_events import GroupCreated, MemberAdded, UserCreated
from services.operations.iam_history import Job, accessed_by
from services.operations.rows import Accessed, Request
from services.operations.table import SERVICES
from tests.attacks.at_limits import BODY, Door, of_operation
from tests.attacks.counted import seconds, steps
from tests.given import ACCOUNT, ROOT, given

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


class _Used:
    """What the projections say: each identity that is asked for called thirty operations."""

    async def accesses(self, account: str, identities: Iterable[str], since: int) -> Sequence[Accessed]:
        return [Accessed("kms", f"Operation{each}", identity, each) for identity in identities for each in range(30)]


@pytest.mark.parametrize("page", [10, 1000])
def test_twice_the_members_of_a_group_cost_twice_the_steps(page: int) -> None:
    """What five hundred users used took 0.7 s a page: all calls were read once for each of them, while every other call waited."""

    def of_members(count: int) -> Callable[[], object]:
        group, users = "AGPA" + "G" * 17, [f"AIDA{number:017}" for number in range(count)]
        world = given(
            GroupCreated(ACCOUNT, group, "all", "/"),
            *(UserCreated(ACCOUNT, user, f"user{number}", "/", {}, "") for number, user in enumerate(users)),
            *(MemberAdded(ACCOUNT, group, user) for user in users),
        ).world
        job = Job(group, 1, by_action=False).name()
        asked = {"JobId": job, "ServiceNamespace": "kms", "MaxItems": page}
        request = Request("GetServiceLastAccessedDetailsWithEntities", asked, ROOT)
        return lambda: asyncio.run(accessed_by(request, world, _Used()))  # type: ignore[arg-type]  # asked nothing else

    small, large = steps(of_members(200)), steps(of_members(400))
    assert large <= GROWTH * small
