"""aiokafka swallows a cancellation that comes while a client ends. So each client ends in the adapter, and our own code swallows
none."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.sources import nodes

ROOT = Path(__file__).parents[2]
HOME = ROOT / "services" / "adapters" / "kafka.py"
FILES = [path for room in ("services", "projections") for path in (ROOT / room).rglob("*.py")]
ELSEWHERE = [path for path in FILES if path != HOME]
TESTS = [path for room in ("tests", "conformance") for path in (ROOT / room).rglob("*.py")]
MAKERS = {"AIOKafkaConsumer", "AIOKafkaProducer"}
ADMINISTRATOR = "AIOKafkaAdminClient"


def calls(path: Path) -> list[ast.Call]:
    return [node for node in nodes(path) if isinstance(node, ast.Call)]


def makes(path: Path, names: set[str]) -> bool:
    return any(isinstance(call.func, ast.Name) and call.func.id in names for call in calls(path))


def test_only_the_adapter_makes_administrators() -> None:
    """Tests too: one that fails before it ends its administrator leaves a connection, and its warning in another test."""
    assert [path for path in (*FILES, *TESTS) if makes(path, {ADMINISTRATOR})] == [HOME]


def test_whoever_makes_another_client_ends_it_by_the_adapter() -> None:
    makers = [path for path in ELSEWHERE if makes(path, MAKERS)]
    assert makers
    for path in makers:
        stops = [
            call.lineno for call in calls(path) if isinstance(call.func, ast.Attribute) and call.func.attr == "stop"
        ]
        assert not stops, f"{path}: use discard of {HOME.name}"
        assert makes(path, {"discard"}), path


def suppressed(path: Path) -> list[int]:
    """The lines with a block that awaits something, and lets no cancellation out."""
    return [
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.With | ast.AsyncWith)
        and any("CancelledError" in ast.unparse(item.context_expr) for item in node.items)
        and any(isinstance(each, ast.Await) for part in node.body for each in ast.walk(part))
    ]


def test_nobody_who_waits_suppresses_a_cancellation() -> None:
    """It may be one's own. `asyncio.gather(task, return_exceptions=True)` waits for a task that was cancelled, and ends if one is
    cancelled oneself."""
    assert {path: lines for path in ELSEWHERE if (lines := suppressed(path))} == {}
