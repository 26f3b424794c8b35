"""POST /v1/explain: what would be decided, now or then, and every statement that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from domain.access.context import Came, encryption_context_keys, request_context
from domain.access.explain import explain
from domain.access.question import Question
from domain.errors import Refusal
from domain.identities.callers import caller_for
from domain.policy.compile import BOUNDARY, IDENTITY_POLICY, KEY_POLICY, SESSION_POLICY
from domain.world import World
from services.api import shapes
from services.api.bounds import MOST_CHARACTERS, MOST_PAIRS
from services.api.errors import WireError
from services.operations.table import CROSS_ACCOUNT

OF_THE_KEY = frozenset({KEY_POLICY, "grant"})
OF_THE_CALLER = frozenset({IDENTITY_POLICY, BOUNDARY, SESSION_POLICY})


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
            document = orjson.loads(body)
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
        operation = operation.removeprefix("kms:")
        if operation not in KMS_ACTIONS:
            raise bad(
                f"operation is one of KMS, Decrypt for instance (ReEncryptFrom or ReEncryptTo), not {operation!r}"
            )
        return Explained(principal, operation, key, pairs, conditions, at)

    def answer(self, world: World, account: str, came: Came) -> dict[str, Any]:
        """What would be decided in this world, as an account may see it. Raises WireError."""
        try:
            caller, key = caller_for(world, self.principal), world.key(self.key, account, aliases=True)
        except Refusal as fault:
            raise WireError(404, "NotFoundException", fault.message) from None
        if account not in (caller.account, key.account):
            raise WireError(403, "AccessDeniedException", "Neither the principal nor the key is of your account.")
        context = request_context(came, self.operation, {}) | encryption_context_keys(self.encryption_context)
        given = {name.lower(): tuple(values) for name, values in self.conditions.items()}
        resource = world.resource(key)
        whole = {**caller.context, **context, **resource.context, **given}
        question = Question(f"kms:{self.operation}", resource, whole, self.encryption_context)
        reaches = caller.account == key.account or self.operation in CROSS_ACCOUNT
        answer = explain(caller, question, reaches=reaches)
        if key.account != account:
            _withhold(answer, OF_THE_KEY)
            of_the_key = resource.context.keys() - given.keys()
            answer["context"] = {name: values for name, values in answer["context"].items() if name not in of_the_key}
        elif caller.account != account:
            _withhold(answer, OF_THE_CALLER)
            answer["context"] = {
                name: values for name, values in answer["context"].items() if "principaltag" not in name
            }
        return answer | {"position": world.position}


def _withhold(answer: dict[str, Any], kinds: frozenset[str]) -> None:
    """What a policy says is for the account whose policy it is: of the others' only the kind is told."""
    answer["layers"] = [layer for layer in answer["layers"] if layer["layer"] not in kinds]
    for name in ("by", "delegation"):
        if name in answer and answer[name]["kind"] in kinds:
            answer[name] = {"kind": answer[name]["kind"]}
    if "near" in answer and answer["near"]["by"]["kind"] in kinds:
        del answer["near"]
    if "grant" in kinds:
        answer["grants"] = []


EXPLAIN_BODY = (
    'the body is {"principal": ARN, "operation": "Decrypt", "key": "...", "encryption_context": {}, "conditions": {}, '
    '"at": "@1234"}; the last three may be left out'
)
KMS_ACTIONS = (shapes.operation_names("kms") - {"ReEncrypt"}) | {"ReEncryptFrom", "ReEncryptTo"}
