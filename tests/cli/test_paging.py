"""Every command that answers shows a long answer in a pager, on a terminal and nowhere else."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from services.cli.main import COMMANDS
from tests.cli.replay import AWAY, FOLDER, read, recordings, replayed, typed
from tests.installation import KEYTRAIL, clean_environment

ROWS = 5
"""Lines of the screen."""
PAGED = {name for name, row in COMMANDS.items() if row.paged}
UNPAGED = {"up", "down", "env", "completion", "log", "alerts follow", "alerts ack", "alerts resolve", "alerts reopen", "alerts test", "trails remove", "audit-devices forget",
           "account create", "export-log", "log-keys begin", "log-keys rotate", "log key", "log rotate-key", "rebuild", "backup", "restore",
           "master-key rotate", "master-key add", "root-credential rotate", "root-credential retire", "skip-commands", "skip-records", "accept-loss", "release-due", "topics create", "upgrade prepare", "upgrade finish", "console", "sign-in", "prove", "evidence", "witness"}  # fmt: skip
NAMES = [name for name in recordings() if name not in ("alerts-follow", "alerts-ack", "account-create")]
LONG = (
    "check-policy",
    "draft.policy",
    "--no-new-access-than",
    "strict.policy",
    "--not-grants",
    "kms:Decrypt=444455556666",
)


def test_of_every_command_it_is_decided() -> None:
    assert set(COMMANDS) == PAGED | UNPAGED
    assert not PAGED & UNPAGED


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_fills_the_screen_is_read_in_the_pager(name: str, tmp_path: Path) -> None:
    recording = read(name)
    pages = tmp_path / "pages"
    pager = {"KEYTRAIL_PAGER": f"dd of={pages} status=none", "PAGER": "false"}
    with replayed(recording):
        whole = typed(recording.command, 80)[1]
        code, beside = typed(recording.command, 80, AWAY | pager, rows=ROWS)
        assert code == typed(recording.command, 80)[0]
        if whole.count("\n") >= ROWS - 1:
            read_there = pages.read_text()
            assert [*read_there.splitlines(), *beside.splitlines()] == whole.splitlines()
            pages.unlink()
        typed(recording.command, None, AWAY | pager, rows=ROWS)
        typed([*recording.command, "--json"], 80, AWAY | pager, rows=ROWS)
    assert not pages.exists(), "a pipe and a machine have no pager"


@pytest.mark.parametrize(
    ("variables", "paged"),
    [
        ({"PAGER": "dd of=PAGES status=none"}, True),
        ({"PAGER": "false", "KEYTRAIL_PAGER": "dd of=PAGES status=none"}, True),
        ({"PAGER": "dd of=PAGES status=none", "KEYTRAIL_PAGER": "cat"}, False),
        ({"PAGER": "cat"}, False),
        ({"PAGER": ""}, False),
        ({"PAGER": "there-is-no-such-pager"}, False),
    ],
)
def test_which_pager(variables: dict[str, str], paged: bool, tmp_path: Path) -> None:
    recording, pages = read("history"), tmp_path / "pages"
    named = {name: value.replace("PAGES", str(pages)) for name, value in variables.items()}
    with replayed(recording):
        beside = typed(recording.command, 80, AWAY | named, rows=ROWS)[1]
    assert pages.exists() == paged
    assert (beside == "") == paged


def _on_a_terminal() -> None:
    """Start as a shell starts a typed command. Tests that run in the background have Ctrl-C ignored, and children
    inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Screen:
    """`keytrail` on a terminal of its own, as a person uses it."""

    def __init__(self, *command: str, pager: str) -> None:
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 80, 0, 0))
        environment = clean_environment() | {"TERM": "xterm", "PAGER": pager, "NO_COLOR": "1"}
        self.running = subprocess.Popen(
            [str(KEYTRAIL), *command],
            env=environment,
            cwd=FOLDER,
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
            preexec_fn=_on_a_terminal,
        )
        os.close(side)
        self.shown = ""

    def until(self, words: str, within: float = 30.0) -> None:
        ends = time.monotonic() + within
        while words not in self.shown:
            assert time.monotonic() < ends, self.shown
            self._look()

    def _look(self) -> bool:
        ready, _, _ = select.select([self._main], [], [], 0.2)
        if not ready:
            return True
        try:
            part = os.read(self._main, 65_536)
        except OSError:
            return False
        self.shown += part.decode()
        return bool(part)

    def press(self, keys: str) -> None:
        os.write(self._main, keys.encode())

    def ended(self, again: str = "") -> int:
        """Press `again` every two seconds: Python misses a signal that comes just before it sleeps."""
        began = pressed = time.monotonic()
        while self.running.poll() is None:
            now = time.monotonic()
            assert now < began + 30, self.shown
            if again and now > pressed + 2:
                self.press(again)
                pressed = now
            self._look()
        while self._look() and select.select([self._main], [], [], 0)[0]:
            pass
        os.close(self._main)
        return self.running.returncode


@pytest.fixture
def reader(tmp_path: Path) -> str:
    """A pager that shows one line and waits for q, like less. Ctrl-C does not end it, as it does not end less."""
    script = tmp_path / "reader.py"
    script.write_text(
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('READING', sys.stdin.readline(), flush=True)\n"
        "with open('/dev/tty') as keys:\n"
        "    while keys.readline().strip() != 'q':\n"
        "        print('GOES ON', flush=True)\n"
    )
    return f"{sys.executable} {script}"


def test_quitting_the_pager_gives_the_prompt_and_no_traceback(reader: str) -> None:
    screen = Screen(*LONG, pager=reader)
    screen.until("READING")
    screen.press("q\n")
    assert screen.ended() in (0, 1)
    assert "Traceback" not in screen.shown
    assert "error" not in screen.shown


def test_control_c_in_the_pager_leaves_it_there_and_no_traceback(reader: str) -> None:
    screen = Screen(*LONG, pager=reader)
    screen.until("READING")
    for _ in range(3):
        screen.press("\x03")
    screen.press("\n")
    screen.until("GOES ON")
    assert screen.running.poll() is None, "the pager was left alone"
    screen.press("q\n")
    assert screen.ended() in (0, 1, 130)
    assert "Traceback" not in screen.shown


def test_a_pager_that_control_c_ends_ends_the_command_too(tmp_path: Path) -> None:
    script = tmp_path / "reader.py"
    script.write_text("import time\nprint('READING', flush=True)\ntime.sleep(60)\n")
    screen = Screen(*LONG, pager=f"{sys.executable} -W ignore {script}")
    screen.until("READING")
    screen.press("\x03")
    assert screen.ended(again="\x03") in (1, 130)
    assert "services/cli" not in screen.shown, "no traceback of ours; the pager's own is its own"


def test_a_reader_of_a_pipe_who_has_seen_enough_is_no_failure() -> None:
    script = f"'{KEYTRAIL}' {' '.join(LONG)} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script],
        env=clean_environment(),
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[1] == "0"


def test_control_c_ends_the_command_without_a_traceback_from_its_first_import_on() -> None:
    """Every module takes time to load. Ctrl-C has to be handled before Python looks for the first one."""
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # the tests' own parent may ignore it
        "class Looking:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name.partition('.')[0] not in ('services', 'signal'):\n"
        "            print(signal.getsignal(signal.SIGINT).name)\n"
        "            sys.exit(0)\n"
        f"sys.argv[0] = {str(KEYTRAIL)!r}\n"
        "sys.meta_path.insert(0, Looking())\n"
        "from services.cli.command import main\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "SIG_DFL\n"
