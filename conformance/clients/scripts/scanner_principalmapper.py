"""Principal Mapper: the graph of who may become whom, and questions about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
from cases import case
from scanned import ADMIN, READER, ROLE, scanned

TOOL = str(Path(sys.executable).with_name("pmapper"))
# it imports names from `collections` that Python 3.10 removed
Path("sitecustomize.py").write_text(
    "import collections, collections.abc\nvars(collections).update(vars(collections.abc))\n"
)
ACCOUNT = boto3.client("sts").get_caller_identity()["Account"]


def run(*arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "PMAPPER_STORAGE": str(Path.cwd() / "graphs")}
    command = [TOOL, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


scanned(boto3.client("iam"), boto3.client("kms"))


@case("graph create")
def _() -> None:
    run("graph", "create", "--include-regions", os.environ["AWS_REGION"])
    (nodes,) = Path("graphs").rglob("nodes.json")
    admins = {node["arn"].rsplit("/", 1)[-1]: node["is_admin"] for node in json.loads(nodes.read_text())}
    assert admins == {ADMIN: True, READER: False, ROLE: False}, admins


@case("an edge for AssumeRole")
def _() -> None:
    (edges,) = Path("graphs").rglob("edges.json")
    found = {
        (edge["source"].rsplit("/", 1)[-1], edge["destination"].rsplit("/", 1)[-1])
        for edge in json.loads(edges.read_text())
    }
    assert (READER, ROLE) in found, found


@case("query")
def _() -> None:
    said = run("--account", ACCOUNT, "query", "who can do kms:Decrypt")
    assert f"user/{ADMIN} IS authorized" in said, said
    assert f"user/{READER} CAN call" in said, said


@case("analysis")
def _() -> None:
    said = json.loads(run("--account", ACCOUNT, "analysis", "--output-type", "json"))
    assert said["findings"] is not None, said
