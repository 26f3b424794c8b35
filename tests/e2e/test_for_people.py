"""What a person types and reads: names and times as people say them, and one sentence for every mistake."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len

from services.cli.client import Client
from services.cli.main import main
from services.cli.screens import out
from tests.installation import KEYTRAIL, Installation, clean_environment

ACCOUNT = "111122223333"


def run_here(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """(exit code, output, messages) of the command line in this process. A new process would take a second for each of
    many commands."""
    printed, beside = io.StringIO(), io.StringIO()
    mask = os.umask(0o077)
    os.umask(mask)
    with (
        patch.dict(os.environ, clean_environment() | environment, clear=True),
        patch.object(sys, "argv", ["keytrail", *arguments]),
        redirect_stdout(printed),
        redirect_stderr(beside),
    ):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os.umask(mask)
    return code, printed.getvalue(), beside.getvalue()


class People:
    """A key with an alias, and a user who used it."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        kms, iam = installation.client(), installation.client(service="iam")
        mark = uuid4().hex[:8]
        self.key = kms.create_key()["KeyMetadata"]["KeyId"]
        self.name, self.alias = f"wanda{mark}", f"payroll{mark}"
        kms.create_alias(AliasName=f"alias/{self.alias}", TargetKeyId=self.key)
        self.arn = iam.create_user(UserName=self.name)["User"]["Arn"]
        policy = {"Version": "2012-10-17", "Statement": [{"Sid": "Crypt", "Effect": "Allow", "Action": "kms:*crypt", "Resource": "*"}]}  # fmt: skip
        iam.put_user_policy(UserName=self.name, PolicyName="use", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=self.name)["AccessKey"]
        self.credentials = {
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
        }
        installation.client(self.credentials).encrypt(KeyId=f"alias/{self.alias}", Plaintext=b"hi")
        installation.caught_up()

    def run(self, *arguments: str) -> tuple[str, str]:
        """(output, messages) of a command that succeeds."""
        code, said, told = run_here(*arguments, KEYTRAIL_DATA=str(self.installation.data))
        assert code == 0, told
        return said, told

    def answers(self, *arguments: str) -> list[Any]:
        """The objects that a command prints with --json."""
        return [json.loads(line) for line in self.run(*arguments, "--json")[0].splitlines()]

    def refused(self, *arguments: str) -> tuple[int, str]:
        code, said, told = run_here(*arguments, KEYTRAIL_DATA=str(self.installation.data))
        assert said == ""
        assert told.count("\n") == 1, told
        return code, told

    def calls(self, *arguments: str) -> list[dict[str, Any]]:
        return self.answers("decisions", *arguments)


@pytest.fixture(scope="module")
def people(installation: Installation) -> People:
    return People(installation)


# -- nothing found is not nothing happened ---------------------------------------------------------------------------------


def test_a_name_is_enough(people: People) -> None:
    for principal in (people.name, people.name.upper(), f"user/{people.name}", people.arn, f"{people.arn[:-4]}*"):
        for operation in ("Encrypt", "encrypt", "kms:Encrypt", "KMS:ENCRYPT", "*crypt"):
            (call,) = people.calls("--principal", principal, "--operation", operation)
            assert (call["principal"], call["key_aliases"]) == (people.arn, [f"alias/{people.alias}"])


def test_a_key_is_found_by_its_alias_without_the_prefix_and_by_the_beginning_of_its_id(people: People) -> None:
    for key in (people.alias, f"alias/{people.alias}", people.key, people.key[:8], f"{people.key[:8]}…"):
        assert people.calls("--key", key) == people.calls("--key", people.key)
        assert people.answers("last-use", key)[0]["key_id"] == people.key
        assert people.answers("show", key)[0]["key"]["key_id"] == people.key
        assert {row["change"]["operation"] for row in people.answers("changes", key)} >= {"CreateKey", "CreateAlias"}
        assert people.answers("who-can", "decrypt", key)[0]["action"] == "kms:Decrypt"
        assert {row["key_id"] for row in people.answers("history", key)} == {people.key}


def test_a_word_is_a_principals_name_where_it_is_no_keys(people: People) -> None:
    assert people.answers("show", people.name)[0]["principal"]["arn"] == people.arn
    found = people.answers("history", people.name)
    assert [row["operation"] for row in found] == ["CreateUser", "PutUserPolicy", "CreateAccessKey"]
    assert (
        people.answers("unused", people.name)[0]["items"]
        == people.answers("unused", "--principal", people.name)[0]["items"]
    )
    (row,) = [each for each in people.answers("can-what", people.name) if each["key_id"] == people.key]
    assert row["key_aliases"] == [f"alias/{people.alias}"]
    (found,) = people.answers("explain", "--principal", people.name, "--operation", "decrypt", "--key", people.alias)  # fmt: skip
    assert (found["effect"], found["action"]) == ("allow", "kms:Decrypt")


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("decisions", "--principal", "NAMEx"), "user/NAME"),
        (("decisions", "--where", "principal=user/NAMx"), "user/NAME"),
        (("decisions", "--operation", "Decript"), "Decrypt"),
        (("decisions", "--operation", "kms:putkeypolcy"), "PutKeyPolicy"),
        (("decisions", "--key", "alias/ALIAx"), "alias/ALIAS"),
        (("decisions", "--key", "ALIASs"), "alias/ALIAS"),
        (("decisions", "--where", "rule=no-identity-policy"), "no-identity-policy-allows"),
        (("decisions", "--effect", "refuse"), "refused"),
        (("decisions", "--by", "princpal"), "principal"),
        (("decisions", "--where", "princpal=x"), "principal"),
        (("history", "NAMEx"), "user/NAME"),
        (("history", "alias/ALIASs"), "alias/ALIAS"),
        (("history", "KEY", "--principal", "NAMx"), "user/NAME"),
        (("show", "NAMEx"), "user/NAME"),
        (("show", "alias/ALIASs"), "alias/ALIAS"),
        (("policy", "ALIASs"), "alias/ALIAS"),
        (("last-use", "ALIASs"), "alias/ALIAS"),
        (("unused", "ALIASs"), "alias/ALIAS"),
        (("unused", "--principal", "NAMEx"), "user/NAME"),
        (("decisions", "--key", "NAME"), "--principal user/NAME"),
        (("last-use", "user/NAME"), "user/NAME is not a key"),
        (("who-can", "Decrypt", "NAME"), "user/NAME is not a key"),
        (("who-can", "Decript", "KEY"), "Decrypt"),
        (("who-can", "Decrypt", "ALIASs"), "alias/ALIAS"),
        (("who-can", "Decrypt", "ALIASs", "--from", "1h"), "alias/ALIAS"),
        (("can-what", "NAMEx"), "user/NAME"),
        (("changes", "NAMEx"), "user/NAME"),
        (("changes", "alias/ALIASs"), "alias/ALIAS"),
        (("can-what", "NAMEx", "--from", "1h"), "user/NAME"),
        (("explain", "--principal", "NAMEx", "--operation", "Decrypt", "--key", "KEY"), "user/NAME"),
        (("explain", "--principal", "NAME", "--operation", "Decript", "--key", "KEY"), "Decrypt"),
        (("diff", "ALIASs", "--from", "1"), "alias/ALIAS"),
        (("what-if", "ALIASs", "--grant", "x"), "alias/ALIAS"),
        (("what-if", "KEY", "--grant", "0123"), "no grant 0123"),
        (("alerts", "--rule", "root-use"), "root-used"),
        (("alerts", "--severity", "hig"), "high"),
        (("alerts", "--state", "opn"), "open"),
        (("alerts", "--key", "ALIASs"), "alias/ALIAS"),
        (("alerts", "--principal", "NAMEx"), "user/NAME"),
        (("decisons",), "decisions"),
        (("alerts", "shw"), "show"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_an_unknown_name_is_answered_with_similar_ones(people: People, arguments: tuple[str, ...], near: str) -> None:
    for name, value in (("ALIA", people.alias[:-1]), ("NAM", people.name[:-1])):  # one letter is missing
        arguments = tuple(each.replace(f"{name}x", f"{value}x") for each in arguments)
    for name, value in (("NAME", people.name), ("ALIAS", people.alias), ("KEY", people.key)):
        arguments, near = tuple(each.replace(name, value) for each in arguments), near.replace(name, value)
    code, told = people.refused(*arguments)
    assert code in (1, 2)
    assert near in told
    assert "Traceback" not in told


def test_nothing_found_says_what_was_asked(people: People) -> None:
    said, _ = people.run("decisions", "--principal", people.name, "--operation", "decrypt", "--from", "2d", "--to", "1d")  # fmt: skip
    assert said.startswith(f"(no decisions of decrypt by {people.name} between ")
    said, _ = people.run("history", people.alias, "--to", "1d")
    assert said.startswith(f"(no changes of {people.alias} before ")


def test_another_accounts_names_are_near_to_nothing(people: People) -> None:
    """A caller sees only the caller's own account, whatever the caller writes."""
    (found,) = people.answers("account", "create", "505060607070")
    theirs = {
        "AWS_ACCESS_KEY_ID": found["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": found["secret_access_key"],
        "AWS_ENDPOINT_URL": people.installation.url,
    }
    for arguments in (
        ("decisions", "--principal", people.name),
        ("decisions", "--key", people.alias),
        ("decisions", "--key", people.key[:8]),
        ("decisions", "--key", people.key),
        ("history", people.name),
        ("show", people.alias),
        ("can-what", people.name[:-1]),
    ):
        done = people.installation.keytrail_as(theirs, *arguments)
        assert done.returncode == 1
        assert people.arn not in done.stderr
        assert f"alias/{people.alias}" not in done.stderr.replace(f"alias/{people.alias} is not", "")
        assert "Near it" not in done.stderr


# -- tables --------------------------------------------------------------------------------------------------------------

TABLES = (
    ("keys",),
    ("history", "KEY"),
    ("history", "NAME"),
    ("decisions", "--key", "KEY"),
    ("decisions", "--key", "KEY", "--errors"),
    ("decisions", "--by", "principal,operation,effect", "--principal", "NAME"),
    ("decisions", "--by", "agent,day", "--key", "KEY"),
    ("last-use", "KEY"),
    ("unused", "KEY"),
    ("unused", "--principal", "NAME"),
    ("unused", "--limit", "5"),
    ("who-can", "Decrypt", "KEY"),
    ("who-can", "Decrypt", "KEY", "--from", "1d"),
    ("can-what", "NAME"),
    ("can-what", "NAME", "--from", "1d"),
    ("changes", "KEY"),
    ("changes", "NAME", "--from", "1d", "--detail"),
    ("alerts", "--limit", "5"),
    ("alerts", "rules"),
    ("recheck",),
)


@contextmanager
def a_screen(width: int) -> Iterator[None]:
    """The command line's screen, set to this width."""
    with (
        patch.object(out, "_force_terminal", True),
        patch.object(out, "_width", width),
        patch.object(out, "no_color", True),
    ):
        yield


@pytest.mark.parametrize("table", TABLES, ids=" ".join)
def test_every_table_fits_the_screen_and_a_pipe_has_whole_rows(people: People, table: tuple[str, ...]) -> None:
    asked = [{"KEY": people.key, "NAME": people.name}.get(each, each) for each in table]
    for width in (80, 100, 120):
        with a_screen(width):
            said, _ = people.run(*asked)
        lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()
        # The terminal wraps a sentence above or below a table.
        rows = [line for line in lines if not line.startswith(("uses between", "kms:"))]
        assert [line for line in rows if cell_len(line) > width] == [], width
        assert rows, width
        assert "arn:aws:iam::111122223333:" not in "".join(rows) or "--errors" in table, width
    piped, _ = people.run(*asked)
    assert "…" not in piped or "grant " in piped


# -- times ----------------------------------------------------------------------------------------------------------------


def test_a_span_before_the_record_is_clamped_and_says_so(people: People, tmp_path: Path) -> None:
    policy = tmp_path / "draft.json"
    own = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kms:*", "Resource": "*"}
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": own}))
    for arguments in (
        ("decisions", "--from", "2020", "--key", people.key),
        ("decisions", "--from", "10y", "--by", "operation"),
        ("history", people.key, "--from", "1999-12-31"),
        ("who-can", "Decrypt", people.key, "--from", "2020-01-01"),
        ("who-can", "Decrypt", people.key, "--from", "2020-01-01", "--to", "2020-02-01"),
        ("can-what", people.name, "--from", "2020-01-01", "--to", "2020-02-01"),
        ("changes", people.key, "--from", "2020-01-01"),
        ("can-what", people.name, "--from", "2020-01-01"),
        ("log", "--from", "2020-01-01"),
        ("alerts", "--from", "2020-01-01"),
        ("alerts", "scan", "--from", "2020-01-01"),
        ("recheck", "--from", "2020-01-01"),
        ("what-if", people.key, "--policy", str(policy), "--from", "2020-01-01"),
    ):
        _, told = people.run(*arguments)
        assert "The record begins at " in told, arguments
    assert people.run("decisions", "--from", "1s", "--key", people.key)[1] == ""


def test_history_is_filtered_ordered_and_exported_as_decisions_are(people: People, tmp_path: Path) -> None:
    found = people.answers("history", people.key)
    assert [row["operation"] for row in found] == ["CreateKey", "CreateAlias"]
    assert people.answers("history", people.key, "--reverse") == found[::-1]
    assert people.answers("history", people.key, "--operation", "createalias") == found[1:]
    assert people.answers("history", people.key, "--to", "1d") == []
    path = tmp_path / "h.csv"
    _, told = people.run("history", people.key, "--export", str(path))
    assert told.endswith(f"wrote 2 rows to {path}\n")
    assert [row["operation"] for row in csv.DictReader(path.read_text().splitlines())] == ["CreateKey", "CreateAlias"]


def test_people_read_the_newest_first(people: People) -> None:
    heading, *lines = people.run("history", people.key)[0].splitlines()
    assert [line.split()[4] for line in lines] == ["CreateAlias", "CreateKey"]
    assert heading.split()[:3] == ["position", "at", "who"]
    turned = people.run("history", people.key, "--reverse")[0].splitlines()[1:]
    assert turned == lines[::-1]


def test_pages_of_the_newest_first_are_all_there_is(people: People) -> None:
    client = Client(people.installation.data)
    first = client.get("/v1/decisions", limit=7)
    seen, cursor = [], None
    for _ in range(3):
        page = client.get("/v1/decisions", limit=5, order="newest", cursor=cursor, to=first["items"][-1]["at"])
        seen += [each["call_id"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [each["call_id"] for each in first["items"][:-1]][::-1]


# -- one sentence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "environment", "code"),
    [
        (("decisions", "--from", "soon"), {}, 2),
        (("decisions", "--from", "today", "--to", "yesterday"), {}, 2),
        (("decisions", "--limit", "0"), {}, 2),
        (("decisions", "--format", "xml"), {}, 2),
        (("decisions", "--colour", "red"), {}, 2),
        (("decisions", "surplus"), {}, 2),
        (("what-if", "alias/x"), {}, 2),
        (("diff", "alias/x", "--from", "nofile.json"), {}, 2),
        (("check-policy", "/nowhere", "--not-public"), {}, 2),
        (("alerts", "check", "--policy", "/"), {}, 2),
        (("verify", "--file", "/nowhere"), {}, 2),
        (("verify", "--expect", "x"), {}, 2),
        (("verify",), {}, 2),
        (("export-log", "/tmp/x"), {}, None),
        (("import", "cloudtrail", "/nowhere"), {}, None),
        (("restore", "/nowhere"), {"KEYTRAIL_DATA": "/proc/nothing"}, None),
        (("keys",), {"KEYTRAIL_DATA": "/nowhere"}, 1),
        (("keys",), {"KEYTRAIL_DATA": "/etc/hostname"}, None),
        (("keys",), {"KEYTRAIL_PORT": "x"}, 2),
        (("keys",), {"KEYTRAIL_TIME_ZONE": "Mars/Olympus"}, 2),
        *(
            (("keys",), {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": url}, code)
            for url, code in (
                ("", 2), ("x", 2), ("http://", 2), ("http://h:port", 2), ("ftp://h", 2), ("http://127.0.0.1:1", 1),
                ("http://nothing.invalid", 1), ("http://[::1", 2), ("http://h..h", 2),
            )
        ),
    ],
    ids=str,
)  # fmt: skip
def test_every_refusal_is_one_sentence(
    arguments: tuple[str, ...], environment: dict[str, str], code: int | None, tmp_path: Path
) -> None:
    for more in ((), ("--json",)) if arguments[0] not in ("import", "check-policy", "export-log") else ((),):
        ended, said, told = run_here(*arguments, *more, **{"KEYTRAIL_DATA": str(tmp_path), **environment})
        assert said == ""
        assert "fault of Keytrail's own" not in told
        assert (ended, told.count("\n")) == (code if code is not None else ended, 1), told
        assert ended != 0
        if more:
            error = json.loads(told)["error"]
            assert error["code"]
            assert error["message"].endswith((".", "?", "!")), error
        else:
            assert told.startswith("error: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("decisions", "--export", "/nowhere/x.csv"),
        ("decisions", "--export", "/"),
        ("log", "/nowhere/x"),
        ("backup", "/nowhere/x"),
        ("export-log", "/"),
        ("what-if", "alias/x", "--policy", "/nowhere"),
        ("what-if", "alias/x", "--grant", "x", "--go-on", "/etc/hostname"),
        ("decisions", "--export", "-", "--format", "parquet"),
    ],
    ids=" ".join,
)
def test_an_unreadable_or_unwritable_file_is_reported_at_once(people: People, arguments: tuple[str, ...]) -> None:
    assert people.refused(*arguments)[0] == 2


def test_an_export_that_is_there_is_kept(people: People, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("mine")
    for command in (("decisions", "--key", people.key, "--export"), ("log",), ("export-log",), ("backup",)):
        code, told = people.refused(*command, str(path))
        assert (code, "--force" in told, path.read_text()) == (2, True, "mine")
    _, told = people.run("decisions", "--key", people.key, "--export", str(path), "--force")
    assert told.endswith(f"wrote 3 rows to {path}\n")
    assert len(list(csv.DictReader(path.read_text().splitlines()))) == 3


def test_an_exports_format_follows_its_name(people: People, tmp_path: Path) -> None:
    for name in ("p.csv", "p.json", "p.jsonl", "p.parquet", "p"):
        people.run("decisions", "--key", people.key, "--export", str(tmp_path / name))
    assert len(list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))) == 3
    assert pq.read_table(tmp_path / "p.parquet").num_rows == 3
    for name in ("p.json", "p.jsonl", "p"):
        assert len([json.loads(line) for line in (tmp_path / name).read_text().splitlines()]) == 3


def test_a_servers_refusal_is_json_where_json_was_asked(people: People) -> None:
    code, told = people.refused("decisions", "--operation", "Decript", "--json")
    error = json.loads(told)["error"]
    assert (code, error["code"], "Decrypt" in error["message"]) == (1, "ValidationException", True)


def test_the_version_is_printed() -> None:
    done = subprocess.run([str(KEYTRAIL), "--version"], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == f"keytrail {version('keytrail')}\n"


def test_a_server_without_a_console_is_said_to_have_none(installation: Installation) -> None:
    """The browser opened a page that is not there, and the command waited for a minute."""
    refused = installation.keytrail("console", "--root", "--print", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "KEYTRAIL_CONSOLE=off" in refused.stderr
