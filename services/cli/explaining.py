"""explain: what would be decided, and why, as a tree."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from services.cli.client import Client
from services.cli.terminal import AsJson, Data, as_line, fail, out

Pairs = Annotated[list[str] | None, typer.Option("--context", help="An encryption context pair, k=v; may be repeated")]
Conditions = Annotated[
    list[str] | None, typer.Option("--condition", help="Another condition key, aws:SourceIp=10.0.0.1; may be repeated")
]


def explain(
    principal: Annotated[str, typer.Option(help="ARN of a user, role, session or root")],
    operation: Annotated[str, typer.Option(help="Decrypt, for instance; ReEncryptFrom or ReEncryptTo")],
    key: Annotated[str, typer.Option(help="A key: id, ARN or alias/NAME")],
    context: Pairs = None,
    condition: Conditions = None,
    at: Annotated[str | None, typer.Option(help="As of a time or @position")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What would be decided, with every statement that was looked at and why it did or did not match."""
    body: dict[str, Any] = {"principal": principal, "operation": operation, "key": key, "at": at or ""}
    body["encryption_context"] = dict(_pair(each, "--context") for each in context or [])
    conditions: dict[str, list[str]] = {}
    for name, value in (_pair(each, "--condition") for each in condition or []):
        conditions.setdefault(name, []).append(value)
    found = Client(data).post("/v1/explain", body | {"conditions": conditions})
    if as_json:
        as_line(found)
        return
    out.print(_tree(found))


def _pair(text: str, option: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        fail(f"{option} takes name=value, not {text!r}", 2)
    return name, value


def _mark(holds: bool) -> Text:
    return Text("✓ ", "green") if holds else Text("✗ ", "red")


def _by(by: dict[str, Any]) -> str:
    if "rule" in by:
        return str(by["rule"])
    if "grant" in by:
        return f"grant {by['grant']}"
    if "policy" not in by:
        return f"{by['kind']} of the other account"
    sid = f" {by['sid']!r}" if by.get("sid") else ""
    via = f" via {by['via']}" if by.get("via") else ""
    return f"statement {by['index']}{sid} of {by['policy']} ({by['kind']}, version {by['version']}){via}"


def _tree(found: dict[str, Any]) -> Tree:
    allowed = found["effect"] == "allow"
    head = Text.assemble(
        _mark(allowed), (found["effect"], "bold"), f"  {found['action']} by {found['principal']}\n  {_by(found['by'])}"
    )
    if found.get("delegation"):
        head.append(f"\n  delegated by {_by(found['delegation'])}", "dim")
    if found.get("near"):
        head.append(f"\n  came close: {_by(found['near']['by'])}: {_condition(found['near']['condition'])}", "yellow")
    tree = Tree(head)
    for layer in found["layers"]:
        branch = tree.add(Text(layer["layer"], "bold"))
        if not layer["statements"]:
            branch.add(Text("no statements", "dim"))
        for each in layer["statements"]:
            title = f"{each['effect']}, {_by(each['by'])}"
            leaf = branch.add(Text.assemble(_mark(each["matched"]), title))
            for check in each["checks"]:
                words = check["element"] if "operator" not in check else f"{check['element']}: {_condition(check)}"
                leaf.add(Text.assemble(_mark(check["holds"]), words))
    for grant in found["grants"]:
        leaf = tree.add(Text(f"grant {grant['grant']} to {grant['grantee']}", "bold"))
        for name, words in (
            ("for_caller", "is for the caller"),
            ("operation", "has the operation"),
            ("constraints", "its constraints hold"),
        ):
            leaf.add(Text.assemble(_mark(grant[name]), words))
    return tree


def _condition(condition: dict[str, Any]) -> str:
    found = ", ".join(condition["found"]) or "nothing"
    return f"{condition['operator']} {condition['key']} wants {', '.join(condition['wanted'])}; there is {found}"
