"""show: a key or a principal as it was."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from services.cli import names
from services.cli.asking import kind_of
from services.cli.client import Client
from services.cli.terminal import AsJson, Data, OfTrail, as_line, out, said, times_or_fail
from services.cli.times import At


def show_as_of(
    of: Annotated[
        str, typer.Argument(help="A key (id, ARN or alias/NAME), or a user, group or role: bob, role/app, an ARN")
    ],
    at: At = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """A key or a principal as it was: metadata, policy, aliases, tags, grants, and the policies of whom they name."""
    client, times = Client(data), times_or_fail()
    asked = {"at": said(lambda: times.at(at)), "trail": trail}
    found = client.get(f"/v1/as-of/{kind_of(client, of, trail)}/{of}", **asked)
    if as_json:
        as_line(found)
        return
    out.print(
        f"as of @{found['position']} ({times.shown(found['at'])}), so since @{found['as_since']}",
        style="dim",
        soft_wrap=True,
    )
    if "unknown" in found:
        _not_known(found)
    if "principal" in found:
        _principal(found["principal"])
    else:
        _key(found)


def _key(found: dict[str, Any]) -> None:
    _members(found["key"])
    for alias in found["aliases"]:
        out.print(f"alias  {alias}")
    if found["policy"] is not None:
        _policy(f"key policy, version {found['key']['policy_version']}", found["policy"])
    for grant in found["grants"]:
        limits = f" where {json.dumps(grant['constraints'])}" if grant["constraints"] else ""
        who = names.short(grant["grantee"], found["key"]["account"])
        allows = f"{grant['grant']} to {who}: {', '.join(grant['operations'])}{limits}"
        out.print(Text.assemble(("grant  ", "bold"), allows), soft_wrap=True)
    for each in found["identities"]:
        _principal(each)


def _not_known(found: dict[str, Any]) -> None:
    words = f"not known is what it was before the trail began: {found['unknown']}; `{found['settled_by']}` settles it"
    out.print(words, style="yellow")


def _members(shown: dict[str, Any]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in shown.items():
        if value not in (None, "", [], {}):
            text = value if isinstance(value, str) else json.dumps(value)
            table.add_row(Text(name, "bold"), Text(text))
    out.print(table)


def _principal(shown: dict[str, Any]) -> None:
    out.print(Text.assemble((f"{shown['kind']}  ", "bold"), f"{shown['arn']} ({shown['id'] or 'id not known'})"))
    if "unknown" in shown:
        _not_known(shown)
    if shown.get("trust"):
        _policy("  trust policy", shown["trust"])
    for holder, words in ((shown, ""), *((group, f" of group {group['arn']}") for group in shown.get("groups", ()))):
        for name, document in holder["inline"].items():
            _policy(f"  inline policy {name}{words}", document)
        for arn, managed in holder["attached"].items():
            _policy(f"  attached {arn}{words}", managed and managed["document"])
    for arn, managed in shown.get("boundary", {}).items():
        _policy(f"  boundary {arn}", managed and managed["document"])


def _policy(title: str, document: Any) -> None:
    out.print(title, style="bold")
    if document is None:
        out.print("    not known", style="yellow")
        return
    out.print_json(json.dumps(document))
