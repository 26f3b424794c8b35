"""What `--help` of every command shows on a screen of 80 columns."""

from __future__ import annotations

import re
from functools import cache

import click
import pytest
from rich.cells import cell_len

from services.cli.main import COMMANDS, GROUPS, command_line
from tests.cli.replay import AWAY, typed


@cache
def helped(name: str) -> str:
    code, text = typed([*name.split(), "--help"], None, AWAY | {"COLUMNS": "80"})
    assert code == 0, text
    return text


def command(name: str) -> click.Command:
    found: click.Command = command_line()
    for word in name.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), word)
        assert inner is not None
        found = inner
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_wider_than_the_screen(name: str) -> None:
    assert [line for line in helped(name).splitlines() if cell_len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_and_option_has_a_line_and_a_text(name: str) -> None:
    text = helped(name)
    for each in command(name).params:
        if getattr(each, "hidden", False):
            assert each.opts[0] not in text
            continue
        called = max(each.opts, key=len) if isinstance(each, click.Option) else str(each.metavar)
        assert re.search(rf"^  (?:--\S+, )?{re.escape(called)}(?=[ ,]|$)", text, re.MULTILINE), called
        assert getattr(each, "help", ""), called


@pytest.mark.parametrize("name", COMMANDS)
def test_an_argument_has_a_noun(name: str) -> None:
    assert not re.search(r"\[\[|\[OF\]|\{OF\}|\bOF\n", helped(name))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_principal_may_be_named_as_people_name_it(name: str) -> None:
    """The server takes bob as well as an ARN (docs/howto/command-line.md), so no help may ask for an ARN."""
    text = " ".join(helped(name).split())
    for said in re.findall(r"(?:\S+ ){3}ARN of (?:a|the) (?:user|role|principal)\b", text):
        assert re.search(r"role/app, or (?:the )?ARN", said), said


def test_the_whole_command_line_is_listed_with_what_each_command_is_for() -> None:
    code, text = typed(["--help"], None, AWAY | {"COLUMNS": "80"})
    assert code == 0
    for name in {each.split()[0] for each in COMMANDS}:
        says = GROUPS.get(name) or COMMANDS[name].says
        assert re.search(rf"^  {name} +{re.escape(says.split()[0])}", text, re.MULTILINE), name
    for name in GROUPS:
        listed = typed([name, "--help"], None, AWAY | {"COLUMNS": "80"})[1]
        of_it = [each.removeprefix(f"{name} ") for each in COMMANDS if each.startswith(f"{name} ")]
        assert re.findall(r"^  ([a-z-]+)  ", listed.partition("Commands:")[2], re.MULTILINE) == of_it


def test_a_command_that_is_not_there_is_told_with_what_is_near_it() -> None:
    assert typed(["decision"], None) == (
        2,
        "error: No such command 'decision'. Near it: decisions. See `keytrail --help`.\n",
    )
