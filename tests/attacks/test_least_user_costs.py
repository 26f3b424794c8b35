"""An attacker with a credential but no rights, or with rights in an own account, makes the service spend time, memory
or vault rows.

Each test is one such attack. Its docstring says what would have been gained.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.authorization.caller import Caller, root_of
from domain.authorization.context import encryption_context_keys, tag_keys
from domain.commands.create_key import CreateKey
from domain.commands.decide import decide, refuse
from domain.errors import LONGEST_MESSAGE, AccessRefused, InvalidRequest, InvalidTag, SignInRefused
from domain.log.authenticity import Seal
from domain.log.identity_events import UserAccessKeyCreated, UserCreated
from domain.log.lane import Decided
from domain.log.record import Call
from domain.log.sign_in_events import PasswordPolicySet
from domain.policy.glob import compile_arn, compile_glob
from domain.ports import TooLarge
from domain.state.callers import caller_of
from domain.state.fold import Fold
from services.adapters.decisions import DecisionLanes
from services.adapters.kafka import MAX_VALUE, Producer
from services.clock import Clock
from services.kms_api import shapes
from services.kms_api.calls import Calls
from services.kms_api.errors import WireError
from services.kms_api.live_state import LiveState
from services.kms_api.maker import VaultMaker
from services.kms_api.refused_attempts import RefusedAttempts
from services.kms_api.shapes import MOST_FAULTS
from services.operations.rows import NOT_PREPARED, Changing, NotYetPrepared, Request
from services.operations.table import BY_NAME
from services.settings import load
from services.shares import Shares
from tests.attacks.counted import seconds, steps
from tests.faults.test_present import Kept, OneMaterial, incoming
from tests.given import ACCOUNT, key_id
from tests.keys import keyring, process_keys
from tests.logs import NOW, Log, created
from tests.memory_log import MemoryTopic

# -- patterns -------------------------------------------------------------------------------------------------------------


def naive(pattern: str, text: str) -> bool:
    """Row by row, as the grammar says: slow and obvious."""
    row = [True] + [False] * len(text)
    for sign in pattern:
        if sign == "*":
            row = [any(row[: at + 1]) for at in range(len(row))]
        else:
            row = [False] + [held and sign in ("?", each) for held, each in zip(row, text, strict=False)]
    return row[-1]


@given(st.text("ab?*", max_size=12), st.text("ab", max_size=16))
@settings(max_examples=2_000)
def test_a_quicker_match_matches_what_the_slow_one_does(pattern: str, text: str) -> None:
    """A rewritten matcher that lets one text too many through is a way in."""
    assert compile_glob(pattern)(text) is naive(pattern, text)


@given(st.lists(st.text("ab", min_size=30, max_size=60), min_size=1, max_size=3), st.text("ab", max_size=300))
@settings(max_examples=300)
def test_long_pieces_are_found_where_the_slow_match_finds_them(pieces: list[str], text: str) -> None:
    pattern = "*" + "*".join(each[:20] + "?" + each[20:] for each in pieces) + "*"
    assert compile_glob(pattern)(text) is naive(pattern, text)
    there = text[:150] + "".join(each[:20] + "x" + each[20:] for each in pieces) + text[150:]
    assert compile_glob(pattern)(there) is True


COSTLY = {
    "a star and nothing but `?`": lambda n: ("*" + "?" * n, "x" * (6 * n)),
    "`?` between letters": lambda n: ("*" + "a?" * (n // 2) + "b*", "a" * (6 * n)),
    "many pieces with a `?`": lambda n: ("*a?b" * (n // 4) + "*", "ab" * (3 * n)),
    "one long run that nearly fits everywhere": lambda n: (
        "*" + "a" * (n // 2) + "b" + "a" * (n // 2) + "*",
        "a" * (2 * n),
    ),
}


def matched(pattern: str, text: str) -> bool:
    return compile_glob(pattern)(text)


@pytest.mark.parametrize("name", COSTLY)
def test_a_pattern_is_matched_in_time_that_grows_with_its_length(name: str) -> None:
    """Encrypt under a policy of `*` and 30,000 `?` took 18.5 s, and every other caller waited as long."""
    small, large = COSTLY[name](4_000), COSTLY[name](8_000)
    counted = [steps(partial(matched, *each)) for each in (small, large)]
    assert counted[1] <= 2.5 * counted[0], counted
    assert seconds(partial(matched, *large), 3) < 0.5


def test_an_arn_with_a_long_component_is_matched_in_time() -> None:
    """The star of one component tried every position against everything after it."""
    wanted = "arn:aws:kms:*:" + "*" + "a" * 10_000 + "b:key/*"
    matches = compile_arn([(wanted, True)])
    text = "arn:aws:kms:us-east-1:" + "a" * 100_000 + ":key/1"
    assert matches(text) is False
    assert seconds(lambda: matches(text), 3) < 0.5


# -- what a request brings ------------------------------------------------------------------------------------------------


def same_but_for_case(count: int) -> dict[str, str]:
    """Names of 16 letters that are the same name once they are folded."""
    return {"".join("kK"[at >> bit & 1] for bit in range(16)): "v" for at in range(count)}


def test_names_that_differ_in_case_alone_cost_no_more_than_others() -> None:
    """168 kB of them in CreateGrant took 0.64 s of API and writer each: every name copied all earlier ones."""
    pairs = same_but_for_case(20_000)
    found = encryption_context_keys(pairs)
    (name,) = [each for each in found if each != "kms:encryptioncontextkeys"]
    assert len(found[name]) == 20_000
    assert seconds(lambda: encryption_context_keys(pairs), 3) < 0.2
    tags = [{"Key": name, "Value": "v"} for name in pairs]
    assert len(tag_keys(tags)["aws:requesttag/" + "k" * 16]) == 20_000
    assert seconds(lambda: tag_keys(tags), 3) < 0.2


@pytest.mark.parametrize(
    "context",
    [{f"name-{at}": "v" for at in range(1_000)}, {"name": "v" * 200_000}],
    ids=["a thousand pairs", "one pair of 200 kB"],
)
@pytest.mark.parametrize("operation", ["Encrypt", "ReEncrypt", "CreateGrant"])
async def test_what_conditions_are_asked_of_is_bounded_before_any_is_asked(
    present: LiveState, operation: str, context: dict[str, str]
) -> None:
    """A policy's costliest pattern times the longest value: the caller can choose both."""
    body: dict[str, Any] = {"KeyId": key_id(), "Plaintext": "QUFB", "EncryptionContext": context}
    if operation == "ReEncrypt":
        body = {"CiphertextBlob": "QUFB", "DestinationKeyId": key_id(), "DestinationEncryptionContext": context}
    if operation == "CreateGrant":
        constraints = {"EncryptionContextSubset": context}
        body = {"KeyId": key_id(), "GranteePrincipal": "x", "Operations": ["Decrypt"], "Constraints": constraints}
    with pytest.raises(WireError) as refused:
        await calls(present, Kept()).answer(incoming(operation, orjson.dumps(body)))
    assert refused.value.code == "ValidationException"
    assert "at most" in refused.value.message


def test_a_refusal_is_not_many_times_longer_than_the_request() -> None:
    """30 kB of empty tags made 1.9 MB of answer and record, for a user without rights."""
    check = shapes.compiled("kms", "TagResource").check
    with pytest.raises(shapes.Invalid) as told:
        check({"KeyId": "x", "Tags": [{}] * 150})
    assert str(told.value).count("Value null at") == MOST_FAULTS
    with pytest.raises(InvalidTag, match=r"^Too many tags$"):
        check({"KeyId": "x", "Tags": [{}] * 80_000})
    with pytest.raises(shapes.Invalid) as told:
        shapes.compiled("kms", "UntagResource").check({"KeyId": "x", "TagKeys": [""] * 80_000})
    assert len(str(told.value)) < 1_024
    with pytest.raises(shapes.Invalid) as told:
        check({"KeyId": "x" * 200_000, "Tags": [{"TagKey": "k" * 100_000, "TagValue": "v" * 100_000}]})
    assert len(str(told.value)) < 4_096


def test_no_refusal_repeats_all_that_a_caller_sent() -> None:
    """Every text that quotes a caller's words (a policy's path, an unknown name) is cut when a refusal is made."""
    message = InvalidRequest("x" * 1_000_000).message
    assert len(message) < LONGEST_MESSAGE + 100
    assert message.endswith("more characters)")


def never_asked() -> Seal:
    raise AssertionError("what is refused is not sealed")


async def test_a_decision_that_no_record_takes_fails_alone() -> None:
    """One record of 1.1 MB made the append of its group fail, and with it 43 of 824 decisions of other callers."""
    decisions = DecisionLanes(lambda: Producer(load({})), "decisions", 1, 0, never_asked)
    with pytest.raises(TooLarge):
        await decisions.append(Decided(b"{}", b"x" * (MAX_VALUE + 1)), [])
    assert decisions._waiting == []


class Short(Kept):
    """Decisions that take a thousand bytes."""

    async def append(self, decided: Decided, headers: Any) -> None:
        if len(decided.own) > 1_000:
            raise TooLarge(str(len(decided.own)))
        await super().append(decided, headers)


async def test_a_decision_that_no_record_takes_is_on_record_as_refused(present: LiveState) -> None:
    """A call without a record would be a free attempt that nobody ever sees."""
    kept = Short()
    body = orjson.dumps({"KeyId": key_id(), "Plaintext": "QUFB", "EncryptionContext": {"name": "v" * 2_000}})
    with pytest.raises(WireError) as refused:
        await calls(present, kept).answer(incoming("Encrypt", body))
    assert (refused.value.status, refused.value.kind) == (400, "request-too-large")
    (record,) = map(orjson.loads, kept.values)
    assert record["decision"]["effect"] == "refused"
    assert (record["call"]["operation"], record["call"]["parameters"]) == ("Encrypt", {})


async def test_the_addresses_of_one_site_are_one_flood(present: LiveState) -> None:
    """Gained: a record for each of 2^64 addresses that one customer of a provider has, in the log of an account that the
    sender names."""
    kept = Kept()
    attempts = RefusedAttempts(calls(present, kept).records)
    for place in ("2001:db8:0:7::", "2001:db8:0:8::"):
        for number in range(1, 51):
            call = Call(
                "id", "", "HIDDEN", ACCOUNT, f"{place}{number:x}", "tests", operation="ConsoleLogin", parameters={}
            )
            await attempts.refused(call, SignInRefused("No."))
    assert len(kept.values) == 2
    await attempts.record()
    counted = [orjson.loads(value)["call"]["parameters"] for value in kept.values]
    assert counted == [{}, {}, {"Attempts": 49}, {"Attempts": 49}]


# -- work before permission ------------------------------------------------------------------------------------------------


@pytest.fixture
async def events() -> MemoryTopic:
    topic = MemoryTopic()
    log = Log()
    log.answer(created(1, 1))
    for value in log.values:
        await topic.append(value)
    return topic


@pytest.fixture
async def present(events: MemoryTopic) -> AsyncIterator[LiveState]:
    found = LiveState(events, Fold.under(keyring()), process_keys(), 5.0, lambda record: None)
    tasks = [asyncio.create_task(found.follow()), asyncio.create_task(found.keep_asking())]
    await found.barrier()
    yield found
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def calls(present: LiveState, decisions: Any, commands: MemoryTopic | None = None, vault: Any = None) -> Calls:
    materials: Any = OneMaterial()
    unused: Any = None  # by these calls
    maker = VaultMaker(vault, unused, unused, unused)
    return Calls(load({}), present, commands or MemoryTopic(), decisions, maker, materials, unused, Clock(), unused)


CODES_OF_BOB = {
    "UserName": "bob",
    "SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/phone",
    "AuthenticationCode1": "123456",
    "AuthenticationCode2": "654321",
}
COSTLY_CALLS: dict[str, dict[str, Any]] = {
    "CreateKey": {"KeySpec": "RSA_4096", "KeyUsage": "SIGN_VERIFY"},
    "RotateKeyOnDemand": {"KeyId": key_id()},
    "ImportKeyMaterial": {"KeyId": key_id(), "ImportToken": b"x", "EncryptedKeyMaterial": b"x"},
    "CreateAccessKey": {"UserName": "bob"},
    "CreateLoginProfile": {"UserName": "bob", "Password": "correct Horse 1"},
    "UpdateLoginProfile": {"UserName": "bob", "Password": "correct Horse 1"},
    "ChangePassword": {"OldPassword": "correct Horse 1", "NewPassword": "battery Staple 2"},
    "CreateVirtualMFADevice": {"VirtualMFADeviceName": "phone"},
    "EnableMFADevice": CODES_OF_BOB,
    "ResyncMFADevice": CODES_OF_BOB,
}


class Worked(Exception):
    """Something was made."""


class NoMaker:
    """Fails if anything is made that takes time or room. Everything else is free."""

    def __getattr__(self, name: str) -> Any:
        if name in (
            "material",
            "rotated",
            "imported",
            "access_key",
            "mfa_seed",
            "mfa_codes",
            "password",
            "changed_password",
        ):
            raise Worked(name)
        return lambda *given: {}


@pytest.mark.parametrize("name", [name for name, row in BY_NAME.items() if isinstance(row, Changing)])
async def test_costly_preparation_is_marked_as_such(name: str) -> None:
    """An operation that makes keys or rows before anybody asks who calls: 40 refused CreateKey RSA_4096 kept others
    waiting for 49 s, and 200 refused CreateAccessKey left 200 rows in the vault."""
    row = BY_NAME[name]
    assert isinstance(row, Changing)
    request = Request(name, COSTLY_CALLS.get(name, {"GrantToken": "t"}), root_of(ACCOUNT))
    works = False
    try:
        await row.prepare(request, NoMaker())
    except Worked:
        works = True
    assert works is row.costly
    assert row.costly is (name in COSTLY_CALLS)


@pytest.mark.parametrize("name", COSTLY_CALLS)
async def test_nothing_is_made_for_a_caller_who_may_not(name: str, present: LiveState, events: MemoryTopic) -> None:
    """The caller has no rights, but key pairs and rows of the vault would be made."""
    for event in (
        UserCreated(ACCOUNT, "AIDANOBODY", "nobody", "/", {}, ""),
        UserAccessKeyCreated(ACCOUNT, "AIDANOBODY", "AKIANOBODY"),
    ):
        present.world.apply(event)
    row = BY_NAME[name]
    assert isinstance(row, Changing)
    service = calls(present, Kept())
    nobody = caller_of(present.world, "AKIANOBODY", None, NOW)
    request = Request(name, COSTLY_CALLS[name], nobody, NOW)
    call = Call(
        "id",
        "AKIANOBODY",
        nobody.principal,
        ACCOUNT,
        "127.0.0.1",
        "tests",
        operation=name,
        parameters=COSTLY_CALLS[name],
    )
    assert await service._make(row, request, call) == NOT_PREPARED
    present.world.apply(PasswordPolicySet(ACCOUNT, {"users_may_change": True}))
    may = Request(name, COSTLY_CALLS[name], nobody if name == "ChangePassword" else root_of(ACCOUNT))
    with pytest.raises(AttributeError):  # there is no vault: something was about to be made
        await service._make(row, may, call)


async def test_the_writer_refuses_what_nothing_was_made_for() -> None:
    """A caller without rights, whose command says that nothing was made, must not get a key without material if the
    permission arrives meanwhile."""
    log = Log()
    log.answer(created(1, 1))
    world = log.deciding.fold.world
    row = BY_NAME["CreateKey"]
    assert isinstance(row, Changing)
    command = row.command({}, NotYetPrepared())
    assert isinstance(command, CreateKey)
    outcome = refuse(command, root_of(ACCOUNT), world)
    assert outcome.event is None
    assert outcome.decision.error is not None
    assert outcome.decision.error["kind"] == "command-expired"
    nobody = Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/nobody", {}, "AIDANOBODY")
    refused = refuse(command, nobody, world).decision
    assert refused.error is not None
    assert refused.error["kind"] == AccessRefused.kind
    assert refused == decide(command, nobody, world).decision


async def test_one_accounts_work_waits_behind_itself() -> None:
    """One account makes forty RSA keys. Everybody else's would wait until the last of them is made."""
    shares = Shares("test", 2)
    done: list[str] = []
    held, came = threading.Event(), threading.Event()

    def work(name: str) -> None:
        held.wait(10)
        if (
            name == "greedy" and len(done) == 4
        ):  # the machine may keep the other's thread waiting, which is not tested here
            came.wait(10)
        done.append(name)
        if name == "other":
            came.set()

    many = [asyncio.create_task(shares.run("greedy", work, "greedy")) for _ in range(40)]
    await asyncio.sleep(0)
    one = asyncio.create_task(shares.run("other", work, "other"))
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(one, *many)
    assert done.index("other") <= 4, "the other's work came first but for what was under way"
