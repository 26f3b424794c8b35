"""The report of a package of evidence: what it says of a story, and that no record can become a part of the page."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from services.evidence.__main__ import main
from services.evidence.report import MOST_LISTED, EvidenceReport
from services.evidence.statement import EvidenceStatement

ACCOUNT = "111122223333"
SCOPE = {"account": ACCOUNT, "about": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k", "named": "alias/payroll"} | {
    "from": "2026-01-01T00:00:00Z",
    "to": "",
    "made": "2026-02-01T00:00:00Z",
}


def statement(**given: Any) -> EvidenceStatement:
    facts: dict[str, Any] = {
        "about": "k",
        "log": "log.example",
        "keys": ["a0b1c2d3"],
        "trees": (0, 3),
        "since": "",
        "records": 1,
    } | {
        "whole": False,
        "unproven": [],
    }
    return EvidenceStatement(**(facts | given))


def call(**given: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"at": "2026-01-02T03:04:05Z", "principal": f"arn:aws:iam::{ACCOUNT}:user/bob"} | {
        "operation": "Decrypt",
        "effect": "allowed",
        "error": None,
        "position": None,
        "message": None,
        "rule": None,
        "call_id": "c-1",
        "summary": "",
        "names": {},
    }
    return facts | given


def page(report: EvidenceReport, **given: Any) -> str:
    return "".join(report.html(SCOPE, statement(**given)))


def test_uses_are_counted_by_who_and_what() -> None:
    report = EvidenceReport(ACCOUNT)
    for at in ("2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z"):
        report.take_call(call(at=at), 7)
    text = page(report)
    assert "user/bob" in text
    assert "</span>2</td><td>2026-01-02 00:00:00</td><td>2026-01-03 00:00:00</td>" in text
    assert "Nothing was refused." in text


def test_what_callers_chose_is_text_and_never_markup() -> None:
    report = EvidenceReport(ACCOUNT)
    hostile = '<script>alert(1)</script>"><img src=x>'
    report.take_call(call(effect="refused", error="access-refused", message=hostile, operation=hostile), 7)
    report.take_call(call(position=3, summary=hostile, principal=hostile), 7)
    report.take_alert({"at": hostile, "severity": hostile, "title": hostile, "summary": hostile})
    text = page(report, about=hostile, unproven=[hostile])
    assert "<script" not in text
    assert "<img" not in text


def test_many_refusals_are_counted_and_the_first_are_listed() -> None:
    report = EvidenceReport(ACCOUNT)
    for _ in range(MOST_LISTED + 1):
        report.take_call(call(effect="refused", error="access-refused"), 7)
    assert f"These are the first {MOST_LISTED} of {MOST_LISTED + 1}" in page(report)


def test_a_statement_says_what_is_not_proven() -> None:
    selected, whole = statement(), statement(whole=True, trees=(2, 9), since="2026-01-01T00:00:00Z")
    assert "no other records about k" in selected.text
    assert "each of records 2 to 8 of the log, which are 7" in whole.text
    assert "none of these was changed or removed" in whole.text
    assert "no other records about k" not in whole.text
    assert (
        "Not in the package: 1 further records about it:\n- it was removed"
        in statement(unproven=["it was removed"]).text
    )
    assert "and 5 more, which evidence.json lists" in statement(unproven=["gone"] * 25).text
    assert "before.tsr" in statement(stamped=["before"]).text


def test_what_is_left_out_of_the_report_is_said_and_the_rest_is_there() -> None:
    """Given records, one that could not be proven, and changes that could not be compared, then the package has all that is
    there and says what is not."""
    trees: dict[str, Any] = {
        "key": "log.example+00000000+AA==",
        "before": "",
        "after": "note",
        "sizes": [0, 1],
        "consistency": [],
        "edge": [],
    }
    trees |= {"whole": False, "stamps": {"before": "", "after": ""}}
    items: list[Any] = [
        {"scope": SCOPE, "trees": trees, "records": 2},
        {"leaf": 0, "proof": {"format": "x"}, "call": call()},
        {"unproven": "it was removed", "call": call()},
        {"left_out": "The answer takes too long."},
    ]
    out = io.BytesIO()
    main(io.BytesIO(b"".join(json.dumps([each]).encode() + b"\n" for each in items)), out)
    with zipfile.ZipFile(out) as package:
        assert package.testzip() is None
        assert "records/000000000000.json" in package.namelist()
        assert json.loads(package.read("evidence.json"))["unproven"] == ["it was removed"]
        assert "The answer takes too long." in package.read("report.html").decode()


def test_a_statement_names_the_key_that_signed_each_checkpoint() -> None:
    found = statement(keys=["a0b1c2d3", "e4f5a6b7"], trees=(2, 9)).text
    assert "The key a0b1c2d3 of the log log.example signed a checkpoint" in found
    assert "The log's earlier key e4f5a6b7 signed an earlier checkpoint" in found


def test_a_listed_call_names_the_file_of_its_record() -> None:
    report = EvidenceReport(ACCOUNT)
    report.take_call(call(effect="refused", error="access-refused"), 7)
    assert "c-1 records/000000000007.json" in page(report)
