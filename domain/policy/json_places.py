"""Where the values of a JSON text stand, so that one value can be changed and the rest of the text stays as it was.

json.loads and json.dumps would lose white space, escapes and the layout of everything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_INDENTED = re.compile(r"\s*\{[ \t]*\r?\n([ \t]*)")
_COLON = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:[ \t]*)', re.DOTALL)
_COMMA = re.compile(r'[\]}"](,[ \t]*)[^\s]')


@dataclass(frozen=True, slots=True)
class TextPlace:
    """A value is `text[begin:end]`. An object has `members`, a list has `items`."""

    begin: int
    end: int
    members: Mapping[str, TextPlace] = field(default_factory=dict)
    items: tuple[TextPlace, ...] = ()


def place_of(text: str) -> TextPlace:
    """The place of the whole value. The text must be valid JSON, and no deeper than Python may call."""
    tokens = _TOKEN.finditer(text)
    return _value(next(tokens), tokens)


def _value(first: re.Match[str], tokens: Iterator[re.Match[str]]) -> TextPlace:
    if first[0] == "{":
        members = {}
        while (token := _next(tokens))[0] != "}":
            next(tokens)  # the colon
            members[json.loads(token[0])] = _value(next(tokens), tokens)
        return TextPlace(first.start(), token.end(), members)
    if first[0] == "[":
        items = []
        while (token := _next(tokens))[0] != "]":
            items.append(_value(token, tokens))
        return TextPlace(first.start(), token.end(), items=tuple(items))
    return TextPlace(first.start(), first.end())


def _next(tokens: Iterator[re.Match[str]]) -> re.Match[str]:
    """The next token that is no comma."""
    token = next(tokens)
    return next(tokens) if token[0] == "," else token


@dataclass(frozen=True, slots=True)
class Layout:
    """How a text is laid out: `unit` is the indentation of one level, None if everything is on one line."""

    unit: str | None
    colon: str
    comma: str

    @classmethod
    def of(cls, text: str) -> Layout:
        indented, colon, comma = _INDENTED.match(text), _COLON.search(text), _COMMA.search(text)
        return cls(indented[1] if indented else None, colon[1] if colon else ": ", comma[1] if comma else ", ")

    def written(self, value: Any, base: str) -> str:
        """A value in this layout, on a line that is indented by `base`."""
        if self.unit is None:
            return json.dumps(value, separators=(self.comma, self.colon))
        return json.dumps(value, indent=self.unit, separators=(",", self.colon)).replace("\n", f"\n{base}")


def replaced(text: str, place: TextPlace, by: str) -> str:
    return text[: place.begin] + by + text[place.end :]


def base_of(text: str, place: TextPlace) -> str:
    """The indentation of the line on which a value begins."""
    line = text[text.rfind("\n", 0, place.begin) + 1 : place.begin]
    return line[: len(line) - len(line.lstrip(" \t"))]


def between(text: str, place: TextPlace, layout: Layout) -> str:
    """What stands between two items of a list, or would."""
    if len(place.items) > 1:
        return text[place.items[0].end : place.items[1].begin]
    opening = text[place.begin + 1 : place.items[0].begin]
    return f",{opening}" if "\n" in opening else layout.comma


def with_texts(text: str, place: TextPlace, texts: Sequence[str]) -> str:
    """The text with a list's items replaced by these JSON texts. The place is a list, or one text that becomes one. One
    item that is left is written as a text, as the console writes it."""
    layout = Layout.of(text)
    if len(texts) == 1:
        return replaced(text, place, texts[0])
    if not place.items:
        values = [json.loads(each) for each in texts]
        return replaced(text, place, layout.written(values, base_of(text, place)))
    first, last = place.items[0], place.items[-1]
    listed = between(text, place, layout).join(texts)
    return text[: first.begin] + listed + text[last.end :]


def with_item_after(text: str, place: TextPlace, index: int, value: Any) -> str:
    """The text with a value after an item of a list."""
    layout, item = Layout.of(text), place.items[index]
    more = between(text, place, layout) + layout.written(value, base_of(text, item))
    return text[: item.end] + more + text[item.end :]


def without_item(text: str, place: TextPlace, index: int) -> str:
    """The text without an item of a list that has others."""
    items = place.items
    if index:
        return text[: items[index - 1].end] + text[items[index].end :]
    return text[: items[0].begin] + text[items[1].begin :]
