"""Fresh or nothing: an API that does not know the log's end, or cannot make its decision durable."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.requests import Request

from domain.errors import CredentialDisabled
from domain.log.codec import record_from
from domain.log.events import AccessKeyDisabled
from domain.log.lane import Decided
from domain.ports import Unavailable
from domain.state.fold import Fold
from services.audit_api.permissions import READ_STATUS, RoutePermissions
from services.audit_api.request import AuditRequest
from services.audit_api.resources.alert_stream import _follow
from services.audit_api.streams import Streams
from services.clock import Clock
from services.kms_api.app import KMS
from services.kms_api.authentication import Authenticated, Authenticator
from services.kms_api.calls import Calls
from services.kms_api.errors import WireError
from services.kms_api.incoming_request import Incoming
from services.kms_api.live_state import LiveState, NotFresh
from services.kms_api.maker import VaultMaker
from services.settings import load
from services.signing import Signed
from services.writer.step import WriterStep
from tests.given import ACCOUNT, REGION, ROOT, key_id
from tests.keys import keyring, process_keys
from tests.logs import Log, command, created
from tests.memory_log import LANDED_BUT_UNANSWERED, NEVER_LANDED, MemoryTopic

FRESH_FOR = 0.5


@pytest.fixture
async def events() -> MemoryTopic:
    topic = MemoryTopic()
    log = Log()
    log.answer(created(1, 1))
    for value in log.values:
        await topic.append(value)
    return topic


class End:
    """In the place of the process's end."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, reason: str) -> NoReturn:
        self.reasons.append(reason)
        raise asyncio.CancelledError


@pytest.fixture
def end() -> End:
    return End()


@pytest.fixture
async def present(events: MemoryTopic, end: End) -> AsyncIterator[LiveState]:
    found = LiveState(events, Fold.under(keyring()), process_keys(), FRESH_FOR, lambda record: None, end)
    tasks = [asyncio.create_task(found.follow()), asyncio.create_task(found.keep_asking())]
    await found.barrier()
    yield found
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_present_that_cannot_ask_grows_stale_and_recovers_by_itself(
    present: LiveState, events: MemoryTopic
) -> None:
    present.require_fresh()
    events.down = True
    await asyncio.sleep(FRESH_FOR + 1.2)  # time itself is tested: nothing else makes a live state stale
    with pytest.raises(NotFresh):
        present.require_fresh()
    with pytest.raises(NotFresh):
        await present.barrier()
    events.down = False
    await present.barrier()
    present.require_fresh()


async def test_a_barrier_waits_for_what_was_on_the_log_when_it_began(present: LiveState, events: MemoryTopic) -> None:
    log = Log()
    log.values = list(events.values)
    log.lead("writer-b")
    log.take_over("writer-b")
    log.offset = 1
    log.answer(created(2, 2))
    for value in log.values[len(events.values) :]:
        await events.append(value)
    await present.barrier()
    assert key_id(2) in present.world.keys


class SlowToAnswer(MemoryTopic):
    """A broker whose answer about the end is late."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def end(self) -> int:
        found = len(self.values)
        self.asked.set()
        await self.go_on.wait()
        return found


async def test_an_answer_that_is_older_than_the_fold_is_no_cut() -> None:
    end, topic = End(), SlowToAnswer()
    present = LiveState(topic, Fold.under(keyring()), process_keys(), FRESH_FOR, lambda record: None, end)
    tasks = [asyncio.create_task(present.follow()), asyncio.create_task(present.keep_asking())]
    await topic.asked.wait()
    for value in Log().values:
        await topic.append(value)
    while present.next < 3:  # noqa: ASYNC110  # the fold tells nobody
        await asyncio.sleep(0)
    topic.go_on.set()
    await present.barrier()
    assert end.reasons == []
    for task in tasks:
        task.cancel()


async def test_a_log_that_was_cut_ends_the_process(present: LiveState, events: MemoryTopic, end: End) -> None:
    del events.values[-1]
    with pytest.raises(NotFresh):
        await present.barrier()
    assert "it was cut or made anew" in end.reasons[0]


async def test_a_log_that_lost_its_tail_and_grew_again_ends_the_process(
    present: LiveState, events: MemoryTopic, end: End
) -> None:
    """Brokers lost an acknowledged record while this process was away, and another writer has gone on from the one before. To this
    state all that comes is void, and nobody may be answered from it."""
    events.values[-1] = b'{"previous":"of another past"}'
    await events.append(b'{"previous":"of another past, too"}')
    with pytest.raises(NotFresh):
        await present.barrier()
    assert "holds another record" in end.reasons[0]


async def test_a_void_record_on_the_log_that_was_read_ends_nothing(
    present: LiveState, events: MemoryTopic, end: End
) -> None:
    for number in range(3):
        await events.append(b'{"previous":"of another past","number":%d}' % number)
        await present.barrier()
    assert (present.voids, present.next, end.reasons) == (3, len(events.values), [])


async def test_a_record_of_ours_in_the_place_of_a_void_one_is_not_passed_over(events: MemoryTopic, end: End) -> None:
    """The void record was lost with the log's tail, and another worker's state has the valid one."""
    log = Log()
    log.answer(created(1, 1))
    void = b'{"previous":"of another past"}'
    events.values[:] = [*log.values, void]
    state = LiveState(events, Fold.under(keyring()), process_keys(), FRESH_FOR, lambda record: None, end)
    following, asking = asyncio.create_task(state.follow()), asyncio.create_task(state.keep_asking())
    await state.barrier()
    assert state.voids == 1
    log.answer(created(2, 2))
    log.answer(created(3, 3))
    events.values[:] = log.values[: len(events.values)]
    await events.append(log.values[-1])
    await asyncio.gather(following, return_exceptions=True)
    asking.cancel()
    assert "than the void one that was read there" in end.reasons[0]


async def test_a_retry_gets_the_first_answer_wherever_its_record_landed(
    present: LiveState, events: MemoryTopic
) -> None:
    """A record of another writer came before three of this one that were on their way. The retry was answered with a fault, or
    with what somebody else's call had made."""
    log = Log()
    log.answer(created(1, 1))
    made = {"key": key_id(2), "material": f"{2:064x}", "fingerprint": f"{2:064x}", "public_key": ""}
    log.answer(created(2, 3))
    log.answer(command(3, "CreateKey", {}, made, invocation="same"))
    log.answer(command(4, "CreateKey", {}, made, invocation="same"))
    for value in (b'{"previous":"of another past"}', *log.values[-3:]):
        await events.append(value)
    await present.barrier()
    repeats = record_from(json.loads(log.values[-1])).repeats
    position, first = await present.first_answer("same")
    assert first.call is not None
    assert (first.call.id, position) == ("call-3", len(events.values) - 2)
    assert repeats is not None
    assert repeats.position == position - 1, "where its writer expected it"


async def test_a_strangers_record_that_names_the_last_one_ends_nothing(
    present: LiveState, events: MemoryTopic, end: End
) -> None:
    for number in range(3):
        await events.append(b'{"previous":"%s","number":%d}' % (present.head.encode(), number))
        await present.barrier()
    assert (present.voids, end.reasons) == (3, [])


class Broken:
    """Decisions that cannot be made durable."""

    async def append(self, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        raise Unavailable("no leader")


class Kept:
    def __init__(self) -> None:
        self.values: list[bytes] = []

    async def append(self, decided: Decided, headers: Sequence[tuple[str, bytes]]) -> None:
        self.values.append(decided.about[:-1] + b"," + decided.own[1:])


class OneMaterial:
    async def secret(self, key: object, material: object) -> bytes:
        return b"x" * 32


def incoming(operation: str, body: bytes) -> Incoming:
    who = Authenticated(ROOT.account, ROOT.principal, "AKIAONE", None, None, ROOT)
    now = time.time_ns() // 1000
    return Incoming("id", who, "kms", operation, body, "127.0.0.1", "tests", "", secure=False, at=now)


ENCRYPT = ('{"KeyId":"%s","Plaintext":"QUFB"}' % key_id()).encode()  # noqa: UP031  # a document full of braces


def calls(
    present: LiveState,
    decisions: Any,
    commands: MemoryTopic | None = None,
    deadline: float = 10.0,
    vault: Any = None,
) -> Calls:
    settings = load({}, command_deadline=deadline)
    materials: Any = OneMaterial()
    unused: Any = None  # by these calls
    maker = VaultMaker(vault, unused, unused, unused)
    return Calls(settings, present, commands or MemoryTopic(), decisions, maker, materials, unused, Clock(), unused)


class OneSecret:
    async def secret(self, access_key: str) -> str:
        return "secret"


def encrypt_signed() -> Signed:
    request = AWSRequest("POST", "http://127.0.0.1/", data=ENCRYPT, headers={"Host": "127.0.0.1"})
    SigV4Auth(Credentials("AKIAONE", "secret"), "kms", REGION).add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Signed("POST", "/", "", headers, ENCRYPT)


async def test_a_caller_is_the_one_of_the_position_that_the_call_is_decided_on(present: LiveState) -> None:
    """Calls that arrive together check their signatures first, and the log may grow meanwhile."""
    vault: Any = OneSecret()
    unused: Any = None
    authenticator = Authenticator(present, vault, unused, REGION, Clock())
    assert (await authenticator.authenticate(encrypt_signed(), KMS)).refusal is None
    under_way = asyncio.create_task(authenticator.authenticate(encrypt_signed(), KMS))
    await asyncio.sleep(0)
    assert not under_way.done()
    present.world.apply(AccessKeyDisabled(ACCOUNT, "AKIAONE"))
    assert isinstance((await under_way).refusal, CredentialDisabled)


async def test_no_record_no_answer(present: LiveState) -> None:
    with pytest.raises(WireError) as refused:
        await calls(present, Broken()).answer(incoming("Encrypt", ENCRYPT))
    assert (refused.value.status, refused.value.code) == (503, "DependencyTimeoutException")


async def test_a_present_that_is_not_fresh_gives_no_result_and_no_record(
    present: LiveState, events: MemoryTopic
) -> None:
    kept = Kept()
    assert "CiphertextBlob" in await calls(present, kept).answer(incoming("Encrypt", ENCRYPT))
    assert len(kept.values) == 1
    events.down = True
    await asyncio.sleep(FRESH_FOR + 1.2)  # see above
    with pytest.raises(WireError) as refused:
        await calls(present, kept).answer(incoming("Encrypt", ENCRYPT))
    assert refused.value.status == 503
    assert len(kept.values) == 1


async def no_alert() -> int:
    return -1


def asking(action: str) -> AuditRequest:
    """The root user's question, as the audit API has it before it asks for the permission."""
    scope = {"type": "http", "scheme": "http", "path": "/", "server": ("127.0.0.1", 80)}
    http = Request(scope | {"query_string": b"", "headers": [], "path_params": {}})
    return AuditRequest(http, ROOT, incoming("Encrypt", b"").who, b"", "decisions", action, "call")


async def test_a_present_that_is_not_fresh_lets_nobody_read_the_past(present: LiveState, events: MemoryTopic) -> None:
    """Gained: whoever has a copy of a session that was signed out, or of an access key that was deactivated, reads on at a worker
    that alone lost the broker, and follows a stream there, for as long as that lasts."""
    unused: Any = None
    permissions = RoutePermissions(load({}), present, Clock(), unused, unused)
    reading = asking("keytrail:ReadDecisions")
    assert (await permissions.authorized(reading, reading.action)).caller.is_root
    assert (await permissions.still_may(reading)).caller.is_root
    events.down = True
    await asyncio.sleep(FRESH_FOR + 1.2)  # see above
    with pytest.raises(WireError) as refused:
        await permissions.authorized(reading, reading.action)
    assert refused.value.status == 503
    with pytest.raises(WireError) as ended:
        await permissions.still_may(reading)
    assert ended.value.status == 503
    audit: Any = SimpleNamespace(streams=Streams(lambda: False, no_alert), permissions=permissions)
    assert [each async for each in _follow(audit, reading, unused, -1)] == [], (
        "`alerts follow` asks again, and says no error"
    )
    status = asking(READ_STATUS)
    assert await permissions.authorized(status, READ_STATUS) is status, "somebody has to see what is wrong"
    events.down = False
    assert (await permissions.still_may(reading)).caller.is_root


@pytest.mark.parametrize("fault", [LANDED_BUT_UNANSWERED, NEVER_LANDED])
async def test_a_command_is_appended_once_whatever_became_of_it(present: LiveState, fault: str) -> None:
    commands = MemoryTopic()
    commands.fault = fault
    with pytest.raises(WireError) as refused:
        await calls(present, Kept(), commands).answer(incoming("EnableKey", b'{"KeyId":"x"}'))
    assert refused.value.status == 503
    assert len(commands.values) == (1 if fault == LANDED_BUT_UNANSWERED else 0)


async def test_a_changing_call_is_answered_when_its_record_is_read(present: LiveState, events: MemoryTopic) -> None:
    commands = MemoryTopic()
    fold = Fold.under(keyring())
    for offset, value in enumerate(events.values):
        fold.take(offset, value)
    body = ('{"KeyId":"%s"}' % key_id()).encode()  # noqa: UP031  # see above
    calling = asyncio.create_task(calls(present, Kept(), commands).answer(incoming("DisableKey", body)))
    reader = await commands.reader(0)
    (command,) = await reader.read(1)
    assert not calling.done()
    decided = WriterStep(fold, "writer-a").answer(command.offset + 1, command.value, 0)
    assert decided is not None
    await events.append(decided.value)
    assert await calling == {}
    assert present.world.keys[key_id()].state.value == "Disabled"


class Keeping:
    """A vault that stores nothing."""

    async def put_material(self, key: str, material: str, secret: bytes) -> None:
        pass


async def test_making_an_rsa_key_does_not_hold_up_others(present: LiveState) -> None:
    """Seconds of processor time in a thread, while the event loop goes on."""
    commands = MemoryTopic()
    service = calls(present, Kept(), commands, vault=Keeping())
    body = b'{"KeySpec":"RSA_4096","KeyUsage":"SIGN_VERIFY"}'
    turns = 0
    making = asyncio.create_task(service.answer(incoming("CreateKey", body)))
    while not commands.values:
        await asyncio.sleep(0.001)
        turns += 1
    making.cancel()
    assert turns > 10
