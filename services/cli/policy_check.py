"""check-policy: checks without a server that a policy does not allow certain things."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from click.exceptions import Exit

from domain.arn import ACCOUNT_ID, account_in, root_arn
from domain.errors import Refusal
from domain.keys.states import KEY_ACTIONS
from domain.policy.check import check_policy as checked
from domain.policy.parse import KEY
from domain.policy_analysis.check import NoSuchAction, Policies, no_new_access_than, not_grants, not_public
from domain.policy_analysis.outcomes import UNKNOWN
from domain.policy_analysis.space import Side
from services.cli.exit_codes import DIFFERS, NOT_KNOWN
from services.cli.failures import fail
from services.cli.options import AsJson
from services.cli.parameters import Argument, Option
from services.cli.regions import show_comparison
from services.cli.terminal import as_line, read_or_fail, say, settings_or_fail


def check_policy(
    policy: Annotated[Path, Argument(help="The file with the key policy")],
    not_granted: Annotated[
        list[str] | None,
        Option(
            "--not-grants",
            value="ACTION[=WHO]",
            help="An action that the policy must not allow to anybody, or to one principal: kms:Decrypt, "
            "kms:*=444455556666. May be repeated",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        Option(
            "--no-new-access-than",
            help="A file with another policy: everything that the policy allows must be allowed by that one too",
        ),
    ] = None,
    public: Annotated[
        bool, Option("--not-public", help="The policy must not allow anything to principals that it does not name")
    ] = False,
    key: Annotated[str, Option(value="ARN", help="The ARN of the policy's key. Default: any key of the account")] = "",
    account: Annotated[str | None, Option(value="ACCOUNT", help="The key's account [KEYTRAIL_ACCOUNT_ID]")] = None,
    as_json: AsJson = False,
) -> None:
    """Check without a server that a policy does not allow what it must not allow."""
    if not (not_granted or reference or public):
        fail("There is nothing to check: name --not-grants, --no-new-access-than or --not-public.", 2)
    owner = account or account_in(key) or settings_or_fail().account_id
    if not ACCOUNT_ID.fullmatch(owner):
        fail(f"{owner} is not an account: write twelve digits.", 2)
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
        show_comparison(found, "", owner)
    answers = {found["answer"] for found in results.values()}
    raise Exit(DIFFERS if "failed" in answers else NOT_KNOWN if UNKNOWN in answers else 0)


def _checked(path: Path) -> Side:
    text = read_or_fail(path)
    try:
        checked(text, KEY)
    except Refusal as fault:
        fail(f"{path}: {fault.message}", 2)
    return Side(text)
