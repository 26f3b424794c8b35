"""What the console's sources repeat of our tables is the same there."""

from __future__ import annotations

import json

from domain.crypto.specs import SPECS
from services.console.build import SOURCES


def test_the_wizard_offers_the_key_specs_that_can_be_made() -> None:
    offered = json.loads((SOURCES / "src/pages/create/specs.json").read_text())
    assert {name: list(spec.usages) for name, spec in SPECS.items()} == offered
