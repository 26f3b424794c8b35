"""What the console's sources repeat of our tables is the same there."""

from __future__ import annotations

import json
import re

from domain.crypto.specs import SPECS
from domain.policy_analysis.compare import WORDS
from services.console.build import SOURCES


def test_the_wizard_offers_the_key_specs_that_can_be_made() -> None:
    offered = json.loads((SOURCES / "src/pages/create/specs.json").read_text())
    assert {name: list(spec.usages) for name, spec in SPECS.items()} == offered


def test_the_review_explains_every_answer_that_a_key_policy_can_give() -> None:
    text = (SOURCES / "src/policy/regions.tsx").read_text()
    table = re.search(r"const ANSWERS[^=]*= {(.*?)\n};", text, re.DOTALL)
    assert table is not None
    assert sorted(WORDS.values()) == sorted(re.findall(r'^  "?([^":]+)"?: "', table[1], re.MULTILINE))
