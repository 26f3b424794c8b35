"""Commands that cannot be undone ask the person at the terminal first, by stderr. Where nobody can answer, they refuse."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import click
import pytest

from tests.installation import KEYTRAIL, clean_environment

NOWHERE = {"KEYTRAIL_KAFKA": "127.0.0.1:9", "KEYTRAIL_POSTGRES": "postgresql://127.0.0.1:9/nobody"}
"""Named, so that a command gets as far as its question; and nobody answers there, so that it does nothing."""
ASKING = [
    "trails remove aws",
    "skip-commands",
    "master-key rotate --destroy-old --no-backup",
    "root-credential retire AKIAIOSFODNN7EXAMPLE",
]
"""The commands that ask before they have reached a server. tests/house/test_confirmation.py holds the others to the same home."""


@pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])
@pytest.mark.parametrize("command", ASKING)
def test_where_nobody_can_answer_a_command_refuses_and_names_yes(command: str, as_json: bool, tmp_path: Path) -> None:
    environment = clean_environment() | NOWHERE | {"KEYTRAIL_DATA": str(tmp_path)}
    asked = [str(KEYTRAIL), *command.split(), *(["--json"] if as_json else [])]
    # The answer is there: what reads it from a pipe would take it for a person's.
    done = subprocess.run(asked, env=environment, input="y\n", capture_output=True, text=True, timeout=60, check=False)
    said = json.loads(done.stderr)["error"]["message"] if as_json else done.stderr
    assert (done.returncode, done.stdout) == (1, "")
    assert said.rstrip().endswith("add --yes.")


@pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])
@pytest.mark.parametrize("command", ASKING)
def test_the_question_stands_beside_the_answer_and_no_is_a_no(command: str, as_json: bool, tmp_path: Path) -> None:
    asked = [*command.split(), *(["--json"] if as_json else [])]
    code, printed, shown = _answered(asked, "n\n", tmp_path)
    assert (code, printed) == (1, "")
    shown = " ".join(shown.split())
    assert "? [y/N]: " in shown
    assert "Nothing was done." in shown


def test_the_end_of_the_input_is_a_no_on_a_line_of_its_own(tmp_path: Path) -> None:
    code, _, shown = _answered(["trails", "remove", "aws"], "\x04", tmp_path)
    assert (code, click.unstyle(shown).splitlines()[1:]) == (1, ["error: Nothing was done.", "END"])


@pytest.mark.parametrize("stream", ["<&-", ">&-", "2>&-"])
def test_a_command_whose_input_or_output_is_closed_says_what_it_can(stream: str, tmp_path: Path) -> None:
    """A service that closes what it does not use. It was a fault in Keytrail, or a traceback."""
    environment = clean_environment() | NOWHERE | {"KEYTRAIL_DATA": str(tmp_path)}
    asked = ["sh", "-c", f'"$0" trails remove aws {stream}', str(KEYTRAIL)]
    done = subprocess.run(asked, env=environment, input="", capture_output=True, text=True, timeout=60, check=False)
    said = "" if stream == "2>&-" else "Nobody can answer this here: to go on without a question, add --yes."
    assert (done.returncode, done.stdout, done.stderr.partition("? ")[2].strip()) == (1, "", said)


@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_a_yes_goes_on(answer: str, tmp_path: Path) -> None:
    code, printed, shown = _answered(["trails", "remove", "aws", "--json"], answer, tmp_path)
    assert (code, printed) == (1, ""), "nobody answers at the database's address"
    shown = " ".join(shown.split())
    assert "? [y/N]: " in shown
    assert "Nothing was done." not in shown


def _answered(command: list[str], answer: str, data: Path) -> tuple[int, str, str]:
    """(exit code, what a pipe reads, what the person sees), of a command whose answer goes into a pipe."""
    terminal, side = pty.openpty()
    environment = clean_environment() | NOWHERE | {"KEYTRAIL_DATA": str(data), "TERM": "xterm", "NO_COLOR": "1"}
    try:
        asked = subprocess.Popen(
            [str(KEYTRAIL), *command], env=environment, stdin=side, stdout=subprocess.PIPE, stderr=side, text=True
        )
        os.write(terminal, answer.encode())
        printed, _ = asked.communicate(timeout=60)
        os.write(side, b"END")  # a read waits where nothing was said
        shown = ""
        while not shown.endswith("END"):
            shown += os.read(terminal, 65_536).decode()
    finally:
        os.close(side)
        os.close(terminal)
    return asked.returncode, printed, shown
