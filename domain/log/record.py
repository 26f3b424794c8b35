"""One call, one record: who called what from where, what was decided and why, and the event it caused.

A record of `events` is linked to the one before it (`previous`, see chain.py). A record of `decisions` is not linked: its
`seen` is the position of `events` at which the call was decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = Any  # a value that json returns: str, int, float, bool, None, list and dict of them
Document = Mapping[str, JSON]


@dataclass(slots=True)  # made for every call: frozen would cost three microseconds
class Call:
    """One request, with secrets left out of `parameters`.

    `invocation` identifies a client's retries of one call: access key, `amz-sdk-invocation-id` and body hash. `session` is
    the temporary credentials' own part (its policy and tags included), None for a long-term access key; `secure`: the call
    came by TLS. `via` is set if a service's credential signed the call: its `service` and `alias`, the principal for which
    it calls (`behalf`), and `source_arn` and `source_account` as the service gave them.
    """

    id: str
    access_key: str
    principal: str
    account: str
    source: str
    agent: str
    operation: str
    parameters: Document
    invocation: str = ""
    session: Document | None = None
    secure: bool = False
    via: Document | None = None

    def document(self) -> dict[str, JSON]:
        """Absent values are left out, so that older records read and write the same."""
        result: dict[str, JSON] = {
            "id": self.id,
            "access_key": self.access_key,
            "principal": self.principal,
            "account": self.account,
            "source": self.source,
            "agent": self.agent,
            "operation": self.operation,
            "parameters": self.parameters,
            "invocation": self.invocation,
        }
        if self.session is not None:
            result["session"] = self.session
        if self.secure:
            result["secure"] = True
        if self.via is not None:
            result["via"] = self.via
        return result


LONGEST_RECORD = 1_000_000
"""In bytes; the topics take twice that."""
ALLOWED = "allowed"
REFUSED = "refused"


@dataclass(slots=True)  # see Call
class Decision:
    """What was answered and what decided it.

    `reasons` has one entry for each permission that was asked: `{"action", "resource", "effect", "by": {...}}`, where `by`
    has its `kind` and is a statement (`policy`, `version`, `sid`, `index`), a grant (`grant`, `position`) or a rule
    (`rule`). `delegation` is the statement that let an identity policy decide, `near` the one condition that kept one
    statement from allowing. `kind` says what kind of thing decided the call. `error` is the refusal's kind and message,
    None if the call was carried out; a call can also be refused although access is allowed, for instance because of the
    key's state.

    `inputs` holds what the evaluator could read: `evaluator`, its version; `context`, every condition key of caller and
    request; `resources`, by ARN, those of each resource; `asked`, by ARN, what the request says about only one resource;
    `encryption_context`, with its case. `materials` are the ids of the key material that carried the call out.
    """

    effect: str
    reasons: tuple[Document, ...] = ()
    error: Document | None = None
    resources: tuple[str, ...] = ()
    inputs: Document = field(default_factory=dict)
    kind: str = ""
    materials: tuple[str, ...] = ()

    def document(self) -> dict[str, JSON]:
        result: dict[str, JSON] = {
            "effect": self.effect,
            "reasons": list(self.reasons),
            "error": self.error,
            "resources": list(self.resources),
            "inputs": self.inputs,
        }
        if self.kind:
            result["kind"] = self.kind
        if self.materials:
            result["materials"] = list(self.materials)
        return result


@dataclass(frozen=True, slots=True)
class Repeat:
    """A client's retry of a call that already has its answer: `position` is where the writer expected the record of the first
    answer. It stands behind that if records of another writer came between those that were on their way."""

    position: int
    resource: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record of `events`. `previous` is the hex digest of the last valid record before it, "" for the first.

    `at` is microseconds since the epoch by the writer's clock, never before the last record's. `next_command` is
    the offset in `commands` after the last command that this record or one before it answers.
    """

    previous: str
    seen: int
    at: int
    writer: str
    next_command: int
    call: Call | None
    decision: Decision | None
    event: object | None
    repeats: Repeat | None = None
