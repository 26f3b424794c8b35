"""What a stranger pastes from the documents works word for word: every session of the README, the first hour and the howtos.

A block of ```sh or ```console is a session. In a console, `$ ` begins a command, and what follows it is what it printed: an error
that stands there has to come, and nothing else may fail. All sessions of a document share one shell, and a folder in which
`make run` was started.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installation import BIN, Installation, clean_environment

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FAILED = re.compile(r"An error occurred \((\w+)\)|^(error:)", re.MULTILINE)
ENDED = "\x1e"
ELSEWHERE = {
    "key-life.md": "it goes on ninety-one days later; tests/e2e/test_due.py does",
    "clients.md": "it needs openapi-generator and npm, which the project does not install",
}
NOT_HERE = re.compile(r"^(make (run|test)|KEYTRAIL_CLOCK_OFFSET)")
"""What is done already where a session is run."""
FINDS = {"diff": {0, 1, 3}, "check-policy": {0, 1, 3}, "check": {0, 1}}
"""Commands whose exit code tells what they found (their help says so)."""


@dataclass(frozen=True)
class Typed:
    """A command as it stands in a document, and what it printed there."""

    command: str
    printed: str


def typed(text: str) -> Iterator[Typed]:
    for kind, block in BLOCK.findall(text):
        lines = block.splitlines()
        while lines:
            line = lines.pop(0)
            if kind == "console" and not line.startswith("$ "):
                continue
            command = line.removeprefix("$ ") if kind == "console" else line
            while lines and not _whole(command):
                command += "\n" + lines.pop(0)
            printed: list[str] = []
            while kind == "console" and lines and not lines[0].startswith("$ "):
                printed.append(lines.pop(0))
            if command.strip() and not NOT_HERE.match(command):
                yield Typed(command, "\n".join(printed))


def _whole(command: str) -> bool:
    """Whether a shell would run it and not wait for more."""
    done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, check=False)
    return not command.endswith("\\") and not any(each in done.stderr for each in ("unexpected", "here-document"))


@dataclass(frozen=True)
class Ran:
    typed: Typed
    code: int
    output: str

    @property
    def fault(self) -> str:
        """What a stranger would stumble over; "" where nothing is wrong."""
        for word in ("Traceback", "command not found", "No such option", "Usage:", "syntax error", "No such file"):
            if word in self.output:
                return word
        expected = FAILED.search(self.typed.printed)
        if expected is not None:
            word = expected[1] or expected[2]
            return "" if self.code and word in self.output else f"it was to fail with {word}"
        words = self.typed.command.split()
        codes = next((FINDS[each] for each in words[1:3] if "keytrail" in words[0] and each in FINDS), {0})
        return "" if self.code in codes else f"exit code {self.code}"


def ran(commands: list[Typed], folder: Path) -> list[Ran]:
    """All of them in one shell, each to its end."""
    script = folder / "session.sh"  # a file, and not the input: a command may read that
    script.write_text("".join(f"{{ {each.command}\n}} 2>&1\nprintf '{ENDED}%s{ENDED}' $?\n" for each in commands))
    environment = clean_environment() | {
        "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "AWS_PAGER": "",
    }
    done = subprocess.run(
        ["bash", str(script)],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    parts = done.stdout.split(ENDED)
    outputs, codes = parts[0:-1:2], [int(each) for each in parts[1::2]]
    assert len(outputs) == len(commands), done.stderr + done.stdout[-2000:]
    return [Ran(*each) for each in zip(commands, codes, outputs, strict=True)]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Its own: a document begins where nothing was done yet, and has the aliases and users that it says."""
    folder = tmp_path_factory.mktemp("documents")
    with Installation(folder / ".keytrail", KEYTRAIL_ALERT_WORKERS="1") as running:
        (folder / ".venv").symlink_to(BIN.parent)
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
    commands = list(typed(document.read_text()))
    assert commands, "a document without a session is no howto"
    faults = [
        (each.typed.command, each.fault, each.output[-600:]) for each in ran(commands, fresh.data.parent) if each.fault
    ]
    assert faults == []


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
