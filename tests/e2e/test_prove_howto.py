"""The commands of docs/howto/prove.md that need another program or installation, as a reader pastes them. The others run in
tests/e2e/test_documents.py."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.e2e.test_notary import is_there
from tests.forking import forked
from tests.installation import Installation, clean_environment, eventually, free_port
from tests.sessions import Typed, stumbled

TEXT = (Path(__file__).parents[2] / "docs" / "howto" / "prove.md").read_text()
HAS_ENV = Typed('eval "$(.venv/bin/keytrail env)"', "")
ITS_CALL = """keytrail decisions --key $KEY --json | grep -o '"call_id": *"[^"]*"' | cut -d'"' -f4"""
A_CALL = [
    Typed("KEY=$(aws kms create-key --query KeyMetadata.KeyId --output text)", ""),
    Typed(f'until CALL=$({ITS_CALL}) && test -n "$CALL"; do :; done', ""),  # its row may come after its answer
]


def shown(begins: str) -> str:
    """The only indented line of the page that begins so, as it is pasted."""
    (found,) = re.findall(rf"^    ({re.escape(begins)}.*)$", TEXT, re.MULTILINE)
    return str(found)


@pytest.fixture
def proving(tmp_path: Path) -> Iterator[Installation]:
    forked().shims(tmp_path / ".venv" / "bin")
    with Installation(tmp_path / ".keytrail", KEYTRAIL_NOTARIES="1") as running:
        eventually(lambda: is_there(running, "checkpoint"))
        yield running


@pytest.mark.soak
def test_a_witness_is_started_named_and_asked_for(proving: Installation, tmp_path: Path) -> None:
    port = free_port()
    assert stumbled([HAS_ENV, Typed("keytrail log key > log.key", "")], tmp_path) == []
    command = shown("keytrail witness ~/witness").replace("8700", str(port))
    environment = clean_environment() | {"HOME": str(tmp_path), "PATH": f"{tmp_path}/.venv/bin:/usr/bin:/bin"}
    with subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    ) as witness:
        try:
            key = eventually(lambda: _key(port))
            policy = f"{shown('witness W1 witness.example/w1+c2a3...+BJ... http://')}\n{shown('quorum W1')}\n"
            policy = policy.replace("8700", str(port)).replace("witness.example/w1+c2a3...+BJ...", key)
            (tmp_path / "policy").write_text(policy)
            proving.stop()
            proving.extra["KEYTRAIL_WITNESS_POLICY_FILE"] = str(tmp_path / "policy")
            proving.start()
            checked = f'keytrail verify-evidence proof.json --log-key "$(cat log.key)" --witness-key "{key}"'
            proof = [Typed('keytrail prove "$CALL" -o proof.json', ""), Typed(checked, "")]
            assert stumbled([HAS_ENV, *A_CALL, *proof], tmp_path) == []
        finally:
            witness.terminate()


def _key(port: int) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}/key", timeout=5) as answer:
            return str(answer.read().decode().strip())
    except OSError:
        return ""


@pytest.mark.soak
def test_a_key_of_another_installation_signs(proving: Installation, tmp_path: Path) -> None:
    """Its secret is in a file; `keytrail log rotate-key` has the settings that the notary has."""
    theirs = tmp_path / "theirs"
    forked().shims(theirs / ".venv" / "bin")
    with Installation(theirs / ".keytrail") as other:
        made = f"ARN=$({shown('aws kms create-key --key-spec ECC_NIST_EDWARDS25519')} --output text)"
        given = [
            Typed('umask 077; printf %s "$AWS_SECRET_ACCESS_KEY" > tree.secret', ""),
            Typed("echo $ARN > tree.arn; echo $AWS_ACCESS_KEY_ID > tree.id", ""),
        ]
        assert stumbled([HAS_ENV, Typed(made, ""), *given], theirs) == []
        arn = (theirs / "tree.arn").read_text().strip()
        name = re.sub(r"=.*", "", shown("export KEYTRAIL_TREE_KEY=arn:").removeprefix("export "))
        settings = {
            name: arn,
            "KEYTRAIL_TREE_KEY_ENDPOINT": other.url,
            "KEYTRAIL_TREE_KEY_ACCESS_KEY_ID": (theirs / "tree.id").read_text().strip(),
            "KEYTRAIL_TREE_KEY_SECRET_ACCESS_KEY_FILE": str(theirs / "tree.secret"),
        }
        proving.stop()
        proving.extra |= settings
        proving.start()
        its = {name: value for name, value in proving.environment().items() if name.startswith("KEYTRAIL_")}
        exports = [Typed(f"export {each}={shlex.quote(value)}", "") for each, value in its.items()]
        rotation = [Typed("keytrail log rotate-key", ""), Typed("keytrail log key > log.key", "")]
        proof = [
            Typed('keytrail prove "$CALL" -o proof.json', ""),
            Typed('keytrail verify-evidence proof.json --log-key "$(cat log.key)"', ""),
        ]
        assert stumbled([HAS_ENV, *exports, *rotation, *A_CALL, *proof], tmp_path) == []
        assert proving.answers("log", "key")[0]["arn"] == arn
