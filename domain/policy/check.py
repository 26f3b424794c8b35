"""What may be put into force: stricter than what can be read, since what stands on the log stays readable for ever.

Raises MalformedPolicy with AWS's message and the JSON path of the fault. Source: IAM user guide,
reference_policies_elements_condition_operators; KMS developer guide, conditions-kms (rule 17).
"""

from __future__ import annotations

import json

from domain.characters import UNFIT, texts
from domain.errors import MalformedPolicy
from domain.policy.conditions import FOR_ALL, BadValue, UnknownOperator, compile_test, operator
from domain.policy.parse import Kind, Policy, Statement, parse_policy

SINGLE_VALUED = "kms:encryptioncontext:"
"""kms:EncryptionContext:name has one value: a set operator on it is refused."""


def check_policy(text: str, kind: Kind) -> Policy:
    """The policy, fit to be put into force. Raises MalformedPolicy, LimitExceeded."""
    policy = parse_policy(text, kind)
    if "\\u" in text or not text.isascii():
        _require_fit(text)
    for statement in policy.statements:
        _check_conditions(statement, policy.version)
    return policy


def _require_fit(text: str) -> None:
    for each in texts(json.loads(text)):
        if found := UNFIT.search(each):
            raise MalformedPolicy(f"The policy holds the character U+{ord(found[0]):04X}, which no policy may hold.")


def _check_conditions(statement: Statement, version: str) -> None:
    for name, keys in (statement.condition or {}).items():
        path = f"$.Statement[{statement.index}].Condition.{name}"
        try:
            given = operator(name)
        except UnknownOperator:
            raise MalformedPolicy(f"Syntax error in policy at {path}: {name!r} is no condition operator.") from None
        for key, wanted in keys.items():
            if ":" not in key:
                raise MalformedPolicy(f"Conditions must be prefaced by a vendor, e.g., aws, kms, iam. ({path}.{key})")
            if given.each == FOR_ALL and key.lower().startswith(SINGLE_VALUED):
                raise MalformedPolicy(f"ForAllValues cannot be used with the single-valued key {key}. ({path}.{key})")
            try:
                compile_test(name, key, wanted, version)
            except BadValue as fault:
                raise MalformedPolicy(f"Syntax error in policy at {path}.{key}: {fault}.") from None
