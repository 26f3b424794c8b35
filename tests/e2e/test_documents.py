"""What a stranger pastes from the documents works word for word: every session of the README, the first hour and the howtos.

A block of ```sh or ```console is a session. In a console, `$ ` begins a command, and what follows it is what it printed: an error
that stands there has to come, and nothing else may fail. All sessions of a document share one shell, and a folder in which
`make run` was started.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forking import forked
from tests.installation import Installation
from tests.sessions import Ran, Typed, stumbled, typed

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
ELSEWHERE = {
    "key-life.md": "it goes on ninety-one days later, where tests/e2e/test_due.py runs it",
    "clients.md": "it needs openapi-generator and npm, which the project does not install",
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Its own: a document begins where nothing was done yet, and has the aliases and users that it says."""
    folder = tmp_path_factory.mktemp("documents")
    with Installation(folder / ".keytrail", KEYTRAIL_ALERT_WORKERS="1") as running:
        forked().shims(folder / ".venv" / "bin")
        (folder / "README.md").write_text("read me")
        yield running


def cleared(installation: Installation) -> None:
    """The names that a document takes are free again for the next."""
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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_documents_session_works_as_a_stranger_pastes_it(fresh: Installation, document: Path) -> None:
    if document.name in ELSEWHERE:
        pytest.skip(ELSEWHERE[document.name])
    cleared(fresh)
    assert stumbled(list(typed(document.read_text())), fresh.data.parent) == []


def test_what_a_session_is() -> None:
    text = "```console\n$ one \\\n  two\nprinted\n$ a '\n$ b'\n```\n```sh\nthree   # why\n\nmake run\n```\n```json\n$ no\n```\n"
    assert list(typed(text)) == [
        Typed("one \\\n  two", "printed"),
        Typed("a '\n$ b'", ""),
        Typed("three   # why", ""),
    ]


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
def test_what_a_stranger_would_stumble_over(command: str, printed: str, code: int, output: str, fault: str) -> None:
    assert Ran(Typed(command, printed), code, output).fault == fault
