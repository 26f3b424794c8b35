"""openapi-generator's Python and TypeScript clients, each with exactly the signing hook of docs/howto/clients.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
from cases import case

BIN = Path(sys.executable).parent
HOWTO = (Path(__file__).parents[3] / "docs" / "howto" / "clients.md").read_text()
LONGEST_HOOK = 20
url = os.environ["AWS_ENDPOINT_URL"]
key = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]


def shown(language: str) -> str:
    """The document's code block in this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", HOWTO, re.MULTILINE | re.DOTALL)
    return str(found)


def run(*command: str, folder: str = ".") -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[:3]}: {(done.stderr.strip() or done.stdout.strip())[-600:]}"
    return done.stdout


def generated(name: str, folder: str, *options: str) -> None:
    generator = str(BIN / "openapi-generator-cli")
    run(generator, "generate", "-i", f"{url}/v1/openapi.json", "-g", name, "-o", folder, *options)


def hook(code: str, begins: str, ends: str) -> list[str]:
    """The lines of the hook itself."""
    inside = code[code.index(begins) : code.index(ends)]
    return [line for line in inside.splitlines() if line.strip()]


@case("the hooks are short")
def _() -> None:
    for code in (
        hook(shown("python"), "class Signed", "client = "),
        hook(shown("typescript"), "const cred", "const keys"),
    ):
        assert len(code) <= LONGEST_HOOK, len(code)


@case("python: generate and install")
def _() -> None:
    generated("python", "client", "--package-name", "keytrail_client")
    run(sys.executable, "-m", "pip", "install", "--quiet", "--target", "installed", "./client")


os.environ["PYTHONPATH"] = str(Path("installed").resolve())
MORE = """
from datetime import datetime, timezone
seen = keytrail_client.KeysApi(client).show_key("{key}")
assert seen.key_id == "{key}" and isinstance(seen.created_at, datetime), seen
page = keytrail_client.DecisionsApi(client).decisions(operation="CreateKey", limit=5)
assert page.items[0].operation == "CreateKey" and page.items[0].at.tzinfo is not None, page
asked = keytrail_client.ExplainRequest(principal="{root}", operation="Decrypt", key="{key}", encryption_context={{"a": "b c/ü"}})
assert keytrail_client.PastApi(client).explain(explain_request=asked).effect == "allow"
assert keytrail_client.PastApi(client).who_can("{key}", action="kms:Decrypt").items[0].for_sure
lines = keytrail_client.PastApi(client).recheck_without_preload_content()
assert lines.status == 200 and b"result" in lines.read()
try:
    keytrail_client.KeysApi(client).show_key("not there/ü?&")
except keytrail_client.exceptions.NotFoundException as fault:
    assert fault.data.error.code == "NotFoundException", fault.data
else:
    raise AssertionError("a key that is not there was shown")
"""
root = boto3.client("sts").get_caller_identity()["Arn"]


@case("python: call")
def _() -> None:
    Path("call.py").write_text(shown("python") + MORE.format(key=key, root=root))
    assert key in run(sys.executable, "call.py")


MORE_TS = """
const seen = await keys.showKey({{ key: "{key}" }});
if (seen.keyId !== "{key}" || !(seen.createdAt instanceof Date)) throw new Error(JSON.stringify(seen));
"""


@case("typescript: generate and compile")
def _() -> None:
    generated("typescript-fetch", "client-ts")
    Path("client-ts/package.json").write_text('{"private": true, "type": "commonjs"}')
    wanted = ("@smithy/signature-v4@5.7.5", "@aws-crypto/sha256-js@5.2.0", "typescript@5.9.3", "@types/node@20.9.5")
    run("npm", "install", "--silent", "--no-audit", "--no-fund", *wanted, folder="client-ts")
    code = shown("typescript").replace('"./client"', '"./index"')
    at = code.index("const keys = ")
    Path("client-ts/call.ts").write_text(
        code[:at] + "(async () => {\n" + code[at:] + MORE_TS.format(key=key, root=root) + "})();\n"
    )
    strict = ["--strict", "--skipLibCheck", "--target", "es2022", "--module", "node16", "--moduleResolution", "node16"]
    run("npx", "tsc", *strict, "--outDir", "out", "call.ts", folder="client-ts")


@case("typescript: call")
def _() -> None:
    assert key in run("node", "out/call.js", folder="client-ts")
