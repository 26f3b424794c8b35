"""What a user may do in a consumer group, asked while the group has no coordinator. A stand-in answers in the broker's place: real
brokers are in this state for a moment, and cannot be kept in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, NodeNotReadyError, UnknownError

from services.adapters import cluster_description
from services.adapters.access_lists import OPERATIONS
from services.adapters.cluster_description import may_in_group
from services.arrangement import KafkaOperation

READS = 1 << OPERATIONS[KafkaOperation.READ]
DENIED = 30
"""GROUP_AUTHORIZATION_FAILED (kafka.apache.org/protocol, error codes)."""


class CoordinatorStandIn:
    """`finds` and `describes`: the error codes, or faults, of the answers in turn; the last one stays."""

    def __init__(self, finds: list[int | Exception], describes: list[int | Exception]) -> None:
        self._finds, self._describes = finds, describes
        self.asked = 0

    async def _send_request(self, _request: object) -> Any:
        self.asked += 1
        return SimpleNamespace(error_code=_next(self._finds), coordinator_id=1)

    async def _send_request_to_node(self, _node: int, _request: object) -> Any:
        return SimpleNamespace(groups=[(_next(self._describes), "", "", "", "", [], READS)])


def _next(answers: list[int | Exception]) -> int:
    found = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(found, Exception):
        raise found
    return found


async def may(
    finds: list[int | Exception], describes: list[int | Exception]
) -> tuple[frozenset[KafkaOperation] | None, int]:
    broker = CoordinatorStandIn(finds, describes)
    return await may_in_group(cast("AIOKafkaAdminClient", broker), "keytrail.writer"), broker.asked


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_description, "BEFORE_RETRY", 0.0, raising=False)


@pytest.mark.parametrize("fault", [14, 15, 16])
async def test_a_coordinator_that_comes_a_moment_later_is_asked_again(fault: int) -> None:
    """Doctor took the whole of Kafka for away."""
    assert await may([fault, 0], [0]) == (frozenset({KafkaOperation.READ}), 2)
    assert await may([0], [fault, 0]) == (frozenset({KafkaOperation.READ}), 2)


@pytest.mark.parametrize(
    "fault", [GroupCoordinatorNotAvailableError.errno, TimeoutError(), NodeNotReadyError("its broker is away")]
)
async def test_where_no_coordinator_comes_the_rights_are_not_known(fault: int | Exception) -> None:
    assert await may([fault], [0]) == (None, 2)
    assert await may([0], [fault]) == (None, 2)


async def test_other_answers_are_what_they_were() -> None:
    assert await may([DENIED], [0]) == (frozenset(), 1)
    assert await may([0], [DENIED]) == (frozenset(), 1)
    with pytest.raises(UnknownError):
        await may([-1], [0])
