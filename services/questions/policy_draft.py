"""A draft of a key's policy, checked as PutKeyPolicy would check it, without being put."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from domain.authorization.caller import Caller
from domain.commands.create_key import is_locked_out, lockout
from domain.errors import LimitExceeded, MalformedPolicy
from domain.keys.key import Key, with_policy
from domain.policy.check import check_policy
from domain.policy.parse import KEY
from domain.state.principals import principals_of
from domain.state.world import World

_PATH = re.compile(r"\$(?:\.[A-Z]\w*|\[\d+\])*+(?:\.[\w:/-]+)*")
_LINE = re.compile(r"line (\d+) column (\d+)")


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """Why a text may not be put. `path` is the JSON path of the fault; `line` and `column` (from 1) are where the text stops
    being JSON."""

    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None

    @classmethod
    def of(cls, message: str) -> PolicyFault:
        path, place = _PATH.search(message), _LINE.search(message)
        line, column = (int(place[1]), int(place[2])) if place is not None else (None, None)
        return cls(message, path[0] if path is not None else None, line, column)

    def shown(self) -> dict[str, Any]:
        return {"message": self.message, "path": self.path, "line": self.line, "column": self.column}


def checked(text: str, key: Key, caller: Caller, world: World) -> dict[str, Any]:
    """What PutKeyPolicy would say of the text if the caller put it now: its fault, or whether it locks the caller out.

    `unchanged` and `version` let an editor notice that another policy was put since it read one.
    """
    told = {"version": key.policy_version, "unchanged": text == key.policy_text}
    try:
        principals = principals_of(check_policy(text, KEY), world, key.account)
    except (MalformedPolicy, LimitExceeded) as fault:
        return told | {"fault": PolicyFault.of(fault.message).shown(), "locked_out": False, "refusal": None}
    locked_out = is_locked_out(with_policy(key, text, key.policy_version + 1, principals), caller, world)
    return told | {"fault": None, "locked_out": locked_out, "refusal": lockout().message if locked_out else None}
