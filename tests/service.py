"""A service that calls for its users: its row in the settings' file, and its client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.installation import Installation

SERVICE, ITS_ACCOUNT = "backup.amazonaws.com", "999900001111"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIABACKUP0000000001", "AWS_SECRET_ACCESS_KEY": "a secret of the service's own"}
FILE = f"""
["{SERVICE}"]
account = "{ITS_ACCOUNT}"
alias = "backup"
access_key_id = "{CREDENTIALS["AWS_ACCESS_KEY_ID"]}"
secret_access_key = "{CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}"
"""


def services_file(folder: Path) -> str:
    """The path of a file that KEYTRAIL_SERVICES_FILE can name."""
    file = folder / "services.toml"
    file.touch(0o600)
    file.write_text(FILE)
    return str(file)


def service(installation: Installation, **headers: str) -> Any:
    """The service's own client, and what it claims about each call."""
    client = installation.client(CREDENTIALS)

    def say(params: dict[str, Any], **_: Any) -> None:
        params["headers"] |= {f"x-amz-{name.replace('_', '-')}": value for name, value in headers.items()}

    client.meta.events.register("before-call.kms", say)
    return client
