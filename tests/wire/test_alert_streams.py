"""Streams of alerts: how many one principal and one account keep open, and what they ask of the database together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from starlette.requests import ClientDisconnect

from domain.authorization.audience import Told
from domain.authorization.caller import Caller
from projections.alerts import queries
from projections.alerts.queries import AlertFilters
from projections.log.entry import ALERTS
from projections.log.schema import AskedLog
from services.audit_api.answers import LiveResponse
from services.audit_api.event_stream import Beat, Ended, Live
from services.audit_api.request import AuditRequest
from services.audit_api.resources import alert_stream
from services.audit_api.streams import FRESH, PLACES, Streams
from services.followers.lag import TopicEnds
from services.kms_api.errors import WireError
from tests.attacks.test_sessions import allow, following, user
from tests.given import ACCOUNT, OTHER
from tests.installation import Installation, eventually


def test_one_principal_leaves_streams_to_the_others_of_its_account(installation: Installation) -> None:
    """Gained: nobody else of the installation followed alerts, the operator's page of the console included."""
    greedy, other = (user(installation, f"follows-{uuid4().hex[:8]}", allow("keytrail:ReadAlerts")) for _ in range(2))

    def status(by: dict[str, str]) -> int:
        with following(installation, by) as stream:
            return stream.status

    with ExitStack() as opened:
        found = [opened.enter_context(following(installation, greedy)).status for _ in range(60)]
        assert set(found) == {200, 503}
        assert found.count(200) <= installation.workers * PLACES.of_principal
        assert status(other) == 200
    eventually(lambda: {status(greedy) for _ in range(8)} == {200})  # what it left is free again


def asking(account: str, name: str) -> AuditRequest:
    nobody = cast(Any, None)
    return AuditRequest(nobody, Caller(account, name, {}, name), nobody, b"", "alert_stream", "", "call")


async def no_alert() -> int:
    return -1


def streams() -> Streams:
    return Streams(lambda: False, no_alert)


def opened_by(found: Streams, account: str, principals: int, stack: ExitStack) -> int:
    """How many streams an account gets whose principals ask for ten each."""
    count = 0
    for number in range(principals * 10):
        with suppress(WireError):
            stack.enter_context(found.place(asking(account, f"principal-{number // 10}")))
            count += 1
    return count


def test_no_account_has_all_streams_of_a_worker() -> None:
    found = streams()
    with ExitStack() as stack:
        assert opened_by(found, ACCOUNT, 20, stack) == PLACES.of_account < PLACES.at_once
        assert opened_by(found, OTHER, 20, stack) == PLACES.at_once - PLACES.of_account
    with ExitStack() as stack:
        assert opened_by(found, OTHER, 20, stack) == PLACES.of_account


async def test_many_streams_look_at_the_projection_once() -> None:
    """Gained: of the connections that calls share, a thousand questions a second."""
    looks, answer = 0, asyncio.Event()

    async def look() -> int:
        nonlocal looks
        looks += 1
        await answer.wait()
        return 7

    found = Streams(lambda: False, look)
    asked = [asyncio.create_task(found.newest()) for _ in range(100)]
    await asyncio.sleep(0)
    asked[0].cancel()  # its reader leaves: the others wait for the same look
    answer.set()
    assert await asyncio.gather(*asked[1:]) == [7] * 99
    assert await found.newest() == 7
    assert looks == 1


async def test_a_look_that_failed_is_made_again() -> None:
    """The database is away, and comes back."""
    answers: Iterator[int | OSError] = iter([OSError("away"), 7])

    async def look() -> int:
        match next(answers):
            case OSError() as fault:
                raise fault
            case number:
                return number

    found = Streams(lambda: False, look)
    with pytest.raises(OSError, match="away"):
        await found.newest()
    await asyncio.sleep(2 * FRESH)
    assert await found.newest() == 7


async def test_a_client_who_left_before_the_first_event_leaves_no_place_behind() -> None:
    found = streams()

    async def events() -> AsyncIterator[Beat]:
        yield Beat(7)

    async def send(message: Any) -> None:
        raise OSError("the connection is gone")

    async def receive() -> Any:
        await asyncio.Event().wait()

    with ExitStack() as stack:
        place = ExitStack()
        place.enter_context(found.place(asking(ACCOUNT, "a")))
        response = LiveResponse(Live("alert", 7, events(), place.close))
        with pytest.raises(ClientDisconnect):
            await response({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)
        assert opened_by(found, ACCOUNT, 20, stack) == PLACES.of_account


class Followed:
    """A stream of alerts of a real database, whose filters leave out every alert. `newest` is what its worker found there."""

    def __init__(self, log: AskedLog, newest: int) -> None:
        self.newest = newest
        self._log = log

    def opened(self, number: int) -> AsyncIterator[tuple[int, Told] | Ended | Beat]:
        async def look() -> int:
            return self.newest

        async def still_may(request: AuditRequest) -> AuditRequest:
            return request

        audit: Any = SimpleNamespace(
            log=self._log,
            streams=Streams(lambda: False, look),
            permissions=SimpleNamespace(still_may=still_may),
            is_host=lambda request: True,
        )
        filters = AlertFilters([ACCOUNT, ""], rule="no-rule")
        return alert_stream._follow(audit, asking(ACCOUNT, "a"), filters, number)


async def test_a_stream_names_the_number_after_which_a_client_goes_on() -> None:
    """A client that had no id yet began at the end when it connected again, and missed what was raised while it was away.

    HTML standard, 9.2.6: an id without data is kept as the last event id, and makes no event.
    """

    async def events() -> AsyncIterator[Beat]:
        yield Beat(9)

    sent = [each async for each in Live("alert", 7, events(), lambda: None).bytes()]
    assert sent == [b": the alerts\nid: 7\n\n", b": nothing new\nid: 9\n\n"]


def test_a_client_hears_at_once_where_it_began(installation: Installation) -> None:
    reader = user(installation, f"begins-{uuid4().hex[:8]}", allow("keytrail:ReadAlerts"))
    installation.judged()
    with following(installation, reader) as stream:
        assert stream.readline() == b": the alerts\n"
        newest = installation.answers("alerts", "--suppressed", "--limit", "1")[0]["number"]
        assert f"id: {newest}\n".encode() == stream.readline()
        assert stream.readline() == b"\n"


async def test_a_beat_goes_past_alerts_that_a_filter_leaves_out(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number is that of an alert of the account: what others have does not show."""
    monkeypatch.setattr(alert_stream, "BEAT_EVERY", 0)
    installation.client().create_key()
    user(installation, f"raises-{uuid4().hex[:8]}", allow("kms:*"))  # its policy reaches every key
    installation.judged()
    async with installation.connected() as pool:
        log = AskedLog(pool)
        newest = await queries.newest(log)
        assert newest > 0
        found = Followed(log, newest + 3).opened(-1)  # three alerts of somebody else
        assert await anext(found) == Beat(newest)


def test_a_client_of_a_log_that_was_restored_begins_again(installation: Installation) -> None:
    """The restored log begins at 0, so nothing was sent until it had as many alerts as the former one: the beats went on."""
    installation.judged()
    done = installation.keytrail("alerts", "follow", "--after", "5000", "--limit", "1", "--suppressed", "--json")
    assert "This log has no alert 5000." in done.stderr
    assert json.loads(done.stdout)["number"] == 0


@pytest.mark.parametrize(("end", "ends"), [(3, True), (5001, False), (None, False)])
async def test_a_stream_ends_whose_log_has_its_number_no_more(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, end: int | None, ends: bool
) -> None:
    """While the projection is filled anew, or the broker says nothing, it stays: its client would be sent everything again."""

    async def topic_ends(audit: Any) -> TopicEnds:
        return {ALERTS: None if end is None else {0: end}}

    monkeypatch.setattr(alert_stream, "BEAT_EVERY", 0)
    monkeypatch.setattr(alert_stream, "topic_ends", topic_ends)
    async with installation.connected() as pool:
        found = await anext(Followed(AskedLog(pool), 2).opened(5000))
    match found:
        case Ended(code, _):
            assert ends
            assert code == "InvalidMarkerException"
        case _:
            assert not ends
            assert found == Beat(5000)
