"""Every command as people see it, at 80, 100 and 120 columns and in a pipe: golden texts in `shown`, and rules for all
of them.

After a change of words or layout, `python -m tests.cli.test_shown` writes the texts again. Read `git diff` as somebody
who knows nothing of the change.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from rich.cells import cell_len
from starlette.routing import compile_path

import services.cli.main
from services.audit_api.answer_shapes import EVENT_STREAM, LINES
from services.audit_api.openapi import document
from services.audit_api.resources.routes import ROUTES
from services.audit_api.route import PLACES
from services.cli.decisions import MOST_COUNTED
from services.cli.main import COMMANDS
from tests.cli.recording import COMMANDS as RECORDED
from tests.cli.replay import AWAY, FOLDER, SHOWN, Recording, read, recordings, replayed, typed
from tests.conforming import conforms

WIDTHS = (80, 100, 120, None)
NAMES = recordings()
PATHS = document(ROUTES)["paths"]


def texts(recording: Recording) -> dict[int | None, str]:
    with replayed(recording):
        return {width: typed(recording.command, width)[1] for width in WIDTHS}


def golden(recording: Recording, shown: dict[int | None, str]) -> str:
    parts = [f"$ keytrail {' '.join(recording.command)}\n"]
    for width, text in shown.items():
        title = "in a pipe" if width is None else f"{width} columns"
        parts.append(f"\n== {title} ==\n{text}")
    return "".join(parts)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_as_people_see_it(name: str) -> None:
    recording = read(name)
    assert golden(recording, texts(recording)) == (SHOWN / f"{name}.txt").read_text()


def test_every_text_is_of_a_recording() -> None:
    assert sorted(each.stem for each in SHOWN.glob("*.txt")) == NAMES


NOT_RECORDED = {
    "up": "it goes on until Ctrl-C: tests/faults/test_start.py reads what it prints",
    "down": "it ends the installation: tests/faults/test_down.py reads what it prints",
    "console": "it goes on until a browser is signed in: tests/console/test_console_command.py reads what it prints",
    "sign-in": "it asks on a terminal, and prints text for a shell, which tests/e2e/test_passwords.py runs",
    "root-credential rotate": "it makes a secret: tests/e2e/test_root_credential.py",
    "root-credential retire": "it needs another access key: tests/e2e/test_root_credential.py",
    "doctor": "it asks the servers, not the API: tests/e2e/test_doctor.py reads what it prints",
    "topics create": "it needs a cluster of one's own: tests/cluster",
    "upgrade prepare": "tests/upgrade/test_level.py reads what it prints",
    "upgrade finish": "tests/upgrade/test_level.py reads what it prints",
    "account list": "tests/e2e/test_auditor.py reads what it prints",
    "audit-devices forget": "it needs a device that left its file: tests/e2e/test_audit_devices.py",
    "skip-records": "it needs a notary that stopped: tests/e2e/test_retention.py",
    "release-due": "it needs a restored installation: tests/e2e/test_kept_safe.py",
    "accept-loss": "it needs brokers that lost records: tests/faults/test_lost_tail.py",
    "verify-evidence": "it reads files of a real log, which tests/e2e/test_proofs.py makes",
    "witness": "it goes on until Ctrl-C: tests/e2e/test_witness.py runs it",
    "evidence": "it writes a file, which tests/e2e/test_evidence.py checks",
    "prove": "it writes a file, which tests/e2e/test_proofs.py checks",
    "log key": "it needs a notary: tests/e2e/test_tree_keys.py",
    "log rotate-key": "it needs a notary: tests/e2e/test_tree_keys.py",
    "completion": "it prints click's own text for a shell, which tests/cli/test_completion.py runs",
    "env": "it prints text for a shell, which tests/cli/test_env.py and tests/e2e/test_shell.py run",
}
"""Commands without a recording, with the reason."""


def test_every_command_has_a_recording_or_a_reason_for_its_absence() -> None:
    names = sorted(COMMANDS, key=len, reverse=True)
    typed_in = [" ".join(read(each).command) for each in NAMES]
    recorded = {next(name for name in names if f"{each} ".startswith(f"{name} ")) for each in typed_in}
    assert recorded | NOT_RECORDED.keys() == COMMANDS.keys()
    assert not recorded & NOT_RECORDED.keys()
    assert set(NAMES) == set(RECORDED)


def test_every_sentence_is_folded_between_words() -> None:
    """`say` wraps lines. Text that must stay as it is says so, and is copied."""
    folder = Path(services.cli.__file__).parent
    for file in sorted(folder.glob("*.py")):
        for call in (each for each in ast.walk(ast.parse(file.read_text())) if isinstance(each, ast.Call)):
            named = ast.unparse(call.func)
            if named in ("out.print", "err.print") and call.args:
                assert any(each.arg == "soft_wrap" for each in call.keywords), f"{file.name}:{call.lineno}"


# -- what holds of every text ----------------------------------------------------------------------------------------------

COPIED = ("    $ keytrail ", "export ")
"""Beginnings of lines that are copied as they are, however long."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_screen_and_nothing_is_cut_but_an_id_with_its_sign(
    name: str, width: int | None
) -> None:
    text = _text(name, width)
    if width is not None:
        assert [line for line in text.splitlines() if cell_len(line) > width and not line.startswith(COPIED)] == []
    assert [line for line in text.splitlines() if line != line.rstrip() and width is not None] == []
    assert re.findall(r"(?<![0-9a-f]{8})…", text) == []
    assert "\x1b" not in text
    assert not re.search(r"\['|': '", text), "a list or an object of Python's"


@pytest.mark.parametrize("name", NAMES)
def test_every_time_says_of_which_zone_it_is(name: str) -> None:
    for width in WIDTHS:
        assert re.findall(r".*\d\d:\d\d:\d\d(?!\d)(?!Z|[+-]\d\d:\d\d).*", _text(name, width)) == []
        assert re.findall(r".*\d\d\d\d-\d\d-\d\dT\d\d:.*", _text(name, width)) == []


def test_local_times_are_marked_too() -> None:
    recording = read("decisions")
    with replayed(recording):
        for zone, mark in (("Europe/Berlin", "+01:00"), ("America/New_York", "-05:00"), ("Asia/Kathmandu", "+05:45")):
            text = typed(recording.command, 80, AWAY | {"KEYTRAIL_TIME_ZONE": zone})[1]
            assert re.search(rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d{re.escape(mark)} ", text)


@pytest.mark.parametrize("name", NAMES)
def test_an_alias_stands_beside_every_id_of_a_key_that_has_one(name: str) -> None:
    aliases = {row["key_id"]: row["key_aliases"] for row in _items("keys")}
    for width in WIDTHS:
        before = ""
        # An id has no alias beside it in an ARN, a command, a refusal's sentence or a table's row. `show` lists the
        # aliases below.
        said = re.sub(r"`[^`]*`", lambda found: re.sub(r"\S", "-", found[0]), _text(name, width))
        for line in said.splitlines():
            for id, names in aliases.items():
                bare = re.search(rf"(?<![/])(?<!on resource: ){id[:8]}(?:…|{id[8:]})", line)
                told = before.endswith("on resource:")
                if bare and names and not told and not line.lstrip().startswith(("$ keytrail", "key_id")):
                    # a long list of names stands on a line of its own before it
                    assert any(each in before + line for each in names), (width, line)
            before = line


@pytest.mark.parametrize("name", NAMES)
def test_a_unique_id_stands_nowhere_without_the_name_that_people_know(name: str) -> None:
    for width in WIDTHS:
        found = re.findall(r".*(?<![/(])\bA(?:IDA|ROA|GPA|NPA|IPA)[A-Z0-9]{12,}.*", _text(name, width))
        assert found == [], width


def test_a_scan_has_the_newest_first_whether_it_was_a_change_or_a_use() -> None:
    for width in WIDTHS:
        times = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", _text("alerts-scan", width), re.MULTILINE)
        assert times == sorted(times, reverse=True)
        assert len(set(times)) > 1
        assert len(times) > 3


@pytest.mark.parametrize(
    "name",
    [
        *("decisions", "decisions-by", "decisions-none", "history", "alerts", "alerts-scan", "recheck", "what-if"),
        *("changes", "changes-detail", "changes-principal"),
    ],
)
def test_a_span_that_begins_before_the_record_says_so_with_and_without_rows(name: str) -> None:
    """As the server says it: beside the items, or in the last line."""
    recording = read(name)
    for asked, lines in recording.answers.items():
        last = len(lines) - 1
        recording.answers[asked] = [
            json.dumps(json.loads(line) | {"began": "2026-11-27T11:04:10.500000Z"}) if place == last else line
            for place, line in enumerate(lines)
        ]
    with replayed(recording):
        for width in WIDTHS:
            text = " ".join(typed(recording.command, width)[1].split())
            assert text.count("The record begins at 2026-11-27 11:04:10Z: of what was before, nothing is known.") == 1


@pytest.mark.parametrize(
    "name",
    [
        "decisions",
        "decisions-errors",
        "decisions-trail",
        "history",
        "history-errors",
        "history-principal",
        "changes",
        "changes-principal",
        "who-can-between",
    ],
)
def test_every_call_has_the_id_that_explain_takes_or_the_sign_that_it_had_no_room(name: str) -> None:
    calls = set(re.findall(r'call_id\W+"([0-9a-f-]{36})', (FOLDER / f"{name}.json").read_text()))
    assert calls
    for width in WIDTHS:
        text = _text(name, width)
        assert {each for each in calls if each in text} == calls or (width and "no room here for: call" in text), width


def test_a_refusal_that_came_close_names_the_statement_and_what_it_wanted() -> None:
    (near,) = [row for row in _items("decisions") if any("near" in each for each in row["reasons"])]
    assert (near["operation"], near["effect"]) == ("GenerateDataKey", "refused")
    for width in WIDTHS:
        text = " ".join(_text("decisions", width).split())
        assert text.count('v3 "Batch": EncryptionContext:team wants hr (there is none)') == 1


def test_recheck_says_in_a_sentence_what_came_of_it() -> None:
    recording = read("recheck")
    ((asked, lines),) = recording.answers.items()
    result = json.loads(lines[-1])["result"]
    zero = {"evaluator": 0, "decisions": 3, "decided": 1, "mismatches": 0}
    for more, code, says in (
        ({}, 0, "Every decision came out the same: 42 decisions."),
        ({"evaluators": [zero, *result["evaluators"]]}, 0, "(no permission asked)"),
        ({"mismatches": 2}, 1, "2 of 42 decisions came out otherwise."),
        ({"gaps": [{"partition": 1, "missing": 7, "first": 7, "last": 9}]}, 1, "42 decisions. Some are gone,"),
        ({"decisions": 0, "evaluators": []}, 0, "(no decisions on record)"),
    ):
        recording.answers[asked] = [json.dumps({"result": result | more})]
        with replayed(recording):
            for width in WIDTHS:
                ended, text = typed(recording.command, width)
                assert (ended, says in " ".join(text.split())) == (code, True), text


def test_counts_of_which_some_were_left_out_say_so() -> None:
    recording = read("decisions-by")
    ((asked, lines),) = recording.answers.items()
    document = json.loads("".join(lines))
    for more, says in ((True, 1), (False, 0)):
        rows = (document["items"] * MOST_COUNTED)[:MOST_COUNTED]
        recording.answers[asked] = [json.dumps(document | {"items": rows, "more": more})]
        with replayed(recording):
            assert typed(recording.command, 80)[1].count("most frequent; there are more") == says


def test_a_key_whose_material_was_imported_says_so() -> None:
    recording = read("keys")
    ((asked, lines),) = recording.answers.items()
    document = json.loads("".join(lines))
    for key in document["items"]:
        key["origin"] = "EXTERNAL" if "alias/backups" in key["key_aliases"] else "AWS_KMS"
    recording.answers[asked] = [json.dumps(document)]
    shown = texts(recording)
    assert [shown[width].count("imported") for width in WIDTHS] == [1] * len(WIDTHS)
    assert "imported" in next(line for line in shown[None].splitlines() if "alias/backups" in line)


def _text(name: str, width: int | None) -> str:
    title = "in a pipe" if width is None else f"{width} columns"
    return (SHOWN / f"{name}.txt").read_text().split(f"\n== {title} ==\n")[1].split("\n== ")[0]


def _items(name: str) -> list[dict[str, Any]]:
    (lines,) = read(name).answers.values()
    return list(json.loads("".join(lines))["items"])


# -- the answers are those that the API gives ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_recorded_answers_are_as_the_api_describes_them(name: str) -> None:
    """If the API has outgrown a recording, it shows what nobody sees any more. Record it again."""
    for asked, lines in read(name).answers.items():
        method, path = asked.split(" ")[:2]
        route = next(
            each
            for each in ROUTES
            if each.method == method and compile_path(each.path)[0].match(unquote(path.partition("?")[0]))
        )
        described = PATHS[PLACES.sub(r"{\1}", route.path)][method.lower()]["responses"]["200"]["content"]
        (media,) = described
        if media == EVENT_STREAM:
            answers = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        else:
            answers = [json.loads(line) for line in (lines if media == LINES else ["".join(lines)])]
        assert answers, asked
        for each in answers:
            assert conforms(each, described[media]["schema"]) == [], asked


if __name__ == "__main__":
    SHOWN.mkdir(exist_ok=True)
    for each in NAMES:
        one = read(each)
        (SHOWN / f"{each}.txt").write_text(golden(one, texts(one)))
