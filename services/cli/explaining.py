"""explain: what would be decided, or why a call was decided as it was, as a tree."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from services.cli.client import Client
from services.cli.terminal import AsJson, Data, as_line, fail, out, said, times_or_fail
from services.cli.times import At

Pairs = Annotated[list[str] | None, typer.Option("--context", help="An encryption context pair, k=v; may be repeated")]
Conditions = Annotated[
    list[str] | None, typer.Option("--condition", help="Another condition key, aws:SourceIp=10.0.0.1; may be repeated")
]


RULES = {
    "no-resource-policy-allows": "no statement of the key's policy and no grant allows it",
    "no-identity-policy-allows": "no identity policy allows it",
    "no-boundary-allows": "the permissions boundary does not allow it",
    "no-session-policy-allows": "the session's policy does not allow it",
    "account-root": "the account's root may do everything in its own account",
    "no-permission-needed": "it asks no permission",
    "retiring-principal": "the grant names the caller as who may retire it",
    "due": "it fell due: nobody called",
    "service-managed": "a service made the key that it manages for the account",
    "not-across-accounts": "the operation cannot be called on another account's key",
    "authentication": "the credential could not be used any more",
}
"""What decided where no statement did, as people say it (domain/access/verdict.py has the rules)."""


def explain(
    call: Annotated[
        str | None, typer.Argument(metavar="[CALL_ID]", help="A past call: the request id that its answer carried")
    ] = None,
    principal: Annotated[str | None, typer.Option(help="ARN of a user, role, session or root")] = None,
    operation: Annotated[str | None, typer.Option(help="Decrypt, for instance; ReEncryptFrom or ReEncryptTo")] = None,
    key: Annotated[str | None, typer.Option(help="A key: id, ARN or alias/NAME")] = None,
    context: Pairs = None,
    condition: Conditions = None,
    at: At = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Why a past call was decided as it was (CALL_ID), or what would be decided (--principal, --operation and --key), with
    every statement that was looked at and why it did or did not match."""
    if call is not None:
        if any(each is not None for each in (principal, operation, key, context, condition, at)):
            fail("CALL_ID names a call of the past, and takes no other option than --json and --data.", 2)
        if "/" in call:
            fail(f"{call} is not a call's id: an answer carries it as x-amzn-RequestId.", 2)
        _past(Client(data).get(f"/v1/calls/{call}"), as_json)
        return
    if principal is None or operation is None or key is None:
        fail("Name a past call by its CALL_ID, or ask what would be decided by --principal, --operation and --key.", 2)
    body: dict[str, Any] = {
        "principal": principal,
        "operation": operation,
        "key": key,
        "at": said(lambda: times_or_fail().at(at)) or "",
    }
    body["encryption_context"] = dict(_pair(each, "--context") for each in context or [])
    conditions: dict[str, list[str]] = {}
    for name, value in (_pair(each, "--condition") for each in condition or []):
        conditions.setdefault(name, []).append(value)
    found = Client(data).post("/v1/explain", body | {"conditions": conditions})
    if as_json:
        as_line(found)
        return
    out.print(_tree(found))


def _past(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        as_line(found)
        return
    out.print(_head(found))
    for each in found.get("permissions", ()):
        out.print(_tree(each | {"principal": found["principal"]}))
    if "permissions" not in found:
        out.print("The call went across accounts: the other account's policies are its own to read.", style="dim")


def _head(call: dict[str, Any]) -> Text:
    """Who asked for what, and what came of it, in the words that the caller read."""
    allowed = call["effect"] == "allowed"
    head = Text.assemble(
        _mark(allowed), (call["effect"], "bold"), f"  {call['operation']} by {call['principal']}, {call['at']}"
    )
    if call.get("message"):
        head.append(f"\n  {call['message']}", "yellow")
    if call.get("key_id"):
        head.append(f"\n  key          {call['key_id']}")
    for name, title in (("source", "from"), ("access_key", "with"), ("agent", "by way of"), ("via", "through")):
        if call.get(name):
            head.append(f"\n  {title:<12} {call[name]}")
    if call.get("encryption_context"):
        pairs = ", ".join(f"{name}={value}" for name, value in call["encryption_context"].items())
        head.append(f"\n  context      {pairs}")
    if not allowed:
        head.append(f"\n  refused by   {call['kind'] or call['error']} ({call['error']})")
    return head


def _pair(text: str, option: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        fail(f"{option} takes name=value, not {text!r}", 2)
    return name, value


def _mark(holds: bool) -> Text:
    return Text("✓ ", "green") if holds else Text("✗ ", "red")


def _by(by: dict[str, Any]) -> str:
    if "rule" in by:
        return RULES.get(by["rule"], str(by["rule"]))
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
    for layer in found.get("layers", ()):
        branch = tree.add(Text(layer["layer"], "bold"))
        if not layer["statements"]:
            branch.add(Text("no statements", "dim"))
        for each in layer["statements"]:
            title = f"{each['effect']}, {_by(each['by'])}"
            leaf = branch.add(Text.assemble(_mark(each["matched"]), title))
            for check in each["checks"]:
                words = check["element"] if "operator" not in check else f"{check['element']}: {_condition(check)}"
                leaf.add(Text.assemble(_mark(check["holds"]), words))
    for grant in found.get("grants", ()):
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
