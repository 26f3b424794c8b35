"""One call as the rules on use read it: from a record of either topic, or from a row of the decisions table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.arn import parse_arn, root_arn
from domain.cloudtrail.record import ACCESS_DENIED
from domain.errors import AccessRefused, CredentialDisabled
from domain.log.codec import micros
from domain.log.record import REFUSED
from domain.state.console_sessions import LOGIN

TAG = "aws:resourcetag/"
NO_TAGS: Mapping[str, str] = {}
SESSION, ROLE = ":assumed-role/", ":role/"


@dataclass(slots=True)  # made for every call
class ObservedCall:
    """`at` is microseconds since the epoch, `keys` ARNs; `refused` is the kind of the refusal, "" for an allowed call."""

    at: int
    id: str
    principal: str
    account: str
    access_key: str
    operation: str
    keys: tuple[str, ...]
    refused: str
    source: str
    via: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the first key; names are in folded case."""
    role: str = ""
    """For a session: its role's ARN, as the evaluator read it. The session's own ARN lacks the role's path."""

    @property
    def is_root(self) -> bool:
        return self.principal == root_arn(self.account)

    @property
    def denied(self) -> bool:
        """The call was refused because the caller has no permission."""
        return self.refused == AccessRefused.kind

    @property
    def dead(self) -> bool:
        """The call was refused because the credential is no longer valid."""
        return self.refused == CredentialDisabled.kind

    @property
    def sign_in_refused(self) -> bool:
        return self.operation == LOGIN and bool(self.refused)

    @property
    def who(self) -> str:
        """The principal itself; for any session of a role, the role."""
        return self.role or without_path(self.principal)


def without_path(arn: str) -> str:
    """The role without its path, for a role and for a session: it has its name to itself within the account. Otherwise the ARN
    itself. This compares principals; the role's ARN may be another."""
    if SESSION not in arn and ROLE not in arn:
        return arn
    parsed = parse_arn(arn)
    if parsed is None:
        return arn
    parts = parsed.resource.split("/")
    return f"arn:aws:iam::{parsed.account}:role/{parts[1] if SESSION in arn else parts[-1]}"


def call_of(document: Mapping[str, Any]) -> ObservedCall | None:
    """The call in a record's document; None for an action of Keytrail itself."""
    call, decision = document["call"], document["decision"]
    if call is None or decision is None or not call["account"]:
        return None
    keys = tuple([each for each in decision["resources"] if ":key/" in each])
    error = decision["error"]
    refused = error["kind"] if decision["effect"] == REFUSED and error is not None else ""
    return ObservedCall(
        micros(document["at"]),
        call["id"],
        call["principal"],
        call["account"],
        call["access_key"],
        call["operation"],
        keys,
        refused,
        call["source"],
        (call.get("via") or {}).get("service", ""),
        _tags(decision["inputs"], keys),
        _role(call["principal"], decision["inputs"]),
    )


def _role(principal: str, inputs: Mapping[str, Any]) -> str:
    """ "" for what is no session, and for a call that was refused before the evaluator read anything."""
    read = inputs.get("context", NO_TAGS).get("aws:principalarn") if SESSION in principal else None
    return str(read[0]) if read and ROLE in read[0] else ""


def _tags(inputs: Mapping[str, Any], keys: tuple[str, ...]) -> Mapping[str, str]:
    """The tags of the first key, as the evaluator read them. It holds names that differ in case as one, with all their values:
    with different ones, nobody knows which one an entry of the allow-list would mean."""
    context = inputs.get("resources", NO_TAGS).get(keys[0]) if keys else None
    if not context:
        return NO_TAGS
    return {
        name[len(TAG) :]: values[0]
        for name, values in context.items()
        if name.startswith(TAG) and len(set(values)) == 1
    }


def call_of_case(case: Mapping[str, Any]) -> ObservedCall | None:
    """What all calls of a case (domain/decisions/case.py) have in common; each call has its own time, id and source."""
    if not case["account"]:
        return None
    keys = tuple([each for each in case.get("resources") or () if ":key/" in each])
    refused = (case["error"] or "") if case["effect"] == REFUSED else ""
    if refused in ACCESS_DENIED:  # a trail has AWS's error names
        refused = AccessRefused.kind
    via = (case.get("via") or {}).get("service", "")
    inputs = case.get("inputs") or {}
    return ObservedCall(
        0, "", case["principal"], case["account"], case["access_key"], case["operation"], keys, refused, "", via,
        _tags(inputs, keys), _role(case["principal"], inputs),
    )  # fmt: skip
