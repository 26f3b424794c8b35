"""Policies as AWS documents them raise what is expected of them and nothing else, and mean what they say."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from domain.alerts.wide_identity_policy import gives
from domain.policy.default import default_key_policy
from domain.policy_analysis.outcomes import EQUIVALENT, UNKNOWN
from services.alert_worker.drafts import of_new_key
from services.settings import Settings
from tests.documented import GUIDES, KEY_POLICY, OURS, POLICY_SHAPES, REGION, ROOT
from tests.domain.test_meaning import diff

ARGUED = tomllib.loads((ROOT / "docs" / "documented_policies.toml").read_text())["finding"]
OWNERS = {108: "444455556666"}
"""Whose key a policy of the guide is of, where it is not the guide's usual account."""


def raised(kind: str, document: Any, account: str = OURS) -> list[str]:
    """The rules that fire on a policy: a key's with the default policy's statements where it is but one of them."""
    if "identity" in kind:
        whole = document if "Statement" in document else {"Version": "2012-10-17", "Statement": document}
        return ["identity-wide"] if gives(json.dumps(whole), account, REGION) else []
    if kind != KEY_POLICY:
        own = json.loads(default_key_policy(account))
        more = document.get("Statement", document)
        document = own | {"Statement": [*own["Statement"], *(more if isinstance(more, list) else [more])]}
    text = json.dumps(document)
    key = re.search(r":key/([0-9a-f-]{36})", text)
    return [each["rule"] for each in of_new_key(Settings(region=REGION), text, account, *([key[1]] if key else []))]


@dataclass(frozen=True)
class Expected:
    """A policy, whose key it is of, and the rules that it should raise."""

    kind: str
    document: Any
    account: str
    rules: Sequence[str]


def ours() -> list[Expected]:
    return [Expected(shape.kind, shape.document, OURS, shape.raises) for shape in POLICY_SHAPES]


def guides() -> list[Expected]:
    """The policies of AWS's guide, each with the findings that docs/documented_policies.toml argues for."""
    rules: dict[int, list[str]] = defaultdict(list)
    rows = json.loads(GUIDES.read_text())
    for each in ARGUED:
        assert rows[each["number"]]["page"] == each["page"]
        rules[each["number"]].append(each["rule"])
    return [Expected(row["kind"], row["policy"], OWNERS.get(at, OURS), rules[at]) for at, row in enumerate(rows)]


COLLECTIONS = [ours, *([guides] if GUIDES.exists() else [])]
"""AWS's own policies are read where they stand beside the checkout: they are not ours to give away."""


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_documented_policies_raise_what_is_argued_and_nothing_else(collection: Callable[[], list[Expected]]) -> None:
    policies = collection()
    expected = Counter((at, rule) for at, each in enumerate(policies) for rule in each.rules)
    found = ((at, raised(each.kind, each.document, each.account)) for at, each in enumerate(policies))
    assert expected == Counter((at, rule) for at, rules in found for rule in rules)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_each_key_policy_is_the_same_as_itself_and_the_comparison_is_symmetric(
    collection: Callable[[], list[Expected]],
) -> None:
    texts = [json.dumps(each.document) for each in collection() if each.kind == KEY_POLICY]
    assert len(texts) > 10
    answers = [[diff(one, other)["answer"] for other in texts] for one in texts]
    assert {answers[at][at] for at in range(len(texts))} == {EQUIVALENT}
    assert all(answers[at][other] == answers[other][at] for at in range(len(texts)) for other in range(len(texts)))
    assert UNKNOWN not in {answer for row in answers for answer in row}
