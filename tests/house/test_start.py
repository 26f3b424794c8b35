"""What a program loads at its start: a command that prints its help or asks the API loads no library of the servers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
HEAVY = (
    *("aiokafka", "asyncpg", "aiohttp", "faust", "botocore", "pyarrow", "starlette", "uvicorn", "apprise", "pydantic"),
    *("psutil", "structlog", "orjson", "regex", "jgo", "cryptography", "pygments", "markdown_it"),
)
"""Libraries that take a tenth of a second each."""
OWN_NEEDS = {
    "status": {"psutil"},  # it shows the state of processes
    "decisions": {"orjson"},  # FIELDS of --where are the projection's columns
    "history": {"orjson"},
    "rebuild": {"orjson"},  # its help names the projections
}


def loaded(modules: list[str]) -> dict[str, list[str]]:
    """Which of HEAVY each command's file loads. One process that forks for each finds out."""
    script = f"""
import importlib, json, os, sys
import services.cli.main
found = {{}}
for module in {modules!r}:
    read, write = os.pipe()
    if os.fork() == 0:
        importlib.import_module(f"services.cli.{{module}}")
        os.write(write, json.dumps([each for each in {HEAVY!r} if each in sys.modules]).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        found[module] = json.load(answer)
    os.wait()
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def by_module() -> dict[str, list[str]]:
    return loaded(sorted({row.function.partition(":")[0] for row in COMMANDS.values()}))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_no_library_of_the_servers_before_it_works(name: str, by_module: dict[str, list[str]]) -> None:
    """A `keytrail --help` that took two seconds loaded all of them, and a parser with its own library for types."""
    module = COMMANDS[name].function.partition(":")[0]
    of_its_file = {library for each, needs in OWN_NEEDS.items() for library in needs if in_file(each, module)}
    assert set(by_module[module]) - of_its_file == set()


def in_file(name: str, module: str) -> bool:
    return COMMANDS[name].function.partition(":")[0] == module


def test_what_a_command_needs_is_still_needed(by_module: dict[str, list[str]]) -> None:
    for name, needs in OWN_NEEDS.items():
        assert needs <= set(by_module[COMMANDS[name].function.partition(":")[0]]), name


def test_structlog_is_loaded_in_one_place() -> None:
    """It loads rich if that is installed, unless it is loaded as services/logs.py does."""
    found = [
        str(path.relative_to(ROOT))
        for folder in ("domain", "projections", "services")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "import structlog" in path.read_text() or "from structlog" in path.read_text()
    ]
    assert found == ["services/logs.py"]
    script = "import sys, services.logs; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"
