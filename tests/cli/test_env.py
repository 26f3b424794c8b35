"""The text that `keytrail env` prints, and the variables of a shell that runs it. tests/e2e/test_shell.py tries what
shell and `aws` then do."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from services.cli.env import CREDENTIALS
from tests.cli.replay import AWAY, typed

LEFT = dict.fromkeys((*CREDENTIALS, "KEYTRAIL_DATA"), "left")


def installation(folder: Path, pid: int) -> Path:
    """What an installation that runs as this process, or does not run, leaves on the disk."""
    kept = {
        "credentials.json": dict.fromkeys(("access_key_id", "secret_access_key", "region"), "its"),
        "run/state.json": {"pid": pid, "port": 8612, "url": "http://127.0.0.1:8612", "kafka": "", "postgres": "", "children": {}},
    }  # fmt: skip
    (folder / "run").mkdir(parents=True)
    for name, document in kept.items():
        (folder / name).write_text(json.dumps(document))
        (folder / name).chmod(0o600)
    return folder


def kept(text: str) -> tuple[int, dict[str, str], str]:
    """(exit code, remaining variables, messages) of a shell that runs the text."""
    command = ["sh", "-c", f"{text}\nended=$?; env; exit $ended"]
    done = subprocess.run(command, env=LEFT | {"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    lines = (line.partition("=") for line in done.stdout.splitlines())
    found = {name: value for name, _, value in lines if name.startswith(("AWS_", "KEYTRAIL_"))}
    return done.returncode, found, done.stderr


@pytest.mark.parametrize("name", ["plain", "with space", "it's $HOME", "ünï"])
def test_it_names_the_folder_whole_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    folder = installation(tmp_path / name, os.getpid())
    for arguments, variable in (
        (["--data", str(folder)], {}),
        (["--data", os.path.relpath(folder, Path(__file__).parent / "recorded")], {}),
        ([], {"KEYTRAIL_DATA": str(folder)}),
        (["--data", str(folder)], {"KEYTRAIL_DATA": "/elsewhere"}),
    ):
        code, text = typed(["env", *arguments], None, AWAY | variable)
        assert code == 0, text
        ended, found, _ = kept(text)
        assert (ended, found["KEYTRAIL_DATA"], found["AWS_ACCESS_KEY_ID"]) == (0, str(folder), "its")


@pytest.mark.parametrize("arguments", [["--data", "FOLDER"], ["--no-such-option"], ["--data"], []])
@pytest.mark.parametrize("variable", [{}, {"KEYTRAIL_DATA": "FOLDER"}, {"KEYTRAIL_PORT": "many"}])
def test_where_nothing_runs_no_folder_is_left_and_the_message_names_it(
    arguments: list[str], variable: dict[str, str], tmp_path: Path
) -> None:
    folder = installation(tmp_path / "st opped", 2**22 + 1)
    arguments = [str(folder) if each == "FOLDER" else each for each in arguments]
    given = {name: str(folder) if value == "FOLDER" else value for name, value in variable.items()}
    code, text = typed(["env", *arguments], None, AWAY | given)
    assert code != 0
    ended, found, reported = kept("\n".join(line for line in text.splitlines() if not line.startswith("error: ")))
    assert (ended, found.keys() & {*CREDENTIALS, "KEYTRAIL_DATA"}) == (1, set())
    assert found["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    if "many" not in given.values() and str(folder) in (*arguments, *given.values()) and len(arguments) != 1:
        assert shlex.join(["keytrail", "up", "--data", str(folder)]) in reported
