"""The writer's step: each command is answered once, even if it is sent again, late, or unreadable."""

from __future__ import annotations

import json

import pytest

from domain.log.authenticity import KeyMissing
from domain.log.codec import parse, record_from
from domain.log.command import CLOCKS_APART
from domain.log.own_commands import RETIRE_KEY, ROTATE_KEY
from domain.log.record import Record
from domain.state.recent_calls import REPEAT_WINDOW
from services.writer.step import GOOD_ONCE
from tests.given import key_id
from tests.logs import SECOND, Log, a_log, command, created, own


def record(value: bytes | None) -> Record:
    assert value is not None
    document = parse(value)
    assert document is not None
    return record_from(document)


def error(value: bytes | None) -> str:
    decision = record(value).decision
    assert decision is not None
    assert decision.error is not None
    return str(decision.error["kind"])


def test_a_command_that_is_sent_twice_is_answered_once() -> None:
    log = Log()
    assert log.answer(created(1, 1)) is not None
    assert log.answer(created(1, 1)) is None
    log.take_over("writer-b")
    assert log.answer(created(1, 1)) is None, "the next writer knows it too: the log says so"


def test_a_clients_retry_is_one_call_and_gets_the_first_answer() -> None:
    log = Log()
    first = record(log.answer(command(1, "CreateKey", {}, _made(1), invocation="same")))
    again = record(log.answer(command(2, "CreateKey", {}, _made(2), invocation="same")))
    assert again.event is None
    assert again.repeats is not None
    assert again.repeats.position == len(log.values) - 2
    assert first.decision is not None
    assert again.repeats.resource == first.decision.resources[0]
    assert set(log.fold().world.keys) == {key_id(1)}


def test_a_refused_call_that_is_repeated_is_refused_again_in_the_same_words() -> None:
    log = Log()
    log.answer(command(1, "EnableKey", {"KeyId": "nope"}, invocation="same"))
    again = record(log.answer(command(2, "EnableKey", {"KeyId": "nope"}, invocation="same")))
    assert again.repeats is not None
    assert again.decision is not None
    assert again.decision.effect == "refused"


def test_a_retry_is_forgotten_after_ten_minutes() -> None:
    log = Log()
    log.answer(command(1, "CreateKey", {}, _made(1), invocation="same"))
    log.now += REPEAT_WINDOW
    log.answer(created(2, 2))
    assert record(log.answer(command(3, "CreateKey", {}, _made(3), invocation="same"))).event is not None


def test_a_command_past_its_deadline_has_no_effect_and_may_be_tried_again() -> None:
    log = Log()
    late = command(1, "CreateKey", {}, _made(1), invocation="same", not_after=log.now - CLOCKS_APART)
    assert error(log.answer(late)) == "command-expired"
    assert record(log.answer(command(2, "CreateKey", {}, _made(2), invocation="same"))).event is not None


@pytest.mark.parametrize("operation", sorted(GOOD_ONCE))
def test_a_code_is_not_used_up_by_a_command_that_nobody_waits_for(operation: str) -> None:
    log = Log()
    assert error(log.answer(command(1, operation, {}, not_after=log.now - 1))) == "command-expired"


def test_a_writer_whose_clock_is_ahead_refuses_nothing() -> None:
    log = Log()
    sent = log.now - 90 * SECOND
    made = command(1, "CreateKey", {}, _made(1), not_after=sent + 10 * SECOND)
    assert record(log.answer(made)).event is not None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"call":{}}',
        b"\xff",
        b'{"call":null,"made":{},"not_after":0}',
        b" " * 1_100_000,
        command(1, "NoSuchOperation", {}),
        command(1, "Encrypt", {}),
        command(1, "CreateKey", {}),
        command(1, "PutKeyPolicy", {"KeyId": 5, "Policy": []}),
        b'{"call":{"id":"a"},"made":{},"not_after":1e999}',
        created(1, 1).replace(b'"not_after":', b'"not_after":1e999,"x":'),
        created(1, 1).replace(b'"not_after":', b'"not_after":true,"x":'),
        created(1, 1).replace(b'"made":{', b'"made":{"x":[],'),
        b"[" * 1_100 + b"]" * 1_100,
        b'{"a":' * 1_100 + b"1" + b"}" * 1_100,
        b"[" * 201 + b'"' + b'\\"' * 400_000,  # a text without an end took hours to read
    ],
)
def test_a_command_that_cannot_be_decided_gets_a_small_refusal_and_never_stops_the_next(value: bytes) -> None:
    log = Log()
    answered = log.answer(value)
    assert error(answered) == "command-unreadable"
    assert answered is not None
    assert len(answered) < 1000
    assert record(answered).next_command == 1
    assert record(log.answer(created(2, 1))).event is not None


def test_time_never_runs_backwards_on_the_log() -> None:
    log = Log()
    log.answer(created(1, 1))
    log.now -= 3_600_000_000
    log.answer(created(2, 2))
    times = [json.loads(value)["at"] for value in log.values]
    assert times == sorted(times)


def test_every_reader_computes_the_same_world_whatever_voids_stand_between() -> None:
    log = a_log()
    fold = log.fold()
    assert fold.voids == 1
    without = [value for offset, value in log.numbered() if offset != 9]
    assert fold.world.keys[key_id(2)].state.value == "Disabled"
    assert len(without) == len(log.values) - 1


def _made(number: int) -> dict[str, str]:
    return {"key": key_id(number), "material": f"{number:064x}", "fingerprint": f"{number:064x}", "public_key": ""}


def test_the_key_of_records_only_goes_forward_whatever_two_rotations_ask_for() -> None:
    """Given two keys that two rotations made, the log goes on under the newer one alone: many processes seal under it already. A
    retirement that one of them asks for leaves the key in force, and whatever comes after it."""
    log = Log()
    log.keys.renew([b"1" * 32, b"2" * 32, b"3" * 32])
    first, one, two, three = log.keys.names()
    asked = [
        (ROTATE_KEY, two, True),
        (ROTATE_KEY, one, False),
        (ROTATE_KEY, two, True),  # again by whoever lost the answer
        (RETIRE_KEY, two, False),
        (RETIRE_KEY, three, False),
        (RETIRE_KEY, first, True),
        (RETIRE_KEY, one, True),
        (ROTATE_KEY, first, False),
        (ROTATE_KEY, three, True),
        (RETIRE_KEY, two, True),
    ]
    for operation, key, wanted in asked:
        made = record(log.answer(own(log, operation, authentication_key=key, before={})))
        assert (made.event is not None) == wanted, (operation, key)
    authority = log.fold().chain.authority
    assert (authority.key, set(authority.retired)) == (three, {"", first, one, two})


def test_a_retirement_of_a_key_that_is_not_read_yet_waits_until_it_is() -> None:
    log = Log()
    asked = own(log, RETIRE_KEY, authentication_key="f" * 16, before={})
    with pytest.raises(KeyMissing):
        log.answer(asked)
