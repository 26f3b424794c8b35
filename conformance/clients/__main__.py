"""`python -m conformance.clients [GROUP...] [--json]`: one Keytrail, an account for each client, a table at the end.

Exit code 0: exactly the cases fail that docs/conformance.md explains. 1: others fail, or a client could not be fetched.
2: there is no such group.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn
from rich.table import Table

from conformance.clients.table import CLIENTS, GROUPS, OWN, Client
from conformance.clients.tools import TOOLS, Deadline, NotToBeHad
from conformance.explained import differ, rows
from tests.installation import Installation, clean_environment

GROUP_TAKES = 20 * 60.0
"""Seconds that one group may take, including what it fetches and builds."""
FIRST_ACCOUNT = 300_000_000_000
out = Console(stderr="--json" in sys.argv)


@dataclass(slots=True)
class Result:
    client: Client
    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """The results, by case."""


def read(text: str, client: Client) -> Result:
    """The cases that a script printed."""
    result = Result(client)
    for line in text.splitlines():
        if found := re.fullmatch(r"ok - (.+)", line):
            result.passed.append(found[1])
        elif found := re.fullmatch(r"not ok - ([^:]+): ?(.*)", line):
            result.failed[found[1]] = found[2]
    return result


def run(client: Client, keytrail: Installation, account: str, deadline: Deadline, verbose: bool) -> Result:
    try:
        started = TOOLS[client.tool](client, deadline)
    except NotToBeHad as why:
        return Result(client, failed={"to be had": str(why)})
    environment = clean_environment() | keytrail.credentials() | started.environment
    if client.account == OWN:
        made = json.loads(keytrail.keytrail("account", "create", account, "--json").stdout)
        environment |= {"AWS_ACCESS_KEY_ID": made["access_key_id"], "AWS_SECRET_ACCESS_KEY": made["secret_access_key"]}
    with tempfile.TemporaryDirectory() as folder:
        environment["HOME"] = folder  # the client's own settings, and ~/.aws of the user who runs this, have no effect
        try:
            done = subprocess.run(
                started.command,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=deadline.left(),
            )
            code, text, errors = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            code, text, errors = 1, (late.stdout or b"").decode(), "the group's time ended"
    if verbose:
        sys.stderr.write(text + errors)
    result = read(text, client)
    if code or not (result.passed or result.failed):
        last = (errors.strip() or "no case was printed").splitlines()[-1]
        result.failed["to the end"] = f"exit code {code}: {last}"
    return result


def shown(results: list[Result]) -> Table:
    table = Table("client", "version", "passed", "failed", box=None)
    for result in results:
        table.add_row(result.client.name, result.client.packages[0], str(len(result.passed)), str(len(result.failed)))
    return table


def explained(names: set[str]) -> dict[str, str]:
    """The failing cases for which docs/conformance.md gives a reason."""
    return {f"{name}, {case}": "1 case" for name, case in rows(r"\| `([\w-]+)` \| `([^`]+)` \|") if name in names}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.clients", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"{', '.join(GROUPS)}, or the name of one client")
    parser.add_argument("--json", action="store_true", help="an object a client, one on each line")
    parser.add_argument("--verbose", action="store_true", help="what the scripts print, too")
    asked = parser.parse_args()
    if unknown := set(asked.groups) - {*GROUPS, *(client.name for client in CLIENTS)}:
        parser.error(f"no such group or client: {', '.join(sorted(unknown))}")
    chosen = [client for client in CLIENTS if not asked.groups or {client.name, client.group} & {*asked.groups}]
    deadlines: dict[str, Deadline] = {}
    results: list[Result] = []
    with (
        tempfile.TemporaryDirectory() as name,
        Progress(SpinnerColumn(), "{task.description}", TimeElapsedColumn(), console=out) as bar,
    ):
        task = bar.add_task("starting Keytrail", total=None)
        # Users start Keytrail with its alert worker. The tests' installation leaves it out, but clients ask about
        # alerts.
        with Installation(Path(name) / "data", own="as a user has it", KEYTRAIL_ALERT_WORKERS="1") as keytrail:
            for number, client in enumerate(chosen):
                bar.update(task, description=client.name)
                deadline = deadlines.setdefault(client.group, Deadline(time.monotonic() + GROUP_TAKES))
                results.append(run(client, keytrail, str(FIRST_ACCOUNT + number), deadline, asked.verbose))
    if asked.json:
        for result in results:
            line = {
                "client": result.client.name,
                "group": result.client.group,
                "version": result.client.packages[0],
                "passed": result.passed,
                "failed": result.failed,
            }
            sys.stdout.write(json.dumps(line) + os.linesep)
    else:
        out.print(shown(results))
        for result in results:
            for case, why in result.failed.items():
                out.print(f"{result.client.name}, {case}: {why}", markup=False, soft_wrap=True)
    found = {f"{result.client.name}, {case}": "1 case" for result in results for case in result.failed}
    return 1 if differ(found, explained({client.name for client in chosen}), out) else 0


if __name__ == "__main__":
    raise SystemExit(main())
