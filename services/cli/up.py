"""up: runs an installation on this machine."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from pwd import getpwuid
from typing import TYPE_CHECKING, Annotated

from click.exceptions import Exit
from rich.text import Text

from services.cli.failures import fail
from services.cli.options import Data
from services.cli.parameters import Option
from services.cli.screens import err, out
from services.cli.terminal import progress_bar, say, settings_or_fail
from services.settings import Settings

if TYPE_CHECKING:
    from services.supervisor.up import Supervisor


def up(
    data: Data = None,
    port: Annotated[int | None, Option(help="The port of the API [KEYTRAIL_PORT, 8600]")] = None,
    workers: Annotated[int | None, Option(help="How many API worker processes to run [KEYTRAIL_WORKERS, 1]")] = None,
    test_clock: Annotated[
        bool, Option("--test-clock", help="Allow KEYTRAIL_CLOCK_OFFSET. Only for tests, on a new data folder")
    ] = False,
) -> None:
    """Start Keytrail and everything that it needs, and keep it running until Ctrl-C."""
    from services.logs import configure, logger_of  # see host.py
    from services.runtime.setting_names import warn_of_unknown

    configure()
    warn_of_unknown(logger_of("supervisor"), os.environ)
    asyncio.run(_up(settings_or_fail(data=data, port=port, workers=workers), test_clock))


async def _up(settings: Settings, test_clock: bool) -> None:
    from services.supervisor.up import Supervisor  # see host.py

    began = time.monotonic()
    # From the first moment on: a Ctrl-C during the start must leave as little behind as a later one.
    this = asyncio.current_task()
    assert this is not None
    _on_signal(this.cancel)
    with progress_bar() as progress:
        task = progress.add_task("starting", total=None)
        console = progress.add_task("the console", total=None, visible=False)

        def tell(what: str, done: int, count: int) -> None:
            progress.update(task, description=what, completed=done, total=count or None)

        def tell_of_console(what: str) -> None:
            progress.update(console, description=f"the console: {what}", visible=True)

        supervisor = Supervisor(settings, tell, tell_of_console, test_clock=test_clock)
        try:
            await supervisor.start()
        except cannot_start() as fault:
            progress.stop()
            await _stop(supervisor)
            fail(str(fault))
        except asyncio.CancelledError:
            progress.stop()
            say("stopping", screen=err)
            await _stop(supervisor)
            raise Exit(130) from None
        except BaseException:  # an unforeseen error shows its traceback, but no server is left running
            progress.stop()
            await _stop(supervisor)
            raise
    seconds = time.monotonic() - began
    say(Text.assemble(("ready", "bold green"), f" after {seconds:.1f} s at {settings.url}"))
    for line in first_call(settings):
        out.print(f"  {line}", soft_wrap=True)  # people copy it, so none is broken
    say(f"logs in {supervisor.folder.logs}; Ctrl-C or `keytrail down` stops everything", indent=2)
    try:
        if supervisor.console is not None and not supervisor.console.done():
            say("the console is being built; everything else answers already", indent=2)
            progress.remove_task(task)
            with progress:
                await asyncio.wait([supervisor.console])
        if settings.has_console:
            failed = await supervisor.console if supervisor.console is not None else None
            if failed is None:
                say(f"console at {settings.url}/console/", indent=2)
            else:
                say(failed, screen=err, indent=2)
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        say("stopping", screen=err)
    finally:
        await _stop(supervisor)


async def _stop(supervisor: Supervisor) -> None:
    """To its end, which has deadlines of its own: a second Ctrl-C would leave servers behind."""
    _on_signal(lambda: None)
    await supervisor.stop()


def _on_signal(work: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work)


def cannot_start() -> tuple[type[BaseException], ...]:
    """The errors of a start whose message is meant for the user."""
    from services.adapters.bundled.postgres import PostgresFailed
    from services.ownership import NotOurs
    from services.runtime.data_folder import ClockRefused, FolderInUse
    from services.settings import BadSetting
    from services.supervisor.patience import CannotStart

    return (CannotStart, FolderInUse, NotOurs, ClockRefused, BadSetting, PostgresFailed, OSError)


def first_call(settings: Settings) -> tuple[str, str]:
    """The commands to type in another terminal, in any folder."""
    program = Path(sys.argv[0]).absolute()
    found = shutil.which("keytrail")
    named = "keytrail" if found is not None and program.samefile(found) else _short(program)
    return f'eval "$({named} env --data {_short(settings.data.absolute())})"', "aws kms create-key"


def _short(path: Path) -> str:
    """A path as a shell takes it: of the user's home folder, its tilde, which sh, bash and zsh expand in `$(...)` too."""
    try:
        home = Path(getpwuid(os.geteuid()).pw_dir)
    except KeyError:  # a user without a name has no home folder either
        return shlex.quote(str(path))
    if os.environ.get("HOME") != str(home) or not path.is_relative_to(home) or path == home:
        return shlex.quote(str(path))
    return f"~/{shlex.quote(str(path.relative_to(home)))}"
