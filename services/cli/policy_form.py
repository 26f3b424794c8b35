"""make-policy, read-policy, change-policy: the key policy that the AWS KMS console makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from click.exceptions import Exit
from rich.text import Text

from domain.characters import visible
from domain.crypto.specs import SYMMETRIC_DEFAULT
from domain.errors import Refusal
from domain.policy.console_changes import changed, not_shown
from domain.policy.console_form import ConsoleForm, FoundForm, KeyKind, OtherForm, make, read
from services.cli.client import Client
from services.cli.exit_codes import DIFFERS
from services.cli.failures import fail
from services.cli.options import AsJson, Data
from services.cli.parameters import Argument, Option
from services.cli.screens import out
from services.cli.terminal import as_it_is, as_line, read_or_fail, say, settings_or_fail
from services.questions.policy_form import NOBODY_TO_DELETE, kind_by_names, shown

T = TypeVar("T")
PolicyFile = Annotated[Path, Argument(help="The file with the key policy")]
OfSpec = Annotated[str | None, Option("--spec", value="SPEC", help=f"KeySpec. Default: {SYMMETRIC_DEFAULT}")]
OfUsage = Annotated[
    str | None, Option("--usage", value="USAGE", help="KeyUsage. Default: the usage of a spec that has only one")
]
OfOrigin = Annotated[
    str | None, Option("--origin", value="ORIGIN", help="AWS_KMS, or EXTERNAL for imported material. Default: AWS_KMS")
]
LikeKey = Annotated[
    str | None, Option("--key", help="Take spec, usage, origin and account from this key: id, ARN or alias/NAME")
]
MultiRegion = Annotated[bool, Option("--multi-region", help="The policy is for a multi-Region key of AWS")]
Arns = list[str] | None


def make_policy(
    spec: OfSpec = None,
    usage: OfUsage = None,
    origin: OfOrigin = None,
    multi_region: MultiRegion = False,
    key: LikeKey = None,
    administrators: Annotated[
        Arns, Option("--administrator", value="ARN", help="A user or role that administers the key. May be repeated")
    ] = None,
    users: Annotated[
        Arns, Option("--user", value="ARN", help="A user or role that uses the key. May be repeated")
    ] = None,
    accounts: Annotated[
        Arns, Option("--other-account", value="NUMBER", help="Another account that uses the key. May be repeated")
    ] = None,
    no_deletion: Annotated[bool, Option("--no-deletion", help="Administrators may not delete the key")] = False,
    account: Annotated[str | None, Option(value="ACCOUNT", help="The key's account [KEYTRAIL_ACCOUNT_ID]")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Print the key policy that the AWS KMS console would make. Without --key, no server is needed."""
    kind, owner = _kind(spec, usage, origin, key, data, multi_region=multi_region)
    if owner and account not in (None, owner):
        fail(f"The key {key} belongs to account {owner}, not {account}.", 2)
    form = ConsoleForm(
        account or owner or settings_or_fail().account_id,
        tuple(administrators or ()),
        tuple(users or ()),
        tuple(accounts or ()),
        not no_deletion,
    )
    _print(_or_fail(lambda: make(kind, form)), as_json=as_json)


def read_policy(policy: PolicyFile, as_json: AsJson = False) -> None:
    """Who administers and uses a key by a policy in the form that the AWS KMS console makes. No server is needed."""
    text = read_or_fail(policy)
    found = _or_fail(lambda: read(text))
    if as_json:
        as_line(shown(found))
    elif isinstance(found, OtherForm):
        say(not_shown(found))
    else:
        _show(found)
    raise Exit(DIFFERS if isinstance(found, OtherForm) else 0)


def _show(found: FoundForm) -> None:
    form = found.form
    administrators = "key administrators, who may delete the key" if form.may_delete else "key administrators"
    for title, names in (
        (administrators, form.administrators),
        ("key users", form.users),
        ("other accounts", form.accounts),
    ):
        say(title if names else f"{title}: none", "bold")
        for name in names:
            say(name, indent=2)
    for each in found.beside:
        say(f"Statement {each.index + 1}{f' ({each.sid})' if each.sid else ''} is not part of the form.")


def change_policy(
    policy: PolicyFile,
    add_administrators: Annotated[
        Arns,
        Option(
            "--add-administrator", value="ARN", help="A user or role to add to the key administrators. May be repeated"
        ),
    ] = None,
    remove_administrators: Annotated[
        Arns,
        Option(
            "--remove-administrator",
            value="ARN",
            help="A key administrator to remove. May be repeated",
        ),
    ] = None,
    add_users: Annotated[
        Arns, Option("--add-user", value="ARN", help="A user or role to add to the key users. May be repeated")
    ] = None,
    remove_users: Annotated[
        Arns, Option("--remove-user", value="ARN", help="A key user to remove. May be repeated")
    ] = None,
    add_accounts: Annotated[
        Arns,
        Option(
            "--add-account",
            value="NUMBER",
            help="An account to add to the other accounts that use the key. May be repeated",
        ),
    ] = None,
    remove_accounts: Annotated[
        Arns, Option("--remove-account", value="NUMBER", help="Another account to remove. May be repeated")
    ] = None,
    deletion: Annotated[bool, Option("--deletion", help="Administrators may delete the key")] = False,
    no_deletion: Annotated[bool, Option("--no-deletion", help="Administrators may not delete the key")] = False,
    spec: OfSpec = None,
    usage: OfUsage = None,
    origin: OfOrigin = None,
    multi_region: MultiRegion = False,
    key: LikeKey = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Print a policy in the console's form with other administrators, users or accounts, and everything else unchanged. The
    key's spec and usage matter if the policy does not have a statement for them yet. Without --key, no server is needed."""
    if deletion and no_deletion:
        fail("--deletion and --no-deletion exclude each other.", 2)
    text = read_or_fail(policy)
    kind, _ = _kind(spec, usage, origin, key, data, multi_region=multi_region)
    found = _or_fail(lambda: read(text))
    if isinstance(found, OtherForm):
        fail(f"{policy}: {not_shown(found)}", 2)
    form = found.form
    wanted = ConsoleForm(
        form.account,
        _with(form.administrators, add_administrators, remove_administrators, "a key administrator"),
        _with(form.users, add_users, remove_users, "a key user"),
        _with(form.accounts, add_accounts, remove_accounts, "an account that uses the key"),
        deletion or (form.may_delete and not no_deletion),
    )
    if deletion and not wanted.administrators:
        fail(NOBODY_TO_DELETE, 2)
    _print(_or_fail(lambda: changed(text, kind, wanted)), as_json=as_json)


def _with(names: Sequence[str], more: Arns, fewer: Arns, what: str) -> tuple[str, ...]:
    """A name that is added twice is added once. Ends the command if a name to remove is not there."""
    for name in fewer or ():
        if name not in names:
            fail(f"{name} is not {what} in this policy.", 2)
    return tuple(each for each in dict.fromkeys((*names, *(more or ()))) if each not in (fewer or ()))


def _kind(
    spec: str | None, usage: str | None, origin: str | None, key: str | None, data: Path | None, *, multi_region: bool
) -> tuple[KeyKind, str]:
    """(the kind of key, its account if a key was named)"""
    if key is None:
        given = (spec or "", usage or "", origin or "")
        return _or_fail(lambda: kind_by_names(*given, multi_region=multi_region)), ""
    if spec or usage or origin or multi_region:
        fail("--key says which spec, usage and origin: leave out --spec, --usage, --origin and --multi-region.", 2)
    row = Client(data).get(f"/v1/keys/{key}")
    return _or_fail(lambda: kind_by_names(row["spec"], row["usage"], row["origin"])), row["account"]


def _or_fail(work: Callable[[], T]) -> T:
    try:
        return work()
    except Refusal as fault:
        fail(fault.message, 2)


def _print(text: str, *, as_json: bool) -> None:
    text = text.removesuffix("\n")  # a file ends with one, and printing adds one
    if as_json:
        as_line(json.loads(text))
    elif out.is_terminal:
        out.print(Text(visible(text, lines=True)), soft_wrap=True)  # print_json would lay it out anew
    else:
        as_it_is(text)
