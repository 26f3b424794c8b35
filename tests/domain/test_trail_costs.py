"""What an import costs grows with what it reads, whatever somebody wrote into a file. Steps are counted, not seconds."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, cast

import pytest

from domain.cloudtrail.judge import EXPLAINED, OPEN, OTHER_ERROR
from domain.cloudtrail.order import MOST_LOOKS, ordered
from domain.cloudtrail.slots import before
from domain.cloudtrail.steps import step_of
from services.trails.documents import SEARCHES, Stream, records_in
from services.trails.judged_calls import Explained
from services.trails.seconds import MOST_JUDGED, JudgedSeconds
from services.trails.unpack_budget import UnpackBudget
from services.trails.wrappers import FoundRecord
from tests.attacks.counted import calls
from tests.domain.test_cloudtrail import fold, reading
from tests.domain.test_trail_documents import RECORDS, in_pieces, read
from tests.domain.test_trail_order import MANAGED, POLICY, TRUST, USE, T, at_nine, iam, named
from tests.e2e.test_history import allow
from tests.e2e.test_trails import A, created, put

# -- documents without an end ------------------------------------------------------------------------------------------------

LINES = {
    "a bracket a line": b"{\n",
    "a list a line": b"[\n",
    "an object in each other": b'{"a":{\n',
    "records without an end": b'{"Records":[\n',
    "records that end, in an object that does not": b'{"Records":[]\n',
    "a string without an end": b'{"a\n',
    "records that were cut": b'{"eventVersion":"1.08","resources":[{"ARN":"a"},{"AR\n',
    "broken elements": b"[{a},\n",
    "records that end, one line of them": b'{"Records":[]',
    "records that end, before a name": b'{"Records":[]"a"',
    "records that end with another bracket": b'{"Records":[1}',
}


@pytest.mark.parametrize("form", LINES)
def test_lines_without_an_end_are_read_in_a_time_that_grows_with_them(form: str) -> None:
    def cost(count: int) -> int:
        return calls(lambda: read(LINES[form] * count))

    assert cost(800) < 2.2 * cost(400)


def test_objects_that_end_but_are_not_json_are_searched_no_oftener() -> None:
    def cost(count: int) -> int:
        return calls(lambda: read(b"{\n" * count + b"}\n" * count))

    assert cost(800) < 2.2 * cost(400)


@pytest.mark.parametrize(
    "broken",
    [*(each for each in LINES.values() if each.endswith(b"\n")), b"{\n\n", b'["{\n', b'{"Records":[]' * 6 + b"\n"],
)
def test_records_between_documents_without_an_end_are_found(broken: bytes) -> None:
    """As many of them stand before each record as switch the search to one up to the next document. How the file comes in
    pieces changes nothing."""
    document = b'{\n  "Records": [\n    %b,\n    %b\n  ]\n}\n' % (RECORDS[1], RECORDS[2])
    text = (
        broken * (SEARCHES + 3)
        + RECORDS[0]
        + b"\n"
        + broken
        + document
        + broken * 2
        + b"[%b,%b]\n" % tuple(RECORDS[3:5])
    )
    found = read(text)

    def told(found: list[FoundRecord]) -> list[tuple[bytes, str, str]]:
        return [(each.raw, each.reason, each.place) for each in found]

    assert [each.raw for each in found if not each.reason] == RECORDS[:5]
    for size in (1, 7, 100):
        assert told(list(records_in(Stream(in_pieces(text, [size]), UnpackBudget(len(text)), 1, 30), "file"))) == told(
            found
        )
    assert told(list(records_in(Stream(io.BytesIO(text).read, UnpackBudget(len(text)), 1), "file"))) == told(found)


def test_a_document_that_begins_amid_a_line_is_found_behind_one_that_was_cut() -> None:
    found = read(b'{"Records":[%b]{"Records":[%b]}' % tuple(RECORDS[:2]))
    assert [each.raw for each in found if not each.reason] == RECORDS[:2]


# -- the changes of one second -------------------------------------------------------------------------------------------------


def put_on_one_key(count: int) -> list[dict[str, Any]]:
    return [put(1, T, allow(f"arn:aws:iam::{A}:root", "kms:*", Sid=f"S{number}")) for number in range(count)]


def tagged_roles(count: int) -> list[dict[str, Any]]:
    """All of them depend on one another, by their boundary."""
    made = [
        iam("CreateRole", roleName=f"r{n}", assumeRolePolicyDocument=TRUST, permissionsBoundary=MANAGED)
        for n in range(count)
    ]
    return [POLICY, *made, *(iam("TagRole", roleName=f"r{n}", tags=[{"key": "a", "value": "b"}]) for n in range(count))]


@pytest.mark.parametrize("second", [put_on_one_key, tagged_roles])
def test_a_second_is_ordered_in_a_time_that_grows_with_its_changes(
    second: Callable[[int], list[dict[str, Any]]],
) -> None:
    def cost(count: int) -> int:
        made = [step_of(reading(each)) for each in second(count)]
        world = fold(at_nine(created(1, T)))
        return calls(lambda: ordered(made, lambda slot: before(slot, world)))

    assert cost(400) < 2.4 * cost(200)


@pytest.mark.parametrize("count", [25, 100, 1_000])
def test_a_second_whose_orders_are_too_many_keeps_the_usual_one_and_says_so(count: int) -> None:
    """The role was there, so none of the orders is allowed, and there are more than can be tried."""
    role = iam("CreateRole", roleName="r", assumeRolePolicyDocument=TRUST)
    put_there = [iam("PutRolePolicy", roleName="r", policyName=f"p{n:04d}", policyDocument=USE) for n in range(count)]
    second = named([*put_there, role], tuple(range(count + 1)))
    aside = iam("CreateUser", userName="u") | {"eventID": "z"}
    joins = iam("CreateAccessKey", userName="u", response={"accessKey": {"accessKeyId": "AKIA1"}}) | {"eventID": "a"}
    world = fold(at_nine(role))
    made = [step_of(reading(each)) for each in (*second, joins, aside)]
    found = ordered(made, lambda slot: before(slot, world))
    usual = [each.id for each in sorted(made, key=lambda each: (each.rank, each.id))]
    assert ([each for each in found.ids if each not in "az"], found.only) == (
        [each for each in usual if each not in "az"],
        False,
    )
    assert (set(found.untried), found.unfit, found.open) == ({each["eventID"] for each in second}, [], [])
    # What does not depend on them is ordered all the same.
    assert found.ids.index("z") < found.ids.index("a")
    assert calls(lambda: ordered(made, lambda slot: before(slot, world))) < 4 * MOST_LOOKS


# -- the calls of one second ---------------------------------------------------------------------------------------------------


class JudgedInTurn:
    """Explains each call by the position that it is asked about, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    async def fetch(self, rows: list[Any]) -> None: ...

    async def explain(self, row: Any) -> Explained:
        self.asked += 1
        error = row["case_id"] == b"error"
        return (OTHER_ERROR if error else EXPLAINED, None, None, None, None, row["seen"], None, [])

    def there(self, name: bytes) -> tuple[bool, bool]:
        return True, True


async def judged(calls: int, states: int) -> tuple[JudgedInTurn, JudgedSeconds, dict[bytes, Any]]:
    judging = JudgedInTurn()
    seconds = JudgedSeconds(cast(Any, judging), {0: list(range(states))}, frozenset())
    names = [b"error", *(b"%06d" % number for number in range(calls - 1))]
    rows = [{"low": 0, "seen": states - 1, "case_id": name, "calls": 2, "last": None} for name in sorted(names)]
    found = [row for at in range(0, calls, 100) for row in await seconds.judge(rows[at : at + 100])]
    found += await seconds.rest()
    return judging, seconds, {name: outcome for name, _, _, outcome, *_ in found}


async def test_the_calls_of_a_second_are_judged_on_its_states_up_to_a_limit() -> None:
    """Each of 300 calls on each of 300 states would be 90,000 judgements."""
    judging, seconds, found = await judged(300, 300)
    beyond = 300 - MOST_JUDGED // 300
    assert judging.asked == (MOST_JUDGED // 300) * 300 + beyond * 2
    assert seconds.unjudged == {0: 2 * beyond}
    assert set(found.values()) == {OPEN, OTHER_ERROR}
    judging, seconds, found = await judged(10, 300)
    assert (judging.asked, seconds.unjudged, len(found)) == (3_000, {}, 10)


async def test_a_call_that_was_not_judged_on_each_state_is_open_whatever_its_ends_say() -> None:
    _, seconds, found = await judged(MOST_JUDGED // 100 + 50, 100)
    assert list(found.values()).count(OTHER_ERROR) == 1
    assert seconds.unjudged == {0: 100}
