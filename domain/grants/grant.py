"""The grant aggregate, and whether it lets a request through. A grant never changes between its creation and its end.

Source: KMS API reference, CreateGrant and GrantConstraints; developer guide, grants. Rules: #grants-only-allow,
#grant-constraints, #child-grant-is-no-wider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.log.events import GrantCreated

EQUALS = "EncryptionContextEquals"
SUBSET = "EncryptionContextSubset"
SOURCE_ARN = "SourceArn"
UNCONSTRAINED = frozenset({"kms:DescribeKey", "kms:RetireGrant", "kms:CreateGrant"})
"""Actions to which encryption-context constraints do not apply (#grant-constraints). CreateGrant compares a child grant
as a whole."""


Constraints = Mapping[str, Mapping[str, str] | str]
"""EncryptionContextEquals and EncryptionContextSubset have pairs; SourceArn has a text."""
Pairs = tuple[tuple[str, str], ...]
"""Pairs in order, with their names in lower case: "in a grant constraint, the key in each key-value pair is not case
sensitive, but the value is case sensitive" (API reference, GrantConstraints)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """`grantee` and `retiring` are names that a caller can match: a principal's unique id, its ARN if it is not hosted
    here, or `Service:name`. `*_shown` is the name as it was given. `constraints` are the API's, by name."""

    id: str
    key: str
    name: str
    grantee: str
    grantee_shown: str
    retiring: str
    retiring_shown: str
    operations: frozenset[str]
    constraints: Constraints
    issued_by: str
    issuer: str
    parent: str
    created: int
    position: int

    def lets(self, action: str, context: Mapping[str, str], source_arn: str | None) -> bool:
        """Whether the grant gives `action` (`kms:Name`) to its grantee under this encryption context."""
        if action not in self.operations:
            return False
        if not self.constraints or action in UNCONSTRAINED:
            return True
        # Nearly every call writes the names in the same case as its grant.
        return _held(self.constraints, context, source_arn) or _holds(self.constraints, context, source_arn)

    def let_before(self, action: str, context: Mapping[str, str], source_arn: str | None) -> bool:
        """The same by evaluator 3's rule: the case of the pairs' names mattered."""
        if action not in self.operations:
            return False
        if not self.constraints or action in UNCONSTRAINED:
            return True
        return _held(self.constraints, context, source_arn)

    def document(self) -> dict[str, str | int]:
        return {"kind": "grant", "grant": self.id, "position": self.position}


def granted(event: GrantCreated, at: int, position: int) -> Grant:
    return Grant(
        id=event.grant,
        key=event.key,
        name=event.name,
        grantee=event.grantee_id,
        grantee_shown=event.grantee,
        retiring=event.retiring_id,
        retiring_shown=event.retiring,
        operations=frozenset(f"kms:{operation}" for operation in event.operations),
        constraints=event.constraints,
        issued_by=event.issued_by,
        issuer=event.issuer,
        parent=event.parent,
        created=at,
        position=position,
    )


Alike = tuple[str, str, str, str, frozenset[str], frozenset[tuple[str, frozenset[tuple[str, str]] | str]]]


def alike(grant: Grant) -> Alike:
    """Equal for two grants of a key that CreateGrant takes for the same, if they have a name: their names, grantees, retiring
    principals, issuing accounts, operations and constraints (API reference, CreateGrant, Name)."""
    constraints = frozenset(
        (name, value if isinstance(value, str) else frozenset(value.items()))
        for name, value in grant.constraints.items()
    )
    return grant.name, grant.grantee, grant.retiring, grant.issued_by, grant.operations, constraints


def _without_case(pairs: Mapping[str, str]) -> Pairs:
    return tuple(sorted((name.lower(), value) for name, value in pairs.items()))


def _pairs(constraints: Constraints, name: str) -> Pairs | None:
    found = constraints.get(name)
    return None if found is None or isinstance(found, str) else _without_case(found)


def _holds(constraints: Constraints, given: Mapping[str, str], source_arn: str | None) -> bool:
    # A key may have tens of thousands of grants to one grantee, one for each tenant: most differ in a value.
    values = given.values()
    for wanted in (constraints.get(EQUALS), constraints.get(SUBSET)):
        if isinstance(wanted, Mapping) and any(value not in values for value in wanted.values()):
            return False
    pairs = _without_case(given)
    equals, subset = _pairs(constraints, EQUALS), _pairs(constraints, SUBSET)
    if equals is not None and equals != pairs:
        return False
    if subset is not None and not set(subset) <= set(pairs):
        return False
    return _is_from(constraints, source_arn)


def _held(constraints: Constraints, given: Mapping[str, str], source_arn: str | None) -> bool:
    equals, subset = constraints.get(EQUALS), constraints.get(SUBSET)
    if isinstance(equals, Mapping) and dict(equals) != dict(given):
        return False
    if isinstance(subset, Mapping) and not subset.items() <= given.items():
        return False
    return _is_from(constraints, source_arn)


def _is_from(constraints: Constraints, source_arn: str | None) -> bool:
    source = constraints.get(SOURCE_ARN)
    return source is None or source == source_arn


def is_narrower(child: Constraints, parent: Constraints) -> bool:
    """Whether a child's constraints let through only requests that its parent's let through (#child-grant-is-no-wider)."""
    if SOURCE_ARN in parent and child.get(SOURCE_ARN) != parent[SOURCE_ARN]:
        return False
    equals, subset = _pairs(parent, EQUALS), _pairs(parent, SUBSET)
    theirs = _pairs(child, EQUALS), _pairs(child, SUBSET)
    if equals is not None and theirs[0] != equals:
        return False
    return not subset or any(pairs is not None and set(subset) <= set(pairs) for pairs in theirs)
