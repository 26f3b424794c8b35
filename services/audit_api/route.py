"""A route of the audit API, and the parameters that several routes take."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from services.audit_api.answer_shapes import AnswerShape
from services.audit_api.answers import RouteAnswer
from services.audit_api.context import AuditContext
from services.audit_api.request import MOST, USUAL, AuditRequest
from services.audit_api.schemas import MOMENT, WORD, JsonSchema

PLACES = re.compile(r"{(\w+)(?::path)?}")
"""The mark of a name in a path."""
RouteTag = Literal["keys", "decisions", "past", "alerts", "console", "installation"]
Endpoint = Callable[[AuditContext, AuditRequest], Awaitable[RouteAnswer]]


class Parameter(NamedTuple):
    """A parameter of a query, or a member of a body."""

    name: str
    description: str
    schema: JsonSchema = WORD
    required: bool = False


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An endpoint that everyone may ask without a signature."""

    answer: Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class ByCode:
    """An endpoint whose request has no signature: the one-time code in its body says who asks."""

    answer: Endpoint


@dataclass(frozen=True, slots=True)
class ByPassword:
    """An endpoint whose request has no signature: the user name and password in its body say who asks."""

    answer: Endpoint


@dataclass(frozen=True, slots=True)
class ByProviderCode:
    """An endpoint whose request has no signature: an authorization code of an OpenID Connect provider says who asks."""

    answer: Endpoint


@dataclass(frozen=True, slots=True)
class ByProviderProof:
    """An endpoint whose request has no signature: the sealed proof that such a code became says who asks."""

    answer: Endpoint


AnyEndpoint = Endpoint | ByCode | ByPassword | ByProviderCode | ByProviderProof | Unsigned
LIMIT = Parameter(
    "limit",
    "how many items at most, 1 to 1000; 100 where left out",
    {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
)
CURSOR = Parameter("cursor", "`next` of the answer before", {"type": "string", "pattern": "^[A-Za-z0-9_-]+={0,2}$"})
TRAIL = Parameter(
    "trail",
    "the name of an imported trail, asked instead of our own log",
    {"type": "string", "pattern": "^[a-z0-9][a-z0-9_]{0,40}$"},
)
AT = Parameter("at", "a time (RFC 3339) or a position such as @1234; now where left out", MOMENT)
SPAN = (
    Parameter("from", "the first time, RFC 3339, or a position such as @1234", MOMENT),
    Parameter("to", "the time after the last, RFC 3339, or a position such as @1234", MOMENT),
)


@dataclass(frozen=True, slots=True)
class RouteRow:
    """`endpoint` answers. `tag` and `operation_id` are for the OpenAPI document."""

    method: Literal["GET", "POST"]
    path: str
    operation_id: str
    endpoint: AnyEndpoint
    summary: str
    answer: AnswerShape
    tag: RouteTag
    action: str = ""
    """The permission that the caller needs, "" if it needs no permission."""
    also: tuple[str, ...] = ()
    """Further permissions that the caller needs."""
    parameters: tuple[Parameter, ...] = ()
    body: tuple[Parameter, ...] = ()
    """The members of the posted object."""
    takes_trail: bool = False
    """Whether the question can be asked about an imported trail."""

    @property
    def actions(self) -> tuple[str, ...]:
        return (self.action, *self.also) if self.action else self.also

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def query(self) -> tuple[Parameter, ...]:
        """All parameters of the query."""
        return (*self.parameters, TRAIL) if self.takes_trail else self.parameters

    def body_schemas(self) -> dict[str, JsonSchema]:
        """Schemas by the member's name. An optional member may be null."""
        found = {}
        for name, _, of, required in self.body:
            member = dict(of)
            if not required:
                member["type"] = [member["type"], "null"]
                member.pop("minLength", None)  # earlier clients send "" for a member that they leave out
            found[name] = member
        return found
