"""Shows people sets of requests and the result of comparing policies."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from domain.policy_analysis.outcomes import PASSED
from services.cli.terminal import say
from services.wording import names
from services.wording.principal_words import listed, with_ids

COLOURS = {"equivalent": "green", "passed": "green", "different": "yellow", "failed": "red", "unknown": "magenta"}


def show_comparison(found: dict[str, Any], same: str, account: str) -> None:
    colour = COLOURS[found["answer"]]
    more = f" {same}" if same and found["answer"] in ("equivalent", PASSED) else ""
    say(Text.assemble((found["answer"], f"bold {colour}"), more))
    for name, sign, shade in (("allowed", "+", "green"), ("denied", "-", "red")):
        for region in found.get(name, ()):
            show_region(region, sign, shade, account)
    for each in found["unknown"]:
        region = each.get("allowed") or each.get("denied")
        if region is not None:
            show_region(region, "?", "magenta", account)
        if "why" in each:
            say(f"not known: {each['why']}", indent=4, more=11)
        for statement in each.get("statements", ()):
            by, condition = statement["by"], statement["condition"]
            say(
                f"not known: {names.of_statement(by, account)}, {condition['key']} {condition['operator']} "
                f"{'|'.join(condition['wanted'])}: {statement['why']}",
                indent=4,
                more=11,
            )


def show_region(region: dict[str, Any], sign: str, shade: str, account: str) -> None:
    """Prints a set of requests. `account` has the policy; its principals are named without its number."""
    say(f"{sign} {', '.join(region['actions'])}", shade)
    say(f"{region['before']} → {region['after']}", indent=4)
    whom = listed(region["principals"], account, with_ids(region["principals"]))
    say(f"for {', '.join(whom)}", indent=4, more=4)
    for arn in region.get("resources", ()):
        say(f"on {arn}", indent=4)
    for condition in region["conditions"]:
        say(f"where {' or '.join(_case(condition['key'], each) for each in condition['any_of'])}", indent=4, more=6)
    if "witness" in region:
        witness = region["witness"]
        context = ", ".join(f"{name}={'|'.join(values)}" for name, values in witness["context"].items())
        say(
            f"witness: {witness['action']} by {names.short(witness['principal'], account)}"
            + (f" with {context}" if context else "")
            + f"; {witness['with']}",
            indent=4,
            more=9,
        )


def _case(key: str, case: dict[str, Any]) -> str:
    words = [f"{each['operator']} {'|'.join(each['wanted'])}" for each in case["holds"]]
    words += [f"not {each['operator']} {'|'.join(each['wanted'])}" for each in case["fails"]]
    if "present" in case:
        words.append("there" if case["present"] else "not there")
    return f"{key} {' and '.join(words)}"
