"""`keytrail console`: who is signed in, and what other users of the machine can see of it."""

from __future__ import annotations

import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.exceptions import Exit

from services.cli.console import console
from tests.attacks.test_console_sessions import REDEEM, post, signed_in
from tests.attacks.test_sessions import allow, user
from tests.installation import KEYTRAIL, Installation, eventually

BROWSER = """#!{python}
import sys
from pathlib import Path
Path(r"{seen}").write_text(" ".join(sys.argv[1:]))
"""
LINK = re.compile(r'<meta http-equiv="refresh" content="0; url=(\S+)#code=([A-Za-z0-9_=-]+)">')


@pytest.fixture
def shell(served: Installation, request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables of a user's shell."""
    name = re.sub(r"\W+", "-", request.node.name)[:40]
    return served.environment() | user(served, name, allow("iam:GetUser")) | {
        "AWS_ENDPOINT_URL": served.url
    }  # fmt: skip


def started(environment: dict[str, str], *options: str) -> subprocess.Popen[str]:
    command = [str(KEYTRAIL), "console", *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def modes(file: Path) -> tuple[int, int]:
    return stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)


def test_a_browser_is_signed_in_and_the_code_is_nowhere_else(
    served: Installation, shell: dict[str, str], tmp_path: Path
) -> None:
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(BROWSER.format(python=sys.executable, seen=seen))
    browser.chmod(0o700)
    command = started(shell | {"BROWSER": str(browser)})
    opened = eventually(lambda: seen.exists() and seen.read_text())
    file = Path(urlsplit(opened).path)
    assert opened == file.as_uri()
    assert modes(file) == (0o600, 0o700)
    found = LINK.search(file.read_text())
    assert found is not None
    address, code = found.groups()
    assert address == f"{served.url}/console/"
    assert code not in Path(f"/proc/{command.pid}/cmdline").read_text()
    assert code not in Path(f"/proc/{command.pid}/environ").read_text()
    answer = post(served, REDEEM, {"code": code})
    out, err = command.communicate(timeout=30)
    assert (command.returncode, out) == (0, "")
    principal = answer[1]["principal"]
    assert err == f"The console of {served.url} opens for {principal}.\nIt is open.\n"
    assert not file.parent.exists()
    assert served.client(signed_in(answer), "iam").get_user()["User"]["Arn"] == principal


def test_without_a_browser_the_file_is_named_and_gone_when_the_command_ends(shell: dict[str, str]) -> None:
    without = {name: value for name, value in shell.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")}
    refused = started(without)
    assert "No browser could be started here. `keytrail console --print`" in refused.communicate(timeout=30)[1]
    assert refused.returncode == 1
    command = started(without, "--print")
    assert command.stdout is not None
    file = Path(command.stdout.readline().rstrip())
    assert modes(file) == (0o600, 0o700)
    command.send_signal(signal.SIGTERM)
    command.communicate(timeout=30)
    assert command.returncode == 128 + signal.SIGTERM
    assert not file.parent.exists()


def test_a_code_that_nobody_uses_is_reported(
    served: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("services.cli.console.LASTS", 1.0)
    with pytest.raises(Exit):
        console(root=True, prints=True, data=served.data)
    out, err = capsys.readouterr()
    assert not Path(out.rstrip()).exists()
    assert "No browser used the code within 60 seconds" in err


def test_a_browser_in_a_sandbox_is_named_as_the_cause(
    served: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows an error of its own, since it cannot read the file."""
    monkeypatch.setattr("services.cli.console.LASTS", 2.0)
    monkeypatch.setattr("services.cli.console.HINT_AFTER", 0.5)
    with pytest.raises(Exit):
        console(root=True, prints=True, data=served.data)
    out, err = capsys.readouterr()
    assert f"cannot read {Path(out.rstrip()).parent}" in err
    assert err.count("TMPDIR=$HOME keytrail console") == 1


def test_the_root_users_console_opens_only_if_that_is_asked_for(served: Installation) -> None:
    refused = served.keytrail("console", "--print", check=False)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "`keytrail console --root`" in refused.stderr
    assert "set AWS_ACCESS_KEY_ID" in refused.stderr
    command = started(served.environment(), "--root", "--print", "--data", str(served.data))
    assert command.stdout is not None
    found = LINK.search(Path(command.stdout.readline().rstrip()).read_text())
    assert found is not None
    status, answer = post(served, REDEEM, {"code": found[2]})
    assert (status, answer["root"]) == (200, True)
    assert "opens for arn:aws:iam::111122223333:root" in command.communicate(timeout=30)[1]
    assert command.returncode == 0
