"""Turns a call and its decision into the bytes of a record of `decisions`, before it has its place in a lane."""

from __future__ import annotations

import orjson

from domain.log.lane import Decided
from domain.log.parts import divided, is_across
from domain.log.record import Call, Decision


def decided_record(log: str, seen: int, at: str, call: Call, decision: Decision) -> Decided:
    said, decided = call.document(), decision.document()
    about = f'{{"v":1,"log":"{log}","seen":{seen},"at":"{at}"}}'.encode()
    own = orjson.dumps({"call": said, "decision": decided})
    if not is_across(call.account, decision.resources):
        return Decided(about, own)
    caller, resource, shared = divided(said, decided, None)
    return Decided(about, own, orjson.dumps(caller), orjson.dumps(resource), orjson.dumps(shared))
