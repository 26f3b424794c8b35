"""The policies of AWS's KMS developer guide raise what docs/documented_policies.toml argues for, and nothing else."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from domain.alerts.wide_identity_policy import gives
from domain.policy.default import default_key_policy
from services.alert_worker.drafts import of_new_key
from services.settings import Settings

ROOT = Path(__file__).parents[2]
POLICIES = ROOT.parent / "shared" / "data" / "policies" / "kms-guide-policies.json"
ARGUED = tomllib.loads((ROOT / "docs" / "documented_policies.toml").read_text())["finding"]
OWNERS = {108: "444455556666"}
"""The account whose key a policy belongs to, if it is not the guide's usual account."""
USUAL, REGION = "111122223333", "us-west-2"


def found(number: int, row: dict[str, Any]) -> list[str]:
    """The rules that fire."""
    document, account = row["policy"], OWNERS.get(number, USUAL)
    if "identity" in row["kind"]:
        whole = document if "Statement" in document else {"Version": "2012-10-17", "Statement": document}
        return ["identity-wide"] if gives(json.dumps(whole), account, REGION) else []
    if row["kind"] != "key policy":
        own = json.loads(default_key_policy(account))
        more = document.get("Statement", document)
        document = own | {"Statement": [*own["Statement"], *(more if isinstance(more, list) else [more])]}
    text = json.dumps(document)
    key = re.search(r":key/([0-9a-f-]{36})", text)
    settings = Settings(region=REGION)
    return [each["rule"] for each in of_new_key(settings, text, account, *([key[1]] if key else []))]


@pytest.mark.skipif(not POLICIES.exists(), reason="the collection is not beside this checkout")
def test_each_finding_is_argued_and_there_is_no_other() -> None:
    policies = json.loads(POLICIES.read_text())
    expected = Counter((each["number"], each["rule"]) for each in ARGUED)
    assert all(policies[each["number"]]["page"] == each["page"] for each in ARGUED)
    assert expected == Counter((number, rule) for number, row in enumerate(policies) for rule in found(number, row))
