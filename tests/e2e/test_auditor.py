"""The auditor of docs/howto/who-may.md, who is not root and has no access to the host, runs every command that
reads."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.policy.default import default_key_policy
from services.cli.main import COMMANDS
from tests.e2e.test_authorisation import House, document, may
from tests.installation import Installation, eventually

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "who-may.md"

READING: dict[str, tuple[str, ...]] = {
    "status": (),
    "account list": (),
    "settings": (),
    "keys": (),
    "principals": ("user",),
    "history": ("KEY",),
    "policy": ("KEY",),
    "decisions": ("--limit", "5"),
    "last-use": ("KEY",),
    "unused": ("KEY",),
    "changes": ("KEY",),
    "explain": ("CALL",),
    "show": ("KEY",),
    "who-can": ("kms:Decrypt", "KEY"),
    "can-what": ("WHO",),
    "diff": ("KEY", "--from", "1", "--to", "2"),
    "make-policy": ("--key", "KEY"),
    "try-policy": ("KEY", "DRAFT"),
    "what-if": ("KEY", "--policy", "DRAFT"),
    "recheck": (),
    "alerts": ("--limit", "5"),
    "alerts follow": ("--after", "0", "--limit", "1"),
    "alerts show": ("ALERT",),
    "alerts rules": (),
    "alerts notifiers": (),
    "alerts dead-letters": (),
    "audit-devices": (),
    "alerts scan": (),
    "alerts check": ("--policy", "DRAFT", "--key", "KEY"),
    "log": (),
}
"""Every command that reads through the audit API, with its arguments. Add a new one here or below."""
MORE: list[tuple[str, ...]] = [
    ("history", "WHO"),
    ("policy", "KEY", "--version", "1"),
    ("decisions", "--by", "operation"),
    ("decisions", "--limit", "5", "--export", "-", "--format", "csv"),
    ("unused", "--principal", "WHO"),
    ("changes", "WHO"),
    ("explain", "--principal", "WHO", "--operation", "Decrypt", "--key", "KEY"),
    ("show", "WHO"),
    ("keys", "--at", "NOW"),
    ("verify", "--remote"),
    ("show", "KEY", "--at", "@3000000"),
    ("who-can", "kms:Decrypt", "KEY", "--between", "@1", "NOW"),
    ("can-what", "WHO", "--between", "@1", "NOW"),
]
OTHERS = {
    **dict.fromkeys(("up", "down", "env", "verify", "export-log", "rebuild", "backup", "restore", "skip-commands", "skip-records", "accept-loss", "release-due", "topics create", "doctor"), "on the host"),
    **dict.fromkeys(("master-key rotate", "master-key add", "root-credential rotate", "root-credential retire", "log-keys begin", "log-keys rotate", "upgrade prepare", "upgrade finish"), "on the host"),
    **dict.fromkeys(("check-policy", "read-policy", "change-policy", "policy-words", "completion", "verify-evidence", "witness"), "asks no server"),
    **dict.fromkeys(("alerts test", "alerts allow-list"), "the alerts' file, on the host"),
    "console": "opens a browser, signed in",
    "evidence": "needs a notary: tests/e2e/test_evidence.py",
    **dict.fromkeys(("log key", "log rotate-key"), "on the host"),
    "prove": "needs a notary: tests/e2e/test_proofs.py",
    "sign-in": "takes a password: tests/e2e/test_passwords.py",
    **dict.fromkeys(("alerts ack", "alerts resolve", "alerts reopen", "account create", "audit-devices forget"), "changes something"),
    **dict.fromkeys(("import cloudtrail", "import policies", "trails", "trails remove"), "trails are kept on the host"),
}  # fmt: skip


@dataclass
class Auditor:
    installation: Installation
    who: dict[str, str]
    means: dict[str, str]

    def runs(self, command: tuple[str, ...]) -> tuple[int, str]:
        done = self.installation.keytrail_as(self.who, *(self.means.get(each, each) for each in command))
        return done.returncode, done.stderr


@pytest.fixture(scope="module")
def auditor(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Auditor:
    house = House(installation, *(installation.client(service=service) for service in ("iam", "sts", "kms")))
    (found,) = re.findall(r"This policy is for an auditor.*?```json\n(.*?)```", HOWTO.read_text(), re.DOTALL)
    name, arn, who = house.user("auditor")
    house.iam.put_user_policy(UserName=name, PolicyName="audit", PolicyDocument=found)
    made = house.kms.create_key()
    key = made["KeyMetadata"]["KeyId"]
    everyone = json.loads(default_key_policy("111122223333"))
    everyone["Statement"] += [may("kms:Decrypt", Principal="*")]
    house.kms.put_key_policy(KeyId=key, Policy=json.dumps(everyone))
    installation.caught_up()
    alert = eventually(lambda: installation.answers("alerts", "--key", key))[0]["id"]
    draft = tmp_path_factory.mktemp("auditor") / "draft.json"
    draft.write_text(document(may("kms:*", Principal={"AWS": arn.replace(f"user/{name}", "root")})))
    now = f"@{installation.answers('status')[0]['position']}"
    means = {
        "KEY": key,
        "NOW": now,
        "WHO": arn,
        "CALL": made["ResponseMetadata"]["RequestId"],
        "ALERT": alert,
        "DRAFT": str(draft),
    }
    return Auditor(installation, who | {"AWS_ENDPOINT_URL": installation.url}, means)


def test_every_command_is_one_that_an_auditor_runs_or_said_not_to_be() -> None:
    assert READING.keys() | OTHERS.keys() == COMMANDS.keys()
    assert not READING.keys() & OTHERS.keys()


def test_the_documented_policy_is_enough_for_every_command_that_reads(auditor: Auditor) -> None:
    commands = [*((*name.split(" "), *given) for name, given in READING.items()), *MORE]
    with ThreadPoolExecutor(3) as pool:
        done = dict(zip(commands, pool.map(auditor.runs, commands), strict=True))
    refused = {command: text for command, (_, text) in done.items() if "AccessDenied" in text or "Traceback" in text}
    assert refused == {}
    # These are findings, not failures: two versions differ, the log ends before @3000000, and an auditor may put no policy.
    findings = {("diff", 1), ("show", 1), ("try-policy", 1)}
    assert {(command[0], code) for command, (code, _) in done.items() if code} >= findings
    failed = {command: (code, text) for command, (code, text) in done.items() if code}
    assert {command: text for command, text in failed.items() if (command[0], failed[command][0]) not in findings} == {}


def test_and_it_is_enough_for_nothing_else(auditor: Auditor) -> None:
    for command in (
        ("alerts", "ack", "ALERT"),
        ("account", "create", "777788889999"),
        ("alerts", "dead-letters", "--again"),
    ):
        code, text = auditor.runs(command)
        assert (code, "AccessDenied" in text) == (1, True)
    client = auditor.installation.client(auditor.who)
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.describe_key(KeyId=auditor.means["KEY"])
