"""A data folder or a file that cannot be reached is named in one sentence, by every command. None ends in a fault of ours."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from services.cli.main import COMMANDS, command_line
from services.settings import Settings
from services.supervisor.patience import CannotStart
from services.supervisor.up import Supervisor
from tests.cli.replay import typed

ODD = ("a loop of links", "in a loop of links", "a file", "an overlong name")
GIVEN: dict[str, str] = {"name": "decisions", "spec": "SYMMETRIC_DEFAULT"}
"""Words of parameters that take only some."""
STAYS = {"witness", "console"}
"""Commands that may go on for ever where they find a server or a folder."""


def _at(path: Path, odd: str) -> Path:
    loop = path / "loop"
    loop.symlink_to(path / "other")
    (path / "other").symlink_to(loop)
    file = path / "file"
    file.write_text("{}")
    return {ODD[0]: loop, ODD[1]: loop / "in", ODD[2]: file, ODD[3]: path / ("x" * 300)}[odd]


def _command(name: str) -> click.Command:
    command: click.Command = command_line()
    for part in name.split():
        assert isinstance(command, click.Group), name
        found = command.get_command(click.Context(command), part)
        assert found is not None, name
        command = found
    return command


def _needed(command: click.Command, path: Path) -> list[str]:
    """What the command needs besides: `path` wherever it takes one, and some word elsewhere."""
    words: list[str] = []
    for each in command.params:
        takes_path = isinstance(each.type, click.Path)
        if each.required or (takes_path and each.name != "data"):
            value = str(path) if takes_path else GIVEN.get(each.name or "", "word")
            words += [value] if isinstance(each, click.Argument) else [each.opts[0], value]
        elif each.name == "yes":
            words.append("--yes")
    return words


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", sorted(set(COMMANDS) - STAYS))
def test_a_path_that_cannot_be_reached_is_named(name: str, odd: str, tmp_path: Path) -> None:
    path = _at(tmp_path, odd)
    command = _command(name)
    asked = [*name.split(), *_needed(command, path)]
    # With credentials a command asks its server, without them it looks into the data folder.
    for environment in ({}, {"KEYTRAIL_KAFKA": "127.0.0.1:9"}):
        data = ["--data", str(path)] if any(each.name == "data" for each in command.params) else []
        code, told = typed([*asked, *data], None, environment)
        assert "fault in Keytrail" not in told, told
        assert "Traceback" not in told, told
        assert code == 0 or told.strip(), "no word of what is wrong"


async def test_a_restore_names_a_loop_of_links_in_its_folder(tmp_path: Path) -> None:
    _at(tmp_path, ODD[0])
    with pytest.raises(CannotStart, match=r"is not empty \(file, loop, other\)"):
        await Supervisor(Settings(data=tmp_path), lambda what, done, of: None).start_servers()
