"""Prometheus's own promtool reads our alert rules, and runs the examples that make each fire and nearly fire.

Compiling promtool takes minutes of processor time, so this is for `make soak`. tests/house/test_prometheus.py checks in Python what
can be checked there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.test_house import ROOT

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]
HERE = Path(__file__).parent
RULES = ROOT / "deploy" / "prometheus" / "keytrail.rules.yaml"
EXAMPLES = HERE / "keytrail.rules.test.yaml"
PROMTOOL = "github.com/prometheus/prometheus/cmd/promtool"


@pytest.fixture(scope="module")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pinned by go.mod and go.sum. Without its clients of clouds and registries it takes half of the time."""
    program = shutil.which("go")
    assert program is not None, "there is no go on this machine"
    into = tmp_path_factory.mktemp("promtool")
    flags = {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    command = [program, "build", "-tags", "remove_all_sd", "-o", f"{into}/", PROMTOOL]
    done = subprocess.run(command, cwd=HERE, env=os.environ | flags, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return into / "promtool"


def run(promtool: Path, *arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_prometheus_reads_the_rules(promtool: Path) -> None:
    code, said = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert code == 0, said


def test_each_alert_fires_where_it_should_and_nowhere_else(promtool: Path) -> None:
    code, said = run(promtool, "test", "rules", EXAMPLES)
    assert code == 0, said


def test_an_alert_that_would_never_fire_is_found(promtool: Path, tmp_path: Path) -> None:
    never = tmp_path / "rules.yaml"
    never.write_text(RULES.read_text().replace("== 0", "== 7"))
    examples = tmp_path / "examples.yaml"
    examples.write_text(re.sub(r"rule_files: .*", "rule_files: [rules.yaml]", EXAMPLES.read_text()))
    code, said = run(promtool, "test", "rules", examples)
    assert code != 0
    assert "KeytrailProcessAway" in said
