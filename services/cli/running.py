"""up, env: an installation on this machine."""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from typing import Annotated

import psutil
import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from domain.ports import LogRefused, Unavailable
from services.adapters.bundled.jars import DownloadFailed
from services.adapters.bundled.postgres import PostgresFailed
from services.adapters.master_key import MasterKeyRefused
from services.cli.client import Client
from services.cli.terminal import AsJson, Data, err, fail, out, settings_or_fail, show
from services.logs import configure
from services.settings import BadSetting, Settings
from services.supervisor.folder import Folder, FolderInUse
from services.supervisor.up import CannotStart, Supervisor


def up(
    data: Data = None,
    port: Annotated[int | None, typer.Option(help="The port of the API [KEYTRAIL_PORT, 8600]")] = None,
    workers: Annotated[int | None, typer.Option(help="API worker processes [KEYTRAIL_WORKERS, 1]")] = None,
) -> None:
    """Start everything, and keep it running until Ctrl-C."""
    configure()
    asyncio.run(_up(settings_or_fail(data=data, port=port, workers=workers)))


async def _up(settings: Settings) -> None:
    began = time.monotonic()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def show(what: str, done: int, count: int) -> None:
            progress.update(task, description=what, completed=done, total=count or None)

        supervisor = Supervisor(settings, show)
        try:
            await supervisor.start()
        except (
            CannotStart,
            FolderInUse,
            BadSetting,
            LogRefused,
            MasterKeyRefused,
            DownloadFailed,
            PostgresFailed,
            Unavailable,
        ) as fault:
            progress.stop()
            await supervisor.stop()
            fail(str(fault))
    seconds = time.monotonic() - began
    out.print(f"[bold green]ready[/] after {seconds:.1f} s at {settings.url}", highlight=False)
    out.print(f'  eval "$(keytrail env{_options(settings)})"; aws kms create-key', highlight=False)
    out.print(f"  logs in {supervisor.folder.logs}; Ctrl-C stops everything", highlight=False)
    try:
        await supervisor.run()
    finally:
        err.print("stopping", highlight=False)
        await supervisor.stop()


def _options(settings: Settings) -> str:
    default = Settings().data
    return "" if settings.data == default else f" --data {shlex.quote(str(settings.data))}"


def env(
    data: Data = None,
) -> None:
    """Print shell exports that point the aws CLI, boto3 and Terraform at this installation."""
    settings = settings_or_fail(data=data)
    folder = Folder(settings.data)
    credentials, running = folder.kept_credentials(), folder.live_state()
    if credentials is None:
        fail(f"There is no installation in {folder.path} yet: start one with `keytrail up`.")
    exports = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_DEFAULT_REGION": credentials.region,
        "AWS_ENDPOINT_URL": running.url if running else settings.url,
    }
    for name, value in exports.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def status(as_json: AsJson = False, data: Data = None) -> None:
    """What runs, who leads, positions, lag, the head's digest, sizes."""
    settings = settings_or_fail(data=data)
    folder = Folder(settings.data)
    running = folder.live_state()
    server = Client(data).get("/v1/status")
    processes = {name: _process(pid) for name, (pid, _) in running.children.items()} if running else {}
    kafka = folder.path / "kafka" / "data"
    log_bytes = sum(each.stat().st_size for each in kafka.rglob("*.log")) if kafka.exists() else None
    if as_json:
        typer.echo(json.dumps(server | {"processes": processes, "log_bytes": log_bytes}))
        return
    if processes:
        show(
            [{"process": name, **each} for name, each in processes.items()],
            ("process", "pid", "state", "memory"),
            False,
            "",
        )
        out.print()
    rows = {
        "log": server["log"],
        "leader": server["leader"],
        "head": f"{server['position']}:{server['head']}",
        "next command": server["next_command"],
        "void records": server["void_records"],
        "keys": server["keys"],
        "accounts": ", ".join(server["accounts"]),
        "projector lag": ", ".join(f"{name} {count}" for name, count in server["lag"].items()),
        "database": f"{server['database_bytes'] / 1e6:.1f} MB",
        "topics": f"{log_bytes / 1e6:.1f} MB" if log_bytes is not None else "on your own broker",
    }
    for name, value in rows.items():
        out.print(f"[bold]{name:<14}[/] {value}", highlight=False)


def _process(pid: int) -> dict[str, object]:
    try:
        process = psutil.Process(pid)
        return {"pid": pid, "state": process.status(), "memory": f"{process.memory_info().rss / 1e6:.0f} MB"}
    except psutil.Error:
        return {"pid": pid, "state": "gone", "memory": ""}
