"""What `--help` of every command shows on a screen of 80 columns."""

from __future__ import annotations

import re
from functools import cache

import pytest

from services.cli.main import COMMANDS
from tests.cli.replay import AWAY, typed


@cache
def helped(name: str) -> str:
    code, text = typed([*name.split(), "--help"], None, AWAY | {"COLUMNS": "80"})
    assert code == 0, text
    return text


@pytest.mark.parametrize("name", COMMANDS)
def test_a_type_stands_on_one_line_and_an_argument_has_a_noun(name: str) -> None:
    text = helped(name)
    assert re.findall(r"^│.*<[^>]*$", text, re.MULTILINE) == [], "a type goes on in the next line"
    assert not re.search(r"\[\[|\[of\]|\{of\}", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_principal_may_be_named_as_people_name_it(name: str) -> None:
    """The server takes bob as well as an ARN (docs/howto/command-line.md), so no help may ask for an ARN."""
    text = " ".join(re.sub(r"[│╭╰─╮╯]", " ", helped(name)).split())
    for said in re.findall(r"(?:\S+ ){3}ARN of (?:a|the) (?:user|role|principal)\b", text):
        assert re.search(r"role/app, or (?:the )?ARN", said), said
