"""Records again: a real installation, a story that is always the same, and every command once.

python -m tests.cli.recording [NAME ...]

With names, only these commands run, and those that they need first. The files that the story writes for all of them stay as
they are: whoever reads the change of one recording sees no other.

Run `python -m tests.cli.test_shown` afterwards to write every text again, and read `git diff tests/cli/shown`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from inspect import iscoroutinefunction
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError

from services.adapters.kafka import Producer
from services.adapters.topics import names
from services.cli.client import Client
from tests.cli.replay import BESIDE, FOLDER, Recording, question, typed, write
from tests.e2e.test_trails import key_arn, record, who
from tests.installation import Installation

A, B = "111122223333", "444455556666"
COMMANDS = {
    "keys": "keys",
    "keys-then": "keys --at @12",
    "keys-trail": "keys --trail aws",
    "history": "history alias/payroll",
    "history-errors": "history alias/payroll --errors --reverse",
    "history-principal": "history bob",
    "history-trail": "history {trail_key} --trail aws",
    "policy": "policy alias/payroll",
    "decisions": "decisions",
    "decisions-errors": "decisions --effect refused --errors",
    "decisions-by": "decisions --by principal,operation",
    "decisions-by-key": "decisions --by key,hour",
    "decisions-trail": "decisions --trail aws",
    "decisions-none": "decisions --principal bob --operation Sign",
    "last-use": "last-use alias/payroll",
    "unused": "unused",
    "unused-key": "unused alias/payroll",
    "unused-principal": "unused --principal bob",
    "unused-trail": "unused {trail_key} --trail aws",
    "changes": "changes",
    "changes-detail": "changes alias/payroll --detail",
    "changes-principal": "changes bob",
    "explain-refused": "explain {refused}",
    "explain-allowed": "explain {allowed}",
    "explain-question": "explain --principal {bob} --operation Decrypt --key alias/payroll --context team=hr",
    "show-key": "show alias/payroll",
    "show-principal": "show bob",
    "principals": "principals user",
    "principals-trail": "principals role --trail aws",
    "show-trail": "show {trail_key} --trail aws",
    "who-can": "who-can Decrypt alias/payroll",
    "who-can-between": "who-can Decrypt alias/payroll --from @10 --to @{end}",
    "who-can-trail": "who-can Decrypt {trail_key} --trail aws",
    "can-what": "can-what {bob}",
    "can-what-between": "can-what {bob} --from @10 --to @{end}",
    "diff": "diff alias/payroll --from 1",
    "diff-draft": "diff alias/payroll --from draft.policy --to 3",
    "check-policy": "check-policy draft.policy --not-grants kms:Decrypt=444455556666 --not-public --no-new-access-than strict.policy",
    "make-policy": "make-policy --administrator {keys} --user {bob} --user {batch} --other-account 444455556666",
    "make-policy-key": "make-policy --key alias/releases --user {bob} --no-deletion",
    "read-policy": "read-policy console.policy",
    "read-policy-other": "read-policy draft.policy",
    "change-policy": "change-policy console.policy --remove-user {bob} --add-account 777788889999 --no-deletion",
    "policy-words": "policy-words GrantConstraint",
    "try-policy": "try-policy alias/payroll draft.policy",
    "what-if": "what-if alias/payroll --policy strict.policy",
    "recheck": "recheck",
    "alerts": "alerts --suppressed",
    "alerts-show": "alerts show {alert}",
    "alerts-follow": "alerts follow --after -1 --limit 2",
    "alerts-rules": "alerts rules",
    "alerts-notifiers": "alerts notifiers",
    "alerts-dead-letters": "alerts dead-letters",
    "audit-devices": "audit-devices",
    "alerts-ack": "alerts ack {alert} --note looking",
    "alerts-resolve": "alerts resolve {alert} --note dealt-with",
    "alerts-reopen": "alerts reopen {alert}",
    "alerts-scan": "alerts scan --from @0",
    "alerts-check": "alerts check --policy draft.policy",
    "alerts-allow-list": "alerts allow-list",
    "alerts-test": "alerts test",
    "import": "import cloudtrail aws.records --trail aws",
    "import-policies": "import policies policy.answer grants.answer --taken 2026-11-02T12:00:00Z --key {trail_key} --trail aws",
    "trails": "trails",
    "trails-remove": "trails remove aws --yes",
    "account-create": "account create 777788889999",
    "status": "status",
    "settings": "settings",
    "rebuild": "rebuild decisions",
    "backup": "backup installation.backup",
    "restore": "restore installation.backup",
    "master-key-add": "master-key add",
    "master-key-rotate": "master-key rotate",
    "master-key-rotate-destroy": "master-key rotate --destroy-old --no-backup --yes",
    "skip-commands": "skip-commands --yes",
    "log": "log /dev/null --force --from @{end}",
    "export-log": "export-log exported.log",
    "log-keys-begin": "log-keys begin",
    "log-keys-rotate": "log-keys rotate",
    "verify": "verify",
    "verify-topics": "verify --topics-only --expect {end}:{digest}",
    "verify-remote": "verify --remote",
    "verify-broken": "verify --expect {end}:{other}",
    "verify-file": "verify --file installation.log",
    "verify-file-cut": "verify --file cut.log",
    "verify-strange": "verify",
}  # fmt: skip
"""The command to type, by the name of its file. The story fills in what stands in braces."""


FIRST = ("import",)
LAST = (
    *(
        "import-policies",
        "trails-remove",
        "account-create",
        "alerts-ack",
        "alerts-resolve",
        "alerts-reopen",
        "skip-commands",
    ),
    *(
        "log-keys-rotate",
        "restore",
        "master-key-add",
        "master-key-rotate",
        "master-key-rotate-destroy",
        "verify-strange",
    ),
)
"""Commands that others need first, and commands that change what others show."""
NEEDS = {
    "restore": ("backup",),
    "alerts-reopen": ("alerts-resolve",),
    "log-keys-rotate": ("log-keys-begin",),
    "master-key-rotate": ("master-key-add",),
    "master-key-rotate-destroy": ("master-key-add", "master-key-rotate"),
}
"""Commands of the list that a command needs first, beside FIRST."""
FAULT = "https://hooks.example.org/services/payroll-security/keytrail answered 503 Service Unavailable: the upstream is away"
BY_HAND: dict[str, list[dict[str, Any]]] = {
    "alerts-notifiers": [
        {"notifier": "chat", "waiting": 0, "since": None, "dead": 0, "fault": None},
        {"notifier": "siem", "waiting": 12, "since": "2026-11-27T07:12:04.120000Z", "dead": 1, "fault": FAULT},
    ],
    "alerts-dead-letters": [
        {"id": "763cd0f12ab39681fd28273a19eddd3f", "notifier": "siem", "at": "2026-11-26T21:40:11.004000Z", "attempts": 24,
         "fault": FAULT, "message": {}},
    ],
    "audit-devices": [
        {"device": "archive", "kind": "file", "lag": 0, "named": True, "fault": "", "since": None},
        {"device": "old-siem", "kind": "syslog", "lag": 48211, "named": False, "fault": "", "since": None},
        {"device": "siem", "kind": "syslog", "lag": 12, "named": True, "since": "2026-11-27T07:12:04.120000Z",
         "fault": "logs.example.com:6514 cannot be reached: Connection refused"},
    ],
}  # fmt: skip
"""Items of lists that fill only if a receiver fails for a day. A test holds them to the API's description like the
others."""


ALERTS_FILE = """
[[apprise]]
name = "chat"
url = "json://127.0.0.1:{port}/"

[[apprise]]
name = "pager-of-the-security-team-on-call"
url = "json://127.0.0.1:9/"

[rules.root-used]
off = true

[[allow]]
rule = "grant-unconstrained"
principal = "arn:aws:iam::111122223333:role/ci-*"
reason = "the build reads what it wrote, and no encryption context can be set where it runs"
expires = 2199-01-31

[[allow]]
rule = "root-used"
principal = "arn:aws:iam::111122223333:root"
key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
reason = "the drill of this month"
expires = {soon}

[[allow]]
rule = "*"
tag = "environment=development"
reason = "nobody's salary is in there"
expires = {past}
"""
WRITTEN = ("installation.log", "cut.log", "installation.backup", "exported.log")
"""Files that commands write, which are not kept."""
KEPT = ("alerts.toml", "aws.records", "policy.answer", "grants.answer")
"""Files that the story writes and commands read."""


@contextmanager
def receiver() -> Iterator[int]:
    """The port of the receiver of a notifier's messages."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Writes no log line."""

    with HTTPServer(("127.0.0.1", 0), Taking) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(sid: str, principal: Any, action: Any, **more: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"} | more


class Story:
    """Payroll: a key whose policy is opened step by step, its users, refused attempts, and a second account."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.kms, self.iam = installation.client(), installation.client(service="iam")
        self.known: dict[str, str] = {}

    def tell(self) -> None:
        own = allow("Account", f"arn:aws:iam::{A}:root", "kms:*")
        bob, carol = (self.iam.create_user(UserName=name)["User"]["Arn"] for name in ("bob", "carol"))
        self.known |= {"bob": bob, "keys": f"arn:aws:iam::{A}:role/keys"}
        trust = policy({"Effect": "Allow", "Principal": {"AWS": carol}, "Action": "sts:AssumeRole"})
        role = self.iam.create_role(RoleName="payroll-batch-processing", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        self.known["batch"] = role
        use = {"Sid": "Crypt", "Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*"}
        self.iam.put_user_policy(UserName="bob", PolicyName="use", PolicyDocument=policy(use))
        limit = {"Sid": "NoSigning", "Effect": "Allow", "NotAction": "kms:Sign", "Resource": "*"}
        boundary = self.iam.create_policy(PolicyName="engineers", PolicyDocument=policy(limit))["Policy"]["Arn"]
        self.iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=boundary)
        may_assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
        self.iam.put_user_policy(UserName="carol", PolicyName="assume", PolicyDocument=policy(may_assume))
        self.iam.put_role_policy(RoleName="payroll-batch-processing", PolicyName="use", PolicyDocument=policy(use))

        key = self.kms.create_key(
            Description="Salaries and bonuses, sealed by the batch of the last working day",
            Policy=policy(own),
            Tags=[{"TagKey": "team", "TagValue": "people operations"}],
        )["KeyMetadata"]
        self.known["key"] = key["KeyId"]
        for alias in ("alias/payroll", "alias/payroll-quarterly-closing"):
            self.kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
        for spec, usage, named in (
            ("RSA_2048", "SIGN_VERIFY", "alias/releases"),
            ("HMAC_256", "GENERATE_VERIFY_MAC", None),
            ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "alias/backups"),
        ):
            made = self.kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
            self.known[spec] = made
            if named:
                self.kms.create_alias(AliasName=named, TargetKeyId=made)
        self.kms.schedule_key_deletion(KeyId=self.known["HMAC_256"], PendingWindowInDays=7)

        other = self._account()
        context = {"StringEquals": {"kms:EncryptionContext:team": "hr"}}
        batch = allow("Batch", [role, bob], ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"], Condition=context)
        partner = allow("Partner", f"arn:aws:iam::{B}:root", ["kms:Decrypt", "kms:DescribeKey"])
        self.kms.put_key_policy(KeyId=key["KeyId"], Policy=policy(own, batch))
        self.kms.put_key_policy(KeyId=key["KeyId"], Policy=policy(own, batch, partner))

        self._bob(bob, key["Arn"])
        self._carol(carol, role)
        self._refused(other, "decrypt", KeyId=key["Arn"], CiphertextBlob=self.sealed)
        grant = self.kms.create_grant(
            KeyId=key["KeyId"], GranteePrincipal=bob, Operations=["Decrypt", "DescribeKey"],
            Constraints={"EncryptionContextSubset": {"team": "hr"}}, Name="month-end",
        )["GrantId"]  # fmt: skip
        self.kms.create_grant(KeyId=self.known["RSA_2048"], GranteePrincipal=role, Operations=["Sign"])  # fmt: skip
        self.kms.revoke_grant(KeyId=key["KeyId"], GrantId=grant)
        self.kms.disable_key(KeyId=self.known["SYMMETRIC_DEFAULT"])
        public = allow("Everybody", "*", "kms:Decrypt")
        self.kms.put_key_policy(KeyId=self.known["RSA_2048"], Policy=policy(own, public))
        self.iam.delete_user_policy(UserName="carol", PolicyName="assume")

    def _account(self) -> Any:
        made = self.installation.answers("account", "create", B)[0]
        root = {"AWS_ACCESS_KEY_ID": made["access_key_id"], "AWS_SECRET_ACCESS_KEY": made["secret_access_key"]}
        iam = self.installation.client(root, service="iam")
        iam.create_user(UserName="dora-of-the-payroll-bureau")
        return self._credentials(iam, "dora-of-the-payroll-bureau")

    def _credentials(self, iam: Any, name: str, service: str = "kms") -> Any:
        made = iam.create_access_key(UserName=name)["AccessKey"]
        keys = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
        return self.installation.client(keys, service=service)

    def _bob(self, bob: str, key: str) -> None:
        client = self._credentials(self.iam, "bob")
        self.sealed = client.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"team": "hr"})["CiphertextBlob"]
        done = client.decrypt(CiphertextBlob=self.sealed, EncryptionContext={"team": "hr"})
        self.known["allowed"] = done["ResponseMetadata"]["RequestId"]
        self.known["refused"] = self._refused(client, "generate_data_key", KeyId=key, KeySpec="AES_256")
        self._refused(client, "decrypt", CiphertextBlob=self.sealed, EncryptionContext={"team": "sales"})
        self._refused(client, "put_key_policy", KeyId=key, Policy=policy(allow("Mine", bob, "kms:*")))
        client.encrypt(KeyId="alias/backups", Plaintext=b"x", EncryptionContext={"note": "übung\n\x1b[31m"})

    def _carol(self, carol: str, role: str) -> None:
        sts = self._credentials(self.iam, "carol", service="sts")
        lent = sts.assume_role(RoleArn=role, RoleSessionName="nightly-run-2026-11-27")["Credentials"]
        session = self.installation.client(
            {
                "AWS_ACCESS_KEY_ID": lent["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": lent["SecretAccessKey"],
                "AWS_SESSION_TOKEN": lent["SessionToken"],
            }
        )
        for _ in range(3):
            session.generate_data_key(KeyId="alias/payroll", KeySpec="AES_256", EncryptionContext={"team": "hr"})

    def _refused(self, client: Any, operation: str, **parameters: Any) -> str:
        try:
            getattr(client, operation)(**parameters)
        except ClientError as fault:
            return str(fault.response["ResponseMetadata"]["RequestId"])
        raise AssertionError(f"{operation} was allowed")

    def trail(self) -> None:
        """A trail that begins after its key was made, so that the key's policy is not known."""
        self.known["trail_key"] = key_arn(1)
        arn = who()["arn"]
        opened = {"keyId": key_arn(1), "policyName": "default", "policy": policy(allow("Use", arn, "kms:Decrypt"))}
        refused = f"User: {who('mallory')['arn']} is not authorized to perform: kms:Decrypt on resource: {key_arn(1)} because no resource-based policy allows the kms:Decrypt action"  # fmt: skip
        records = [
            record("Decrypt", "2026-11-02T08:00:00Z"),
            record("PutKeyPolicy", "2026-11-02T09:00:00Z", requestParameters=opened),
            record("Decrypt", "2026-11-02T10:00:00Z"),
            record("Decrypt", "2026-11-02T10:00:01Z", identity=who("mallory"), errorCode="AccessDenied", errorMessage=refused),
            record("CreateAlias", "2026-11-02T11:00:00Z", requestParameters={"aliasName": "alias/archive", "targetKeyId": key_arn(1)}),
        ]  # fmt: skip
        (FOLDER / "aws.records").write_text(json.dumps({"Records": records}, indent=1) + "\n")

        grant = {
            "KeyId": key_arn(1), "GrantId": "0c237476b39f8bc44e45212e08498fbe3151305030726c0590dd8d3e9f3d6a60",
            "GranteePrincipal": who("mallory")["arn"], "Operations": ["Decrypt"], "CreationDate": "2026-10-30T08:00:00Z",
        }  # fmt: skip
        (FOLDER / "policy.answer").write_text(
            json.dumps({"Policy": policy(allow("All", arn, "kms:*")), "PolicyName": "default"}) + "\n"
        )
        (FOLDER / "grants.answer").write_text(json.dumps({"Grants": [grant]}, indent=1) + "\n")

    def note(self) -> None:
        """The installation's log in files, whole and cut, and the head that an operator noted."""
        self.installation.keytrail("export-log", str(FOLDER / "installation.log"), "--force")
        lines = (FOLDER / "installation.log").read_text().splitlines(keepends=True)
        (FOLDER / "cut.log").write_text("".join(lines[:20] + lines[21:]))
        (found,) = self.installation.answers("verify", "--file", str(FOLDER / "installation.log"))
        self.known |= {"end": str(found["position"]), "digest": found["head"], "other": sha256(b"other").hexdigest()}

    async def forge(self) -> None:
        """Values on its topics that somebody else wrote, and a row of a projection that somebody changed."""
        topics, producer = names(self.installation.settings), Producer(self.installation.settings)
        for topic in (topics.events, topics.decisions, topics.alerts):
            await producer.append(topic, 0, b'{"type":"key.created.v3"}', ())
        await producer.close()
        async with self.installation.connected() as pool:
            await pool.execute(
                "UPDATE p_keys.keys SET description = 'Nobody wrote this' WHERE key_id = $1", self.known["key"]
            )

    def judge(self) -> None:
        self.installation.judged()
        alerts = self.installation.answers("alerts")
        self.known["alert"] = max(alerts, key=lambda each: len(each["summary"]))["id"]
        self.installation.keytrail("alerts", "resolve", alerts[0]["id"], "--note", "agreed with the bureau")
        self.installation.judged()
        self.known["end"] = str(Client(self.installation.data).get("/v1/status")["position"])


@contextmanager
def recorded(recording: Recording) -> Iterator[None]:
    opened = Client._opened

    def heard(self: Client, method: str, path: str, body: bytes, patience: float) -> Iterator[bytes]:
        lines = recording.answers.setdefault(question(method, path, body), [])
        for line in opened(self, method, path, body, patience):
            lines.append(line.decode())
            recording.account = self.account
            yield line

    with ExitStack() as stack:
        stack.enter_context(patch.object(Client, "_opened", heard))
        for name, (module, function) in BESIDE.items():
            stack.enter_context(patch.object(module, function, _kept(recording, name, getattr(module, function))))
        yield


def _kept(recording: Recording, name: str, works: Any) -> Any:
    async def awaited(*arguments: Any, **options: Any) -> Any:
        recording.beside[name] = await works(*arguments, **options)
        await asyncio.sleep(0)
        return recording.beside[name]

    def done(*arguments: Any, **options: Any) -> Any:
        recording.beside[name] = works(*arguments, **options)
        return recording.beside[name]

    return awaited if iscoroutinefunction(works) else done


def to_run(wanted: Sequence[str]) -> list[str]:
    """The commands to run, in their order, for these recordings: without names, all."""
    between = [name for name in COMMANDS if name not in FIRST + LAST]
    needed = {*FIRST, *wanted, *(name for each in wanted for name in NEEDS.get(each, ()))}
    return [name for name in (*FIRST, *between, *LAST) if not wanted or name in needed]


@contextmanager
def as_it_was(files: Sequence[Path]) -> Iterator[None]:
    """Afterwards each file has the bytes that it had before, however the work ended."""
    before = {each: each.read_bytes() if each.exists() else None for each in files}
    try:
        yield
    finally:
        for path, found in before.items():
            if found is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(found)


def record_all(wanted: Sequence[str]) -> None:
    with ExitStack() as stack:
        if wanted:
            stack.enter_context(as_it_was([FOLDER / name for name in KEPT]))
        folder = stack.enter_context(TemporaryDirectory())
        installation = stack.enter_context(
            Installation(Path(folder, "data"), own="as a user has it", KEYTRAIL_ALERT_WORKERS="1")
        )
        for name in WRITTEN:
            stack.callback((FOLDER / name).unlink, missing_ok=True)
        story = Story(installation)
        story.tell()
        story.trail()
        story.judge()
        story.note()
        environment = {"KEYTRAIL_DATA": str(installation.data), "KEYTRAIL_ALERTS_FILE": "alerts.toml"}
        # a backup is restored into an empty folder, with the master key of that time
        elsewhere = {
            "KEYTRAIL_DATA": str(Path(folder, "restored")),
            "KEYTRAIL_MASTER_KEY_FILE": str(installation.settings.master_key_path),
        }
        today = datetime.now(UTC).date()
        soon, past = today + timedelta(days=5), today - timedelta(days=1)
        alerts_file = ALERTS_FILE.format(port=stack.enter_context(receiver()), soon=soon, past=past)
        (FOLDER / "alerts.toml").write_text(alerts_file)
        for name in to_run(wanted):
            if name == "verify-strange":
                asyncio.run(story.forge())
            recording = Recording([])
            command = COMMANDS[name].format_map(story.known).split(" ")
            with recorded(recording):
                code, shown = typed(command, None, environment | (elsewhere if name == "restore" else {}))
            print(f"{name}: {code}", "" if code == 0 else shown[-300:], file=sys.stderr)
            recording.command = command
            if name in BY_HAND:
                ((asked, _),) = recording.answers.items()
                recording.answers[asked] = [json.dumps({"items": BY_HAND[name], "next": None})]
            if not wanted or name in wanted:
                write(name, recording, installation.data)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    if unknown := set(sys.argv[1:]) - set(COMMANDS):
        sys.exit(
            f"No recording is called {', '.join(sorted(unknown))}. COMMANDS in tests/cli/recording.py has their names."
        )
    record_all(sys.argv[1:])
