"""keys, history: questions to the audit API."""

from __future__ import annotations

from typing import Annotated

from domain.keys.origins import EXTERNAL
from services.cli.calls import asked_for, of_changes, print_calls
from services.cli.client import Client
from services.cli.decisions import Where, fields_or_fail, list_calls
from services.cli.options import AsJson, At, Data, Errors, Force, From, Most, MostOfAll, OfEffect, OfTrail, Reverse, To
from services.cli.parameters import Argument, Option
from services.cli.references import kind_of
from services.cli.result_files import BY_NAME, Export, OfExport, asked_format
from services.cli.tables import Column, Row, member
from services.cli.terminal import said, times_or_fail
from services.wording import names


def keys(
    key: Annotated[str | None, Option(value="KEY", help="Its id or ARN; * is any text: 1234abcd*")] = None,
    state: Annotated[
        str | None, Option(value="STATE", help="Enabled, Disabled, PendingDeletion, PendingImport or Deleted")
    ] = None,
    spec: Annotated[str | None, Option(value="SPEC", help="For example RSA_4096; * is any text")] = None,
    usage: Annotated[str | None, Option(value="USAGE", help="For example SIGN_VERIFY")] = None,
    origin: Annotated[str | None, Option(value="ORIGIN", help="AWS_KMS or EXTERNAL")] = None,
    alias: Annotated[str | None, Option(value="NAME", help="An alias of the key: payroll, alias/app-*")] = None,
    tag: Annotated[str | None, Option(value="NAME[=VALUE]", help="A tag of the key: team, team=payments")] = None,
    description: Annotated[str | None, Option(value="TEXT", help='Its description: "*invoices*"')] = None,
    manager: Annotated[
        str | None, Option(value="WHO", help="customer: the account's own; service: those that a service manages")
    ] = None,
    at: At = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    most: Most = None,
    data: Data = None,
) -> None:
    """The account's keys as they are now, or as they were. Each option but --at and --trail narrows the list."""
    client, times = Client(data), times_or_fail()
    asked: dict[str, str | None] = {
        "key": key,
        "state": state,
        "spec": spec,
        "usage": usage,
        "origin": origin,
        "alias": alias,
    }
    asked |= {"tag": tag, "description": description, "manager": manager}
    narrowed = " ".join(f"--{name} {value}" for name, value in asked.items() if value is not None)
    nothing = "(no keys yet: `aws kms create-key` makes one)"
    if at is None and trail is None:
        items = client.items("/v1/keys", most, **asked)
    else:
        items = client.items("/v1/as-of/keys", most, at=said(lambda: times.at(at)), trail=trail, **asked)
        nothing = "(no keys then)" if trail is None else "(no keys in the trail then)"
    nothing = f"(no key with {narrowed})" if narrowed else nothing
    columns = (
        Column("key", names.key_of, lambda row: names.key_of(row, whole=False), leads=True),
        member("state", leads=True),
        Column("kind", lambda row: f"{row['spec']} {row['usage']}" if row["spec"] else "", _kind),
        # Keytrail made most keys' material; only imported material is shown.
        Column("material", lambda row: "imported" if row.get("origin") == EXTERNAL else ""),
        Column("policy", lambda row: f"v{row['policy_version']}" if row["policy_version"] else ""),
        Column("made", lambda row: times.shown(row["created_at"]) if row["created_at"] else ""),
        member("description", wraps=True),
    )
    print_calls(items, columns, client, nothing, times, as_json=as_json)


def _kind(row: Row) -> str:
    """The spec; for RSA and ECC keys also the usage, since their spec does not say it."""
    if not row["spec"]:
        return ""  # a trail does not show it
    alone = row["spec"].startswith(("SYMMETRIC_", "HMAC_"))
    return str(row["spec"]) if alone else f"{row['spec']} {row['usage'].split('_')[0].lower()}"


def history(
    of: Annotated[
        str,
        Argument(
            name="key-or-principal",
            help="A key (id, ARN or alias/NAME), or a principal or policy: bob, role/app, policy/p, an ARN",
        ),
    ],
    principal: Annotated[str | None, Option(value="WHO", help="Who changed it: bob, role/app, an ARN; * is any text")] = None,
    operation: Annotated[str | None, Option(value="NAME", help="For example PutKeyPolicy")] = None,
    effect: OfEffect = None,
    where: Where = None,
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
    """Every change of a key or a principal, and every refused attempt: who, when, from where and with which credential. The
    newest come first."""
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
