"""A record in three pieces: what the caller's account may see, what the resource's account may see, and what both may see.

If caller and resource belong to one account, the whole record is that account's, and it has no parts. If they belong to two
accounts, nothing from one account's policies, tags or sessions is in the other's part. The caller's account does not learn
which statement of the key's policy decided. The key's account does not learn which identity policy decided, nor the words
of a refusal, which name the kind of policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from domain.log.authenticity import Parts
from domain.policy.compile import KEY_POLICY, TRUST_POLICY

CALL, DECISION, EVENT = "call", "decision", "event"
SHARED_OF_CALL = ("id", "operation", "account")
SHARED_OF_DECISION = ("effect", "kind", "resources")
OF_RESOURCES_ACCOUNT = frozenset({KEY_POLICY, TRUST_POLICY, "grant"})
"""The kinds of statement or grant that the resource's account wrote."""


def is_across(account: str, resources: Iterable[str]) -> bool:
    """Whether one of these ARNs belongs to an account other than the caller's."""
    mine = f":{account}:"
    for arn in resources:  # noqa: SIM110  # `any` of a generator takes twice as long, and this is asked for every call
        if mine not in arn:
            return True
    return False


def parts_of(document: Mapping[str, Any], dump: Callable[[Mapping[str, Any]], bytes]) -> Parts | None:
    """The parts of a record of `events` or `decisions`, each written by `dump`; None for a record that belongs to one
    account as a whole. `document` has no envelope."""
    call, decision = document[CALL], document[DECISION]
    if call is None or decision is None or not is_across(call["account"], decision["resources"]):
        return None
    rest = {name: value for name, value in document.items() if name not in (CALL, DECISION, EVENT)}
    caller, resource, shared = divided(call, decision, document.get(EVENT))
    return Parts(dump(caller), dump(resource), dump(rest | shared))


def divided(
    call: Mapping[str, Any], decision: Mapping[str, Any], event: Mapping[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """(caller's, resource's, shared) of a record across accounts, as JSON objects."""
    inputs = decision["inputs"]
    reasons = decision["reasons"]
    caller = {
        CALL: _without(call, SHARED_OF_CALL),
        "error": decision["error"],
        "inputs": _without(inputs, ("resources",)),
        "reasons": [_of_caller(reason) for reason in reasons],
    }
    resource = {
        "principal": call["principal"],
        "inputs": {"resources": inputs.get("resources", {})},
        "reasons": [_of_resource(reason) for reason in reasons],
        "materials": decision.get("materials", []),
        EVENT: event,
    }
    shared = {
        CALL: {name: call[name] for name in SHARED_OF_CALL},
        DECISION: {name: decision[name] for name in SHARED_OF_DECISION if name in decision},
    }
    return caller, resource, shared


def _without(document: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def _of_caller(reason: Mapping[str, Any]) -> dict[str, Any]:
    return _stated(reason) | {
        name: reason[name] for name in ("by", "near") if name in reason and not _is_of_resource(reason[name])
    }


def _of_resource(reason: Mapping[str, Any]) -> dict[str, Any]:
    stated = {name: reason[name] for name in ("delegation",) if name in reason}
    return _stated(reason) | stated | {
        name: reason[name] for name in ("by", "near") if name in reason and _is_of_resource(reason[name])
    }  # fmt: skip


def _stated(reason: Mapping[str, Any]) -> dict[str, Any]:
    return {name: reason[name] for name in ("action", "resource", "effect")}


def _is_of_resource(said: Mapping[str, Any]) -> bool:
    """`said` is a reason's `by`, or a near miss, which has the statement in its own `by`."""
    return said.get("by", said).get("kind") in OF_RESOURCES_ACCOUNT
