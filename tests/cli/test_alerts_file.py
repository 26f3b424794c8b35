"""`keytrail alerts test` and `alerts allow-list` try and check the alerts' file, without a server of Keytrail's."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.notifier.delivery import signature
from tests.installation import KEYTRAIL, clean_environment

SECRET = "a secret of the receiver's"


class Receiver(HTTPServer):
    def __init__(self, status: int = 204) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.status = status
        self.taken: list[tuple[dict[str, str], bytes]] = []


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Writes no log line."""


@pytest.fixture(params=[204])
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    found = Receiver(request.param)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


def keytrail(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o600)
    (folder / "alerts.toml").write_text(text)
    environment = clean_environment() | {"KEYTRAIL_ALERTS_FILE": str(folder / "alerts.toml")}
    command = [str(KEYTRAIL), "alerts", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def webhook(receiver: Receiver, folder: Path, name: str = "siem") -> str:
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    return f'[[webhook]]\nname = "{name}"\nurl = "{url}"\nsecret_file = "{folder / "secret"}"\n'


def test_a_test_reaches_the_receiver_signed_as_an_alert_is(receiver: Receiver, tmp_path: Path) -> None:
    done = keytrail(tmp_path, webhook(receiver, tmp_path), "test", "--json")
    assert (done.returncode, json.loads(done.stdout)["fault"]) == (0, "")
    ((headers, body),) = receiver.taken
    expected = signature(SECRET.encode(), headers["webhook-id"], headers["webhook-timestamp"], body)
    assert headers["webhook-signature"] == expected
    ocsf = webhook(receiver, tmp_path) + 'format = "ocsf"\n'
    assert keytrail(tmp_path, ocsf, "test").returncode == 0
    assert json.loads(receiver.taken[1][1])["data"]["class_uid"] == 2004
    told = json.loads(body)
    assert (told["type"], told["data"]["alert"]["rule"]) == ("keytrail.alert.raised.v1", "keytrail-test")


@pytest.mark.parametrize("receiver", [500], indirect=True)
def test_a_receiver_that_refuses_is_named_and_the_command_fails(receiver: Receiver, tmp_path: Path) -> None:
    text = webhook(receiver, tmp_path) + webhook(receiver, tmp_path, "other").replace("/hook", "/other")
    done = keytrail(tmp_path, text, "test")
    assert done.returncode == 1
    assert done.stdout == "failed siem (webhook): answered 500\nfailed other (webhook): answered 500\n"
    assert keytrail(tmp_path, text, "test", "--notifier", "chat").returncode == 2
    assert "names no notifier" in keytrail(tmp_path, "", "test").stderr


def test_the_allow_list_is_shown_and_its_faults_are_named(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    soon, past = today + timedelta(days=5), today - timedelta(days=1)
    text = f"""
    [rules.root-used]
    off = true
    [[allow]]
    rule = "grant-unconstrained"
    principal = "arn:aws:iam::*:role/ci-*"
    reason = "the build reads what it wrote"
    expires = 2199-01-31
    [[allow]]
    rule = "root-used"
    principal = "*"
    reason = "x"
    expires = {soon}
    [[allow]]
    rule = "*"
    tag = "env=dev"
    reason = "x"
    expires = {past}
    """
    done = keytrail(tmp_path, text, "allow-list", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [len(row["faults"]) for row in rows] == [0, 3, 2]
    assert rows[0] == {"number": 1, "rule": "grant-unconstrained", "principal": "arn:aws:iam::*:role/ci-*",
                       "reason": "the build reads what it wrote", "expires": "2199-01-31T00:00:00Z", "faults": []}  # fmt: skip
    table = keytrail(tmp_path, text, "allow-list").stdout
    assert "number 3: it is past its end, and allows nothing any more" in table
    assert keytrail(tmp_path, '[[allow]]\nrule = "x"\n', "allow-list").returncode == 2
    assert keytrail(tmp_path, "", "allow-list").returncode == 0
