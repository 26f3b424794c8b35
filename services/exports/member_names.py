"""Spells names of members as the API does (KeyId) and as CloudTrail does (keyId), by the service model's shapes.

The names in a map (an encryption context, tags) come from the user, so they stay unchanged. Only the shape shows that something
is a map.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from services.kms_api import shapes

SERVICES = ("kms", "iam", "sts")


def camel(shape: Shape | None, value: Any) -> Any:
    """The value with its members' names in CloudTrail's spelling."""
    match shape:
        case StructureShape() if isinstance(value, dict):
            members: Any = shape.members
            return {f"{name[:1].lower()}{name[1:]}": camel(members.get(name), each) for name, each in value.items()}
        case ListShape() if isinstance(value, list):
            return [camel(shape.member, each) for each in value]
    return value


def pascal(shape: Shape | None, value: Any) -> Any:
    """The value with its members' names in the API's spelling, whatever the case of the first letters (both `aWSAccountId` and
    `AWSAccountId` occur)."""
    match shape:
        case StructureShape() if isinstance(value, dict):
            names = _by_folded(shape)
            result = {}
            for name, each in value.items():
                known = names.get(name.lower())
                result[known or name] = pascal(shape.members[known], each) if known else each
            return result
        case ListShape() if isinstance(value, list):
            return [pascal(shape.member, each) for each in value]
        case MapShape():
            return value
    return value


@lru_cache(maxsize=4096)
def _by_folded(shape: StructureShape) -> dict[str, str]:
    return {name.lower(): name for name in shape.members}


@lru_cache(maxsize=1024)
def service_of(operation: str) -> str:
    """kms, iam or sts; keytrail if none of them has the operation."""
    return next((each for each in SERVICES if operation in shapes.operation_names(each)), "keytrail")


@lru_cache(maxsize=1024)
def shapes_of(service: str, operation: str) -> tuple[Shape | None, Shape | None]:
    """(input, output); None for one that the operation does not have."""
    if service not in SERVICES or operation not in shapes.operation_names(service):
        return None, None
    model = shapes.service_model(service).operation_model(operation)
    return model.input_shape, model.output_shape
