"""POST /v1/explain: what would be decided, now or then, and every statement that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from domain.authorization.audience import ACROSS, OF_THE_CALLER, Audience, Told, account_in
from domain.authorization.context import RequestOrigin, encryption_context_keys, request_context
from domain.authorization.explain import explain
from domain.authorization.question import Question
from domain.authorization.verdict import OTHER_ACCOUNT
from domain.errors import Refusal
from domain.keys.key import nobodys
from domain.policy.compile import KEY_POLICY
from domain.state.callers import caller_for
from domain.state.principals import canonical
from domain.state.world import World
from services.kms_api import shapes
from services.kms_api.bounds import MOST_CHARACTERS, MOST_PAIRS, parsed
from services.kms_api.errors import WireError
from services.operations.table import CROSS_ACCOUNT
from services.questions.who_can import foreign


def bad(message: str) -> WireError:
    return WireError(400, "ValidationException", message)


@dataclass(frozen=True, slots=True)
class Explained:
    """The body of POST /v1/explain."""

    principal: str
    operation: str
    key: str
    encryption_context: dict[str, str]
    conditions: dict[str, list[str]]
    at: str

    @staticmethod
    def read(body: bytes) -> Explained:
        """Raises WireError."""
        try:
            document = parsed(body)
            pairs, conditions = document.get("encryption_context") or {}, document.get("conditions") or {}
            texts = [document["principal"], document["operation"], document["key"], document.get("at") or ""]
            conditions = {name: [values] if isinstance(values, str) else values for name, values in conditions.items()}
            texts += [*pairs.values(), *(each for values in conditions.values() for each in values)]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise bad(EXPLAIN_BODY) from None
        if not all(isinstance(each, str) for each in texts):
            raise bad(EXPLAIN_BODY)
        principal, operation, key, at = texts[:4]
        if len(conditions) > MOST_PAIRS or sum(map(len, (*pairs, *conditions, *texts))) > 2 * MOST_CHARACTERS:
            raise bad(
                f"encryption_context and conditions have at most {MOST_PAIRS} names, and {MOST_CHARACTERS} characters"
            )
        return Explained(principal, operation, key, pairs, conditions, at)

    def answer(self, world: World, audience: Audience, origin: RequestOrigin) -> Told:
        """What would be decided, as the asking account may be told. Raises WireError, AccessRefused."""
        name = canonical(self.principal)
        of = account_in(name) or audience.account
        owner = account_in(self.key) or audience.account
        if not audience.owns(of):
            audience.require(owner)
        try:
            if audience.owns(owner):
                key = world.key(self.key, audience.account, aliases=True)
                resource = world.resource(key)
            else:  # of another account's key nothing is known, not even whether it is there
                key, resource = None, nobodys(self.key, owner)
            if audience.owns(of):
                caller = caller_for(world, self.principal)
            else:
                assert key is not None, "one of the two is the account's own"
                caller = foreign(world, key, of, name)
        except Refusal as fault:
            raise WireError(404, "NotFoundException", fault.message) from None
        context = request_context(origin, self.operation, {}) | encryption_context_keys(self.encryption_context)
        given = {name.lower(): tuple(values) for name, values in self.conditions.items()}
        whole = {**caller.context, **context, **resource.context, **given}
        question = Question(f"kms:{self.operation}", resource, whole, self.encryption_context)
        reaches = of == owner or self.operation in CROSS_ACCOUNT
        found = explain(caller, question, reaches=reaches)
        return audience.own(audience.account, _one_side(found, of, owner, audience) | {"position": world.position})


LEFT = "left"
"""The effect where this account's side lets the call through, and the other account's side is not for it to know."""


def _one_side(answer: dict[str, Any], of: str, owner: str, audience: Audience) -> dict[str, Any]:
    """Across accounts an explanation is of the asking account's side: what the other one's policies say, they say to it."""
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


EXPLAIN_BODY = (
    'the body is {"principal": ARN, "operation": "Decrypt", "key": "...", "encryption_context": {}, "conditions": {}, '
    '"at": "@1234"}; the last three may be left out'
)
KMS_ACTIONS = (shapes.operation_names("kms") - {"ReEncrypt"}) | {"ReEncryptFrom", "ReEncryptTo"}
