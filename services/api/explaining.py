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
from domain.policy.compile import KEY_POLICY
from domain.world import World
from services.api import shapes
from services.api.errors import WireError
from services.operations.table import CROSS_ACCOUNT


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
        # What a policy says is for the account whose policy it is.
        if key.account != account:
            answer["layers"] = [each for each in answer["layers"] if each["layer"] != KEY_POLICY]
            answer["grants"] = []
        elif caller.account != account:
            answer["layers"] = [each for each in answer["layers"] if each["layer"] == KEY_POLICY]
            answer["context"] = {key: values for key, values in answer["context"].items() if "principaltag" not in key}
        return answer | {"position": world.position}


EXPLAIN_BODY = (
    'the body is {"principal": ARN, "operation": "Decrypt", "key": "...", "encryption_context": {}, "conditions": {}, '
    '"at": "@1234"}; the last three may be left out'
)
KMS_ACTIONS = (shapes.operation_names("kms") - {"ReEncrypt"}) | {"ReEncryptFrom", "ReEncryptTo"}
