"""Terraform's AWS provider: each resource is a case, made once, unchanged in a second plan, and gone at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

from cases import case

PLUGINS = sys.argv[1]
CONFIGURATION = Path(__file__).with_name("terraform.tf").read_text()
material = b64encode(os.urandom(32)).decode()
Path("main.tf").write_text(CONFIGURATION.replace("MATERIAL", material))
environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
environment |= {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["terraform", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def told(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The objects that terraform prints with -json, a line each."""
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


started = terraform("init", "-no-color", f"-plugin-dir={PLUGINS}")
if started.returncode:
    raise SystemExit(started.stdout + started.stderr)
applied = terraform("apply", "-json", "-auto-approve")
lines = told(applied)
planned = {line["change"]["resource"]["addr"] for line in lines if line["type"] == "planned_change"}
complete = {line["hook"]["resource"]["addr"] for line in lines if line["type"] == "apply_complete"}
errors = {
    line["diagnostic"].get("address", "apply"): line["diagnostic"]["summary"]
    + " "
    + line["diagnostic"].get("detail", "")
    for line in lines
    if line["type"] == "diagnostic" and line["diagnostic"]["severity"] == "error"
}
again = told(terraform("plan", "-json"))
changing = {
    line["change"]["resource"]["addr"]: line["change"]["action"] for line in again if line["type"] == "planned_change"
}
for address in sorted(planned | errors.keys()):

    @case(address)
    def _(address: str = address) -> None:
        assert address not in errors, errors[address]
        assert address in complete, "it was not made"
        assert address not in changing, f"a second plan would {changing[address]} it"


@case("data sources")
def _() -> None:
    shown = json.loads(terraform("output", "-json").stdout)
    assert shown["same"]["value"] == {
        "alias": True,
        "arn": True,
        "may": ["allowed", "implicitDeny"],
        "plaintext": "from terraform",
        "user": True,
    }, shown["same"]["value"]


@case("destroy")
def _() -> None:
    gone = terraform("destroy", "-no-color", "-auto-approve")
    assert gone.returncode == 0, gone.stdout[-1000:] + gone.stderr[-1000:]
