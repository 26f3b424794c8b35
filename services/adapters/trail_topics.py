"""A trail's name, and its place: a topic and a schema of Postgres."""

from __future__ import annotations

import re

from services.settings import Settings

_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,40}")


class BadName(ValueError):
    """Not a trail's name."""


def checked(name: str) -> str:
    """Raises BadName."""
    if not _NAME.fullmatch(name):
        raise BadName(f"{name!r} is not the name of a trail: lower case letters, digits and _, 41 at most")
    return name


def schema_of(name: str) -> str:
    return f"trail_{checked(name)}"


def schema_beside(schema: str) -> str:
    """Where a trail's tables are made before they take the place of the former ones. No trail has a schema of this name."""
    return f"beside_{schema}"


def topic_prefix(settings: Settings) -> str:
    """The beginning of the names of all trails' topics."""
    return f"{settings.topic_prefix}.trail."


def topic_of(settings: Settings, name: str) -> str:
    return topic_prefix(settings) + checked(name)
