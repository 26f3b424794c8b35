"""down: ends an installation on this machine."""

from __future__ import annotations

import time

from rich.text import Text

from services.cli.failures import fail
from services.cli.options import AsJson, Data
from services.cli.terminal import as_line, counted, progress_bar, say, settings_or_fail, telling


def down(as_json: AsJson = False, data: Data = None) -> None:
    """Stop the `keytrail up` that runs on a data folder, and everything that it started. The data stays.

    It waits until all of it has ended. What a `keytrail up` left behind when it was killed is ended too. Where nothing runs, it
    says so.
    """
    from services.ownership import NotOurs  # see host.py
    from services.runtime.data_folder import Folder
    from services.supervisor.down import CannotStop, stop

    folder, began = Folder(settings_or_fail(data=data).data), time.monotonic()
    try:
        with progress_bar() as progress:
            found = stop(folder, telling(progress))
    except (CannotStop, NotOurs) as fault:
        fail(str(fault))
    if as_json:
        as_line({"folder": str(folder.path), "process": found.process, "left_behind": found.left})
        return
    if found.process is not None:
        seconds = f" after {time.monotonic() - began:.1f} s: process {found.process}, and all that it ran"
        say(Text.assemble(("stopped", "bold green"), seconds))
    if found.left:
        processes = counted(len(found.left), "process", "processes")
        say(f"ended {processes} that a killed `keytrail up` left behind: {', '.join(found.left)}")
    if found.process is None and not found.left:
        say(f"Nothing runs on {folder.path}.")
    else:
        say(f"The data stays in {folder.path}; `keytrail up` goes on with it.")
