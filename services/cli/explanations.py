"""explain: how a call would be decided, or why it was decided as it was, step by step."""

from __future__ import annotations

from typing import Annotated, Any

from rich.text import Text

from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import AsJson, At, Data
from services.cli.parameters import Argument, Option
from services.cli.terminal import as_line, said, say, times_or_fail
from services.cli.times import Times
from services.wording import names

ContextPairs = Annotated[
    list[str] | None, Option("--context", value="NAME=VALUE", help="A pair of the encryption context. May be repeated")
]
Conditions = Annotated[
    list[str] | None,
    Option(
        "--condition",
        value="NAME=VALUE",
        help="The value of another condition key, for example aws:SourceIp=10.0.0.1. May be repeated",
    ),
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
"""Words for the rules that decide if no statement does (domain/authorization/verdict.py has the rules)."""


def explain(
    call: Annotated[
        str | None, Argument(name="CALL_ID", help="A past call: the request id that came with its answer")
    ] = None,
    principal: Annotated[
        str | None,
        Option(value="WHO", help="Who would call: bob, role/app, or the ARN of a user, role, session or root"),
    ] = None,
    operation: Annotated[
        str | None, Option(value="NAME", help="For example Decrypt. ReEncrypt is two: ReEncryptFrom and ReEncryptTo")
    ] = None,
    key: Annotated[str | None, Option(value="KEY", help="A key: id, ARN or alias/NAME")] = None,
    context: ContextPairs = None,
    condition: Conditions = None,
    at: At = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Why a past call was decided as it was (CALL_ID), or how a call would be decided (--principal, --operation and --key).
    It shows every statement that was looked at, and why the statement matched or did not match."""
    if call is not None:
        if any(each is not None for each in (principal, operation, key, context, condition, at)):
            fail("With CALL_ID, only --json and --data can be given.", 2)
        if "/" in call:
            fail(
                f"{call} is not the id of a call. An answer carries it as x-amzn-RequestId, and `keytrail decisions` lists it.",
                2,
            )
        client = Client(data)
        past = client.get(f"/v1/calls/{call}")
        if as_json:
            as_line(past)
        else:
            _past(past, client.account, times_or_fail())
        return
    if principal is None or operation is None or key is None:
        fail("Name a past call by its CALL_ID, or a possible one by --principal, --operation and --key.", 2)
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
    client = Client(data)
    found = client.post("/v1/explain", body | {"conditions": conditions})
    if as_json:
        as_line(found)
        return
    _show(found, client.account)


def _past(found: dict[str, Any], account: str, times: Times) -> None:
    _head(found, account, times)
    for each in found.get("permissions", ()):
        _show(each | {"principal": found["principal"]}, account)
    if "permissions" not in found:
        say("The call went across accounts: the other account's policies are its own to read.", "dim")


def _head(call: dict[str, Any], account: str, times: Times) -> None:
    """Prints who asked for what, and the answer in the words that the caller read."""
    allowed = call["effect"] == "allowed"
    who = names.short(call["principal"], account)
    say(
        Text.assemble(
            _mark(allowed), (call["effect"], "bold"), f"  {call['operation']} by {who}, {times.shown(call['at'])}"
        )
    )
    if call.get("message"):
        say(call["message"], "yellow", indent=2, more=0)
    pairs = ", ".join(f"{name}={value}" for name, value in (call.get("encryption_context") or {}).items())
    rows = [
        ("key", names.key_of(call)),
        ("from", call.get("source")),
        ("with", call.get("access_key")),
        ("by way of", call.get("agent")),
        ("through", call.get("via")),
        ("context", pairs),
        ("refused by", "" if allowed else _refused_by(call)),
    ]
    for title, value in rows:
        if value:
            say(f"{title:<12} {value}", indent=2, more=13)


def _refused_by(call: dict[str, Any]) -> str:
    kind = names.refused_by({"kind": call.get("kind"), "error": call.get("error")})
    words = [each for each in (kind, names.error(call)) if each]
    return f"{words[0]} ({words[1]})" if len(words) > 1 else "".join(words)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        fail(f"{option} takes NAME=VALUE, not {text!r}.", 2)
    return name, value


def _mark(holds: bool) -> Text:
    return Text("✓ ", "green") if holds else Text("✗ ", "red")


def _by(by: dict[str, Any], account: str) -> str:
    if "rule" in by:
        return RULES.get(by["rule"], str(by["rule"]))
    if "grant" in by:
        return f"grant {by['grant']}"
    if "policy" not in by:
        return f"{by['kind']} of the other account"
    via = f" via {names.short(by['via'], account)}" if by.get("via") else ""
    return f"{names.of_statement(by, account)}{via}"


def _show(found: dict[str, Any], account: str) -> None:
    """Prints the answer, and below it, indented, every statement and grant that was looked at."""
    allowed = found["effect"] == "allow"
    who = names.short(found["principal"], account)
    say(Text.assemble(_mark(allowed), (found["effect"], "bold"), f"  {found['action']} by {who}"))
    say(_by(found["by"], account), indent=2)
    if found.get("delegation"):
        say(f"delegated by {_by(found['delegation'], account)}", "dim", indent=2)
    if found.get("near"):
        near = found["near"]
        say(f"came close: {_by(near['by'], account)}: {_condition(near['condition'])}", "yellow", indent=2)
    for layer in found.get("layers", ()):
        say(layer["layer"].replace("-", " "), "bold", indent=2)
        if not layer["statements"]:
            say("no statements", "dim", indent=4)
        for each in layer["statements"]:
            say(Text.assemble(_mark(each["matched"]), f"{each['effect']}, {_by(each['by'], account)}"), indent=4)
            for check in each["checks"]:
                words = check["element"] if "operator" not in check else f"{check['element']}: {_condition(check)}"
                say(Text.assemble(_mark(check["holds"]), words), indent=8)
    for grant in found.get("grants", ()):
        say(f"grant {grant['grant']} to {names.short(grant['grantee'], account)}", "bold", indent=2)
        for name, words in (
            ("for_caller", "is for the caller"),
            ("operation", "has the operation"),
            ("constraints", "its constraints hold"),
        ):
            say(Text.assemble(_mark(grant[name]), words), indent=4)


def _condition(condition: dict[str, Any]) -> str:
    found = ", ".join(condition["found"]) or "nothing"
    return f"{condition['operator']} {condition['key']} wants {', '.join(condition['wanted'])}; there is {found}"
