"""The grant aggregate, and whether it lets a request through. A grant never changes: it is made, and it ends.

Source: KMS API reference, CreateGrant and GrantConstraints; developer guide, grants (policy rules 24 to 26).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.trail.events import GrantCreated

EQUALS = "EncryptionContextEquals"
SUBSET = "EncryptionContextSubset"
SOURCE_ARN = "SourceArn"
UNCONSTRAINED = frozenset({"kms:DescribeKey", "kms:RetireGrant", "kms:CreateGrant"})
"""Actions that encryption-context constraints do not speak of (rule 25); a child grant is compared as a whole."""


Constraints = Mapping[str, Mapping[str, str] | str]
"""EncryptionContextEquals, EncryptionContextSubset: pairs; SourceArn: text."""


@dataclass(frozen=True, slots=True)
class Grant:
    """`grantee` and `retiring` are what matches a caller: a principal's unique id, or its ARN where it is not hosted
    here, or `Service:name`; `*_shown` is as it was given. `constraints` as in the API, by name."""

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
        return _holds(self.constraints, context, source_arn)

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


def _pairs(constraints: Constraints, name: str) -> dict[str, str] | None:
    found = constraints.get(name)
    return None if found is None or isinstance(found, str) else dict(found)


def _holds(constraints: Constraints, given: Mapping[str, str], source_arn: str | None) -> bool:
    equals, subset = _pairs(constraints, EQUALS), _pairs(constraints, SUBSET)
    if equals is not None and equals != dict(given):
        return False
    if subset is not None and not subset.items() <= dict(given).items():
        return False
    source = constraints.get(SOURCE_ARN)
    return source is None or source == source_arn


def is_narrower(child: Constraints, parent: Constraints) -> bool:
    """Whether a child's constraints let through no request that its parent's refuse (rule 26)."""
    if SOURCE_ARN in parent and child.get(SOURCE_ARN) != parent[SOURCE_ARN]:
        return False
    equals, subset = _pairs(parent, EQUALS), _pairs(parent, SUBSET)
    theirs = _pairs(child, EQUALS), _pairs(child, SUBSET)
    if equals is not None and theirs[0] != equals:
        return False
    return subset is None or any(pairs is not None and subset.items() <= pairs.items() for pairs in theirs)
