"""The types of a row in a family's table of commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.authorization.caller import Caller
from domain.authorization.verdict import Verdict
from domain.state.world import World

RequiredPermissions = Callable[[Any, Caller, World], tuple[Verdict, ...]]
"""From a command to the permissions that it requires, each with the verdict on it."""
Rule = Callable[[Any, Caller, World], object]
"""From a permitted command to its event; raises a Refusal."""
CommandRules = dict[type, tuple[RequiredPermissions, Rule]]
