"""status: shows the present state of an installation."""

from __future__ import annotations

from typing import Any

import psutil

from services.cli.client import Client
from services.cli.options import AsJson, Data
from services.cli.screens import out
from services.cli.tables import member as column
from services.cli.tables import print_rows
from services.cli.terminal import as_line, counted, member, settings_or_fail
from services.runtime.data_folder import Folder


def status(as_json: AsJson = False, data: Data = None) -> None:
    """What is running, which writer leads, positions, lag, the digest of the log's head, and sizes."""
    settings = settings_or_fail(data=data)
    folder = Folder(settings.data)
    running = folder.live_state()
    server = Client(data).get("/v1/status")
    processes = {name: _process(pid) for name, (pid, _) in running.children.items()} if running else {}
    log_bytes = folder.log_bytes()
    if as_json:
        as_line(server | {"processes": processes, "log_bytes": log_bytes})
        return
    if processes:
        columns = (column("process", leads=True), column("pid", number=True), column("state"), column("memory"))
        print_rows([{"process": name, **each} for name, each in processes.items()], columns, "")
        out.print()
    rows = {
        "log": server["log"],
        "position": server["position"],
        "keys": server["keys"],
        "accounts": ", ".join(server["accounts"]),
    }
    if "head" in server:  # only the first account gets the rest: it hosts the others
        rows |= _of_the_installation(server, log_bytes)
    for name, value in rows.items():
        member(name, str(value), 13)


def _of_the_installation(server: dict[str, Any], log_bytes: int | None) -> dict[str, object]:
    notary = server["notary"]
    return {
        "leader": server["leader"],
        "head": f"{server['position']}:{server['head']}",
        "next command": server["next_command"],
        "void records": server["void_records"],
        "alerts lag": _waiting({part: count for part, count in server["alerts"]["lag"].items() if count != 0}) or "0",
        "projector lag": _waiting(server["lag"]),
        **_of_devices(server["audit_devices"]),
        **_of_traces(server["traces"]),
        **({} if notary is None else {"notary lag": _of_notary(notary)}),
        "database": f"{server['database_bytes'] / 1e6:.1f} MB",
        "topics": f"{log_bytes / 1e6:.1f} MB" if log_bytes is not None else "on your own broker",
    }


def _of_notary(notary: dict[str, Any]) -> str:
    waiting = "not known" if notary["lag"] is None else notary["lag"]
    return f"{waiting}, after {counted(notary['leaves'], 'leaf', 'leaves')}"


def _of_devices(devices: dict[str, Any]) -> dict[str, object]:
    """Nothing where no audit device ever ran."""
    if not devices:
        return {}
    rows: dict[str, object] = {"devices lag": _waiting({name: each["lag"] for name, each in devices.items()})}
    for name, each in devices.items():
        forget = f"`keytrail audit-devices forget {name}`"
        if each["named"] is False:
            rows[f"{name} left"] = f"the file of audit devices does not name it; {forget}"
        elif each["named"] is None:
            rows[f"{name} stands"] = (
                f"no process for audit devices is at work; if the file no longer names it: {forget}"
            )
        if each["fault"] and each["named"] is not False:
            rows[f"{name} fails"] = each["fault"]
    return rows


def _of_traces(away: dict[str, Any] | None) -> dict[str, object]:
    """Nothing while the collector takes what it is sent."""
    if away is None:
        return {}
    return {"traces fail": f"{away['fault']} (since {away['since']}; {', '.join(away['processes'])}). Spans are lost"}


def _waiting(lag: dict[str, int | None]) -> str:
    """How many records wait, by what they wait for."""
    return ", ".join(f"{what} {'not known' if count is None else count}" for what, count in lag.items())


def _process(pid: int) -> dict[str, object]:
    try:
        process = psutil.Process(pid)
        return {"pid": pid, "state": process.status(), "memory": f"{process.memory_info().rss / 1e6:.0f} MB"}
    except psutil.Error:
        return {"pid": pid, "state": "gone", "memory": ""}
