"""The semantic diff of two real key policies, each pair for the first time in its process."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from pathlib import Path

from domain.errors import Refusal
from domain.keys.states import KEY_ACTIONS
from domain.policy_analysis.compare import compare
from domain.policy_analysis.space import Side, Space

PRINTED = Path(__file__).parents[2] / "shared" / "data" / "policies" / "kms-guide-policies.json"
ACCOUNT = "111122223333"
ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def policies() -> list[str]:
    """The complete key policies that the developer guide prints, and its single statements added to the default
    policy."""
    default = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}
    found = []
    for each in json.loads(PRINTED.read_text()):
        if each["kind"] == "key policy":
            found.append(json.dumps(each["policy"]))
        elif each["kind"] == "statement of a key policy":
            document = {"Version": "2012-10-17", "Statement": [default, each["policy"]]}
            found.append(json.dumps(document))
    return found


def measure() -> list[tuple[str, str, str]]:
    texts = [text for text in policies() if _readable(text)]
    taken = []
    answers: dict[str, int] = {}
    for old, new in itertools.permutations(texts, 2):
        began = time.perf_counter()
        answer = compare(Space((Side(old), Side(new)), ACCOUNT, KEY_ACTIONS, ARN))["answer"]
        taken.append((time.perf_counter() - began) * 1000)
        answers[answer] = answers.get(answer, 0) + 1
    taken.sort()
    told = ", ".join(f"{count} {answer}" for answer, count in sorted(answers.items()))
    return [
        ("semantic diff, median", f"{statistics.median(taken):.1f} ms", "at most 5 ms"),
        ("semantic diff, p99", f"{taken[int(len(taken) * 0.99)]:.1f} ms", "at most 100 ms"),
        (f"  of {len(taken)} pairs of {len(texts)} printed policies", told, ""),
    ]


def _readable(text: str) -> bool:
    try:
        Side(text).parsed()
    except Refusal:  # the guide prints placeholders that no valid policy may have
        return False
    return True
