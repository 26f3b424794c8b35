"""Checks a policy before it is put into force. It is stricter than the parser, because the log keeps a policy for ever
and it has to stay readable.

Raises MalformedPolicy with AWS's message and the JSON path of the fault. Source: IAM user guide,
reference_policies_elements_condition_operators, _sid and _notprincipal, reference-arns; KMS developer guide,
conditions-kms (#no-set-operator-on-a-pair) and key-policy-overview (a Sid of a key policy may have spaces).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from domain.arn import PARTITION, parse_arn
from domain.characters import UNFIT, texts
from domain.errors import MalformedPolicy
from domain.policy import unseen
from domain.policy.conditions import FOR_ALL, BadValue, UnknownOperator, as_utc, compile_test, operator
from domain.policy.parse import (
    INLINE,
    KEY,
    MANAGED,
    SESSION,
    SIMULATED,
    TRUST,
    Policy,
    PolicyKind,
    Principals,
    Statement,
    invalid_principals,
    parse_policy,
)

SINGLE_VALUED = {"kms:encryptioncontext:": ("EncryptionContext:", "encryption context"), "aws:requesttag/": ("", "tag")}
"""The beginnings of condition keys with one value, on which AWS KMS refuses ForAllValues, and the words in which it refuses."""
_SID = re.compile(r"[0-9A-Za-z]*")
_WILD = frozenset("*?")
_PARTITION = re.compile(r"arn:((?:\$\{[^{}]*+\}|[^:])*+):")
"""The repeats are possessive: both alternatives fit a variable, so without a further colon Python would try every way to
divide the text, and their number doubles with each variable."""


def check_policy(text: str, kind: PolicyKind) -> Policy:
    """Parses a policy that may be put into force. Raises MalformedPolicy, LimitExceeded."""
    policy = parse_policy(text, kind)
    if "\\u" in text or not text.isascii():
        _require_fit(text)
    for statement in policy.statements:
        for refuse in REFUSED[kind]:
            refuse(statement)
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
            dates = operator(name).name.startswith("Date")
        except UnknownOperator:
            raise MalformedPolicy(f"Syntax error in policy at {path}: {name!r} is no condition operator.") from None
        for key, wanted in keys.items():
            if ":" not in key:
                raise MalformedPolicy(f"Conditions must be prefaced by a vendor, e.g., aws, kms, iam. ({path}.{key})")
            if key.lower() == unseen.KEY.lower():
                raise MalformedPolicy(
                    f"{key} stands for what an imported trail never saw, and in no policy. ({path}.{key})"
                )
            try:
                compile_test(name, key, wanted, version)
                for each in wanted if dates else ():
                    as_utc(each)
            except BadValue as fault:
                raise MalformedPolicy(f"Syntax error in policy at {path}.{key}: {fault}.") from None


# -- what some kinds of policy may not hold ---------------------------------------------------------------------------


def _principals(statement: Statement) -> Iterator[tuple[str, Principals]]:
    for element, held in (("Principal", statement.principal), ("NotPrincipal", statement.not_principal)):
        if held is not None:
            yield f"$.Statement[{statement.index}].{element}", held


def _foreign_principals(statement: Statement) -> None:
    for path, held in _principals(statement):
        for name in held.names:
            arn = parse_arn(name.removeprefix("Federated:"))
            if (arn is not None and arn.partition != PARTITION) or name.endswith(".amazonaws.com.cn"):
                raise invalid_principals(path)


def _foreign_resources(statement: Statement) -> None:
    for element, held in (("Resource", statement.resource), ("NotResource", statement.not_resource)):
        for resource in held or ():
            found = _PARTITION.match(resource)
            partition = found[1] if found is not None else PARTITION
            if partition != PARTITION and not _WILD & set(partition):
                path = f"$.Statement[{statement.index}].{element}"
                raise MalformedPolicy(f'Partition "{partition}" is not valid for resource "{resource}". ({path})')


def _sid_of_iam(statement: Statement) -> None:
    if not _SID.fullmatch(statement.sid):
        raise MalformedPolicy(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
            f"[0-9A-Za-z]* ($.Statement[{statement.index}].Sid)"
        )


def _allow_but_for(statement: Statement) -> None:
    if statement.not_principal is not None and statement.effect == "Allow":
        path = f"$.Statement[{statement.index}].NotPrincipal"
        raise MalformedPolicy(f"NotPrincipal must be used with Effect Deny: with Allow it is not supported. ({path})")


def _not_principal(statement: Statement) -> None:
    if statement.not_principal is not None:
        raise MalformedPolicy(f"Has prohibited field NotPrincipal. ($.Statement[{statement.index}])")


def _overly_permissive(statement: Statement) -> None:
    for name, keys in (statement.condition or {}).items():
        for key in keys if name.startswith(f"{FOR_ALL}:") else ():
            for beginning, (which, what) in SINGLE_VALUED.items():
                if key.lower().startswith(beginning):
                    raise MalformedPolicy(
                        f"OverlyPermissiveCondition:{which} Using the ForAllValues set operator with a single-valued "
                        f"condition key matches requests without the specified {what} or with an unspecified {what}. To "
                        f"fix, remove ForAllValues. ($.Statement[{statement.index}].Condition.{name}.{key})"
                    )


_OF_IAM = (_sid_of_iam, _foreign_resources)
REFUSED: dict[PolicyKind, tuple[Callable[[Statement], None], ...]] = {
    KEY: (_foreign_principals, _allow_but_for, _overly_permissive),
    TRUST: (_sid_of_iam, _foreign_principals, _not_principal),
    MANAGED: _OF_IAM,
    INLINE: _OF_IAM,
    SESSION: _OF_IAM,
    SIMULATED: _OF_IAM,
}
"""What each kind of policy may not hold, besides what no policy may hold. IAM does not check condition keys of one value."""
