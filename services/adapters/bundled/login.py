"""Who may talk to the bundled broker: one user, whose password only the data folder's owner can read."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

from services.ownership import NotOurs, read_private, write_private
from services.settings import BadSetting, Settings

USER = "keytrail"
SECURITY = "SASL_PLAINTEXT"
MECHANISM = "PLAIN"
"""SCRAM would need a user in the broker's metadata before its first start and none on the controller's listener; on
loopback its digests protect from nobody, since whoever reads loopback is root."""
FILE = "password"


def made(folder: Path) -> str:
    """The broker's password, made where there is none. Raises BadSetting."""
    path = folder / FILE
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32) + "\n")
    return kept(folder)


def kept(folder: Path) -> str:
    """Raises BadSetting."""
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
