"""Names as people read them: user/bob, alias/payroll, v3 "Sid". Every command accepts a name that is shortened here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from domain.arn import ACCOUNT_ID, parse_arn

SHOWN = 8
"""How many characters of a key's or grant's id are shown if there is no room for the whole id."""


def short(name: str | None, account: str = "") -> str:
    """The part of an ARN that people need: user/bob in `account`, 444455556666:user/bob in another account."""
    if not name:
        return ""
    if ACCOUNT_ID.fullmatch(name):
        return f"account {name}"
    arn = parse_arn(name)
    if arn is None:
        return name
    resource = arn.resource.removeprefix("key/") if arn.service == "kms" else arn.resource
    # AWS's own policies belong to no customer's account.
    return resource if arn.account in (account, "aws", "") else f"{arn.account}:{resource}"


ARN = re.compile(r"arn:aws[a-z-]*:[a-z]+:[a-z0-9-]*:(?:\d{12}|aws)?:[\w+=,.@/#*-]*[\w/*]")
LONG_ID = re.compile(r"\b[0-9a-f]{64}\b")
LISTED = re.compile(r"\['[^'\]]*'(?:, '[^'\]]*')*\]")
"""Finds a list in the summary of a record."""
PAIRS = re.compile(r"\{'[^'}]*': '[^'}]*'(?:, '[^'}]*': '[^'}]*')*\}")
"""Finds tags in it."""


def shortened(text: str | None, account: str = "") -> str:
    """A sentence with shortened ARNs and grants' ids."""
    text = ARN.sub(lambda found: short(found[0], account), text or "")
    text = LISTED.sub(lambda found: found[0][1:-1].replace("'", ""), text)
    text = PAIRS.sub(lambda found: found[0][1:-1].replace("': '", "=").replace("'", ""), text)
    return LONG_ID.sub(lambda found: cut(found[0], 12), text)


UNIQUE_ID = re.compile(r"\b(?:(?:user|group|role|policy|instance profile) )?(A[A-Z0-9]{15,})\b")
KEY_ID = re.compile(r"\bkey ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})")


def summary(row: Mapping[str, Any], account: str = "") -> str:
    """What a change did, in one line. If the record has only the id of an identity or key, `names` gives its name."""
    named = row.get("names") or {}

    def identity(found: re.Match[str]) -> str:
        return short(named[found[1]], account) if found[1] in named else found[0]

    def key(found: re.Match[str]) -> str:
        return f"{named[found[1]]} {found[1]}" if found[1] in named else found[0]

    text = KEY_ID.sub(key, UNIQUE_ID.sub(identity, row.get("summary") or ""))
    return shortened(text, account)


def cut(id: str, most: int = SHOWN) -> str:
    """The beginning of an id, with a sign that there is more."""
    return id if len(id) <= most + 1 else f"{id[:most]}…"


def key_of(row: Mapping[str, Any], *, whole: bool = True) -> str:
    """A row's key: its aliases and its id."""
    id, aliases = row.get("key_id") or "", row.get("key_aliases") or ()
    if not id:
        return ""
    shown = id if whole else cut(id)
    if not aliases:
        return shown
    more = f" +{len(aliases) - 1}" if len(aliases) > 1 and not whole else ""
    return f"{', '.join(aliases) if whole else aliases[0] + more} {shown}"


DECIDED_BY = {
    "key-state": "the key's state", "key-usage": "what the key is for", "authentication": "the credential",
    "not-found": "it is not there", "limit": "a limit", "request": "the request itself",
}  # fmt: skip
"""What decided, if no policy and no rule of the evaluation did (domain/authorization/verdict.py has the kinds)."""
QUESTION_REFUSED = "question-refused"
"""The error of a question that the audit API did not answer."""


def refused_by(row: Mapping[str, Any]) -> str:
    """What decided, in words, if no statement and no grant did."""
    if row.get("error") == QUESTION_REFUSED:
        return "the question itself"
    kind = str(row.get("rule") or row.get("kind") or "")
    return DECIDED_BY.get(kind, kind.replace("-", " "))


def error(row: Mapping[str, Any]) -> str:
    """The kind of a refusal, in words."""
    kind = str(row.get("error") or "")
    return "not answered" if kind == QUESTION_REFUSED else kind.replace("-", " ")


def decider(row: Mapping[str, Any], account: str = "") -> str:
    """What decided a call of the log: a policy's statement, a grant or a rule. For a call of a trail, it may instead name what
    is not known."""
    if row.get("missing"):
        return f"not known: {shortened('; '.join(row['missing']), account)}"
    by = row.get("decided_by")
    if not by:
        return refused_by(row)
    return statement(
        {
            "kind": row.get("kind"),
            "policy": by,
            "version": row.get("policy_version"),
            "index": row.get("statement"),
            "sid": row.get("sid"),
        },
        account,
    )


def statement(by: Mapping[str, Any], account: str = "") -> str:
    """A key policy's statement as v3 "Sid"; another policy's with the policy's name."""
    if "grant" in by:
        return f"grant {cut(str(by['grant']), 12)}"
    if by.get("rule"):
        return str(by["rule"]).replace("-", " ")
    policy = str(by.get("policy") or "")
    if by.get("unknown"):
        return "key policy, not known" if by["kind"] == "key-policy" else f"{short(policy, account)}, not known"
    if not policy:
        return f"{by.get('kind', '')} of the other account".replace("-", " ")
    kind, version = by.get("kind"), by.get("version")
    if by.get("index") is None and kind == "key-policy":
        return "key policy"
    if by.get("index") is None:  # only a policy or grant, without a statement
        return f"{kind} {cut(policy, 12)}" if kind == "grant" else short(policy, account)
    where = f'"{by["sid"]}"' if by.get("sid") else f"statement {by['index']}"
    if _is_key(policy) or kind == "key-policy":
        return f"v{version} {where}" if version else f"key policy {where}"
    of = "trust policy of " if kind == "trust-policy" else ""
    return f"{of}{_policy(policy, account)} {where}"


KINDS = {
    "trust-policy": "trust policy of",
    "key-policy": "key policy",
    "identity-policy": "",
    "boundary": "boundary",
    "session-policy": "session policy",
}


def of_statement(by: Mapping[str, Any], account: str = "") -> str:
    """A statement on a separate line: statement 1 "Batch" of the key policy, v3."""
    where = f"statement {by['index']}" + (f' "{by["sid"]}"' if by.get("sid") else "")
    kind, version = str(by.get("kind") or ""), by.get("version")
    policy = str(by.get("policy") or "")
    if _is_key(policy) or kind == "key-policy":
        return f"{where} of the key policy" + (f", v{version}" if version else "")
    # The version of an inline policy is the log's position at which the policy was put.
    put = f", put at @{version}" if "#" in policy and version is not None else f", {version}" if version else ""
    of = f"{KINDS.get(kind, kind)} {_policy(policy, account)}".strip()
    return f"{where} of {of}{put}"


def _is_key(policy: str) -> bool:
    arn = parse_arn(policy)
    return arn is not None and arn.service == "kms"


def _policy(policy: str, account: str) -> str:
    holder, inline, name = policy.partition("#")
    return f"{short(holder, account)}#{name}" if inline else short(policy, account)
