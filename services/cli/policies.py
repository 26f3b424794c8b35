"""policy, diff, try-policy: show a key's policy as it was put, how two versions differ in meaning, and whether a draft could be
put."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from click.exceptions import Exit

from domain.log.codec import micros
from domain.policy_analysis.outcomes import DIFFERENT, UNKNOWN
from services.cli.client import Client
from services.cli.exit_codes import DIFFERS, NOT_KNOWN
from services.cli.failures import fail
from services.cli.options import AsJson, At, Data, KeyArgument, OfTrail
from services.cli.parameters import Argument, Option
from services.cli.regions import show_comparison
from services.cli.screens import out
from services.cli.terminal import as_it_is, as_line, read_or_fail, said, say, times_or_fail
from services.cli.times import EXAMPLES, BadTime, Times, is_position
from services.wording import names


def diff(
    key: KeyArgument,
    old: Annotated[
        str | None,
        Option(
            "--from",
            value="VERSION",
            help="A version, a time (7d, 2026-11-20), a @position, or a file. Default: the version before --to; the version in "
            "force where --to is a file",
        ),
    ] = None,
    new: Annotated[
        str | None, Option("--to", value="VERSION", help="In the same forms. Default: the version in force")
    ] = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What one version of a key's policy allows and denies differently from another, by what they mean and not by their
    text."""
    to = _side("to", new) if new is not None else {}
    client = Client(data)
    body = (_side("from", old) if old is not None else {"from": _usual(client, key, trail, to)}) | to
    found = client.post(f"/v1/keys/{key}/diff", body, trail=trail)
    if as_json:
        as_line(found)
    else:
        sides = [_named(found[name], client.account, times_or_fail()) for name in ("from", "to")]
        say("  →  ".join(sides), "dim")
        show_comparison(found, "the two mean the same: no request is answered otherwise", client.account)
    raise Exit({DIFFERENT: DIFFERS, UNKNOWN: NOT_KNOWN}.get(found["answer"], 0))


def _usual(client: Client, key: str, trail: str | None, to: dict[str, str]) -> str:
    """The version to compare with if --from is left out: for a draft, the version in force; otherwise, the version before."""
    if trail is not None:
        fail("In a trail, --from has to say what to compare with: a version, a time, a @position or a file.", 2)
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
    # A version or a position is never taken for a file's name.
    if is_position(reference) or (reference.isascii() and reference.isdigit()):
        return {name: reference}
    if path.is_file():
        return {f"{name}_policy": read_or_fail(path)}
    try:
        return {name: times_or_fail().at(reference) or ""}
    except BadTime:
        fail(f"--{name} is {reference!r}: it is not a file, a version, a position or a time ({EXAMPLES}).", 2)


def _named(shown: dict[str, Any], account: str, times: Times) -> str:
    if "draft" in shown:
        return "the draft"
    if "unknown" in shown:
        return "a version from before the trail began (who put it, when, and what it says is not known)"
    if "known_by" in shown:
        return f"version {shown['version']} (as `{shown['known_by']}` read it; who put it, and when, is not known)"
    who = names.short(shown["principal"], account)
    return f"version {shown['version']} (@{shown['position']}, {times.shown(shown['at'])}, {who})"


def policy(
    key: KeyArgument,
    version: Annotated[int | None, Option(help="A version of the policy. Default: the one in force")] = None,
    at: At = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """A key's policy: the one in force now, an earlier version, or the one in force at a time. In a pipe it is the text
    exactly as it was put."""
    client, times = Client(data), times_or_fail()
    versions = list(client.items(f"/v1/keys/{key}/policies"))
    found = _chosen(versions, version, said(lambda: times.at(at)), times)
    if as_json:
        as_line(found)
        return
    say(
        f"version {found['version']} of {len(versions)}, put at {times.shown(found['at'])} (@{found['position']}) "
        f"by {names.short(found['principal'], client.account)}",
        "dim",
    )
    if out.is_terminal:
        out.print_json(found["document"])
    else:
        as_it_is(found["document"])


def _chosen(versions: list[dict[str, Any]], version: int | None, at: str | None, times: Times) -> dict[str, Any]:
    if version is not None and at is not None:
        fail("--version and --at exclude each other.", 2)
    if version is not None:
        found = [each for each in versions if each["version"] == version]
    elif at is not None and is_position(at):
        found = [each for each in versions if each["position"] <= int(at[1:])]
    elif at is not None:
        found = [each for each in versions if micros(each["at"]) <= micros(at)]
    else:
        found = versions
    if not found and at is not None:
        fail(f"The key had no policy at {times.shown(at)}: the first was put at {times.shown(versions[0]['at'])}.")
    if not found:
        fail(f"There is no version {version}; the key has versions 1 to {len(versions)}.")
    return found[-1]


def try_policy(
    key: KeyArgument,
    policy: Annotated[Path, Argument(help="The file with the draft, a policy document")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Check a draft as PutKeyPolicy would, and put nothing: where its fault stands, and whether it locks you out."""
    text = read_or_fail(policy)
    found = Client(data).post(f"/v1/keys/{key}/check-policy", {"policy": text})
    fault = found["fault"]
    if as_json:
        as_line(found)
    elif fault is not None:
        say(f"PutKeyPolicy would refuse it: {fault['message']}", "red")
    elif found["locked_out"]:
        say(f"It locks you out, so PutKeyPolicy would refuse it: {found['refusal']}", "yellow")
    else:
        say(f"PutKeyPolicy would take it, in place of version {found['version']}.", "green")
    raise Exit(DIFFERS if fault is not None or found["locked_out"] else 0)
