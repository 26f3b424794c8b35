"""up, env: an installation on this machine."""

from __future__ import annotations

import asyncio
import shlex
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
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
from services.logs import configure
from services.settings import BadSetting, Settings, load
from services.supervisor.folder import Folder, FolderInUse
from services.supervisor.up import CannotStart, Supervisor

out = Console()
err = Console(stderr=True)


def fail(message: str, code: int = 1) -> NoReturn:
    err.print(f"[bold red]error:[/] {message}", highlight=False)
    raise typer.Exit(code)


def settings_or_fail(**given: object) -> Settings:
    try:
        return load(**given)
    except BadSetting as fault:
        fail(str(fault), 2)


def up(
    data: Annotated[Path | None, typer.Option(help="The data folder [KEYTRAIL_DATA, .keytrail]")] = None,
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
    data: Annotated[Path | None, typer.Option(help="The data folder [KEYTRAIL_DATA, .keytrail]")] = None,
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
