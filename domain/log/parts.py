"""A record in three pieces: what the caller's account may see, what the resource's account may see, and what both may see.

If caller and resource belong to one account, the whole record is that account's, and it has no parts. If they belong to two
accounts, nothing from one account's policies, tags or sessions is in the other's part. The caller's account does not learn
which statement of the key's policy decided. The key's account learns which account called, and not who; it does not learn which
identity policy decided, nor the words of a refusal, which name the kind of policy.

A caller who was refused is shown the caller's part alone, so nothing in it follows from what the other account has: not which key
an alias stands for, and not which of the caller's own statements forbade the call, since that one may ask for a key's tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from domain.log.authenticity import Parts
from domain.policy.compile import KEY_POLICY, TRUST_POLICY

CALL, DECISION, EVENT = "call", "decision", "event"
ALLOW = "allow"
EVERYTHING = "*"
SHARED_OF_CALL = ("id", "operation", "account")
SHARED_OF_DECISION = ("effect", "kind", "resources")
OF_RESOURCES_ACCOUNT = frozenset({KEY_POLICY, TRUST_POLICY, "grant"})
"""The kinds of statement or grant that the resource's account wrote."""


def is_across(account: str, resources: Iterable[str]) -> bool:
    """Whether one of these resources belongs to an account other than the caller's. A permission on `*` is on nothing of
    anybody's, and asked in the caller's account."""
    mine = f":{account}:"
    for arn in resources:  # noqa: SIM110  # `any` of a generator takes twice as long, and this is asked for every call
        if mine not in arn and arn != EVERYTHING:
            return True
    return False


def parts_of(document: Mapping[str, Any], dump: Callable[[Mapping[str, Any]], bytes]) -> Parts | None:
    """The parts of a record of `events` or `decisions`, each written by `dump`; None for a record that belongs to one
    account as a whole. `document` has no envelope."""
    call, decision = document[CALL], document[DECISION]
    if call is None or decision is None or not is_across(call["account"], decision["resources"]):
        return None
    return bound_parts_of(document, dump)


def bound_parts_of(document: Mapping[str, Any], dump: Callable[[Mapping[str, Any]], bytes]) -> Parts:
    """The parts of a record whose value names a commitment to them. Earlier versions also made parts of a record with a
    permission on `*`."""
    return _parts_by(divided, document, dump)


def former_parts_of(document: Mapping[str, Any], dump: Callable[[Mapping[str, Any]], bytes]) -> Parts:
    """The parts as earlier versions made them, which their records are bound to. Only a caller who was allowed may be shown
    theirs: the caller's part says more than one who was refused may know, and the resource's part names the caller."""
    return _parts_by(_formerly_divided, document, dump)


DividedRecord = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
"""(caller's, resource's, shared) of a record across accounts, as JSON objects."""


def _parts_by(
    division: Callable[[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any] | None], DividedRecord],
    document: Mapping[str, Any],
    dump: Callable[[Mapping[str, Any]], bytes],
) -> Parts:
    call, decision = document[CALL], document[DECISION]
    rest = {name: value for name, value in document.items() if name not in (CALL, DECISION, EVENT)}
    caller, resource, shared = division(call, decision, document.get(EVENT))
    return Parts(dump(caller), dump(resource), dump(rest | shared))


def divided(call: Mapping[str, Any], decision: Mapping[str, Any], event: Mapping[str, Any] | None) -> DividedRecord:
    mine = f":{call['account']}:"
    inputs, reasons, resources = decision["inputs"], decision["reasons"], decision["resources"]
    caller = {
        CALL: _without(call, SHARED_OF_CALL),
        "error": decision["error"],
        "inputs": _without(inputs, ("resources",)),
        "reasons": [_of_caller(reason, own=mine in reason["resource"]) for reason in reasons],
        "resources": [each for each in resources if mine in each],
    }
    resource = {
        "inputs": {"resources": {arn: each for arn, each in inputs.get("resources", {}).items() if mine not in arn}},
        "reasons": [_of_resource(reason) for reason in reasons if mine not in reason["resource"]],
        "materials": decision.get("materials", []),
        EVENT: event,
    }
    shared = {
        CALL: {name: call[name] for name in SHARED_OF_CALL},
        DECISION: {name: decision[name] for name in SHARED_OF_DECISION if name in decision}
        | {"resources": [each for each in resources if mine not in each]},
    }
    return caller, resource, shared


def _formerly_divided(
    call: Mapping[str, Any], decision: Mapping[str, Any], event: Mapping[str, Any] | None
) -> DividedRecord:
    inputs, reasons = decision["inputs"], decision["reasons"]
    caller = {
        CALL: _without(call, SHARED_OF_CALL),
        "error": decision["error"],
        "inputs": _without(inputs, ("resources",)),
        "reasons": [_stated(reason) | _written(reason, of_resource=False) for reason in reasons],
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


def _of_caller(reason: Mapping[str, Any], *, own: bool) -> dict[str, Any]:
    """`own`: about a resource of the caller's account."""
    if own:
        return _stated(reason) | _written(reason, of_resource=False)
    told = {"action": reason["action"], "effect": reason["effect"]}
    return told | (_written(reason, of_resource=False) if reason["effect"] == ALLOW else {})


def _of_resource(reason: Mapping[str, Any]) -> dict[str, Any]:
    stated = {name: reason[name] for name in ("delegation",) if name in reason}
    return _stated(reason) | stated | _written(reason, of_resource=True)


def _written(reason: Mapping[str, Any], *, of_resource: bool) -> dict[str, Any]:
    """The statement or grant that decided, and the one that nearly did, if that account wrote it."""
    names = ("by", "near")
    return {name: reason[name] for name in names if name in reason and _is_of_resource(reason[name]) == of_resource}


def _stated(reason: Mapping[str, Any]) -> dict[str, Any]:
    return {name: reason[name] for name in ("action", "resource", "effect")}


def _is_of_resource(said: Mapping[str, Any]) -> bool:
    """`said` is a reason's `by`, or a near miss, which has the statement in its own `by`."""
    return said.get("by", said).get("kind") in OF_RESOURCES_ACCOUNT
