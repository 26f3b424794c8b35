"""The conditions of one query, joined by AND. Every value is a parameter of the query."""

from __future__ import annotations

from typing import Any


def has_text(column: str, wanted: str) -> tuple[str, str]:
    """The condition that a column has a text, with {} in its place: the whole of it, or with `*` for any characters."""
    if "*" not in wanted:
        return f"{column} = {{}}", wanted
    return f"{column} LIKE {{}}", wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")


class QueryConditions:
    """`values`: the values of the placeholders so far, $1 first."""

    def __init__(self, *values: Any) -> None:
        self.values: list[Any] = list(values)
        self._texts: list[str] = []

    def add(self, condition: str, *values: Any) -> None:
        """`condition` has {} in the place of each value."""
        self._texts.append(condition.format(*(self.place(value) for value in values)))

    def place(self, value: Any) -> str:
        """The placeholder of one more value."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add_text(self, column: str, wanted: str) -> None:
        """Requires a text: the whole of it, or with `*` for any characters. `column` becomes part of the query."""
        self.add(*has_text(column, wanted))

    def __str__(self) -> str:
        return " AND ".join(self._texts) or "TRUE"
