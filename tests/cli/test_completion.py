"""Tab in a shell completes commands, options and files, through the text that `keytrail completion` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.main import COMMANDS
from tests.cli.replay import AWAY, typed
from tests.installation import KEYTRAIL, clean_environment


def offered(words: str, folder: Path) -> list[str]:
    """What bash offers after these words, of which the last is unfinished."""
    script = f"""
    compopt() {{ echo files; }}
    eval "$(keytrail completion bash)"
    COMP_WORDS=({words}) COMP_CWORD=$(( {len(words.split())} - 1 ))
    [[ {words!r} == *" " ]] && COMP_WORDS+=("") COMP_CWORD={len(words.split())}
    _keytrail_completion keytrail
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{KEYTRAIL.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=clean_environment() | {"PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("keytrail dec", ["decisions"]),
        ("keytrail ", list(dict.fromkeys(name.split()[0] for name in COMMANDS))),
        ("keytrail alerts re", ["resolve", "reopen"]),
        ("keytrail import ", ["cloudtrail", "policies"]),
        ("keytrail master-key ro", ["rotate"]),
        ("keytrail keys --l", ["--limit"]),
        ("keytrail alerts --sup", ["--suppressed"]),
        ("keytrail decisions --format c", ["csv", "cloudtrail"]),
        ("keytrail check-policy dr", ["files"]),
    ],
)
def test_bash_offers_what_may_come_next(words: str, expected: list[str], tmp_path: Path) -> None:
    assert [each for each in offered(words, tmp_path) if each] == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_text_that_it_can_read(shell: str) -> None:
    code, text = typed(["completion", shell], None, AWAY)
    assert (code, "_KEYTRAIL_COMPLETE" in text) == (0, True)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True)


def test_another_shell_is_refused_with_those_that_there_are() -> None:
    code, text = typed(["completion", "tcsh"], None, AWAY)
    assert (code, text) == (2, "error: There is no completion for tcsh: name bash, zsh or fish.\n")


def test_tab_loads_the_file_of_no_command() -> None:
    """The list of commands comes from the table, so that completing "up" does not load the broker's client."""
    script = (
        "import sys\n"
        "from click.shell_completion import BashComplete\n"
        "from services.cli.main import command_line\n"
        "assert BashComplete(command_line(), {}, 'keytrail', '').get_completions([], '')\n"
        "print(sorted(name for name in sys.modules if name in ('rich', 'asyncio', 'structlog', 'services.cli.terminal')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
