"""The shape of a route's answer: one object, a page of items, one object a line, a stream of events, or a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from services.audit_api.schemas import AnswerMembers, JsonSchema, Member, object_of, schema

DOCUMENT, LINES, EVENT_STREAM = "application/json", "application/x-ndjson", "text/event-stream"
BEGAN = Member("began", "time", "when the record begins, where that is after the time that was asked from")


@dataclass(frozen=True, slots=True)
class One:
    """One object. If it has a list `items`, `items` are the members of each object in it."""

    members: AnswerMembers
    items: AnswerMembers = ()
    media: ClassVar[str] = DOCUMENT

    def schema(self) -> JsonSchema:
        found = object_of(self.members)
        if self.items:
            found["properties"]["items"] = {"type": "array", "items": object_of(self.items)}
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """A list with the cursor of the next page. `beside` are further members, next to the list."""

    items: AnswerMembers
    beside: AnswerMembers = ()
    media: ClassVar[str] = DOCUMENT

    @property
    def members(self) -> AnswerMembers:
        return (*self.items, *self.beside)

    def schema(self) -> JsonSchema:
        more = {"type": ["string", "null"], "description": "the cursor of the next page, null at the end"}
        properties = {"items": {"type": "array", "items": object_of(self.items)}, "next": more}
        properties |= {name: schema(kind, text) for name, kind, text in self.beside}
        return {"type": "object", "required": ["items", "next"], "properties": properties}


@dataclass(frozen=True, slots=True)
class Lines:
    """One JSON object a line while a long question is answered. Each line has some of the members."""

    members: AnswerMembers
    media: ClassVar[str] = LINES

    def schema(self) -> JsonSchema:
        return object_of(self.members)


@dataclass(frozen=True, slots=True)
class EventStream:
    """Server-sent events, each with an object of these members."""

    members: AnswerMembers
    media: ClassVar[str] = EVENT_STREAM

    def schema(self) -> JsonSchema:
        return object_of(self.members)


@dataclass(frozen=True, slots=True)
class FileOf:
    """A file, of one of these media types. Its formats are standards, and have their members from them."""

    media_types: tuple[str, ...]
    members: ClassVar[AnswerMembers] = ()
    media: ClassVar[str] = "application/octet-stream"

    def schema(self) -> JsonSchema:
        return {"type": "string", "format": "binary"}


@dataclass(frozen=True, slots=True)
class Standard:
    """An object whose members a standard defines."""

    name: str
    members: ClassVar[AnswerMembers] = ()
    media: ClassVar[str] = DOCUMENT

    def schema(self) -> JsonSchema:
        return {"type": "object", "additionalProperties": True, "description": self.name}


AnswerShape = One | Page | Lines | EventStream | FileOf | Standard
