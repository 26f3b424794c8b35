"""console: opens the console in a browser, signed in.

The browser is handed a file that only its owner can read, and the file sends it to the console's address. The address
has a code that works once. On a command line, which other users of the machine can list, there is only the file's name.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Annotated, NoReturn

from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import Data
from services.cli.parameters import Option
from services.cli.screens import err
from services.cli.terminal import as_it_is, say

LASTS = 60.0
"""Seconds that a code can be used."""
LOOK_EVERY = 0.5
HINT_AFTER = 10.0
OFF = "{url} serves no console: it was started with KEYTRAIL_CONSOLE=off. Start it with KEYTRAIL_CONSOLE=on to use the console."
NO_BROWSER = "No browser could be started here. `keytrail console --print` prints the name of a file to open in one."
SANDBOXED = (
    "No browser has opened it yet. A browser in a sandbox (Snap or Flatpak) cannot read {folder}. If yours shows an error, end "
    "this command and run `TMPDIR=$HOME keytrail console`."
)
PAGE = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>Keytrail console</title>
<p><a href="{address}">Open the Keytrail console</a>
"""


def console(
    root: Annotated[bool, Option("--root", help="Open it for the root user, if these are its credentials")] = False,
    minutes: Annotated[
        int | None,
        Option(value="MINUTES", help="End the session after this long, 15 to 720. Default: 720; for the root user 60"),
    ] = None,
    prints: Annotated[
        bool,
        Option(
            "--print",
            help="Start no browser: print the name of a file to open in one, and wait until it is open: 60 seconds at most",
        ),
    ] = False,
    data: Data = None,
) -> None:
    """Open the console in a browser, signed in with the credentials of this shell.

    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN, for a role) and AWS_ENDPOINT_URL say whose console
    it is. Without them the credentials are the root user's, and open it only with --root. The command ends when the
    console is open.
    """
    client = Client(data)
    _require_console(client)
    asked = {"root": root} if minutes is None else {"root": root, "seconds": minutes * 60}
    made = client.post("/v1/console/codes", asked)
    say(f"The console of {client.url} opens for {made['principal']}.", screen=err)
    with page(f"{client.url}/console/#code={made['code']}") as file:
        if prints:
            as_it_is(str(file))
            sys.stdout.flush()  # a program may read the name while this command waits
        _wait(client, made["id"], file, None if prints else _started(file))


def _require_console(client: Client) -> None:
    """Ends the command if the server has no console: the browser would only show that there is no such page."""
    try:
        asked = urllib.request.Request(f"{client.url}/console/", method="HEAD")  # noqa: S310  # the installation's own address
        with urllib.request.urlopen(asked, timeout=10):  # noqa: S310  # see above
            pass
    except urllib.error.HTTPError as fault:
        fault.close()
        if fault.code == 404:
            fail(OFF.format(url=client.url))
    except (OSError, HTTPException):
        pass  # the next request says that nobody answers


def _wait(client: Client, code: str, file: Path, browser: BrowserStart | None) -> None:
    """Returns when the code was used. Ends the command if nobody uses it, or if there is no browser."""
    begins, hinted = time.monotonic(), False
    ends = begins + LASTS
    while time.monotonic() < ends:
        time.sleep(LOOK_EVERY)
        if client.get(f"/v1/console/codes/{code}")["used"]:
            say("It is open.", screen=err)
            return
        if browser is not None and browser.failed:
            fail(NO_BROWSER)
        if not hinted and time.monotonic() - begins > HINT_AFTER:
            hinted = True
            say(SANDBOXED.format(folder=file.parent), screen=err)
    fail("No browser used the code within 60 seconds, and it has expired. Run `keytrail console` again.")


class BrowserStart(Thread):
    """Starts a browser. Some return only when the user closes them, so nobody waits for this thread."""

    def __init__(self, file: Path) -> None:
        super().__init__(daemon=True)
        self._address = file.as_uri()
        self.failed = False

    def run(self) -> None:
        try:
            self.failed = not webbrowser.open(self._address)
        except (OSError, webbrowser.Error):
            self.failed = True


def _started(file: Path) -> BrowserStart:
    shown_on = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in shown_on):
        fail(NO_BROWSER)  # a browser in the terminal would run no script
    browser = BrowserStart(file)
    browser.start()
    return browser


@contextmanager
def page(address: str) -> Iterator[Path]:
    """An HTML file that sends a browser to the address. It is gone afterwards, also if somebody ends the command."""
    before = {each: signal.signal(each, _ended) for each in (signal.SIGTERM, signal.SIGHUP)}
    # Only its owner may enter this folder (mode 0700), and its name cannot be guessed.
    folder = Path(tempfile.mkdtemp(prefix="keytrail-"))
    try:
        file = folder / "console.html"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as written:
            written.write(PAGE.format(address=escape(address)))
        yield file
    finally:
        shutil.rmtree(folder)
        for each, handler in before.items():
            signal.signal(each, handler)


def _ended(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
