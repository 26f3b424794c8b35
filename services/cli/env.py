"""env: prints shell text that points the aws command line, the SDKs and Terraform at this installation, and nowhere else.

After `eval "$(keytrail env)"`, no `aws` call of the shell may go to AWS itself: people would do there what they believe they do
here. So the text unsets every variable that the SDKs would prefer. If Keytrail is not running, it also unsets the credentials,
and sets Keytrail's own address, where nothing answers. The data folder (KEYTRAIL_DATA) is set and unset with the credentials:
an operator's command (`keytrail verify`) works on the installation that the shell points at, or on none.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping

from services.cli.options import Data
from services.cli.readers import ReadByNobody, read_by_nobody
from services.cli.screens import err
from services.cli.terminal import as_it_is
from services.runtime.data_folder import Credentials, Folder
from services.settings import BadSetting, Settings, load

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
DATA = "KEYTRAIL_DATA"
ELSEWHERE = (
    # a session's token does not fit the root's access key; botocore still reads the older name too
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    # a named profile takes precedence over credentials in the environment
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    # other sources of credentials; some SDKs ask them first
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    # an address for one service takes precedence over the address for all
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_STS",
    # AWS's own endpoints
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)
"""Variables that would lead a call elsewhere, or sign it with something else (AWS SDKs and Tools reference guide)."""
OF_ONE_SERVICE = re.compile(r"AWS_ENDPOINT_URL_[A-Z0-9_]+")
ALWAYS = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}
"""This is set, not unset: ~/.aws/config may say true, and then the SDKs ignore AWS_ENDPOINT_URL."""


class NotHere(Exception):
    """No Keytrail is running here; the message says why. `url` is the address that it would have."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


def env(data: Data = None) -> None:
    """Print shell text for `eval` that points the aws command line, boto3, Terraform and `keytrail` at this installation.

    If Keytrail is not running, the text says so and fails. It also takes away the credentials and the data folder that the
    shell had, so that the next `aws` call fails instead of going to AWS.
    """
    settings = Settings()
    try:
        settings = load(data=data)
        folder = Folder(settings.data)
        credentials, running = folder.kept_credentials(), folder.live_state()
    except BadSetting as fault:
        raise NotHere(str(fault), settings.url) from None
    except OSError as fault:
        raise NotHere(f"{settings.data}: {fault.strerror or fault}.", settings.url) from None
    if credentials is None:
        raise NotHere(f"There is no installation in {folder.path} yet: start one with `{_up(folder)}`.", settings.url)
    if running is None or not running.url:
        raise NotHere(f"Keytrail is not running on {folder.path}: start it with `{_up(folder)}`.", settings.url)
    for line in _lines(_exports(credentials, running.url) | {DATA: str(folder.path)}):
        as_it_is(line)


def _up(folder: Folder) -> str:
    """The command that starts it. When it is typed, the shell no longer names a folder."""
    named = folder.path != Folder(Settings().data).path
    return shlex.join(["keytrail", "up", *(("--data", str(folder.path)) if named else ())])


def guarded(run: Callable[[], object]) -> None:
    """Runs `keytrail env`, and reports in one sentence if its text cannot be written."""
    try:
        _guarded(run)
    except ReadByNobody:
        read_by_nobody()
    except OSError as fault:
        read_by_nobody()
        err.print(f"error: {fault.strerror or fault}.", soft_wrap=True)
        raise SystemExit(1) from None


def _guarded(run: Callable[[], object]) -> None:
    """Runs the command. If it fails (a wrong option, Ctrl-C), its text still takes away the shell's credentials: otherwise the
    shell would go on with them."""
    try:
        run()
    except NotHere as fault:
        _lead_nowhere(fault.url, str(fault))
        raise SystemExit(1) from None
    except SystemExit as end:
        if end.code not in (0, None):
            _lead_nowhere(Settings().url)
        raise
    except BaseException:
        _lead_nowhere(Settings().url)
        raise


def _lead_nowhere(url: str, message: str = "keytrail env failed") -> None:
    """Prints shell text that reports the message and fails. After it, calls reach only Keytrail's address."""
    as_it_is(f"unset {' '.join((*CREDENTIALS, DATA))}")
    for line in _lines({"AWS_ENDPOINT_URL": url, **ALWAYS}):
        as_it_is(line)
    as_it_is(f"printf '%s\\n' {shlex.quote(f'error: {message}')} >&2")
    as_it_is("false")


def _exports(credentials: Credentials, url: str) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_DEFAULT_REGION": credentials.region,
        "AWS_REGION": credentials.region,  # some SDKs read only this one, and those that read both prefer it
        "AWS_ENDPOINT_URL": url,
        **ALWAYS,
    }


def _lines(exports: Mapping[str, str]) -> Iterator[str]:
    others = {name for name in os.environ if OF_ONE_SERVICE.fullmatch(name)} - set(ELSEWHERE)
    yield f"unset {' '.join((*ELSEWHERE, *sorted(others)))}"
    for name, value in exports.items():
        yield f"export {name}={shlex.quote(value)}"
