"""Which commands run to record a few, and what stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.recording import COMMANDS, FIRST, LAST, NEEDS, as_it_was, to_run


def test_without_names_every_command_runs_once() -> None:
    assert sorted(to_run([])) == sorted(COMMANDS)


def test_with_names_only_these_run_and_those_that_they_need_first() -> None:
    """Every command ran for one name, six minutes on a busy machine."""
    assert to_run(["status"]) == [*FIRST, "status"]
    assert to_run(["restore", "keys"]) == [*FIRST, "keys", "backup", "restore"]
    assert to_run(["import"]) == ["import"]


@pytest.mark.parametrize("name", NEEDS)
def test_what_a_command_needs_comes_before_it(name: str) -> None:
    assert to_run([name])[-1] == name
    assert set(NEEDS[name]) <= set(to_run([name]))


def test_commands_that_are_first_or_last_are_commands() -> None:
    assert {*FIRST, *LAST, *NEEDS} <= set(COMMANDS)


def test_the_files_of_other_recordings_stay_as_they_were(tmp_path: Path) -> None:
    """alerts.toml and aws.records were written again for each name: a change that nobody had asked for."""
    kept, made = tmp_path / "kept", tmp_path / "made"
    kept.write_text("as it was")
    with pytest.raises(KeyboardInterrupt), as_it_was([kept, made]):
        kept.write_text("written again")
        made.write_text("new")
        raise KeyboardInterrupt
    assert (kept.read_text(), made.exists()) == ("as it was", False)
