"""audit-devices: shows the audit devices, and forgets one that the file no longer names."""

from __future__ import annotations

from typing import Annotated, Any

from services.cli.client import Client
from services.cli.confirmation import confirm_or_fail
from services.cli.failures import fail
from services.cli.options import AsJson, Data, Yes
from services.cli.parameters import Argument
from services.cli.tables import Column, member, print_rows
from services.cli.terminal import as_line, say, times_or_fail

NAMED = {True: "yes", False: "no", None: "not known"}
"""Whether the file names a device. None: no process for audit devices is at work, which would have read it."""


def audit_devices(as_json: AsJson = False, data: Data = None) -> None:
    """The audit devices: how many records wait for each, since when one fails and why, and whether the file still names it."""
    found = Client(data).items("/v1/audit-devices")
    if as_json:
        for each in found:
            as_line(each)
        return
    times = times_or_fail()
    columns = (
        member("device", leads=True),
        member("kind"),
        Column("waiting", lambda row: "not known" if row["lag"] is None else str(row["lag"]), number=True),
        Column("in the file", lambda row: NAMED[row["named"]]),
        Column("fails since", lambda row: times.shown(row["since"])),
        member("fault", wraps=True),
    )
    print_rows(found, columns, "(no audit device has run; KEYTRAIL_AUDIT_DEVICES_FILE names them)")


def forget(
    name: Annotated[str, Argument(help="The name of the device")],
    yes: Yes = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Forget an audit device that KEYTRAIL_AUDIT_DEVICES_FILE no longer names: how far it is, and why it failed.

    What it holds stays. If the file names it again later, it begins as a new device does.
    """
    client = Client(data)
    if not yes:
        confirm_or_fail(_question(client, name))
    answer = client.post(f"/v1/audit-devices/{name}/forget", {})
    if as_json:
        as_line(answer)
    else:
        say(f"forgot the audit device {name}")


def _question(client: Client, name: str) -> str:
    found: dict[str, Any] = {each["device"]: each for each in client.items("/v1/audit-devices")}
    if name not in found:
        fail(f"There is no audit device {name}; `keytrail audit-devices` lists them.")
    unsure = "" if found[name]["named"] is not None else "No process for audit devices is at work. "
    return f"{unsure}If the audit device {name} comes back, it begins anew. Forget how far it is?"
