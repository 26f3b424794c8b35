"""Settings with secrets, in a TOML file that only its owner can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.named_files import BadFile, secret_text_of, toml_in
from services.settings import BadSetting


def private_toml(setting: str, path: Path) -> dict[str, Any]:
    """The file that a setting names. Raises BadSetting."""
    try:
        return toml_in(path, secret_text_of(path))
    except BadFile as fault:
        raise BadSetting(f"{setting}: {fault}") from None
