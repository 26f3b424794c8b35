"""A caller who writes to the screen of a person who reads the calls: in targets, agents, paths, descriptions, Sids,
names."""

from __future__ import annotations

import ast
import json
import os
import pty
import subprocess
import unicodedata
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from domain.characters import all_visible, visible
from services.cli.screens import Screen
from services.cli.tables import member, print_rows
from services.exports.flat import csv_lines
from services.notifier.delivery import words
from tests.installation import KEYTRAIL, Installation
from tests.wire_client import call, post, sign

ESCAPES = "\x1b]0;gone\x07\x1b[2J\x9b2J\x9d0;x\x9c\u202etxt.exe\u2066\u200b\x7f\r"
"""A new title for the window, a wiped screen (by C0 and by C1), a line read from its end, and invisible characters."""
MARKUP = r"\[/x] [/] [bold red]ALL IS WELL[/] [link=file:///etc/passwd]x[/link] :smile:"
STEERS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def steering(text: str) -> list[str]:
    """Characters that would steer a terminal or be invisible, except line ends."""
    return sorted({hex(ord(each)) for each in text if unicodedata.category(each) in STEERS and each not in "\n\t"})


@given(st.text())
def test_nothing_that_is_visible_steers(text: str) -> None:
    """Gained: a character that one of the lists of escapes had forgotten."""
    assert steering(visible(text)) == []
    assert "\n" not in visible(text)
    assert visible(visible(text)) == visible(text)
    assert all_visible({text: [text]}) == {visible(text): [visible(text, lines=True)]}


@given(st.text() | st.sampled_from([MARKUP, ESCAPES, MARKUP + ESCAPES]))
def test_a_screen_shows_text_and_obeys_none_of_it(text: str) -> None:
    """Gained: an operator sees another table, another effect, or nothing at all."""
    written = StringIO()
    screen = Screen(file=written, width=4000, force_terminal=False, markup=False, emoji=False, highlight=False)
    table = Table(text, box=None)
    table.add_row(text)
    screen.print(text)
    screen.print(table)
    assert steering(written.getvalue()) == []


@pytest.fixture(scope="module")
def written(installation: Installation) -> str:
    """The id of a key about which every text that a caller can write says the worst."""
    kms, credentials = installation.client(), installation.credentials()
    worst = ESCAPES + MARKUP
    statement = {
        "Sid": worst,
        "Effect": "Allow",
        "Principal": {"AWS": "111122223333"},
        "Action": "kms:*",
        "Resource": "*",
    }
    public = {"Sid": "P" + worst, "Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    key = str(kms.create_key(Description=worst, Policy=text)["KeyMetadata"]["KeyId"])
    kms.put_key_policy(KeyId=key, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement, public]}))
    kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={worst: worst})
    for operation in (r"\[/x]", "\x1b]0;x", MARKUP):
        headers = sign(installation.url, credentials, b"{}", operation=operation.replace("\x1b", "?"))
        post(installation.url, headers, b"{}")
    call(installation.url, credentials, "DescribeKey", {"KeyId": worst})
    headers = sign(installation.url, credentials, b"{}", headers={"User-Agent": r"agent \[/x] " + "\xc2\x9b2J"})
    post(installation.url, headers, b"{}")
    installation.caught_up()
    return key


def on_a_terminal(installation: Installation, *arguments: str) -> tuple[int, str]:
    """(exit code, what a command writes to a terminal), which differs from what it writes to a pipe."""
    main, side = pty.openpty()
    command = [str(KEYTRAIL), *arguments, "--data", str(installation.data)]
    environment = installation.environment() | {
        "TERM": "xterm-256color",
        "COLUMNS": "400",
        "NO_COLOR": "1",
        "PAGER": "cat",
    }
    with subprocess.Popen(command, env=environment, stdout=side, stderr=side, stdin=side, close_fds=True) as running:
        os.close(side)
        parts = []
        while True:
            try:
                part = os.read(main, 65_536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(main)
    return running.returncode, b"".join(parts).decode("utf-8", "replace")


OWN = ("\x1b[1m", "\x1b[2m", "\x1b[0m", "\x1b[1;2m", "\x1b[?25l", "\x1b[?25h", "\x1b[1A", "\x1b[2K", "\r")
"""What rich writes by itself without colours: weights, and a bar that goes back."""

COMMANDS: list[tuple[str, ...]] = [
    ("keys",),
    ("history", "KEY"),
    ("decisions", "--key", "KEY"),
    ("decisions", "--limit", "50"),
    ("decisions", "--by", "operation,agent,sid"),
    ("policy", "KEY"),
    ("show", "KEY"),
    ("explain", "--principal", "111122223333", "--operation", "Decrypt", "--key", "KEY"),
    ("who-can", "kms:Decrypt", "KEY"),
    ("can-what", "111122223333"),
    ("diff", "KEY", "--from", "1", "--to", "2"),
    ("unused", "KEY"),
    ("last-use", "KEY"),
    ("alerts",),
    ("alerts", "scan"),
    ("decisions", "--limit", "50", "--export", "-", "--format", "csv"),
    ("decisions", "--limit", "50", "--export", "-"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_lets_a_caller_steer_the_terminal(
    installation: Installation, written: str, command: tuple[str, ...]
) -> None:
    """Gained: `keytrail decisions` always ended in a MarkupError, or showed what the caller wanted shown."""
    if command[0] in ("alerts",):
        installation.caught_up()
    code, text = on_a_terminal(installation, *(written if each == "KEY" else each for each in command))
    assert code in ((0, 1) if command[0] == "diff" else (0,)), text[-2000:]
    for each in OWN:
        text = text.replace(each, "")
    assert steering(text) == []
    assert "Traceback" not in text


def test_a_message_to_people_shows_words_alone() -> None:
    """Gained: a chat message or mail of the alert that is turned round, or steers the terminal that shows it."""
    alert = {"severity": "high", "title": "t", "key_id": "k", "rule": "r", "id": "i", "at": "2026-01-01T00:00:00Z"}
    message = {"alert": alert | {"summary": ESCAPES}, "count": 1, "first_at": alert["at"]}
    assert steering("".join(words(message))) == []


def test_a_csv_shows_words_alone() -> None:
    """Gained: `cat decisions.csv` runs what a caller wrote."""
    text = "".join(csv_lines(iter([{"agent": ESCAPES, "summary": "=" + ESCAPES}])))
    assert steering(text.replace("\r\n", "\n")) == []
    assert "'=" in text


def test_a_cell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Gained: a row of the caller's own making among the true ones."""
    print_rows([{"operation": "x\nfaked  allowed"}], (member("operation"),), "")
    assert len(capsys.readouterr().out.splitlines()) <= 2


CLI = Path(__file__).parents[2] / "services" / "cli"
WRITERS = {("click", "echo"), ("click", "secho"), ("sys", "stdout"), ("sys", "stderr")}
TERMINAL = ("terminal.py", "screens.py", "failures.py", "readers.py")
ALLOWED = {
    ("result_files.py", "sys", "stdout"),
    ("pager.py", "sys", "stdout"),
    ("console.py", "sys", "stdout"),
    ("main.py", "click", "echo"),
}
"""Exports to the output: JSON is ASCII, and CSV is escaped line by line. The pager gets what the screen has rendered,
`console` flushes a file's name, and the version is our own."""


def test_nothing_writes_to_the_screen_but_the_terminals_own_functions() -> None:
    """Gained: the next command that prints a caller's words by itself."""
    found: list[tuple[Any, ...]] = []
    for path in sorted(CLI.glob("*.py")):
        if path.name in TERMINAL:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = (node.value.id, node.attr)
                if name in WRITERS and (path.name, *name) not in ALLOWED:
                    found.append((path.name, node.lineno, *name))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "Console"):
                found.append((path.name, node.lineno, node.func.id))
            if isinstance(node, ast.keyword) and node.arg == "markup":
                found.append((path.name, node.value.lineno, "markup"))
            if isinstance(node, ast.Attribute) and node.attr == "from_markup":
                found.append((path.name, node.lineno, "from_markup"))
    assert found == []
