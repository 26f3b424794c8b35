"""account create, account list: the accounts of an installation."""

from __future__ import annotations

from typing import Annotated

from services.cli.client import Client
from services.cli.options import AsJson, Data
from services.cli.parameters import Argument
from services.cli.tables import Column, Row, member, print_rows
from services.cli.terminal import as_it_is, as_line, times_or_fail


def create_account(
    account_id: Annotated[str, Argument(help="The account's number, twelve digits")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Host one more account, and print the access key of its root user. The secret is shown only once."""
    made = Client(data).post("/v1/accounts", {"account_id": account_id})
    if as_json:
        as_line(made)
        return
    as_it_is(f"export AWS_ACCESS_KEY_ID={made['access_key_id']}")
    as_it_is(f"export AWS_SECRET_ACCESS_KEY={made['secret_access_key']}")


def list_accounts(as_json: AsJson = False, data: Data = None) -> None:
    """The accounts that this installation hosts. Whoever asks with another account than the first one sees that account alone."""
    found, times = Client(data).get("/v1/accounts")["items"], times_or_fail()
    if as_json:
        for each in found:
            as_line(each)
        return
    columns = (
        member("account_id", heading="account", leads=True),
        member("alias"),
        Column("created", lambda row: times.shown(row["created"])),
        member("keys", number=True),
        Column("root's access keys", _root_keys, wraps=True),
    )
    print_rows(found, columns, "(no account)")


def _root_keys(row: Row) -> str:
    held = row["root_access_keys"]
    return ", ".join(each["id"] if each["status"] == "Active" else f"{each['id']} ({each['status']})" for each in held)
