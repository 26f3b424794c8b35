"""A page or file of changes is evidence: it names its account, the question and the time, and each sentence stands in
its place."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from services.cli.changes import HTML
from tests.cli.replay import Recording, read, replayed, typed

LOG = "5a1c7fd2-7f2f-4a0e-8d0b-57a7f0f6a9f5"
BEGAN = "2026-11-27T11:04:02.260257Z"


class Table(HTMLParser):
    """The page's words outside its table, and the table's rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.rows: list[list[str]] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "p":
            self.notes.append("")
        self._in = tag if tag != "br" else self._in

    def handle_data(self, data: str) -> None:
        if self._in in ("td", "th") and self.rows[-1]:
            self.rows[-1][-1] += f"{data}\n"
        elif self._in == "p":
            self.notes[-1] += data


def asked_of(recording: Recording, command: list[str], query: str = "") -> str:
    """The output of a command for this query on the recorded changes."""
    (lines,) = [each for question, each in recording.answers.items() if "/v1/changes" in question]
    result = json.loads(lines[-1])
    result["result"]["log"] = LOG
    recording.answers[f"GET /v1/changes{query}"] = [*lines[:-1], json.dumps(result | {"began": BEGAN})]
    with replayed(recording):
        code, text = typed(command, None)
    assert code == 0, text
    return text


def changes() -> list[dict[str, Any]]:
    (lines,) = read("changes").answers.values()
    return [each for line in lines if "change" in (each := json.loads(line))]


def page(tmp_path: Path, *command: str, query: str = "") -> Table:
    path = tmp_path / "changes.html"
    asked_of(read("changes"), ["changes", *command, "--export", str(path)], query)
    return Table(path.read_text())


def test_a_page_says_of_whom_it_is_and_what_was_asked_and_when(tmp_path: Path) -> None:
    command = ["--from", "2026-01-01", "--limit", "7"]
    notes = " ".join(page(tmp_path, *command, query="?from=2026-01-01T00%3A00%3A00.000000Z").notes)
    assert re.search(rf"Of account 111122223333, log {LOG}: 7 changes, looked for in records @0 to @\d+\.", notes)
    assert "Asked since 2026-01-01 00:00:00Z, with: keytrail changes --from 2026-01-01 --limit 7" in notes
    assert re.search(r"Made at \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ by keytrail \d\S*\. Times are in UTC\.", notes)
    assert "The record begins at 2026-11-27 11:04:02Z: of what was before, nothing is known." in notes


def test_every_sentence_stands_in_the_column_of_its_kind(tmp_path: Path) -> None:
    headings, *rows = page(tmp_path).rows
    assert [each.strip() for each in headings] == list(HTML)
    assert len(rows) == len(changes())
    for row, change in zip(rows, changes(), strict=True):
        found = dict(zip(HTML, row, strict=True))
        assert (found["Did"].strip(), found["Call"].strip()) == (
            change["change"]["operation"],
            change["change"].get("call_id") or "",
        )
        assert bool(found["Let in"]) is bool(change["gained"])
        assert bool(found["Took away"]) is bool(change["lost"])
        assert f"@{change['change']['position']}" in found["When"]
        assert ("may now sign with access key" in found["Besides"]) is ("credential" in change)
    assert any("created, with no policy of its own" in row[HTML.index("Besides")] for row in rows)
    assert not any("sign with" in row[HTML.index("Took away")] for row in rows)


def test_a_file_has_a_column_for_what_was_found_where_it_was_asked_for() -> None:
    for detail in ([], ["--detail"]):
        text = asked_of(read("changes"), ["changes", *detail, "--export", "-", "--format", "csv"])
        rows = list(csv.DictReader(io.StringIO(text[: text.rindex("The record begins")])))
        assert ("exact" in rows[0]) is bool(detail)
        assert all(each.get("exact", "{}") for each in rows)
        assert {row["operation"] for row in rows} == {each["change"]["operation"] for each in changes()}


def test_grants_and_inline_policies_are_identified_by_their_names() -> None:
    for row in csv.DictReader(io.StringIO(asked_of(read("changes"), ["changes", "--export", "-", "--format", "csv"]))):
        if row["operation"] in ("CreateGrant", "RevokeGrant"):
            assert re.search(r" grant [0-9a-f]{64}$", row["what"])


POSITIONS = [each["change"]["position"] for each in changes()]


@pytest.mark.parametrize(
    ("command", "positions"),
    [
        (["--json"], POSITIONS),
        (["--json", "--reverse"], POSITIONS[::-1]),
        (["--json", "--limit", "2"], POSITIONS[-2:]),
        (["--json", "--limit", "2", "--reverse"], POSITIONS[:-3:-1]),
        (["--export", "-", "--limit", "2"], POSITIONS[-2:]),
    ],
)
def test_machines_and_files_have_the_order_of_time_and_the_newest_of_too_many(
    command: list[str], positions: list[int]
) -> None:
    text = asked_of(read("changes"), ["changes", *command])
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [line["change"]["position"] for line in lines] == positions


def test_people_have_the_newest_first_and_the_oldest_where_they_turn_it_round() -> None:
    newest, oldest = (
        asked_of(read("changes"), ["changes", "--limit", "1", *more]).splitlines()[1] for more in ([], ["--reverse"])
    )
    assert changes()[-1]["change"]["operation"] in newest
    assert changes()[0]["change"]["operation"] in oldest


@pytest.mark.parametrize(
    ("command", "order"), [(["--json"], 1), (["--export", "-"], 1), (["--json", "--reverse"], -1), ([], -1)]
)
def test_of_too_many_calls_a_limit_takes_the_newest_for_everybody(command: list[str], order: int) -> None:
    recording = read("decisions")
    (lines,) = recording.answers.values()
    newest = json.loads("".join(lines))["items"][:2]
    inputs = "&inputs=true" if "--export" in command else ""
    answer = json.dumps({"items": newest, "next": None})
    recording.answers = {f"GET /v1/decisions?limit=2{inputs}&order=newest": [answer]}
    with replayed(recording):
        code, text = typed(["decisions", "--limit", "2", *command], None)
    found = re.findall("|".join(each["call_id"] for each in newest), text)
    assert (code, found) == (0, [each["call_id"] for each in newest][::-order])
