"""Numbers of rules, which the settings file may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a rule: its name in the settings file, its default and what it means."""

    name: str
    default: int
    meaning: str


Numbers = Mapping[Number, int]
"""A rule's own numbers, as the settings have them. The judge hands them to the rule; a rule never looks them up."""


def threshold(default: int, meaning: str) -> Number:
    return Number("threshold", default, meaning)


def window(seconds: int) -> Number:
    return Number("window", seconds, "seconds")
