"""The key policy that the AWS KMS console makes for a new key, made and read back. `console_changes.py` changes one.

Sources, beside each list of actions: "2023" is the developer guide of June 2023 (awsdocs/aws-kms-developer-guide at
3447fd9, key-policy-default, key-policy-overview, key-policy-viewing); "later" is key-policy-default in a copy without a
date, which has RotateKeyOnDemand and key agreement, so it is of June 2024 or after.

- A statement without principals would be malformed, so a statement whose list is empty is left out: key-policy-viewing
  (2023) shows a console's policy that has only its first statement.
- One principal is a text, several are a list; users come before accounts (key-policy-default, 2023).
- The page calls the first statement "Enable IAM policies". The console itself, and the key policy that AWS KMS makes
  for a key without one, write "Enable IAM User Permissions". Both are read.
- The page has the condition's value as true and as "true". The text is what the grammar of policies has.
- The page says that "most key types" get the fourth statement, and names no type without it. Its paragraph on key users
  says that the console adds both statements, so every kind of key has both here. Policies that people published after the
  console made them for signing keys have all four.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.arn import ACCOUNT_ID, PARTITION, parse_arn, root_arn
from domain.crypto.specs import (
    ENCAPSULATE_DECAPSULATE,
    ENCRYPT_DECRYPT,
    GENERATE_VERIFY_MAC,
    KEY_AGREEMENT,
    SIGN_VERIFY,
    SPECS,
    Spec,
)
from domain.errors import InvalidRequest, LimitExceeded
from domain.policy.parse import KEY, Statement, parse_policy

DELEGATION = "Enable IAM User Permissions"
ADMINISTRATION = "Allow access for Key Administrators"
USE = "Allow use of the key"
ATTACHMENT = "Allow attachment of persistent resources"
DELEGATIONS = (DELEGATION, "Enable IAM policies", "EnableIAMUserPermissions")
"""The Sids of the first statement that the guide's examples have had."""
POLICY_ID = "key-consolepolicy-3"
"""key-policy-viewing, 2023."""
VERSION = "2012-10-17"

MANAGING = (
    *("kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Revoke*"),
    *("kms:Disable*", "kms:Get*", "kms:Delete*", "kms:TagResource", "kms:UntagResource"),
)
"""What every administrator may do (2023)."""
DELETING = ("kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion")
"""What administrators may do unless "Allow key administrators to delete this key" is cleared (2023)."""
IMPORTING = ("kms:ImportKeyMaterial",)
"""Only in the policy of a key that is made without material (2023). The page does not say where in the list."""
REPLICATING = ("kms:ReplicateKey", "kms:UpdatePrimaryRegion")
"""Only in the policy of a multi-Region key (2023)."""
ROTATING = ("kms:RotateKeyOnDemand",)
"""Later, for symmetric encryption keys. The other kinds have no rotation (API reference, RotateKeyOnDemand), so their
administrators would gain nothing by it. A copy of 2023 lacks it: a policy with it and one without it are both read."""
OPTIONAL = frozenset({*IMPORTING, *REPLICATING, *ROTATING})
ATTACHING = ("kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant")
"""2023."""
FOR_SERVICES = {"Bool": {"kms:GrantIsForAWSResource": "true"}}

SECRET_KEY_USE = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey")
"""Symmetric encryption keys (2023). The page also has the list in the order of the alphabet; this order is that of its
first example and of key-policy-overview."""
USE_BY_USAGE = {
    # 2023, "asymmetric KMS keys for public key encryption"
    ENCRYPT_DECRYPT: ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:DescribeKey", "kms:GetPublicKey"),
    # 2023, "asymmetric KMS keys for signing and verification"; ML-DSA keys have this usage too
    SIGN_VERIFY: ("kms:DescribeKey", "kms:GetPublicKey", "kms:Sign", "kms:Verify"),
    # 2023, "HMAC KMS keys"
    GENERATE_VERIFY_MAC: ("kms:DescribeKey", "kms:GenerateMac", "kms:VerifyMac"),
    # later, "asymmetric KMS keys for deriving shared secrets"
    KEY_AGREEMENT: ("kms:DescribeKey", "kms:GetPublicKey", "kms:DeriveSharedSecret"),
    # Neither copy has ML-KEM keys. By the page's rule (every cryptographic operation of the key, DescribeKey, and
    # GetPublicKey for a key pair), with the operations that the service model has for this usage.
    ENCAPSULATE_DECAPSULATE: ("kms:DescribeKey", "kms:GetPublicKey", "kms:Encapsulate", "kms:Decapsulate"),
}
"""What users may do with every other key, by its usage."""
USE_LISTS: tuple[frozenset[str], ...] = tuple(map(frozenset, (SECRET_KEY_USE, *USE_BY_USAGE.values())))
_PERSON = re.compile(r"(user|role)/[!-)+->@-~]+")
"""A user or a role with its path: printable ASCII without `*` and `?` (IAM API reference, Path, UserName, RoleName)."""


@dataclass(frozen=True, slots=True)
class KeyKind:
    """What the action lists depend on."""

    spec: Spec
    usage: str
    imported: bool = False
    multi_region: bool = False

    @property
    def use(self) -> tuple[str, ...]:
        """What users may do with a key of this kind."""
        return SECRET_KEY_USE if self.spec.symmetric else USE_BY_USAGE[self.usage]

    def administration(self, *, may_delete: bool) -> tuple[str, ...]:
        return (
            *MANAGING,
            *(DELETING if may_delete else ()),
            *(IMPORTING if self.imported else ()),
            *(REPLICATING if self.multi_region else ()),
            *(ROTATING if self.spec.symmetric else ()),
        )


def kind_of(spec: str, usage: str = "", *, imported: bool = False, multi_region: bool = False) -> KeyKind:
    """`usage` may be left out where the spec has only one. Raises InvalidRequest."""
    found = SPECS.get(spec)
    if found is None:
        raise InvalidRequest(f"There is no key spec {spec}. The specs are {', '.join(SPECS)}.")
    if not usage and len(found.usages) > 1:
        raise InvalidRequest(
            f"Say what the key is for: a key of spec {spec} has the usage {' or '.join(found.usages)}."
        )
    usage = usage or found.usages[0]
    if usage not in found.usages:
        raise InvalidRequest(f"A key of spec {spec} has the usage {' or '.join(found.usages)}, not {usage}.")
    return KeyKind(found, usage, imported, multi_region)


@dataclass(frozen=True, slots=True)
class ConsoleForm:
    """What the console's default view shows of a key policy: `account` owns the key, `administrators` and `users` are ARNs
    of its users and roles, `accounts` are the numbers of other accounts. `may_delete`: administrators may delete the
    key; False where there are none."""

    account: str
    administrators: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    may_delete: bool = False

    @property
    def using(self) -> tuple[str, ...]:
        """The principals of the statements for users."""
        return (*self.users, *map(root_arn, self.accounts))

    def require(self) -> None:
        """Raises InvalidRequest for what the console cannot put into a policy, LimitExceeded for more than fits into one."""
        if sum(map(len, (*self.administrators, *self.using))) > KEY.most:  # before there is more work
            raise LimitExceeded(f"The {KEY.name} is longer than {KEY.most} bytes.")
        if not ACCOUNT_ID.fullmatch(self.account):
            raise InvalidRequest(f"The key's account is {self.account!r}: write twelve digits.")
        for what, names in (("administrator", self.administrators), ("user", self.users)):
            for name in names:
                if fault := person_fault(name, self.account):
                    raise InvalidRequest(f"{name} cannot be a key {what}: {fault}.")
        for number in self.accounts:
            if not ACCOUNT_ID.fullmatch(number):
                raise InvalidRequest(f"{number!r} is not the number of an account: write twelve digits.")
            if number == self.account:
                raise InvalidRequest(f"{number} is the key's own account; name only other accounts.")
        for names in (self.administrators, self.users, self.accounts):
            if twice := [name for name, times in Counter(names).items() if times > 1]:
                raise InvalidRequest(f"{twice[0]} is named twice in one list.")


def person_fault(name: str, account: str) -> str:
    """Why a name is not the ARN of a user or role of the account; "" if it is one."""
    arn = parse_arn(name)
    if (
        arn is None
        or (arn.partition, arn.service, arn.region) != (PARTITION, "iam", "")
        or not _PERSON.fullmatch(arn.resource)
    ):
        return f"it is not the ARN of a user or role, such as arn:aws:iam::{account}:role/NAME"
    if arn.account != account:
        return f"it belongs to account {arn.account}. The console's policy names another account by its number"
    return ""


# -- making -----------------------------------------------------------------------------------------------------------


def make(kind: KeyKind, form: ConsoleForm) -> str:
    """The text of the policy. Raises InvalidRequest, LimitExceeded."""
    form.require()
    document = {"Version": VERSION, "Id": POLICY_ID, "Statement": [_delegation(form.account), *statements(kind, form)]}
    text = json.dumps(document, indent=2)
    parse_policy(text, KEY)
    return text


def _delegation(account: str) -> dict[str, Any]:
    return statement(DELEGATION, (root_arn(account),), "kms:*")


def statements(kind: KeyKind, form: ConsoleForm) -> list[dict[str, Any]]:
    """The statements after the first one, in their order."""
    found = []
    if form.administrators:
        actions = kind.administration(may_delete=form.may_delete)
        found.append(statement(ADMINISTRATION, form.administrators, list(actions)))
    if form.using:
        found.append(statement(USE, form.using, list(kind.use)))
        found.append(statement(ATTACHMENT, form.using, list(ATTACHING)) | {"Condition": FOR_SERVICES})
    return found


def statement(sid: str, principals: Sequence[str], action: str | list[str]) -> dict[str, Any]:
    named = principals[0] if len(principals) == 1 else list(principals)
    return {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": named}, "Action": action, "Resource": "*"}


# -- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StatementBeside:
    """A statement that is not part of the form. `index` counts from 0."""

    index: int
    sid: str


@dataclass(frozen=True, slots=True)
class FoundForm:
    """A policy in the console's form."""

    form: ConsoleForm
    beside: tuple[StatementBeside, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherForm:
    """A policy that the default view cannot show. `index` counts statements from 0; None if a statement is missing."""

    why: str
    sid: str
    index: int | None = None


class _Different(Exception):
    def __init__(self, why: str, sid: str, index: int | None = None) -> None:
        super().__init__(why)
        self.found = OtherForm(why, sid, index)


def read(text: str) -> FoundForm | OtherForm:
    """What the default view shows of a policy, or why it cannot show it. The order of members and actions and the white
    space do not matter, nor does an older list without RotateKeyOnDemand. Raises MalformedPolicy, LimitExceeded."""
    policy = parse_policy(text, KEY)
    raw = json.loads(text)["Statement"]
    written: list[dict[str, Any]] = [raw] if isinstance(raw, dict) else raw
    by_sid = {each.sid: each for each in policy.statements}
    first = next((by_sid[sid] for sid in DELEGATIONS if sid in by_sid), None)
    parts = [each for sid in (ADMINISTRATION, USE, ATTACHMENT) if (each := by_sid.get(sid))]
    try:
        if first is None:
            raise _Different(f'the policy has no statement "{DELEGATION}"', DELEGATION)
        account = _owner(first, _names(written[first.index]))
        form = _form(account, {each.sid: (each, _names(written[each.index])) for each in parts})
    except _Different as fault:
        return fault.found
    own = {each.index for each in (first, *parts)}
    return FoundForm(
        form, tuple(StatementBeside(each.index, each.sid) for each in policy.statements if each.index not in own)
    )


def _names(written: dict[str, Any]) -> list[str]:
    """The AWS principals in the order of the text; an account's number as its root's ARN. [] if there are none."""
    principal = written.get("Principal")
    named = principal.get("AWS", []) if isinstance(principal, dict) else []
    names = [named] if isinstance(named, str) else named
    return list(dict.fromkeys(root_arn(each) if ACCOUNT_ID.fullmatch(each) else each for each in names))


def _owner(found: Statement, names: list[str]) -> str:
    _require(found, names, {"kms:*"})
    arn = parse_arn(names[0])
    if len(names) != 1 or arn is None or arn.resource != "root":
        raise _Different("its principal is not one account", found.sid, found.index)
    return arn.account


def _form(account: str, parts: dict[str, tuple[Statement, list[str]]]) -> ConsoleForm:
    administrators, using, may_delete = list[str](), list[str](), False
    if ADMINISTRATION in parts:
        found, administrators = parts[ADMINISTRATION]
        may_delete = set(DELETING) <= set(found.action or ())
        _require(found, administrators, {*MANAGING, *(DELETING if may_delete else ())}, OPTIONAL)
        for name in administrators:
            if fault := person_fault(name, account):
                raise _Different(f"it names {name}: {fault}", found.sid, found.index)
    if USE in parts:
        found, using = parts[USE]
        _require(found, using, _nearest(found.action or ()))
    if (USE in parts) != (ATTACHMENT in parts):
        missing, there = (USE, ATTACHMENT) if ATTACHMENT in parts else (ATTACHMENT, USE)
        raise _Different(f'the policy has "{there}" and no statement "{missing}"', missing)
    if ATTACHMENT in parts:
        found, attaching = parts[ATTACHMENT]
        _require(found, attaching, set(ATTACHING), conditioned=True)
        if set(attaching) != set(using):
            raise _Different(f'its principals are not those of "{USE}"', found.sid, found.index)
    users, accounts = _split(account, using, parts.get(USE))
    return ConsoleForm(account, tuple(administrators), users, accounts, may_delete)


def _nearest(actions: Iterable[str]) -> frozenset[str]:
    """The list of actions for users that differs least from this one: what the default view holds it to."""
    own = frozenset(actions)
    return min(USE_LISTS, key=lambda each: len(each ^ own))


def _split(
    account: str, using: list[str], part: tuple[Statement, list[str]] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(users, numbers of other accounts)"""
    users, accounts = list[str](), list[str]()
    for name in using:
        arn = parse_arn(name)
        if arn is not None and arn.resource == "root" and arn.account != account:
            accounts.append(arn.account)
        elif not (fault := person_fault(name, account)):
            users.append(name)
        elif part is not None:
            raise _Different(f"it names {name}: {fault}", part[0].sid, part[0].index)
    return tuple(users), tuple(accounts)


def _require(
    found: Statement,
    names: list[str],
    actions: Iterable[str],
    optional: frozenset[str] = frozenset(),
    *,
    conditioned: bool = False,
) -> None:
    """Raises _Different if anything but the principals is not as the console writes it."""
    own, wanted = set(found.action or ()), set(actions)
    lacking, more = sorted(wanted - own), sorted(own - wanted - optional)
    condition = {name: dict(keys) for name, keys in (found.condition or {}).items()}
    expected = {"Bool": {"kms:GrantIsForAWSResource": ("true",)}} if conditioned else {}
    why = ""
    if found.effect != "Allow":
        why = "its effect is Deny"
    elif found.principal is None or found.principal.names != frozenset(names) or found.principal.anyone or not names:
        why = "its principals are not accounts, users and roles alone"
    elif found.action is None:
        why = "it has no Action"
    elif lacking or more:
        parts = [f"{word} {', '.join(each)}" for word, each in (("lacks", lacking), ("has", more)) if each]
        why = f"its actions are not the console's: it {' and '.join(parts)}"
    elif found.resource != ("*",):
        why = 'its resource is not "*"'
    elif condition != expected:
        why = f"its condition is not {json.dumps(FOR_SERVICES)}" if conditioned else "it has a condition"
    if why:
        raise _Different(why, found.sid, found.index)
