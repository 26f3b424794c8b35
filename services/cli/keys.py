"""keys, history, policy, decisions, account create: questions to the audit API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from domain.keys.key import EXTERNAL
from domain.log.codec import micros
from services.cli import names
from services.cli.calls import asked_for, of_changes, print_calls
from services.cli.client import Client
from services.cli.decisions import WHERE, fields_or_fail, list_calls
from services.cli.references import kind_of
from services.cli.result_files import BY_NAME, Export, OfExport, asked_format
from services.cli.tables import Column, Row, member
from services.cli.terminal import (
    AsJson,
    Data,
    Errors,
    Force,
    Most,
    MostOfAll,
    OfTrail,
    Reverse,
    as_it_is,
    as_line,
    fail,
    out,
    said,
    say,
    times_or_fail,
)
from services.cli.times import At, From, Times, To, is_position

Key = Annotated[str, typer.Argument(help="A key: id, ARN or alias/NAME")]


def keys(as_json: AsJson = False, most: Most = None, data: Data = None) -> None:
    """The account's keys as they are now."""
    client, times = Client(data), times_or_fail()
    items = client.items("/v1/keys", most)
    columns = (
        Column("key", names.key_of, lambda row: names.key_of(row, whole=False), leads=True),
        member("state", leads=True),
        Column("kind", lambda row: f"{row['spec']} {row['usage']}", _kind),
        # Of most keys Keytrail made the material, and there is nothing to say.
        Column("material", lambda row: "imported" if row.get("origin") == EXTERNAL else ""),
        Column("policy", lambda row: f"v{row['policy_version']}"),
        Column("made", lambda row: times.shown(row["created_at"])),
        member("description", wraps=True),
    )
    print_calls(items, columns, client, "(no keys yet: `aws kms create-key` makes one)", times, as_json=as_json)


def _kind(row: Row) -> str:
    """Of an RSA or ECC key alone the spec does not say what it is for."""
    alone = row["spec"].startswith(("SYMMETRIC_", "HMAC_"))
    return str(row["spec"]) if alone else f"{row['spec']} {row['usage'].split('_')[0].lower()}"


def history(
    of: Annotated[
        str,
        typer.Argument(
            metavar="key-or-principal",
            help="A key (id, ARN or alias/NAME), or a principal or policy: bob, role/app, policy/p, an ARN",
        ),
    ],
    principal: Annotated[str | None, typer.Option(help="Who changed it: bob, role/app, an ARN; * for any characters")] = None,
    operation: Annotated[str | None, typer.Option(help="PutKeyPolicy, for instance")] = None,
    effect: Annotated[str | None, typer.Option(help="allowed or refused")] = None,
    where: Annotated[list[str] | None, typer.Option(help=WHERE)] = None,
    since: From = None,
    until: To = None,
    errors: Errors = False,
    reverse: Reverse = False,
    trail: OfTrail = None,
    export: Export = None,
    form: OfExport = None,
    force: Force = False,
    as_json: AsJson = False,
    most: MostOfAll = None,
    data: Data = None,
) -> None:  # fmt: skip
    """Every change of a key or a principal: who, when, from where, with which credential, and the refused attempts; the newest
    first."""
    times = times_or_fail()
    span = said(lambda: times.span(since, until))
    form = asked_format(export, form, BY_NAME)
    asked: dict[str, str | None] = {"operation": operation, "principal": principal, "effect": effect}
    asked |= fields_or_fail(where)
    client = Client(data)
    kind = kind_of(client, of, trail)
    columns = of_changes(times, client, texts=errors, keys=kind == "principals")
    nothing = asked_for(f"no changes of {of}", span, times, **asked, trail=trail)
    list_calls(
        f"/v1/{kind}/{of}/history", client, {**asked, **span.parameters, "trail": trail}, columns, nothing, times,
        most=most, reverse=reverse, export=export, form=form, force=force, as_json=as_json,
    )  # fmt: skip


def policy(
    key: Key,
    version: Annotated[int | None, typer.Option(help="This version")] = None,
    at: At = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """A key's policy: the one in force, an earlier version, or the one in force at a time. In a pipe it is the text as it was
    put."""
    client, times = Client(data), times_or_fail()
    versions = list(client.items(f"/v1/keys/{key}/policies"))
    found = _chosen(versions, version, said(lambda: times.at(at)), times)
    if as_json:
        as_line(found)
        return
    say(
        f"version {found['version']} of {len(versions)}, put at {times.shown(found['at'])} (@{found['position']}) "
        f"by {names.short(found['principal'], client.account)}",
        "dim",
    )
    if out.is_terminal:
        out.print_json(found["document"])
    else:
        as_it_is(found["document"])


def _chosen(versions: list[dict[str, Any]], version: int | None, at: str | None, times: Times) -> dict[str, Any]:
    if version is not None and at is not None:
        fail("--version and --at exclude each other.", 2)
    if version is not None:
        found = [each for each in versions if each["version"] == version]
    elif at is not None and is_position(at):
        found = [each for each in versions if each["position"] <= int(at[1:])]
    elif at is not None:
        found = [each for each in versions if micros(each["at"]) <= micros(at)]
    else:
        found = versions
    if not found and at is not None:
        fail(f"The key had no policy at {times.shown(at)}: the first was put at {times.shown(versions[0]['at'])}.")
    if not found:
        fail(f"There is no version {version}; the key has versions 1 to {len(versions)}.")
    return found[-1]


def create_account(
    account_id: Annotated[str, typer.Argument(help="Twelve digits")], as_json: AsJson = False, data: Data = None
) -> None:
    """Host one more account, and print its root's keys: they are shown once."""
    made = Client(data).post("/v1/accounts", {"account_id": account_id})
    if as_json:
        as_line(made)
        return
    as_it_is(f"export AWS_ACCESS_KEY_ID={made['access_key_id']}")
    as_it_is(f"export AWS_SECRET_ACCESS_KEY={made['secret_access_key']}")
