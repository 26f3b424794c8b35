"""keys, history, policy, decisions, account create: questions to the audit API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from domain.trail.codec import micros
from services.cli.client import Client
from services.cli.terminal import AsJson, Data, Most, OfTrail, as_it_is, as_line, fail, out, show

Key = Annotated[str, typer.Argument(help="A key: id, ARN or alias/NAME")]


def keys(as_json: AsJson = False, most: Most = None, data: Data = None) -> None:
    """The account's keys as they are now."""
    columns = ("key_id", "spec", "usage", "state", "policy_version", "created_at", "description")
    show(Client(data).items("/v1/keys", most), columns, as_json, "no keys yet")


def history(
    of: Annotated[str, typer.Argument(help="A key (id, ARN or alias/NAME), or the ARN of a principal or policy")],
    trail: OfTrail = None,
    as_json: AsJson = False,
    most: Most = None,
    data: Data = None,
) -> None:
    """Every change of a key or a principal: who, when, from where, with which credential, and the refused attempts."""
    columns = ("position", "at", "principal", "source", "access_key", "operation", "effect", "summary")
    path = f"/v1/principals/{of}/history" if is_principal(of) else f"/v1/keys/{of}/history"
    show(Client(data).items(path, most, trail=trail), columns, as_json, "no changes")


def is_principal(reference: str) -> bool:
    """Whether it names somebody (or a managed policy) rather than a key."""
    return reference.startswith(("arn:aws:iam:", "arn:aws:sts:"))


def policy(
    key: Key,
    version: Annotated[int | None, typer.Option(help="This version")] = None,
    at: Annotated[str | None, typer.Option(help="The version in force at a time or @position")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """A key's policy: the one in force, an earlier version, or the one in force at a time."""
    versions = list(Client(data).items(f"/v1/keys/{key}/policies"))
    found = _chosen(versions, version, at)
    if as_json:
        as_line(found)
        return
    out.print(
        f"version {found['version']} of {len(versions)}, put at {found['at']} (position {found['position']}) "
        f"by {found['principal']}",
        style="dim",
    )
    as_it_is(found["document"])


def _chosen(versions: list[dict[str, Any]], version: int | None, at: str | None) -> dict[str, Any]:
    if version is not None and at is not None:
        fail("--version and --at exclude each other", 2)
    if version is not None:
        found = [each for each in versions if each["version"] == version]
    elif at is not None and at.startswith("@") and at[1:].isdigit():
        found = [each for each in versions if each["position"] <= int(at[1:])]
    elif at is not None:
        try:
            moment = micros(at)
        except ValueError:
            fail("--at takes a time in RFC 3339 or a position such as @1234", 2)
        found = [each for each in versions if micros(each["at"]) <= moment]
    else:
        found = versions
    if not found:
        fail(f"There is no such version; the key has versions 1 to {len(versions)}.")
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
