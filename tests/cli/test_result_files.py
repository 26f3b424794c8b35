"""An exported file has the format that its name says or that was asked for, and never another."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from services.cli.changes import BY_NAME as OF_CHANGES
from services.cli.changes import ChangeFormat as OfChanges
from services.cli.main import COMMANDS
from services.cli.result_files import BY_NAME, LOG_BY_NAME, asked_format, format_or_fail
from services.exports.flat import csv_lines
from services.exports.formats import Binary, CallFormat, Text
from services.exports.ocsf import event_of
from services.exports.parquet import write_parquet
from tests.cli.replay import read, typed

EXPORTS: dict[str, tuple[tuple[str, ...], Mapping[str, object]]] = {
    "decisions": (("decisions", "--export"), BY_NAME),
    "history": (("history", "payroll", "--export"), BY_NAME),
    "changes": (("changes", "--export"), OF_CHANGES),
    "log": (("log",), LOG_BY_NAME),
    "export-log": (("export-log",), LOG_BY_NAME),
}
"""Every command that writes records to a file, its arguments before the file's name, and the endings that it takes."""
ENDINGS = ("bob.html", "bob.htm", "bob.xlsx", "pay.cloudtrail", "pay.ocsf", "x.csv.gz", "x.json.tmp", "X.HTM1", "2026.11", ".csv1", "x.txt",
           "x.parquet", "x.csv", ".csv", "x.PARQUET", "bob.jsonl", "bob.JSON", "bob.log")  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("command", EXPORTS)
def test_a_name_that_says_another_format_is_refused_before_anything_is_asked(
    command: str, name: str, tmp_path: Path
) -> None:
    arguments, by_name = EXPORTS[command]
    path = tmp_path / name
    # Nobody answers at the address of `typed`: a command that gets so far as to ask has accepted the name.
    code, told = typed([*arguments, str(path)], None)
    taken = any(name.lower().endswith(ending) for ending in by_name)
    assert (code, "end it in " in told) == ((1, False) if taken else (2, True)), told
    assert not path.exists()
    if not taken and by_name is not LOG_BY_NAME:
        assert "--format " in told


@pytest.mark.parametrize("form", ["cloudtrail", "ocsf"])
def test_the_name_of_a_format_as_an_ending_points_to_the_option(form: str, tmp_path: Path) -> None:
    code, told = typed(["decisions", "--export", str(tmp_path / f"pay.{form}")], None)
    assert (code, f"--format {form}." in told) == (2, True)


def test_a_format_that_is_named_goes_before_the_ending() -> None:
    for form in CallFormat:
        assert format_or_fail(Path("x.html"), form, BY_NAME) is form
    for of_changes in OfChanges:
        assert format_or_fail(Path("x.dat"), of_changes, OF_CHANGES) is of_changes


@pytest.mark.parametrize("name", ["-", "x", "1", "/dev/stdout", "/dev/fd/63", "folder.d/x", "x."])
def test_a_name_without_an_ending_says_json(name: str) -> None:
    assert asked_format(Path(name), None, BY_NAME) is CallFormat.JSON
    assert asked_format(Path(name), None, OF_CHANGES) is OfChanges.JSON


@pytest.mark.parametrize("command", ["decisions", "history payroll", "changes"])
def test_a_format_of_no_export_is_refused(command: str) -> None:
    code, told = typed([*command.split(), "--format", "csv"], None)
    assert (code, told) == (2, "error: --format goes with --export.\n")


# -- what stands in the file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["decisions", "history", "history-principal", "decisions-trail"])
def test_every_member_of_a_call_has_a_column_and_a_key_its_names(name: str, tmp_path: Path) -> None:
    (lines,) = [each for asked, each in read(name).answers.items() if "/names" not in asked]
    items = json.loads("".join(lines))["items"]
    rows = list(csv.DictReader(io.StringIO("".join(csv_lines(iter(items))))))
    with (tmp_path / "x.parquet").open("wb") as file:
        write_parquet(iter(items), file)
    table = pq.read_table(tmp_path / "x.parquet").to_pylist()
    for written in (rows, table):
        for row, item in zip(written, items, strict=True):
            assert item.keys() <= row.keys()
            assert ("outcome" in row) is (name == "decisions-trail")
            assert (row["key_id"] or None, row["key_aliases"] or "") == (item["key_id"], " ".join(item["key_aliases"]))
    assert any(item["key_aliases"] for item in items)


def test_a_row_group_of_parquet_has_a_bounded_size(tmp_path: Path) -> None:
    """Callers choose how long their parameters are, and a worker writes the file: rows alone are no bound for its memory."""
    (lines,) = [each for asked, each in read("decisions").answers.items() if "/names" not in asked]
    item = json.loads("".join(lines))["items"][0] | {"parameters": {"Policy": "x" * (8 << 20)}}
    with (tmp_path / "x.parquet").open("wb") as file:
        write_parquet(iter([item] * 9), file)
    written = pq.ParquetFile(tmp_path / "x.parquet")
    assert (written.metadata.num_rows, written.metadata.num_row_groups) == (9, 3)


@pytest.mark.parametrize("form", CallFormat)
def test_every_format_of_the_table_writes_every_call(form: CallFormat) -> None:
    items = json.loads("".join(*read("decisions").answers.values()))["items"]
    match form.written:
        case Text(load):
            text = "".join(load()(iter(items), "us-east-1"))
            assert [item["call_id"] for item in items if item["call_id"] not in text] == []
        case Binary(load):
            held = io.BytesIO()
            load()(iter(items), "us-east-1", held)
            assert [row["call_id"] for row in pq.read_table(held).to_pylist()] == [item["call_id"] for item in items]


def test_a_key_of_an_event_has_its_names() -> None:
    items = json.loads("".join(*read("decisions").answers.values()))["items"]
    for item in items:
        named = {
            each["uid"].rpartition("/")[2]: each.get("name") for each in event_of(item, "us-east-1", "1")["resources"]
        }
        if item["key_aliases"] and item["key_id"] in named:
            assert named.pop(item["key_id"]) == " ".join(item["key_aliases"])
        assert not any(named.values())


def test_every_command_that_exports_is_tried() -> None:
    found = {name for name in COMMANDS if " " not in name and "--export" in typed([name, "--help"], None)[1]}
    assert found | {"log", "export-log"} == set(EXPORTS)
