"""sign-in: exchanges a user's name and password for temporary credentials, for a shell or for the AWS tools.

The password is read from the terminal, never from the command line, which other users of the machine can list.
"""

from __future__ import annotations

import os
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

from services.cli.client import Client
from services.cli.env import ALWAYS, ELSEWHERE
from services.cli.failures import fail, failing
from services.cli.options import Data
from services.cli.parameters import Option
from services.cli.screens import err
from services.cli.terminal import as_it_is, as_line, ask, say, settings_or_fail
from services.client_address import is_loopback
from services.runtime.data_folder import Folder

NEEDS_CODE, NEEDS_PASSWORD, BAD_PASSWORD = "MfaCodeRequired", "NewPasswordRequired", "PasswordPolicyViolation"
"""What the server answers if it needs more (services/audit_api/resources/sign_in.py)."""
MOST_ASKED = 5
SHORTEST, LONGEST = 15, 720
"""Minutes of a session."""


class NotSignedIn(Exception):
    """What the server answers instead of credentials: a code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class UnsignedClient(Client):
    """A client without credentials."""

    def __init__(self, data: Path | None) -> None:
        settings = settings_or_fail(data=data)
        running = Folder(settings.data).live_state()
        here = running.url if running else settings.url
        self._url = here if data is not None else os.environ.get("AWS_ENDPOINT_URL", here).rstrip("/")
        self.account = ""
        self._require_url()
        address = urlsplit(self._url)
        if address.scheme != "https" and address.hostname != "localhost" and not is_loopback(address.hostname or ""):
            fail(
                f"{self._url} is another machine without TLS: whoever is on the way would read the password. Name an address "
                "that begins with https://.",
                2,
            )

    def _opened(self, method: str, path: str, body: bytes, patience: float) -> Iterator[bytes]:
        headers = {"Content-Type": "application/json"}
        sent = urllib.request.Request(self._url + path, body, headers, method=method)  # noqa: S310  # the installation's own address
        with urllib.request.urlopen(sent, timeout=patience) as answer:  # noqa: S310  # see above
            yield from answer

    def _refused(self, fault: urllib.error.HTTPError) -> NoReturn:
        error = self._error_of(fault)
        raise NotSignedIn(error["code"], error["message"])


def sign_in(
    account: Annotated[str, Option(value="ACCOUNT", help="The account: its number or its alias")],
    user: Annotated[str, Option(value="NAME", help="The user's name")],
    minutes: Annotated[
        int | None, Option(value="MINUTES", help="End the session after this long, 15 to 720. Default: 720")
    ] = None,
    as_json: Annotated[
        bool, Option("--json", help="JSON in the form that credential_process of ~/.aws/config reads")
    ] = False,
    data: Data = None,
) -> None:
    """Sign in with a user's password, and print shell text for `eval` with temporary credentials of that user.

    The password is asked for on the terminal, and so is a code of the user's MFA device, or a new password, if the server
    needs one. AWS_ENDPOINT_URL says where Keytrail is.

    The credentials end after twelve hours, and when the user's password, MFA device or login profile changes.
    """
    if minutes is not None and not SHORTEST <= minutes <= LONGEST:
        fail(f"--minutes takes a number from {SHORTEST} to {LONGEST}, not {minutes}.")
    client = UnsignedClient(data)
    say(f"Signing in at {client.url}.", screen=err)
    body: dict[str, Any] = {"account": account, "user": user, "password": _secret("Password")}
    if minutes is not None:
        body["seconds"] = minutes * 60
    made = _signed_in(client, body)
    if as_json:
        as_line(
            {
                "Version": 1,
                "AccessKeyId": made["access_key_id"],
                "SecretAccessKey": made["secret_access_key"],
                "SessionToken": made["session_token"],
                "Expiration": made["expires"],
            }
        )
        return
    say(f"You are {made['principal']}.", screen=err)
    as_it_is(f"unset {' '.join(name for name in ELSEWHERE if name != 'AWS_SESSION_TOKEN')}")
    exports = {
        "AWS_ACCESS_KEY_ID": made["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": made["secret_access_key"],
        "AWS_SESSION_TOKEN": made["session_token"],
        "AWS_DEFAULT_REGION": made["region"],
        "AWS_REGION": made["region"],
        "AWS_ENDPOINT_URL": client.url,
        **ALWAYS,
    }
    for name, value in exports.items():
        as_it_is(f"export {name}={shlex.quote(value)}")


def _signed_in(client: UnsignedClient, body: dict[str, Any]) -> Any:
    """Sends the body, and again with what the server asks for besides. Ends the command if it is refused."""
    asked = 0
    while True:
        try:
            return client.post("/v1/console/sign-ins", body)
        except NotSignedIn as refused:
            asked += 1
            if asked > MOST_ASKED:
                fail(refused.message)
            body |= _more(refused)


def _more(refused: NotSignedIn) -> dict[str, str]:
    """What the server needs besides. Ends the command if it refused for another reason."""
    if refused.code == NEEDS_CODE:
        return {"code": _line("Code of your MFA device")}
    if refused.code == NEEDS_PASSWORD:
        say("You have to choose a new password.", screen=err)
        return {"new_password": _chosen()}
    if refused.code == BAD_PASSWORD and sys.stdin.isatty():
        say(f"{refused.message}.", screen=err)
        return {"new_password": _chosen()}
    return fail(refused.message, error=refused.code if failing.in_json else "")


def _chosen() -> str:
    while True:
        new = _secret("New password")
        if not sys.stdin.isatty() or new == _secret("The same again"):
            return new
        say("These were two different passwords.", screen=err)


def _secret(prompt: str) -> str:
    return getpass(f"{prompt}: ") if sys.stdin.isatty() else _line(prompt)


def _line(prompt: str) -> str:
    """A line of the standard input. A program that is not a terminal sees no prompt."""
    if sys.stdin.isatty():
        ask(prompt)
    line = sys.stdin.readline()
    if not line:
        fail(f"{prompt}: nothing was given. Run this command in a terminal, or give it one line for each question.")
    return line.rstrip("\n")
