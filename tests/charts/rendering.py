"""The chart of deploy/helm, rendered by Helm with the values of tests/charts/values. `python -m tests.charts.rendering` writes what
comes out into tests/charts/golden (`make charts`).

Helm is built of its Go modules, which go.mod and go.sum pin by digest. That takes two and a half minutes of processor time, so
`make test` does not do it: it checks the golden files, which name the digest of what they were rendered from. Where Helm was built
before, and in `make soak`, they are rendered again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHART = ROOT / "deploy" / "helm" / "keytrail"
VALUES, GOLDEN = HERE / "values", HERE / "golden"
HELM = ROOT / ".tools" / "bin" / "helm"
PROGRAM = "helm.sh/helm/v3/cmd/helm"
KUBERNETES = ("1.27", "1.37")
"""The oldest version that the chart takes (Chart.yaml), and the newest whose schemas the tests have."""
RELEASE, NAMESPACE = "keytrail", "keys"
NAMES = sorted(each.stem for each in VALUES.glob("*.yaml"))


def build() -> None:
    """Raises FileNotFoundError where there is no Go; subprocess.CalledProcessError."""
    program = shutil.which("go")
    if program is None:
        raise FileNotFoundError("there is no go on this machine")
    environment = os.environ | {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    HELM.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([program, "build", "-o", HELM, PROGRAM], cwd=HERE, env=environment, check=True)


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)


def rendered(values: Path, *options: str) -> subprocess.CompletedProcess[str]:
    version = f"{KUBERNETES[1]}.0"
    place: list[str | Path] = ["--namespace", NAMESPACE, "--kube-version", version, "--values", values]
    return helm("template", RELEASE, CHART, *place, *options)


def documented(page: str, begins: str) -> dict[str, Any]:
    """The values that a page of docs/ shows, in a block that begins so."""
    text = (ROOT / "docs" / page).read_text()
    block = text[text.index(f"```yaml\n{begins}") :].removeprefix("```yaml\n").partition("```")[0]
    found: dict[str, Any] = yaml.safe_load(block)
    return found


def digest(name: str) -> str:
    """Of everything that a golden file is made of."""
    found = sha256((HERE / "go.sum").read_bytes())
    for path in (VALUES / f"{name}.yaml", *sorted(CHART.rglob("*"))):
        if path.is_file():
            found.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return found.hexdigest()


def head(name: str) -> str:
    return f"# Made by `make charts` of the chart and values with the digest {digest(name)}\n"


@cache
def golden(name: str) -> list[dict[str, Any]]:
    """The resources of a golden rendering. Tests are named for them, so every process of a run reads them; libyaml takes a tenth of
    the time of PyYAML's own reader."""
    return [each for each in yaml.load_all((GOLDEN / f"{name}.yaml").read_text(), yaml.CSafeLoader) if each]


def main() -> int:
    if not HELM.exists():
        build()
    for name in NAMES:
        done = rendered(VALUES / f"{name}.yaml")
        if done.returncode:
            sys.stderr.write(f"{name}: {done.stderr}")
            return 1
        (GOLDEN / f"{name}.yaml").write_text(head(name) + done.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
