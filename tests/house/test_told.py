"""Everything that an account learns passes through one place (`domain/authorization/audience.py`). No route goes round
it."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncGenerator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.audit_api.answers import answered, in_lines
from services.audit_api.resources.routes import ROUTES
from services.audit_api.route import ByCode, ByPassword, ByProviderCode, ByProviderProof, RouteRow, Unsigned
from services.audit_api.written_file import WrittenFile
from tests.house.sources import nodes
from tests.house.test_house import ROOT

SIGNED = [route for route in ROUTES if not isinstance(route.endpoint, Unsigned)]
DOOR = frozenset({"answers.py", "app.py", "openapi.py", "unknown_routes.py"})
"""The files of the audit API that make responses: of what was told, and of what anybody may read unsigned."""
ASKED: Any = SimpleNamespace(id="call")


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """(the enclosing function, the call) for every call in a file."""
    found = []
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found += [(node.name, each) for each in ast.walk(node) if isinstance(each, ast.Call)]
    return found


def named(call: ast.Call) -> str:
    return (
        call.func.id
        if isinstance(call.func, ast.Name)
        else call.func.attr
        if isinstance(call.func, ast.Attribute)
        else ""
    )


@pytest.mark.parametrize("route", SIGNED, ids=lambda route: route.operation_id)
def test_every_route_answers_only_through_the_audience(route: Any) -> None:
    """The types are checked, so the annotation is true."""
    answer = (
        route.endpoint.answer
        if isinstance(route.endpoint, ByCode | ByPassword | ByProviderCode | ByProviderProof)
        else route.endpoint
    )
    assert answer.__annotations__["return"] in ("Told", "Live", "WrittenFile", "AsyncGenerator[Told, None]")
    assert WrittenFile.__annotations__["pages"] == "AsyncGenerator[Told, None]"


def test_the_door_sends_nothing_else() -> None:
    told_by_nobody: list[Any] = [{"items": []}, [], "x", None]
    for found in told_by_nobody:
        with pytest.raises((AssertionError, TypeError)):
            asyncio.run(answered(found, ASKED, ASKED))

    async def lines() -> AsyncGenerator[Any, None]:
        yield {"principal": "arn:aws:iam::444455556666:user/alice"}

    with pytest.raises(TypeError, match="told by nobody"):
        asyncio.run(in_lines(lines(), ASKED, ASKED))


def test_only_an_audience_tells() -> None:
    """Only an Audience makes a Told, and no route makes an answer of its own."""
    for package in ("domain", "projections", "services"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "audience.py":
                assert [name for name, call in calls(path) if named(call) == "Told"] == [], path
    for path in (ROOT / "services/audit_api").rglob("*.py"):
        made = {where for where, call in calls(path) if named(call).endswith("Response")}
        if path.name == "app.py":
            assert made <= {"_proven", "answer"}  # the client that went away
        elif path.name not in DOOR:
            assert made == set(), path


def test_every_row_of_a_route_is_in_the_table() -> None:
    """A row that its file leaves out of ROUTES, or a file that the table leaves out, would be a route that nobody reaches."""
    files = sorted(path.stem for path in (ROOT / "services/audit_api/resources").glob("*.py"))
    written = [
        each.operation_id
        for name in files
        for each in vars(import_module(f"services.audit_api.resources.{name}")).values()
        if isinstance(each, RouteRow)
    ]
    assert sorted({*written, "openapi"}) == sorted(route.operation_id for route in ROUTES)


def test_only_the_description_and_the_code_of_a_browser_are_unsigned() -> None:
    assert [route.operation_id for route in ROUTES if route not in SIGNED] == ["sign_in_providers", "openapi"]
    assert [route.operation_id for route in ROUTES if isinstance(route.endpoint, ByCode)] == ["redeem_console_code"]
    assert [route.operation_id for route in ROUTES if isinstance(route.endpoint, ByPassword)] == ["sign_in"]


def test_the_caller_is_the_audience() -> None:
    """An audience is made for the caller, or for a trail's reader: never for another account, or for everybody."""
    made = {
        (path.name, ast.unparse(call.args[0]))
        for path in (ROOT / "services").rglob("*.py")
        for _, call in calls(path)
        if named(call) == "Audience"
    }
    assert made == {("request.py", "self.caller.account"), ("source.py", "self.account"), ("as_of.py", "account")}
