"""diff, check-policy: policies by what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from domain.arn import ACCOUNT_ID, root_arn
from domain.errors import Refusal
from domain.keys.states import KEY_ACTIONS
from domain.policy.check import check_policy as checked
from domain.policy.parse import KEY
from domain.policy_analysis.check import PASSED, NoSuchAction, Policies, no_new_access_than, not_grants, not_public
from domain.policy_analysis.compare import DIFFERENT, UNKNOWN
from domain.policy_analysis.space import Side
from services.cli import names
from services.cli.client import Client
from services.cli.principal_words import listed, with_ids
from services.cli.terminal import (
    AsJson,
    Data,
    OfTrail,
    as_line,
    fail,
    read_or_fail,
    say,
    settings_or_fail,
    times_or_fail,
)
from services.cli.times import EXAMPLES, BadTime, Times, is_position

DIFFERS, NOT_KNOWN = 1, 3
"""Exit codes; 2 is a question that cannot be asked."""
COLOURS = {"equivalent": "green", "passed": "green", "different": "yellow", "failed": "red", "unknown": "magenta"}


def diff(
    key: Annotated[str, typer.Argument(help="A key: id, ARN or alias/NAME")],
    old: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="A version, a time (7d, 2026-11-20), a @position, or a file. Where left out, the version in force for a "
            "draft, and the one before that otherwise",
        ),
    ] = None,
    new: Annotated[str | None, typer.Option("--to", help="The same; the version in force where left out")] = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What another version of a key's policy lets in and keeps out, by meaning. Exit code 1 where they differ, 3 where it
    is not known."""
    to = _side("to", new) if new is not None else {}
    client = Client(data)
    body = (_side("from", old) if old is not None else {"from": _usual(client, key, trail, to)}) | to
    found = client.post(f"/v1/keys/{key}/diff", body, trail=trail)
    if as_json:
        as_line(found)
    else:
        sides = [_named(found[name], client.account, times_or_fail()) for name in ("from", "to")]
        say("  →  ".join(sides), "dim")
        _show(found, "the two mean the same: no request is answered otherwise", client.account)
    raise typer.Exit({DIFFERENT: DIFFERS, UNKNOWN: NOT_KNOWN}.get(found["answer"], 0))


def _usual(client: Client, key: str, trail: str | None, to: dict[str, str]) -> str:
    """What a version is compared with that nobody said with what: a draft with the version in force, any other with the one
    before."""
    if trail is not None:
        fail("In a trail, --from says what to compare with: a version, a time, a @position or a file.", 2)
    versions = [each["version"] for each in client.items(f"/v1/keys/{key}/policies")]
    last = max(versions, default=0)
    if "to_policy" in to:
        return str(last)
    asked = int(to["to"]) if to.get("to", "").isdigit() else last
    if asked < 2:
        fail(
            f"The policy of {key} has no version before {asked}: name a version, a time or a draft with --from or --to.",
            2,
        )
    return str(asked - 1)


def _side(name: str, reference: str) -> dict[str, str]:
    path = Path(reference)
    # A version and a position are no names of files that anybody has.
    if is_position(reference) or (reference.isascii() and reference.isdigit()):
        return {name: reference}
    if path.is_file():
        return {f"{name}_policy": read_or_fail(path)}
    try:
        return {name: times_or_fail().at(reference) or ""}
    except BadTime:
        fail(
            f"--{name} is {reference!r}: there is no such file, and it is no version, position or time ({EXAMPLES}).", 2
        )


def _named(shown: dict[str, Any], account: str, times: Times) -> str:
    if "draft" in shown:
        return "the draft"
    if "unknown" in shown:
        return "a version from before the trail began (who put it, when, and what it says is not known)"
    if "known_by" in shown:
        return f"version {shown['version']} (as `{shown['known_by']}` read it; who put it, and when, is not known)"
    who = names.short(shown["principal"], account)
    return f"version {shown['version']} (@{shown['position']}, {times.shown(shown['at'])}, {who})"


def check_policy(
    policy: Annotated[Path, typer.Argument(help="A key policy")],
    not_granted: Annotated[
        list[str] | None,
        typer.Option("--not-grants", help="ACTION, or ACTION=PRINCIPAL: kms:Decrypt, kms:*=444455556666"),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--no-new-access-than", help="A policy that may be as open as this one is")
    ] = None,
    public: Annotated[bool, typer.Option("--not-public", help="Nobody of whom the policy says nothing")] = False,
    key: Annotated[str, typer.Option(help="ARN of the key that it is of; any of the account's where left out")] = "",
    account: Annotated[str | None, typer.Option(help="The key's account [KEYTRAIL_ACCOUNT_ID]")] = None,
    as_json: AsJson = False,
) -> None:
    """Hold a policy to what it must not do, without a server. Exit code 0 where every check passes, 1 where one fails, 3
    where one is not known, 2 where it cannot be asked."""
    if not (not_granted or reference or public):
        fail("Nothing is checked: name --not-grants, --no-new-access-than or --not-public.", 2)
    owner = account or (key.split(":")[4] if key.count(":") >= 5 else settings_or_fail().account_id)
    if not ACCOUNT_ID.fullmatch(owner):
        fail(f"{owner} is no account: write twelve digits.", 2)
    of = Policies(_checked(policy), owner, KEY_ACTIONS, key)
    results: dict[str, dict[str, Any]] = {}
    try:
        for each in not_granted or ():
            action, _, principal = each.partition("=")
            name = root_arn(principal) if ACCOUNT_ID.fullmatch(principal) else principal
            results[f"--not-grants {each}"] = not_grants(of, action, name)
        if reference is not None:
            results[f"--no-new-access-than {reference}"] = no_new_access_than(of, _checked(reference))
        if public:
            results["--not-public"] = not_public(of)
    except NoSuchAction as fault:
        fail(f"{fault}.", 2)
    if as_json:
        as_line(results)
    for name, found in () if as_json else results.items():
        say(name, "bold")
        _show(found, "", owner)
    answers = {found["answer"] for found in results.values()}
    raise typer.Exit(DIFFERS if "failed" in answers else NOT_KNOWN if UNKNOWN in answers else 0)


def _checked(path: Path) -> Side:
    text = read_or_fail(path)
    try:
        checked(text, KEY)
    except Refusal as fault:
        fail(f"{path}: {fault.message}", 2)
    return Side(text)


def _show(found: dict[str, Any], same: str, account: str) -> None:
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
    """A set of requests. `account`: whose policy it is, whose principals are named without its number."""
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
