"""A trail's name, and where it stands: a topic, a schema of Postgres, and connections that ask it instead of our own log."""

from __future__ import annotations

import re
from typing import Any

from services.settings import Settings

_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,40}")
OWN_SCHEMAS = re.compile(r"\bp_(decisions|history|policy_versions)\.")


class BadName(ValueError):
    """Not a trail's name."""


def checked(name: str) -> str:
    """Raises BadName."""
    if not _NAME.fullmatch(name):
        raise BadName(f"{name!r} is no name of a trail: lower case letters, digits and _, 41 at most")
    return name


def schema_of(name: str) -> str:
    return f"trail_{checked(name)}"


def topic_prefix(settings: Settings) -> str:
    """What the topics of all trails begin with."""
    return f"{settings.topic_prefix}.trail."


def topic_of(settings: Settings, name: str) -> str:
    return topic_prefix(settings) + checked(name)


class InTrail:
    """A connection or a pool whose questions to the projections of our own log are put to a trail's tables. They have the
    same columns, so whatever is asked of the one can be asked of the other, by the same functions."""

    def __init__(self, connection: Any, schema: str) -> None:
        self._connection, self._schema = connection, schema

    def _put(self, query: str) -> str:
        return OWN_SCHEMAS.sub(f"{self._schema}.", query)

    async def fetch(self, query: str, *values: Any) -> Any:
        return await self._connection.fetch(self._put(query), *values)

    async def fetchrow(self, query: str, *values: Any) -> Any:
        return await self._connection.fetchrow(self._put(query), *values)

    async def fetchval(self, query: str, *values: Any) -> Any:
        return await self._connection.fetchval(self._put(query), *values)

    def cursor(self, query: str, *values: Any) -> Any:
        return self._connection.cursor(self._put(query), *values)
