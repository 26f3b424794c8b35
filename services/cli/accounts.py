"""account create: adds an account to this installation."""

from __future__ import annotations

from typing import Annotated

from services.cli.client import Client
from services.cli.options import AsJson, Data
from services.cli.parameters import Argument
from services.cli.terminal import as_it_is, as_line


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
