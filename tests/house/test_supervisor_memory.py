"""`keytrail up` runs for months. While it only watches, it holds only what watching needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = {
    "aiokafka",
    "asyncpg",
    "cryptography",
    "uvloop",
    "orjson",
    "botocore",
    "jgo",
    "starlette",
    "faust",
    "prometheus_client",
}


def imported_by(module: str) -> set[str]:
    script = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_supervisor_imports_no_client_and_no_rule() -> None:
    """The steps of a start that need them run in separate processes, which end with the step
    (services/supervisor/start_steps.py)."""
    found = imported_by("services.supervisor.up")
    assert {each.partition(".")[0] for each in found} & HEAVY == set()
    assert {each for each in found if each.startswith(("domain.", "projections."))} <= {
        "domain.characters", "domain.http_address", "domain.ports",
    }  # fmt: skip
