"""Steps 4 to 8 of a call that changes nothing, on the live state. `carry_out` has them in their order.

4. resolution of the key, 5. access, 6. key usage, 7. key state, 8. the operation's own rules and its work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from domain.authorization.evaluate import may
from domain.authorization.verdict import OTHER_ACCOUNT, Verdict, refusal_of
from domain.commands.change_key import require_origin
from domain.commands.decide import allowed, refused
from domain.errors import DryRunSucceeded, InvalidKeyUsage, Refusal
from domain.keys.key import Key
from domain.keys.states import require_state
from domain.log.record import Decision
from domain.state.world import World
from services.kms_api.live_state import LiveState
from services.operations.rows import (
    Answer,
    Issuer,
    Issuing,
    Materials,
    Reading,
    Recall,
    Recalling,
    Request,
    Researching,
    Using,
)

Unchanging = Using | Recalling | Reading | Researching | Issuing


@dataclass(frozen=True, slots=True)
class OperationPorts:
    """What operations may use besides the state."""

    materials: Materials
    recall: Recall
    issuer: Issuer


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class LiveDecision:
    """The result of a request at the position `seen`: an answer, or a refusal. `verdicts` are those on the permissions
    that were asked before it."""

    request: Request
    seen: int
    verdicts: list[Verdict]
    answer: Answer | None
    refusal: Refusal | None

    @property
    def is_final(self) -> bool:
        """Whether this result may be given. A refusal may not yet: it needs a state that was fetched after the call
        arrived. A dry run's success does not count as a refusal."""
        return self.refusal is None or isinstance(self.refusal, DryRunSucceeded)

    def document(self) -> Decision:
        """The decision in the form of its record."""
        request = self.request
        if self.refusal is not None:
            return refused(self.refusal, request.caller, self.verdicts)
        return allowed(request.caller, self.verdicts, materials=request.used)


def shows_state(row: Unchanging) -> bool:
    """Whether the answer says what a key, a user or another thing is. Whoever asks has often just changed it by another worker,
    so that a state which is some seconds old may not answer."""
    return isinstance(row, Reading | Researching) or (isinstance(row, Using) and row.shows)


async def decide(row: Unchanging, request: Request, live: LiveState, ports: OperationPorts) -> LiveDecision:
    """The decision by the present live state. Raises Unavailable."""
    seen = live.position
    verdicts: list[Verdict] = []
    try:
        answer = await carry_out(row, request, live.world, ports, verdicts)
    except Refusal as refusal:
        return LiveDecision(request, seen, verdicts, None, refusal)
    return LiveDecision(request, seen, verdicts, answer, None)


async def carry_out(
    row: Unchanging, request: Request, world: World, ports: OperationPorts, verdicts: list[Verdict]
) -> Answer:
    """`verdicts` receives the verdict on each permission that is asked. Raises Refusal, Unavailable."""
    match row:
        case Using():
            keys = _permitted_keys(row, request, world, verdicts)
            return await row.run(request, world, keys, ports.materials)
        case Recalling():
            keys = _permitted_keys(row, request, world, verdicts)
            return await row.run(request, world, keys, ports.recall)
        case Reading():
            _require_all(row.access(request, world), request, verdicts)
            return row.run(request, world)
        case Researching():
            _require_all(row.access(request, world), request, verdicts)
            return await row.run(request, world, ports.recall)
        case Issuing():
            _require_all(row.access(request, world), request, verdicts)
            return row.run(request, world, ports.issuer)
    assert_never(row)


def _permitted_keys(row: Using | Recalling, request: Request, world: World, verdicts: list[Verdict]) -> list[Key]:
    """Steps 4 to 7. Each step is done for all keys before the next."""
    caller, operation = request.caller, request.operation
    # 4: resolution of the keys that the request names.
    targets = row.targets(request, world)
    # 5: access.
    for target in targets:
        key = target.key
        if key.account != caller.account and not row.cross_account:
            verdict = Verdict(False, target.action, key.arn, OTHER_ACCOUNT)
        else:
            verdict = may(caller, target.action, world.resource(key), target.asked, target.encryption_context)
        verdicts.append(verdict)
        if not verdict.allowed:
            raise refusal_of(caller, verdict, target.named)
    # 6: key usage.
    for target in targets:
        key = target.key
        if target.usage is not None and key.usage != target.usage:
            raise InvalidKeyUsage(f"{key.arn} key usage is {key.usage} which is not valid for {operation}.")
    # 7: key state.
    for target in targets:
        key = target.key
        if target.origin:
            require_origin(key, target.origin)
        require_state(operation, key.arn, key.state_at(request.at))
    return [target.key for target in targets]


def _require_all(asked: Sequence[Verdict], request: Request, verdicts: list[Verdict]) -> None:
    for verdict in asked:
        verdicts.append(verdict)
        if not verdict.allowed:
            raise refusal_of(request.caller, verdict)
