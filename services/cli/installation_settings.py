"""settings: shows the settings that an installation runs with."""

from __future__ import annotations

from services.cli.client import Client
from services.cli.options import AsJson, Data
from services.cli.tables import Column, Row, member, print_rows
from services.cli.terminal import as_line


def settings(as_json: AsJson = False, data: Data = None) -> None:
    """The settings that the server runs with, which of them are set, and what each says. Secrets are never shown.

    It asks the server: variables of this shell may say something else, and count at the next start only.
    """
    found = Client(data).get("/v1/settings")["items"]
    if as_json:
        for each in found:
            as_line(each)
        return
    print_rows(found, COLUMNS, "(there are no settings)")


def _value(row: Row) -> str:
    if row["secret"]:
        return "(a secret)" if row["source"] == "set" else ""
    return str(row["value"])


COLUMNS = (
    member("name", leads=True),
    Column("value", _value, leads=True),
    member("source"),
    member("meaning", wraps=True),
)
