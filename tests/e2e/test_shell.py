"""`eval "$(keytrail env)"` in a shell that was used for AWS before: afterwards, a call reaches Keytrail or nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import which
from types import SimpleNamespace

import pytest

from services.cli import up
from services.cli.env import ELSEWHERE
from services.cli.up import first_call
from services.ownership import user_name
from services.settings import load
from tests.forking import forked
from tests.installation import AWS, KEYTRAIL, Installation, clean_environment, free_port

NOWHERE = "http://127.0.0.1:9"
NOBODYS = 2_000_000_011
"""The number of no user."""
USED_FOR_AWS = dict.fromkeys(ELSEWHERE, "left") | {
    "AWS_ACCESS_KEY_ID": "AKIAOFAWS",
    "AWS_SECRET_ACCESS_KEY": "of-aws",
    "AWS_ENDPOINT_URL": NOWHERE,
    "AWS_ENDPOINT_URL_KMS": NOWHERE,
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": NOWHERE,
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_REGION": "eu-west-1",
    "KEYTRAIL_DATA": "left",
}


def shell(script: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment() | USED_FOR_AWS | {"AWS_PAGER": "", "HOME": str(folder)} | more
    command = ["sh", "-c", script]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def variables(printed: str) -> dict[str, str]:
    lines = [line.partition("=") for line in printed.splitlines() if line.startswith(("AWS_", "KEYTRAIL_DATA="))]
    return {name: value for name, _, value in lines}


def test_after_it_the_next_call_reaches_keytrail_whatever_the_shell_was_used_for(
    installation: Installation, tmp_path: Path
) -> None:
    kept = tmp_path / ".aws"
    kept.mkdir()
    (kept / "config").write_text("[default]\nignore_configured_endpoint_urls = true\nregion = eu-west-1\n")
    script = f'eval "$({KEYTRAIL} env --data {installation.data})" && env && {AWS} sts get-caller-identity'
    done = shell(script, tmp_path)
    assert done.returncode == 0, done.stderr
    found = variables(done.stdout)
    expected = installation.credentials() | {"AWS_PAGER": ""}
    assert found == expected | {"KEYTRAIL_DATA": str(installation.data.resolve())}
    assert json.loads(done.stdout[done.stdout.index("\n{\n") :])["Arn"] == "arn:aws:iam::111122223333:root"


STOPPED = {"pid": 2**22 + 1, "port": 8612, "url": "http://127.0.0.1:8612", "kafka": "", "postgres": "", "children": {}}


@pytest.mark.parametrize(
    ("options", "variable", "says"),
    [
        ("", {"KEYTRAIL_DATA": ""}, "start one with `keytrail up`"),
        ("--data stopped", {}, "Keytrail is not running on"),
        ("--data broken", {}, "There is no installation in"),
        ("", {"KEYTRAIL_DATA": "stopped"}, "keytrail up --data"),
        ("", {"KEYTRAIL_PORT": "many"}, "takes a number"),
        ("--no-such-option", {}, "keytrail env failed"),
    ],
)
def test_where_keytrail_does_not_run_it_says_so_and_the_next_call_goes_nowhere(
    tmp_path: Path, options: str, variable: dict[str, str], says: str
) -> None:
    """The call went to AWS itself, and made a key there that its user believed to have made here."""
    for name, text in (
        ("stopped", json.dumps(dict.fromkeys(("access_key_id", "secret_access_key", "region"), "x"))),
        ("broken", "{"),
    ):
        (tmp_path / name / "run").mkdir(parents=True)
        kept = {"credentials.json": text, "run/state.json": json.dumps(STOPPED)}
        for file, its in kept.items():
            (tmp_path / name / file).write_text(its)
            (tmp_path / name / file).chmod(0o600)
    port, programs = str(free_port()), tmp_path / "programs"
    forked().shims(programs)
    script = f'eval "$({KEYTRAIL} env {options})"; echo "ended $?"; env; {programs}/aws sts get-caller-identity'
    done = shell(script, tmp_path, **({"KEYTRAIL_PORT": port} | variable))
    assert "ended 1\n" in done.stdout
    assert says in done.stderr
    found = variables(done.stdout)
    url = found.pop("AWS_ENDPOINT_URL")
    assert url.startswith("http://127.0.0.1:")
    assert url != NOWHERE
    assert found == {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false", "AWS_REGION": "eu-west-1", "AWS_PAGER": ""}
    assert done.returncode != 0  # the call of `aws`


def printed_by_up(log: str) -> str:
    """The two lines to copy, which list keys instead of making one."""
    lines = [line.strip() for line in log.splitlines()]
    first = next(number for number, line in enumerate(lines) if line.startswith("eval "))
    assert lines[first + 1] == "aws kms create-key"
    return f"{lines[first]}\naws kms list-keys"


def test_the_lines_that_up_prints_work_in_any_folder(installation: Installation, tmp_path: Path) -> None:
    lines = printed_by_up(installation.data.with_suffix(".up.log").read_text())
    done = shell(f"PATH={AWS.parent}:$PATH; {lines}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_user_without_a_name_is_told_the_whole_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many containers run as a number that no user has. `keytrail up` failed there once all of it ran, and left it running."""
    monkeypatch.setattr(os, "geteuid", lambda: NOBODYS)
    monkeypatch.setattr(sys, "argv", ["/opt/keytrail"])
    assert user_name(NOBODYS) == str(NOBODYS)
    assert first_call(load({}, data=Path("/data")))[0] == 'eval "$(/opt/keytrail env --data /data)"'


SHELLS = [each for each in ("sh", "bash", "dash", "zsh") if which(each)]


@pytest.mark.parametrize("program", SHELLS)
def test_a_folder_of_the_home_folder_is_named_by_its_tilde(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line had two paths of the whole way, and was too wide to read and to copy."""
    home = tmp_path / "a home"
    data = home / "my keys" / ".keytrail"
    monkeypatch.setattr(up, "getpwuid", lambda uid: SimpleNamespace(pw_dir=str(home)))
    monkeypatch.setattr(sys, "argv", [str(home / "it's here" / "keytrail")])
    assert first_call(load({}, data=data))[0] == f"eval \"$('{home}/it'\"'\"'s here/keytrail' env --data '{data}')\""
    monkeypatch.setenv("HOME", str(home))
    line, _ = first_call(load({}, data=data))
    assert line == """eval "$(~/'it'"'"'s here/keytrail' env --data ~/'my keys/.keytrail')\""""
    data.mkdir(parents=True)
    (home / "it's here").mkdir()
    (home / "it's here" / "keytrail").write_text("#!/bin/sh\necho \"test -d '$3' && echo found\"\n")
    (home / "it's here" / "keytrail").chmod(0o700)
    done = subprocess.run([program, "-c", line], env={"HOME": str(home)}, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("found\n", "")
    monkeypatch.setenv("PATH", str(home / "it's here"))
    assert first_call(load({}, data=data))[0] == """eval "$(keytrail env --data ~/'my keys/.keytrail')\""""
