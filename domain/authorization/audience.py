"""What an account may read. Every answer of the audit API passes through here.

An account reads everything about itself. About another account it reads the account's number and nothing else: not its
principals, its policies or its resources. Calls across accounts concern both:

- A call that was carried out. The caller's account reads everything about its own side and the answer, but not what let
  the call in. The resource's account reads which account called, when, with which encryption context, and which of its
  own statements or grants let the call in. It does not read who called, with which credential or from where.
- A call that was refused for lack of permission. The caller's account reads the refusal as the caller did. The
  resource's account reads nothing.
- A call that had permission and was refused for another reason. The same holds as for a call that was carried out.

AWS does the same. It logs a denied cross-account request in the caller's account only. It logs a request that is
carried out in both accounts, and the owner's copy names the caller by account (KMS developer guide,
logging-using-cloudtrail; CloudTrail user guide, shared-event-ID). AWS's copy for the owner also has the caller's unique
id, address and agent; ours does not.

A route answers with `Told`. Only this file makes one, and the server sends nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.arn import account_in, parse_arn, root_arn
from domain.authorization.caller import Caller
from domain.errors import AccessRefused
from domain.log.record import Document
from domain.policy.compile import BOUNDARY, DIRECT, IDENTITY_POLICY, KEY_POLICY, ROLE, SESSION_POLICY, TRUST_POLICY

OF_THE_RESOURCE = frozenset({KEY_POLICY, TRUST_POLICY, "grant"})
OF_THE_CALLER = frozenset({IDENTITY_POLICY, BOUNDARY, SESSION_POLICY})
ACROSS = "cross-account"
"""The kind that a reader sees for a decision across accounts: what decided it belongs to only one of them."""
NOT_YOURS = "What you ask about does not exist, or belongs to another account."
PRINCIPALS = ("principals", "grantee_id", "retiring_id")
"""Members of an event that hold unique ids of principals. For another account's principal they would reveal whether it exists."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, or one part of a long answer. Only an Audience makes one; `tests/house` checks that."""

    value: Any


@dataclass(frozen=True, slots=True)
class Audience:
    """Who reads an answer: an account, or "" for the reader of an imported trail. From that reader nothing is withheld,
    since the trail is the installation's own record of other accounts."""

    account: str

    def owns(self, account: str) -> bool:
        return self.account in ("", account)

    def require(self, account: str) -> None:
        """Raises AccessRefused for any other account, in the same words as for something that does not exist."""
        if not self.owns(account):
            raise AccessRefused(NOT_YOURS)

    def require_reference(self, reference: str) -> None:
        """The same for another account's ARN. It comes before anything checks whether the ARN exists."""
        account = account_in(reference)
        if account:
            self.require(account)

    # -- answers ------------------------------------------------------------------------------------------------------

    def own(self, account: str, value: Any) -> Told:
        """An answer made only from one account's own state, rows and text. Raises AccessRefused."""
        self.require(account)
        return Told(value)

    def public(self, value: Any) -> Told:
        """An answer that is the same for every account: the description of the API, the rules, positions."""
        return Told(value)

    def progress(self, value: Mapping[str, int | bool]) -> Told:
        """How far a long answer has come: counts and positions."""
        return Told(dict(value))

    def calls(self, rows: Iterable[Document], following: str | None, more: Mapping[str, str] | None = None) -> Told:
        """A page of calls; `more` are words about the log itself."""
        return Told({"items": [self.call(row) for row in rows], "next": following, **(more or {})})

    def alerts(self, accounts: Sequence[str], value: Any) -> Told:
        """Alerts of these accounts. "" means Keytrail itself, whose alerts belong to the hosting account. Rules mention
        other accounts only by their numbers (`domain.alerts.change`). Raises AccessRefused."""
        for account in accounts:
            if account:
                self.require(account)
        return Told(value)

    def line(self, row: Document) -> Told:
        """One call, for an answer with one call a line."""
        return Told({"record": self.call(row)})

    # -- what an account reads of a call
    # ----------------------------------------------------------------------------------

    def who(self, account: str, principal: str) -> str:
        """A caller: the account's own callers by ARN, another account's by the account. A service belongs to no account
        and is named."""
        return principal if self.owns(account) or not principal.startswith("arn:") else account

    def call(self, row: Document) -> dict[str, Any]:
        """A row of `decisions` with its members parsed. The row's `owners` say whether the account may read any of it."""
        told = dict(row)
        if not self.account:
            return told
        if told["account"] != self.account:
            self._called_upon(told)
        elif any(self._foreign(each) for each in told.get("resources") or ()):
            self._called_out(told)
        if told.get("key_id") != row.get("key_id") and "key_aliases" in told:
            told["key_aliases"] = []  # these are names of things that the reader may not see
        if isinstance(told.get("event"), Mapping):
            told["event"] = self.event(told["event"])
        return told

    def _called_out(self, told: dict[str, Any]) -> None:
        """This account's own call on another account's resource."""
        refused = told.get("error") == AccessRefused.kind
        told |= dict.fromkeys(("materials", "policy_version", "sid", "statement", "decided_by", "rule"))
        told |= {"kind": ACROSS, "reasons": [] if refused else self.reasons(told.get("reasons") or ())}
        # The reader sees what the request asked for, but not whether it exists, nor which key an alias means.
        if refused:
            told |= {"resources": [], "key_id": None}
        told.pop("inputs", None)  # among them are values that conditions read of the resource

    def _called_upon(self, told: dict[str, Any]) -> None:
        """Another account's call on a resource of this one."""
        resources = told.get("resources") or ()
        owned = [each for each in resources if not self._foreign(each)]
        told |= {
            "principal": self.who(told["account"], told["principal"]),
            **dict.fromkeys(("access_key", "source", "agent"), ""),
            "message": None,
            "parameters": {},
            "kind": ACROSS,
            "rule": None,
            "resources": owned,
            "reasons": self.reasons(told.get("reasons") or ()),
            "summary": f"{told['operation']} by {self.who(told['account'], told['principal'])}",
        }
        for name in ("inputs", "session"):
            told.pop(name, None)
        if len(owned) < len(resources):  # the other key may be any account's, and so may the context and the material
            told |= {"encryption_context": None, "materials": None, "key_id": self._key_of(owned)}

    @staticmethod
    def _key_of(resources: Sequence[str]) -> str | None:
        return next((each.rpartition("/")[2] for each in resources if ":key/" in each), None)

    def _foreign(self, resource: str) -> bool:
        """If only a ciphertext named a key, the caller does not know whose it is: the ARN has no account."""
        found = parse_arn(resource)
        return found is not None and found.account != self.account

    def event(self, event: Document) -> dict[str, Any]:
        """An event's data without facts about other accounts' principals: their unique ids, and which of them acted."""
        told = dict(event)
        if isinstance(told.get("principals"), Mapping):
            told["principals"] = {name: id for name, id in told["principals"].items() if self.owns(account_in(name))}
        for shown in ("grantee", "retiring"):
            if f"{shown}_id" in told and not self.owns(account_in(str(told[shown]))):
                told[f"{shown}_id"] = told[shown]
        if "issuer" in told:
            told["issuer"] = self.who(str(told.get("issued_by", "")), str(told["issuer"]))
        return told

    def reasons(self, reasons: Iterable[Document]) -> list[dict[str, Any]]:
        """For every permission that a call needed: what decided it on this account's side."""
        return [told for each in reasons if (told := self._reason(each)) is not None]

    def _reason(self, reason: Document) -> dict[str, Any] | None:
        ours = not self._foreign(reason["resource"])
        told: dict[str, Any] = {"action": reason["action"], "effect": reason["effect"]}
        if ours:
            told["resource"] = reason["resource"]
        for name in ("by", "delegation"):
            by = reason.get(name)
            # To name the caller's own Deny would reveal that a foreign resource has the tags that the Deny looks for.
            if by is not None and (ours or reason["effect"] == "allow") and self._is_own(by, ours):
                told["by"] = dict(by)
        if "by" not in told and not ours:
            told["by"] = {"kind": ACROSS}
        return told if "by" in told else None

    def _is_own(self, by: Document, ours: bool) -> bool:
        """A statement belongs to the account whose policy it is in; a grant belongs to the key's account."""
        if by["kind"] in OF_THE_RESOURCE:
            return ours
        if by["kind"] in OF_THE_CALLER:
            return not self._foreign(str(by.get("policy", "")).partition("#")[0])
        return False

    def case(self, case: Document) -> tuple[str, bool]:
        """(the caller as this account reads it, whether the whole decision was made inside this account)"""
        own = self.owns(case["account"]) and not any(self._foreign(each) for each in case["resources"] if self.account)
        return self.who(case["account"], case["principal"]), own

    def change(self, row: Document, members: Sequence[str]) -> dict[str, Any]:
        """A change of a resource of this account. If an own principal made it, the answer has these `members`;
        otherwise only the account."""
        if self.owns(row["account"]):
            return {name: row[name] for name in members}
        return {"position": row["position"], "principal": row["account"], "operation": row["operation"]}


def stranger(account: str, name: str, meant: Iterable[str] = ()) -> Caller:
    """A caller of another account. This account may not read that caller's policies, so they count as allowing
    everything. The answer then depends only on what this account's policies and grants say about the name. `meant` are
    the unique ids that policies bound the ARN to when they were written. Whether the principal exists makes no
    difference."""
    names = {name: DIRECT, root_arn(account): DIRECT} | dict.fromkeys(meant, DIRECT)
    arn = parse_arn(name)
    if arn is not None and arn.resource.startswith("assumed-role/"):
        names[f"arn:{arn.partition}:iam::{account}:role/{arn.resource.split('/')[1]}"] = ROLE
    context = {"aws:principalaccount": (account,), "kms:calleraccount": (account,)}
    return Caller(account, name, names, name, needs_policies=False, context=context)
