"""Explains why a call would be decided in some way, and why a past call was decided in its way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson

from domain.arn import account_in
from domain.authorization.audience import ACROSS, OF_THE_CALLER, Audience, Told
from domain.authorization.caller import Caller
from domain.authorization.context import RequestOrigin, encryption_context_keys, request_context
from domain.authorization.explain import explain
from domain.authorization.question import Question, Resource
from domain.authorization.verdict import OTHER_ACCOUNT
from domain.errors import Refusal
from domain.keys.key import nobodys
from domain.policy.compile import KEY_POLICY
from domain.policy_analysis.who_could import RETIRE
from domain.state.callers import caller_for
from domain.state.principals import canonical
from domain.state.world import World
from services.audit_api.answer_shapes import One
from services.audit_api.context import AuditContext
from services.audit_api.decided_calls import DECISION
from services.audit_api.faults import invalid, missing
from services.audit_api.freshness import fresh
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter, RouteRow
from services.audit_api.schemas import MOMENT, PAIRS, TEXT, Member
from services.kms_api.bounds import MOST_CHARACTERS, MOST_PAIRS, parsed
from services.operations.table import CROSS_ACCOUNT
from services.questions.as_of import find_key
from services.questions.moments import moment_of
from services.questions.past_call import explained
from services.questions.subjects import with_names
from services.questions.who_can import foreign
from services.questions.worlds import world_then

EXPLAIN_BODY = (
    'the body must be {"principal": ARN, "operation": "Decrypt", "key": "...", "encryption_context": {}, "conditions": {}, '
    '"at": "@1234"}; the last three may be left out'
)
LEFT = "left"
"""The effect if the asking account's side allows the call. The answer does not reveal what the other account's side decides."""


async def explain_request(audit: AuditContext, request: AuditRequest) -> Told:
    """The principal, the key or both belong to the asking account. Raises WireError, AccessRefused."""
    body = HypotheticalCall.read(request.body)
    source = await audit.sources.of(request)
    body = replace(
        body,
        principal=await audit.principals.principal(request, source, body.principal),
        operation=audit.operations.of_kms(body.operation),
        key=audit.keys.written(body.key, source.account),
    )
    if f"kms:{body.operation}" == RETIRE:
        raise invalid(f"A grant says who may retire it: `keytrail who-can RetireGrant {body.key}` names them.")
    origin = audit.permissions.origin(request.http)
    async with fresh(audit.live):
        world = await _world_then(audit, body, request.audience) if body.at else audit.live.world
    at = world.at if body.at else origin.at
    return body.explanation(world, request.audience, replace(origin, source="", agent="", at=at))


async def _world_then(audit: AuditContext, body: HypotheticalCall, audience: Audience) -> World:
    """The parts of the asking account's world of then that the question needs: its principals, and the key if it is its
    own. Raises NoSuchMoment, KeyNotFound."""
    region = audit.settings.region
    moment = await moment_of(audit.log, body.at, audit.live.position)
    rows = []
    if audience.owns(account_in(body.key) or audience.account):
        rows.append(await find_key(audit.log, body.key, audience.account, region, moment))
    return await world_then(audit.log, region, moment, rows, [audience.account])


@dataclass(frozen=True, slots=True)
class HypotheticalCall:
    """The body of POST /v1/explain."""

    principal: str
    operation: str
    key: str
    encryption_context: dict[str, str]
    conditions: dict[str, list[str]]
    at: str

    @staticmethod
    def read(body: bytes) -> HypotheticalCall:
        """Raises WireError."""
        try:
            document = parsed(body)
            pairs, conditions = document.get("encryption_context") or {}, document.get("conditions") or {}
            texts = [document["principal"], document["operation"], document["key"], document.get("at") or ""]
            conditions = {name: [values] if isinstance(values, str) else values for name, values in conditions.items()}
            texts += [*pairs.values(), *(each for values in conditions.values() for each in values)]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise invalid(EXPLAIN_BODY) from None
        if not all(isinstance(each, str) for each in texts):
            raise invalid(EXPLAIN_BODY)
        principal, operation, key, at = texts[:4]
        if len(conditions) > MOST_PAIRS or sum(map(len, (*pairs, *conditions, *texts))) > 2 * MOST_CHARACTERS:
            raise invalid(
                f"encryption_context and conditions may have at most {MOST_PAIRS} names and {MOST_CHARACTERS} characters"
            )
        return HypotheticalCall(principal, operation, key, pairs, conditions, at)

    def explanation(self, world: World, audience: Audience, origin: RequestOrigin) -> Told:
        """What would be decided, as far as the asking account may read it. Raises WireError, AccessRefused."""
        name = canonical(self.principal)
        of = account_in(name) or audience.account
        owner = account_in(self.key) or audience.account
        if not audience.owns(of):
            audience.require(owner)
        try:
            caller, resource = self._sides(world, audience, name, of, owner)
        except Refusal as fault:
            raise missing(fault.message) from None
        context = request_context(origin, self.operation, {}) | encryption_context_keys(self.encryption_context)
        given = {name.lower(): tuple(values) for name, values in self.conditions.items()}
        asking = caller.asking(context, self.encryption_context)
        whole = {**asking.context, **asking.request, **resource.context, **given}
        question = Question(f"kms:{self.operation}", resource, whole, self.encryption_context)
        reaches = of == owner or self.operation in CROSS_ACCOUNT
        found = explain(caller, question, reaches=reaches)
        return audience.own(audience.account, _one_side(found, of, owner, audience) | {"position": world.position})

    def _sides(self, world: World, audience: Audience, name: str, of: str, owner: str) -> tuple[Caller, Resource]:
        """The caller, of account `of`, and the key, of account `owner`. One of these is the asking account. Raises
        refusals for things that do not exist."""
        if not audience.owns(owner):  # whether another account's key exists is not looked up
            return caller_for(world, self.principal), nobodys(self.key, owner)
        key = world.key(self.key, audience.account, aliases=True)
        caller = caller_for(world, self.principal) if audience.owns(of) else foreign(world, key, of, name)
        return caller, world.resource(key)


def _one_side(answer: dict[str, Any], of: str, owner: str, audience: Audience) -> dict[str, Any]:
    """Across accounts, an explanation covers only the asking account's side: its policies, not those of the other account."""
    if of == owner:
        return answer
    answer = dict(answer)
    if not audience.owns(owner):
        answer["layers"] = [layer for layer in answer["layers"] if layer["layer"] != KEY_POLICY]
        denied = answer["by"]["kind"] in OF_THE_CALLER
        answer.pop("near", None)
    else:
        answer["layers"] = [layer for layer in answer["layers"] if layer["layer"] not in OF_THE_CALLER]
        denied = answer["effect"] == "deny"
    if not denied and answer["by"].get("rule") != OTHER_ACCOUNT:
        other = owner if audience.owns(of) else of
        answer |= {"effect": LEFT, "kind": ACROSS, "message": f"Account {other} decides the rest by its own policies."}
        if not audience.owns(owner):
            answer["by"] = {"kind": ACROSS}
    return answer


EXPLAIN = RouteRow(
    "POST",
    "/v1/explain",
    "explain",
    explain_request,
    "What would be decided, and every statement that was looked at",
    tag="past",
    action="keytrail:Explain",
    body=(
        Parameter("principal", "ARN of a user, role, session or root", required=True),
        Parameter("operation", "Decrypt, ReEncryptFrom, ...", required=True),
        Parameter("key", "id, ARN or alias", required=True),
        Parameter("encryption_context", "the pairs", PAIRS | {"additionalProperties": TEXT}),
        Parameter(
            "conditions",
            "other condition keys and their values",
            PAIRS | {"additionalProperties": {"oneOf": [TEXT, {"type": "array", "items": TEXT}]}},
        ),
        Parameter("at", "a time or a position; now where left out", MOMENT),
    ),
    answer=One(
        (
            Member("effect", "text", "allow, deny, or left: to another account, whose own policies decide the rest"),
            Member("kind", "text?", "what decided: key-policy, identity-policy, grant, boundary, implicit-deny, ..."),
            Member("by", "object", "the statement, grant or rule"),
            Member("delegation", "object?", "the statement that let an identity policy decide"),
            Member("near", "object?", "the one condition that kept one statement from allowing"),
            Member("message", "text?", "what the caller would be told"),
            Member("layers", "objects", "every statement of every policy, and why it matched or did not"),
            Member("grants", "objects", "every grant on the key, and why it applied or did not"),
            Member("context", "object", "every condition key that was there"),
            Member("action", "text", "what was asked"),
            Member("principal", "text", "by whom"),
            Member("resource", "text", "on what"),
            Member("position", "integer", "the last record of the state that it is about"),
        )
    ),
)


async def explain_call(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError, AccessRefused."""
    async with fresh(audit.live):
        source = await audit.sources.of(request)
        named = partial(with_names, source, with_aliases=audit.keys.with_aliases)
        region, position = audit.settings.region, audit.live.position
        return await explained(audit.log, region, request.audience, request.place("call"), position, named)


EXPLAIN_CALL = RouteRow(
    "GET",
    "/v1/calls/{call}",
    "explain_call",
    explain_call,
    "One call by its id (x-amzn-RequestId) and why it was decided so; asks keytrail:ReadDecisions as well",
    tag="decisions",
    action="keytrail:Explain",
    also=("keytrail:ReadDecisions",),  # the answer shows a decision
    answer=One(
        (
            *DECISION,
            Member("inputs", "object?", "everything that the evaluator read"),
            Member("session", "object?", "the session of the credential"),
            Member(
                "permissions",
                "objects",
                "of a call within the account: each permission that it asked, with `layers`, `grants` and `context` as "
                "/v1/explain gives them",
            ),
        )
    ),
)


ROUTES = (EXPLAIN, EXPLAIN_CALL)
