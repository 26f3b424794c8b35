"""Ansible's amazon.aws collection. Each task of the playbook is a case, and a second run changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from cases import case
from mfa_device import give_device

PLAYBOOK = Path(__file__).with_name("ansible.yml")
command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(PLAYBOOK)]
environment = os.environ | {
    "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    "LC_ALL": "C.UTF-8",
}

iam = boto3.client("iam")
iam.create_user(UserName="ansible-mfa")
give_device(iam, "ansible-mfa", "ansible-phone")


def run() -> list[tuple[str, dict[str, Any]]]:
    """(task, its result), in order."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    start = done.stdout.find("{")
    if start < 0:
        raise SystemExit(done.stdout + done.stderr)
    tasks = json.loads(done.stdout[start:])["plays"][0]["tasks"]
    return [(task["task"]["name"], task["hosts"]["localhost"]) for task in tasks]


def failure(result: dict[str, Any]) -> str:
    return str(result.get("msg") or result)


for name, result in run():

    @case(name)
    def _(result: dict[str, Any] = result) -> None:
        assert not result.get("failed"), failure(result)


for name, result in run():
    if name.startswith("make "):

        @case(f"{name}, again")
        def _(result: dict[str, Any] = result) -> None:
            assert not result.get("failed"), failure(result)
            assert not result.get("changed"), f"changed: {result}"
