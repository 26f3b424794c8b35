"""Every session of the README, the first hour and the howtos works word for word, as a reader pastes it.

A block of ```sh or ```console is a session. In a console, `$ ` begins a command, followed by its output. An error in
the document has to occur, and nothing else may fail. All sessions of a document share one shell, in a folder where
`make run` was started.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from services.cli.client import Client
from tests.counts import with_all_in_soak
from tests.e2e.test_shell import shell
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation
from tests.sessions import Ran, Typed, ran, stumbled, typed

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
ELSEWHERE = {
    "key-life.md": "it goes on ninety-one days later, where tests/e2e/test_due.py runs it",
    "tls.md": "it starts Keytrail with TLS, as tests/e2e/test_tls_howto.py does",
    "audit-devices.md": "it starts Keytrail with a file of devices, as tests/e2e/test_audit_devices.py does",
    "clients.md": "it needs openapi-generator and npm, which the project does not install",
}
JQ = re.compile(r"\bjq\b")
HERE = [each for each in DOCUMENTS if each.name not in ELSEWHERE]
READ_FIRST = [each for each in HERE if each.name in ("README.md",)]


@contextmanager
def as_a_reader_has_it(folder: Path) -> Iterator[Installation]:
    with Installation(
        folder / ".keytrail", own="as a reader has it", KEYTRAIL_ALERT_WORKERS="1", KEYTRAIL_NOTARIES="1"
    ) as running:
        forked().shims(folder / ".venv" / "bin")
        (folder / "README.md").write_text("read me")
        yield running


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A separate installation: a document begins where nothing has been done, and has exactly the aliases and users
    that it makes."""
    folder = tmp_path_factory.mktemp("documents")
    with as_a_reader_has_it(folder) as running:
        yield running


def cleared(installation: Installation) -> None:
    """Free the names that a document takes for the next one."""
    kms, iam = installation.client(), installation.client(service="iam")
    for alias in kms.list_aliases()["Aliases"]:
        kms.delete_alias(AliasName=alias["AliasName"])
    for user in iam.list_users()["Users"]:
        name = user["UserName"]
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
            iam.delete_user_policy(UserName=name, PolicyName=policy)
        iam.delete_user(UserName=name)
    installation.caught_up()


@pytest.mark.parametrize("document", with_all_in_soak(HERE, READ_FIRST), ids=lambda path: path.name)
def test_a_documents_session_works_when_pasted(fresh: Installation, document: Path) -> None:
    cleared(fresh)
    assert stumbled(list(typed(document.read_text())), fresh.data.parent) == []


def test_no_document_wants_a_program_that_an_installation_does_not_bring() -> None:
    """Installing wants Python alone. The machines that run these tests had jq, and a newcomer's did not."""
    documents = [*DOCUMENTS, *(ROOT / "docs").glob("*.md")]
    found = {
        path.name: each.command for path in documents for each in typed(path.read_text()) if JQ.search(each.command)
    }
    assert found == {}


def test_a_question_right_after_a_call_finds_it(fresh: Installation) -> None:
    """On a quick machine, the README's question printed no Encrypt: the projector is a moment behind."""
    kms, audit = fresh.client(), Client(fresh.data)
    for _ in range(10):
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        assert [each["operation"] for each in audit.items(f"/v1/keys/{key}/history")] == ["CreateKey"]
        kms.encrypt(KeyId=key, Plaintext=b"x")
        found = [each["operation"] for each in audit.items("/v1/decisions", key=key)]
        assert found == ["CreateKey", "Encrypt"]


def test_the_readmes_answer_has_the_call_in_a_wider_window(fresh: Installation) -> None:
    """As the README says below its answer, which is that of a window of 100 columns."""
    fresh.client().create_key()
    asked = [Typed(f"COLUMNS={wide} keytrail decisions --limit 3", "") for wide in (100, 140)]
    answers = ran([Typed('eval "$(.venv/bin/keytrail env)"', ""), *asked], fresh.data.parent)[1:]
    headings = [each.output.splitlines()[0].split()[-1] for each in answers]
    assert headings == ["why", "call"]


def test_after_keytrail_env_an_operators_command_is_of_that_installation_in_any_folder(
    fresh: Installation, tmp_path: Path
) -> None:
    script = f'eval "$({KEYTRAIL} env --data {fresh.data})" && cd / && {KEYTRAIL} export-log {tmp_path}/its.log'
    done = shell(script, tmp_path)
    assert (done.returncode, "wrote" in done.stderr) == (0, True), done.stderr


def test_sessions_of_a_document_are_found() -> None:
    text = "```console\n$ one \\\n  two\nprinted\n$ a '\n$ b'\n```\n```sh\nthree   # why\n\nmake run\n```\n```json\n$ no\n```\n"
    assert list(typed(text)) == [
        Typed("one \\\n  two", "printed"),
        Typed("a '\n$ b'", ""),
        Typed("three   # why", ""),
    ]


@pytest.mark.parametrize(
    ("printed", "output", "same"),
    [
        ("@6  2026-11-24 03:45:33Z  root  DisableKey", "@17  2027-01-01 00:00:00Z  root  DisableKey", True),
        ("key 1838f5b4…", "key 29a6c7d5…", True),
        ("at   who   what", "at   who   what   call", False),
        ("one\n…\nthree", "one\ntwo\ntwo\nthree", True),
        ("one\nthree", "one\ntwo\nthree", False),
        ("one", "one\ntwo", False),
        ("a line that ends\nhere", "a line\n  that ends here", True),
    ],
)
def test_output_is_compared_as_a_document_shows_it(printed: str, output: str, same: bool) -> None:
    assert Ran(Typed("keytrail x", printed), 0, output).as_printed is same


@pytest.mark.parametrize(
    ("command", "printed", "code", "output", "fault"),
    [
        ("aws x", "", 0, "fine", ""),
        ("aws x", "", 1, "An error occurred (X)", "exit code 1"),
        ("aws x", "An error occurred (X) when", 254, "An error occurred (X) when", ""),
        ("aws x", "An error occurred (X) when", 254, "An error occurred (Y) when", "it was to fail with X"),
        ("aws x", "An error occurred (X) when", 0, "", "it was to fail with X"),
        ("keytrail diff a", "", 1, "different", ""),
        ("keytrail keys", "", 1, "different", "exit code 1"),
        ("keytrail keys", "", 0, "Traceback", "Traceback"),
    ],
)
def test_faults_that_a_reader_would_stumble_over(
    command: str, printed: str, code: int, output: str, fault: str
) -> None:
    assert Ran(Typed(command, printed), code, output).fault == fault


def mend(documents: list[Path]) -> None:
    """Write the current output into each document where it differs. Then read `git diff`, and replace what nobody has
    to read by …."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with as_a_reader_has_it(folder) as running:
            for document in (each for each in documents if each.name not in ELSEWHERE):
                cleared(running)
                text = document.read_text()
                for each in ran(list(typed(text)), folder):
                    if each.fault == "it prints otherwise":
                        text = text.replace(f"{each.typed.printed}\n", each.output, 1)
                document.write_text(text)


if __name__ == "__main__":
    mend([each for each in DOCUMENTS if each.name in sys.argv[1:]] or DOCUMENTS)
