"""show, principals: a key or a principal as it was at an earlier time, and which principals there were."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

from rich.text import Text

from services.cli.calls import print_calls
from services.cli.client import Client
from services.cli.options import AsJson, At, Data, Most, OfTrail
from services.cli.parameters import Argument
from services.cli.references import kind_of
from services.cli.screens import out
from services.cli.tables import Column
from services.cli.terminal import as_line, member, said, say, times_or_fail
from services.cli.times import Times
from services.wording import names


def show_as_of(
    of: Annotated[
        str,
        Argument(
            name="key-or-principal",
            help="A key (id, ARN or alias/NAME), or a user, group or role: bob, role/app, an ARN",
        ),
    ],
    at: At = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """A key or a principal as it was: metadata, policy, aliases, tags, grants, and the policies of the users and roles that
    these name."""
    client, times = Client(data), times_or_fail()
    asked = {"at": said(lambda: times.at(at)), "trail": trail}
    found = client.get(f"/v1/as-of/{kind_of(client, of, trail)}/{of}", **asked)
    if as_json:
        as_line(found)
        return
    say(f"as of @{found['position']} ({times.shown(found['at'])}), so since @{found['as_since']}", "dim")
    if "unknown" in found:
        _not_known(found)
    if "principal" in found:
        _principal(found["principal"], client.account)
    else:
        _key(found, client.account, times)


class PrincipalKind(StrEnum):
    USER, GROUP, ROLE, POLICY = "user", "group", "role", "policy"


def principals(
    kind: Annotated[PrincipalKind, Argument(help="user, group, role or policy (a managed policy)")],
    at: At = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    most: Most = None,
    data: Data = None,
) -> None:
    """The account's users, groups, roles or managed policies as they were."""
    client, times = Client(data), times_or_fail()
    asked = {"kind": kind.value, "at": said(lambda: times.at(at)), "trail": trail}
    columns = (
        Column("name", lambda row: names.short(row["arn"], client.account), leads=True),
        Column("made", lambda row: times.shown(row["created_at"]) if row["created_at"] else ""),
        Column("so since", lambda row: f"@{row['as_since']}", number=True),
    )
    plural = "policies" if kind is PrincipalKind.POLICY else f"{kind.value}s"
    items = client.items("/v1/as-of/principals", most, **asked)
    print_calls(items, columns, client, f"(no {plural} then)", times, as_json=as_json)


def _key(found: dict[str, Any], account: str, times: Times) -> None:
    _members(found["key"], times)
    for alias in found["aliases"]:
        say(f"alias  {alias}")
    if found["policy"] is not None:
        _policy(f"key policy, version {found['key']['policy_version']}", found["policy"])
    for grant in found["grants"]:
        limits = f" where {json.dumps(grant['constraints'])}" if grant["constraints"] else ""
        who = names.short(grant["grantee"], account)
        allows = f"{grant['grant']} to {who}: {', '.join(grant['operations'])}{limits}"
        say(Text.assemble(("grant  ", "bold"), allows), more=7)
    for each in found["identities"]:
        _principal(each, account)


def _not_known(found: dict[str, Any]) -> None:
    words = f"not known is what it was before the trail began: {found['unknown']}; `{found['settled_by']}` settles it"
    say(words, "yellow")


def _members(shown: dict[str, Any], times: Times) -> None:
    """Prints one name and its value a line. A longer value goes on below its beginning."""
    rows = {name: value for name, value in shown.items() if value not in (None, "", [], {})}
    wide = max(map(len, rows))
    for name, value in rows.items():
        member(name, _value(value, times), wide)


def _value(value: Any, times: Times) -> str:
    match value:
        case str():
            return times.within(value)
        case list():
            return ", ".join(map(str, value))
        case dict():
            return ", ".join(f"{name}={its}" for name, its in value.items())
    return json.dumps(value)


def _principal(shown: dict[str, Any], account: str) -> None:
    known = shown["id"] or "id not known"
    say(Text.assemble((f"{shown['kind']}  ", "bold"), f"{names.short(shown['arn'], account)} ({known})"))
    if "unknown" in shown:
        _not_known(shown)
    if shown.get("trust"):
        _policy("  trust policy", shown["trust"])
    groups = ((group, f" of {names.short(group['arn'], account)}") for group in shown.get("groups", ()))
    for holder, words in ((shown, ""), *groups):
        for name, document in holder["inline"].items():
            _policy(f"  inline policy {name}{words}", document)
        for arn, managed in holder["attached"].items():
            _policy(f"  attached {names.short(arn, account)}{words}", managed and managed["document"])
    for arn, managed in shown.get("boundary", {}).items():
        _policy(f"  boundary {names.short(arn, account)}", managed and managed["document"])


def _policy(title: str, document: Any) -> None:
    say(title.strip(), "bold", indent=len(title) - len(title.lstrip()))
    if document is None:
        say("not known", "yellow", indent=4)
        return
    out.print_json(json.dumps(document))
