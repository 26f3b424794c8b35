"""Who may talk to the bundled broker: one user, whose password only the data folder's owner can read.

Clients use SCRAM, in which both sides prove that they know the password and neither sends it. Another user of the machine could
take the broker's port while the broker is down, and PLAIN would send the password there. A broker learns such a user from its
controller, whose own listener knows only PLAIN. That listener has a password that is made for each start. The supervisor uses it
once, after it has seen that the port is our broker's.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

from services.ownership import NotOurs, read_private, write_private
from services.settings import BadSetting, Settings

USER = "keytrail"
SECURITY = "SASL_PLAINTEXT"
MECHANISM = "SCRAM-SHA-512"
CONTROLLERS = "PLAIN"
"""The mechanism that the controller's listener accepts."""
FILE = "password"


def made(folder: Path) -> str:
    """The broker's password, made if there is none. Raises BadSetting."""
    path = folder / FILE
    if not path.exists():
        write_private(path, new() + "\n")
    return kept(folder)


def new() -> str:
    return secrets.token_urlsafe(32)


def kept(folder: Path) -> str:
    """The broker's password, as it was kept. Raises BadSetting."""
    path = folder / FILE
    try:
        return read_private(path).decode().strip()
    except (NotOurs, OSError, ValueError) as fault:
        raise BadSetting(f"The bundled broker's password cannot be read: {fault}") from None


def applied(settings: Settings, bootstrap: str, password: str) -> Settings:
    """The settings with which a client reaches the bundled broker."""
    return replace(
        settings,
        kafka=bootstrap,
        kafka_security=SECURITY,
        kafka_sasl_mechanism=MECHANISM,
        kafka_username=USER,
        kafka_password=password,
    )


def jaas(module: str, password: str) -> str:
    """A listener's login: how the broker identifies itself there and, for PLAIN, the users that it lets in."""
    lets_in = f' user_{USER}="{password}"' if module.startswith("plain.") else ""
    return f'org.apache.kafka.common.security.{module} required username="{USER}" password="{password}"{lets_in};'
