"""What a route of the audit API is, and the words that routes share."""

from __future__ import annotations

import re
from dataclasses import dataclass

from projections.decisions.queries import FIELDS

Parameter = tuple[str, str]
"""(name, description) of a query parameter, of a member of a body, or of an answer."""
PLACES = re.compile(r"{(\w+)(?::path)?}")
"""What stands for a name in a path."""
DOCUMENT, LINES, EVENT_STREAM = "application/json", "application/x-ndjson", "text/event-stream"

LIMIT = ("limit", "how many items at most, 1 to 1000; 100 where left out")
CURSOR = ("cursor", "`next` of the answer before")
TRAIL = ("trail", "the name of an imported trail, asked instead of our own log")
AT = ("at", "a time (RFC 3339) or a position such as @1234; now where left out")
SPAN = (
    ("from", "the first time, RFC 3339, or a position such as @1234"),
    ("to", "the time after the last, RFC 3339, or a position such as @1234"),
)
BETWEEN = (
    ("from", "the first moment: a time or a position"),
    ("to", "the last; now where left out"),
)
BEGAN = ("began", "time", "when the record begins, where that is after the time that was asked from")
AS_OF = ("position", "integer", "the last record at that moment")
ROLES = ("roles", "objects", "on the first page: roles that the principal could assume, and by which paths")


@dataclass(frozen=True, slots=True)
class RouteRow:
    """`function` is the name of a method of Audit or Questions; `fields` are an item's members, in words."""

    method: str
    path: str
    function: str
    summary: str
    fields: tuple[Parameter, ...]
    parameters: tuple[Parameter, ...] = ()
    is_list: bool = True
    of_trails: bool = False
    """Whether it can be asked of an imported trail."""
    action: str = ""
    """The permission that it asks, "" for none."""
    body: tuple[Parameter, ...] = ()
    """The members of what is posted."""
    signed: bool = True
    """Whether it wants a signature: the description alone is for everyone."""

    @property
    def query(self) -> tuple[Parameter, ...]:
        """Everything that may stand behind the path's question mark."""
        return (*self.parameters, TRAIL) if self.of_trails else self.parameters

    @property
    def beside(self) -> tuple[tuple[str, str, str], ...]:
        """(name, type, description) of what stands beside the items of a list."""
        found = (BEGAN,) if SPAN[0] in self.parameters else ()
        return (*found, AS_OF, ROLES) if self.function == "can_what" else found

    @property
    def media(self) -> str:
        """How the answer comes: one document, one a line, or as it happens."""
        if self.function == "alert_stream":
            return EVENT_STREAM
        return LINES if "object a line" in self.summary else DOCUMENT


DECISION = (
    ("at", "when it was decided"),
    ("position", "the record's place on the log, for changing calls; null for others"),
    ("seen", "the position of the log that it was decided at"),
    ("call_id", "the call, as in x-amzn-RequestId"),
    ("account", "whose principal called"),
    ("principal", "who called"),
    ("via", "the service that called for it"),
    ("access_key", "with which credential"),
    ("operation", "what was asked"),
    ("effect", "allowed or refused"),
    ("key_id", "the key concerned"),
    ("key_aliases", "the names that it has now, where it is the account's own"),
    (
        "kind",
        "what decided: key-policy, identity-policy, grant, boundary, session-policy, implicit-deny, key-state, ...",
    ),
    ("decided_by", "the policy or grant that decided"),
    ("policy_version", "the policy's version; of an inline policy, the position at which it was put"),
    ("sid", "the deciding statement's Sid"),
    ("statement", "the deciding statement's index, from 0"),
    ("rule", "the rule that decided where no statement did"),
    ("error", "the kind of refusal"),
    ("message", "what the caller was told"),
    ("source", "the caller's address"),
    ("agent", "the caller's user agent"),
    ("encryption_context", "the encryption context, where there was one"),
    ("event_type", "the event that the call caused"),
    ("summary", "one line"),
    (
        "names",
        "of the ids that the summary has: the ARN that a user, group, role or policy had then, the alias that a key has now",
    ),
    ("parameters", "the request, with secrets left out"),
    ("reasons", "every permission that was asked, and what decided each"),
    ("resources", "the ARNs that were asked about"),
    ("materials", "the key material that was used"),
    ("event", "the event's data"),
)

ORDER = ("order", "newest: the last first; in the order of time where left out")
_FIELDS: tuple[Parameter, ...] = (
    ("encryption_context", "NAME=VALUE"),
    *((name, f"{dict(DECISION).get(name, 'as shown')}; * for any characters") for name in FIELDS),
    *SPAN,
)
FILTERS: tuple[Parameter, ...] = (("key", "id, ARN or alias of a key"), *_FIELDS)
INPUTS = ("inputs", "true: with everything that the evaluator read, in members `inputs` and `session` of each item")
OF_HISTORY: tuple[Parameter, ...] = (*_FIELDS, INPUTS, ORDER, LIMIT, CURSOR)
