"""Judges the calls of a trail on the state at their position: what explains a call, and how a draft would have answered it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from domain.authorization.question import Resource
from domain.cloudtrail.callers import is_service
from domain.cloudtrail.judge import (
    OPEN,
    UNKNOWN,
    Evidence,
    Judgement,
    SeenPolicies,
    evidence_of,
    explained,
    judge,
    let_in,
    reads_time,
)
from domain.cloudtrail.keys_named import id_of
from domain.cloudtrail.record import ACCESS_DENIED, SAME_KEY, Broken
from domain.cloudtrail.trail_call import TrailCall, is_parameter
from domain.cloudtrail.vpc_endpoint import address_moved
from domain.decisions.case import timed
from domain.errors import Refusal
from domain.identities.identity import Identity
from domain.policy import unseen
from domain.policy.compile import (
    BOUNDED,
    IDENTITY_POLICY,
    NO_PERMISSIONS,
    SESSION_POLICY,
    Permissions,
    compile_identity_policy,
)
from domain.policy.parse import INLINE, SESSION, UNIQUE_ID
from domain.state.world import World
from projections.decisions import queries as decisions
from projections.log.schema import AskedLog
from services.questions.replay import Replay
from services.trails.prepared import UNSHAPED

HELD = 20_000
"""How many cases are remembered with their results."""
Explained = tuple[str, Any, Any, Any, Any, Any, Any, list[str]]
"""Columns of `judged` from `outcome` on."""


class CaseJudge:
    """Judges cases on a replay that moves forward."""

    def __init__(self, log: AskedLog, replay: Replay) -> None:
        self._log, self._replay = log, replay
        self._cases: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        self._answers: dict[bytes, _HeldAnswer] = {}

    @property
    def world(self) -> World:
        return self._replay.world

    async def fetch(self, rows: Sequence[Any]) -> None:
        """Fetches the cases of the rows that are judged next."""
        wanted = {row["case_id"] for row in rows}
        for name in wanted & self._cases.keys():
            self._cases.move_to_end(name)
        missing = sorted(wanted - self._cases.keys())
        for name, text in (await decisions.cases(self._log, missing)).items() if missing else ():
            self._cases[name] = orjson.loads(text)
        while len(self._cases) > max(HELD, len(wanted)):
            gone, _ = self._cases.popitem(last=False)
            self._answers.pop(gone, None)

    async def at(self, row: Any) -> dict[str, Any]:
        """Moves the world to the row's position. Returns the row's case."""
        await self._replay.to(max(row["seen"], self._replay.world.position))
        return self._cases[row["case_id"]]

    async def explain(self, row: Any) -> Explained:
        """`row` has seen, case_id, and the times first and last. A case is judged again only if something that it read has
        changed since."""
        case, times = await self.at(row), (row["first"], row["last"])
        reads = self._reads(case)
        held = self._answers.get(row["case_id"])
        if held is not None and held.reads.is_as(reads) and held.times in (None, times):
            return held.found
        try:
            outcome, found, depends_on_time = self._explained(case, *times)
        except (Broken, *UNSHAPED) as fault:  # a record may say anything: one that cannot be judged stops no import
            why = (f"what its record says: {fault!r}",)
            outcome, found, depends_on_time = OPEN, Judgement(UNKNOWN, {}, why), False
        answer = (outcome, *_columns(found))
        self._answers[row["case_id"]] = _HeldAnswer(reads, times if depends_on_time else None, answer)
        return answer

    def _explained(self, case: dict[str, Any], first: datetime, last: datetime) -> tuple[str, Judgement, bool]:
        """What explains the calls of a case that came between two times, and whether their times matter."""
        questions = questions_of(case, self.world, last)
        found = _outcome(case, questions)
        if not any(reads_time(resource, known) for _, resource, _, known in questions):
            return *found, False
        if first != last and _outcome(case, questions_of(case, self.world, first)) != found:
            return OPEN, Judgement(UNKNOWN, found[1].by, (*found[1].missing, WHEN)), True
        return *found, True

    def there(self, name: bytes) -> tuple[bool, bool]:
        """Whether a case's keys exist now, and whether its caller does."""
        case = self._cases[name]
        there = all(id_of(arn) in self.world.keys for arn in _keys_of(case))
        return there, _identity_of(case, self.world) is not None

    def read_by(self, name: bytes) -> JudgedOn:
        """What a case is judged on at the present position."""
        case = self._cases[name]
        known = known_of(case, self.world)
        layers = [known.identity, known.boundary, known.session]
        return JudgedOn(
            self._reads(case), [None if each is None else [rule.by for rule in each.statements] for each in layers]
        )

    def _reads(self, case: dict[str, Any]) -> _Reads:
        world = self.world
        keys = [key for arn in _keys_of(case) if (key := world.keys.get(id_of(arn))) is not None]
        return _Reads(world.directory.changes, [(key.policy_version, world.resource(key)) for key in keys])


@dataclass(frozen=True, slots=True)
class _Reads:
    """What a judgement depends on: the number of changes of identities, and the keys. It holds the resources themselves, since
    an `id()` could later belong to another object, and `==` would miss a change: a key's grants stay the same dictionary."""

    identities: int
    keys: list[tuple[Any, Resource]]

    def is_as(self, now: _Reads) -> bool:
        """Whether nothing has changed. A changed resource is another object."""
        return self.identities == now.identities and self.keys_are_as(now)

    def keys_are_as(self, now: _Reads) -> bool:
        if len(self.keys) != len(now.keys):
            return False
        pairs = zip(self.keys, now.keys, strict=True)
        return all(mine[0] == its[0] and mine[1] is its[1] for mine, its in pairs)


@dataclass(frozen=True, slots=True)
class JudgedOn:
    """What a case was judged on: the keys and the statements of the caller's policies, but no changes of other identities."""

    _reads: _Reads
    _statements: list[Any]

    def is_as(self, other: JudgedOn) -> bool:
        return self._reads.keys_are_as(other._reads) and self._statements == other._statements


@dataclass(frozen=True, slots=True)
class _HeldAnswer:
    """`times`: those of the first and the last call; None if no policy reads the time."""

    reads: _Reads
    times: tuple[datetime, datetime] | None
    found: Explained


WHEN = "which of these calls came before a time that a policy names"
_ORDER = ("unexplained", "open", "other error", "explained")
NOT_THERE = Judgement("unknown", {}, ("the key",))


def _outcome(case: dict[str, Any], questions: Sequence[TrailQuestion]) -> tuple[str, Judgement]:
    error = case["error"]
    answers = [
        explained(
            asked,
            resource,
            of_key,
            known,
            refused=bool(error),
            denied=error in ACCESS_DENIED,
            denial=case.get("denial"),
        )
        for asked, resource, of_key, known in questions
    ]
    return min(answers, key=lambda each: _ORDER.index(each[0])) if answers else (OPEN, NOT_THERE)


def _columns(found: Judgement) -> tuple[Any, Any, Any, Any, Any, Any, list[str]]:
    by = found.by.get("delegation", found.by) if "kind" not in found.by else found.by
    # A statement that stands in for an unseen policy is not named: `missing` says what is missing.
    seen = {} if by.get("sid") in unseen.SIDS and found.missing else by
    version = seen.get("version")
    return (
        by.get("kind"),
        by.get("policy") or by.get("grant"),
        None if version is None else str(version),
        seen.get("sid"),
        seen.get("index"),
        by.get("rule"),
        list(found.missing),
    )


def _keys_of(case: dict[str, Any]) -> list[str]:
    """The ARNs of the keys that the call concerns."""
    return [arn for arn in case["resources"] if ":key/" in arn] or [case["key"]]


TrailQuestion = tuple[TrailCall, Resource, str, SeenPolicies]


def questions_of(case: dict[str, Any], world: World, at: datetime) -> list[TrailQuestion]:
    """Which permission was needed on which key: two for ReEncrypt, none if the key does not exist."""
    found = []
    arns = _keys_of(case)
    actions = [f"kms:{case['operation']}"]
    if case["operation"] == "ReEncrypt":
        actions = ["kms:ReEncryptFrom", "kms:ReEncryptTo"][: len(arns)]
    if len(arns) == 1 and (action := case.get("denial", {}).get("action", "")).startswith("kms:"):
        actions = [action]
    for action, arn in zip(actions, arns, strict=False):
        key = world.keys.get(id_of(arn))
        if key is None:
            continue
        resource = world.resource(key)
        of_key = unseen.unseen_of(key.tags)
        found.append((_asked(case, action, at, world), resource, of_key, known_of(case, world)))
    return found


def _asked(case: dict[str, Any], action: str, at: datetime, world: World) -> TrailCall:
    told, context, pairs = _has_parameters(case), case["context"], case.get("pairs", {})
    if not told:  # without a parameter there may be a default, which would seem to be what the request said
        context = {name: each for name, each in context.items() if not is_parameter(name)}
    elif "sides" in case:
        side = case["sides"][action == "kms:ReEncryptTo"]
        context, pairs = context | side["context"] | _on_same_key(case), side["pairs"]
    # Text, whatever an earlier version took from a record.
    context = dict(address_moved({name: tuple(map(str, values)) for name, values in context.items()}))
    context |= timed(round(at.timestamp() * 1_000_000))
    # A service has no account to compare with the key's.
    account = "" if is_service(case["names"]) else case["account"]
    return TrailCall(
        action,
        account,
        _names(case, world),
        context,
        pairs,
        sure=case.get("sure", False),
        root=_is_limitless(case),
        parameters=told,
        unnamed=_is_unnamed(case),
        service_told=not case.get("service_untold", False),
    )


def _is_limitless(case: dict[str, Any]) -> bool:
    """Whether no identity policy limits the caller."""
    return case["principal"].endswith(":root") or is_service(case["names"])


def _is_unnamed(case: dict[str, Any]) -> bool:
    """Whether the record tells no ARN of the caller. The record in the key's account of another account's call has none."""
    return not case["principal"].startswith("arn:") and not is_service(case["names"])


def _names(case: dict[str, Any], world: World) -> dict[str, int]:
    """The names that the record has for its caller, and the id by which grants know an identity that a record named before
    any told its unique id."""
    names, identity = case["names"], _identity_of(case, world)
    if identity is not None and identity.id not in names and identity.arn in names:
        names = {**names, identity.id: names[identity.arn]}
    return names if identity is None or not identity.boundary else {**names, BOUNDED: 0}


def _has_parameters(case: dict[str, Any]) -> bool:
    """Whether the case has what the request's parameters said. KMS leaves them out of the record of a denied call. An earlier
    version did not note that, and took nothing from ReEncrypt's, of which there are two of each."""
    if case["operation"] == "ReEncrypt" and "sides" not in case:
        return False
    found: bool = case.get("parameters", "pairs" in case or "sure" in case or case["error"] not in ACCESS_DENIED)
    return found


def _on_same_key(case: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    keys = [id_of(arn) for arn in case["resources"] if ":key/" in arn]
    return {SAME_KEY: ("true" if keys[0] == keys[1] else "false",)} if len(keys) == 2 else {}


def _identity_of(case: dict[str, Any], world: World) -> Identity | None:
    directory, own = world.directory, case["unique"].partition(":")[0]
    found = directory.identities.get(own)
    if found is not None:
        return found
    for name in case["names"]:
        unique = directory.by_arn.get(name)
        if unique is not None:
            # Another unique id: the caller was deleted, and somebody else has the name now.
            other = UNIQUE_ID.fullmatch(unique) and UNIQUE_ID.fullmatch(own)
            return None if other else directory.identities[unique]
    return None


def known_of(case: dict[str, Any], world: World) -> SeenPolicies:
    principal = case["principal"]
    if _is_limitless(case):
        return SeenPolicies(NO_PERMISSIONS)
    identity = _identity_of(case, world)
    own = NO_PERMISSIONS if identity is None else world.directory.permissions(identity)
    if identity is None:
        own = _unseen(f"the identity policies of {principal}", IDENTITY_POLICY)
    boundary = None if identity is None else world.directory.boundary(identity)
    session = None
    if ":assumed-role/" in principal:
        if not case.get("sure"):
            session = _unseen(f"the session policy of {principal}", SESSION_POLICY)
        elif case.get("policy"):
            session = _session(case["policy"], principal)
    return SeenPolicies(own, boundary, session)


def _session(text: str, principal: str) -> Permissions:
    try:
        return Permissions(compile_identity_policy(text, SESSION_POLICY, principal, 0, SESSION))
    except Refusal:  # an earlier version took records with any text there
        return _unseen(f"the session policy of {principal}", SESSION_POLICY)


@lru_cache(maxsize=10_000)
def _unseen(what: str, by: str) -> Permissions:
    return Permissions(compile_identity_policy(unseen.document(what, of_key=False), by, what, 0, INLINE))


def again(case: dict[str, Any], world: World, at: datetime, evidence: list[Evidence] | None) -> Judgement:
    """Judges a case on a world with a draft in it. If the call was let in, `evidence` is from the world without the draft."""
    answers = []
    for number, (asked, resource, of_key, known) in enumerate(questions_of(case, world, at)):
        held = evidence[number] if evidence is not None and number < len(evidence) else None
        answers.append(judge(asked, resource, of_key, known, held))
    order = ("refused", "unknown", "allowed")
    return min(answers, key=lambda each: order.index(each.answer)) if answers else NOT_THERE


def evidence_in(case: dict[str, Any], world: World, at: datetime) -> list[Evidence]:
    return [evidence_of(*question) for question in questions_of(case, world, at)]


def let_in_by(case: dict[str, Any], world: World, at: datetime) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The statement or grant that lets a trail's call in today, if that is known, with its action."""
    for asked, resource, of_key, known in questions_of(case, world, at):
        found = let_in(asked, resource, of_key, known)
        if found.answer == "allowed":
            for by in (found.by, found.by.get("delegation")):
                if by is not None and "kind" in by:
                    yield asked.action, by
