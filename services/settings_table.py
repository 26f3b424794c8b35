"""A table of a TOML file with settings: whoever reads it names what it takes, and a fault names the table and the setting."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.named_files import BadFile, secret_text_of

MOST = 2**53
"""No number of such a file is larger."""


class WrongTable(Exception):
    """The message says what is wrong, and what would be right."""


def require_known(where: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises WrongTable for a name that is not known."""
    strange = sorted(set(given) - set(known))
    if strange:
        raise WrongTable(f"{where} has {strange[0]!r}, and takes {', '.join(sorted(known))}")


def require_own_names(what: str, names: Sequence[str], kept: str) -> None:
    """Raises WrongTable if two have one name. `kept`: what is kept under it."""
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise WrongTable(f"two {what} are named {min(twice)!r}: each needs its own name, because {kept} under it")


class SettingsTable:
    """`where`: the table's heading, as messages name it."""

    def __init__(self, where: str, given: Mapping[str, Any]) -> None:
        self.where, self.given = where, given

    def wrong(self, what: str) -> WrongTable:
        return WrongTable(f"{self.where}: {what}")

    def require_known(self, known: Collection[str]) -> None:
        require_known(self.where, self.given, known)

    def has(self, name: str) -> bool:
        return name in self.given

    def one_of(self, name: str, values: Sequence[str], default: str = "") -> str:
        """`default`, or the first one, where left out."""
        found = self.given.get(name, default or values[0])
        if found not in values:
            raise self.wrong(f"{name} must be one of {', '.join(values)}")
        return str(found)

    def number(self, name: str, default: int, least: int = 0, most: int = MOST) -> int:
        found = self.given.get(name, default)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            raise self.wrong(f"{name} must be a whole number from {least} on")
        return found

    def file(self, name: str) -> Path:
        """The path of a file, as it is written."""
        found = self.given.get(name)
        if not isinstance(found, str) or not found:
            raise self.wrong(f"{name} must be the path of a file, in quotes")
        return Path(found)

    def path(self, name: str) -> Path:
        found = self.given.get(name)
        if not isinstance(found, str) or not found.startswith("/"):
            raise self.wrong(f"{name} must be a path that begins with /")
        return Path(found)

    def secret(self, name: str, path: Path) -> str:
        """What stands in a file that only its owner can read."""
        try:
            return secret_text_of(path).strip()
        except BadFile as fault:
            raise self.wrong(f"{name}: {fault}") from None
