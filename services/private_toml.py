"""Settings with secrets, in a TOML file that only its owner can read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from services.ownership import NotOurs, read_private
from services.settings import BadSetting


def private_toml(setting: str, path: Path) -> dict[str, Any]:
    """The file that a setting names. Raises BadSetting."""
    try:
        return tomllib.loads(read_private(path).decode())
    except NotOurs as fault:
        raise BadSetting(f"{setting}: {fault}") from None
    except (OSError, ValueError) as fault:
        raise BadSetting(f"{setting}: {path} cannot be read: {fault}") from None
