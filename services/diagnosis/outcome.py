"""One check and its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SETTINGS, VERSION = "settings", "version"
"""Checks that come out well where there is nothing else to check."""


class CheckVerdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    LOOK = "look"
    """It works, and somebody should look at it."""
    WRONG = "wrong"
    UNCHECKED = "unchecked"
    """It could not be checked; `found` says why."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """`found` is what was seen, in a few words. `do` is what to do about it; "" if nothing has to be done."""

    check: str
    verdict: CheckVerdict
    found: str
    do: str = ""


def ok(check: str, found: str) -> CheckOutcome:
    return CheckOutcome(check, CheckVerdict.OK, found)


def look(check: str, found: str, do: str) -> CheckOutcome:
    return CheckOutcome(check, CheckVerdict.LOOK, found, do)


def wrong(check: str, found: str, do: str) -> CheckOutcome:
    return CheckOutcome(check, CheckVerdict.WRONG, found, do)


def unchecked(check: str, why: str) -> CheckOutcome:
    return CheckOutcome(check, CheckVerdict.UNCHECKED, why)


def exit_code(findings: Sequence[CheckOutcome]) -> int:
    """0: nothing is wrong. 1: something is. 2: nothing could be checked."""
    if any(each.verdict == CheckVerdict.WRONG for each in findings):
        return 1
    checked = [each for each in findings if each.verdict != CheckVerdict.UNCHECKED]
    return 0 if any(each.check not in (SETTINGS, VERSION) for each in checked) else 2
