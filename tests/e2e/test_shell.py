"""`eval "$(keytrail env)"` in a shell that was used for AWS before: afterwards, a call reaches Keytrail or nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from services.cli.env import ELSEWHERE
from tests.installation import AWS, KEYTRAIL, Installation, clean_environment, free_port

NOWHERE = "http://127.0.0.1:9"
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
    assert json.loads(done.stdout[done.stdout.index("{") :])["Arn"] == "arn:aws:iam::111122223333:root"


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
    port = str(free_port())
    script = f'eval "$({KEYTRAIL} env {options})"; echo "ended $?"; env; {AWS} sts get-caller-identity'
    done = shell(script, tmp_path, **({"KEYTRAIL_PORT": port} | variable))
    assert "ended 1\n" in done.stdout
    assert says in done.stderr
    found = variables(done.stdout)
    url = found.pop("AWS_ENDPOINT_URL")
    assert url.startswith("http://127.0.0.1:")
    assert url != NOWHERE
    assert found == {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false", "AWS_REGION": "eu-west-1", "AWS_PAGER": ""}
    assert done.returncode != 0  # the call of `aws`


def test_the_line_that_up_prints_works_in_any_folder(installation: Installation, tmp_path: Path) -> None:
    printed = installation.data.with_suffix(".up.log").read_text()
    line = next(line.strip() for line in printed.splitlines() if "eval" in line)
    done = shell(f"PATH={AWS.parent}:$PATH; {line.replace('create-key', 'list-keys')}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
