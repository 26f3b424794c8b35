"""A message that lists possible values lists no value that is then refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.model import Shape

from domain.crypto.specs import SPECS
from services.kms_api.shapes import OFFERED, Invalid, compiled, service_model

REFUSED = frozenset({"SM2", "ML_KEM_512", "SM2PKE", "SM2DSA", "ED25519_PH_SHA_512", "RSAES_PKCS1_V1_5"})
"""Specs and algorithms of the service model that are refused everywhere."""


def enums(operation: str) -> list[tuple[str, Shape]]:
    shape = service_model("kms").operation_model(operation).input_shape
    return [] if shape is None else [(name, each) for name, each in shape.members.items() if getattr(each, "enum", ())]


CASES = [(operation, name) for operation in service_model("kms").operation_names for name, _ in enums(operation)]


def told(operation: str, name: str) -> set[str]:
    parameters: dict[str, Any] = {name: "?"}
    with pytest.raises(Invalid) as fault:
        compiled("kms", operation).check(parameters)
    path = name[:1].lower() + name[1:]
    found = re.search(
        rf"Value '\?' at '{path}' failed to satisfy constraint: .* enum value set: \[(.*?)\]", str(fault.value)
    )
    assert found is not None
    return set(found[1].split(", "))


@pytest.mark.parametrize(("operation", "name"), CASES)
def test_an_enums_sentence_lists_all_that_is_offered_and_nothing_that_is_refused(operation: str, name: str) -> None:
    (shape,) = (each for each_name, each in enums(operation) if each_name == name)
    assert told(operation, name) == set(shape.enum) - REFUSED


def test_the_cases_are_those_of_the_model() -> None:
    """Some operation asks for each enum of specs and algorithms, and the refused specs are those that are not in the
    table."""
    asked = {shape.name for operation, _ in CASES for _, shape in enums(operation)}
    assert set(OFFERED) <= asked
    assert set(service_model("kms").shape_for("KeySpec").enum) - REFUSED == set(SPECS)
