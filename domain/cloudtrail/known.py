"""What other sources tell about the time before a trail began: answers of AWS's API, each with the time at which it was
taken.

An answer holds for the beginning if no record of the trail, before the answer was taken, changed what it tells. The
trail then begins with the answer, in place of what was never seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote

from domain.arn import iam_arn, parse_arn, region_in
from domain.cloudtrail.first_seen import account_there, created, key_id, named_there, principal_there, principals
from domain.cloudtrail.grants import constraints_in, matched_as
from domain.cloudtrail.iam_changes import VERSION_ID, given, id_without, identity_met, unseen_policy
from domain.cloudtrail.record import Broken, CausedEvents, moment, require_names
from domain.errors import Refusal
from domain.identities.identity import GROUP, ROLE, USER
from domain.identities.published import kind_of
from domain.log import events as kms
from domain.log import identity_events as iam
from domain.log.codec import rfc3339
from domain.policy import unseen
from domain.policy.parse import INLINE, TRUST, PolicyKind, parse_policy
from domain.policy.parse import KEY as KEY_POLICY
from domain.state.world import World

MARK = "keytrailKnown"
"""The member that marks a fact, so that it cannot be mistaken for a record of CloudTrail."""
POLICY, GRANTS, MANAGED_POLICY, IDENTITY = "key-policy", "grants", "managed-policy", "identity"
ORDER = (MANAGED_POLICY, IDENTITY, POLICY, GRANTS)
"""What is named comes before what names it."""
BY = "keytrail import policies"
"""The author that is shown for policies from such answers; the real author is not known."""
Placed = Iterator[tuple[str, object]]
"""Events with their Region; "" for an event that belongs to no Region."""


@dataclass(frozen=True, slots=True)
class Fact:
    """`subject`: an ARN; `at`: when the answer was taken, in microseconds; `document`: this fact's part of the
    answer."""

    id: str
    kind: str
    subject: str
    at: int
    document: Mapping[str, Any]

    def record(self) -> dict[str, Any]:
        """The form in which a fact is kept beside CloudTrail's records."""
        told = {"kind": self.kind, "subject": self.subject, "document": self.document}
        return {"eventID": self.id, "eventTime": rfc3339(self.at), MARK: told}


def fact_of(document: Mapping[str, Any]) -> Fact:
    """The inverse of `Fact.record`. Raises Broken."""
    told = document.get(MARK)
    if not isinstance(told, dict) or not isinstance(told.get("document"), dict):
        raise Broken("it does not say what is known")
    kind, subject = given(told, "kind"), given(told, "subject")
    if kind not in ORDER or parse_arn(subject) is None:
        raise Broken("it does not say of what something is known")
    _require_shape(kind, subject, told["document"])
    require_names(given(document, "eventID"), subject)
    return Fact(given(document, "eventID"), kind, subject, moment(document.get("eventTime")), told["document"])


PoliciesTold = Iterator[tuple[str, PolicyKind]]


def _require_shape(kind: str, subject: str, told: Mapping[str, Any]) -> None:
    """Raises Broken for a document without the members that `parts_of` gives it, or with a policy that cannot be read."""
    try:
        for text, of_kind in _POLICIES_IN[kind](subject, told):
            text_in(text, of_kind)
    except (TypeError, LookupError, AttributeError):
        raise Broken(f"it does not say what is known: {kind}") from None


def _require(right: object) -> None:
    if not right:
        raise TypeError


def _of_key_policy(subject: str, told: Mapping[str, Any]) -> PoliciesTold:
    _require(_is_texts([told["text"]]))
    yield told["text"], KEY_POLICY


def _of_grants(subject: str, told: Mapping[str, Any]) -> PoliciesTold:
    for each in told["grants"]:
        _require(given(each, "GrantId"))
        constraints_in(each)
    yield from ()


def _of_managed_policy(subject: str, told: Mapping[str, Any]) -> PoliciesTold:
    versions = told["versions"]
    _require(told["default"] in versions and all(VERSION_ID.fullmatch(name) for name in versions))
    _require(_is_texts([told["id"], *versions.values()]))
    for text in versions.values():
        yield text, kind_of(subject)


def _of_identity(subject: str, told: Mapping[str, Any]) -> PoliciesTold:
    _require(told["kind"] in (USER, GROUP, ROLE) and _is_texts([told["id"], told["boundary"], told["trust"]]))
    _require(_is_texts(told["attached"]) and _is_texts(told["groups"]) and _is_texts([*told["tags"].values()]))
    _require(_is_texts([*told["inline"].values()]))
    for text in told["inline"].values():
        yield text, INLINE
    if told["kind"] == ROLE:
        yield told["trust"], TRUST


_POLICIES_IN: Mapping[str, Callable[[str, Mapping[str, Any]], PoliciesTold]] = {
    POLICY: _of_key_policy,
    GRANTS: _of_grants,
    MANAGED_POLICY: _of_managed_policy,
    IDENTITY: _of_identity,
}
"""The policies in a fact's document, by the fact's kind, from its subject and its document. Another shape raises TypeError,
LookupError or AttributeError."""


def _is_texts(told: Any) -> bool:
    return isinstance(told, list) and all(isinstance(each, str) for each in told)


def fact(part: AnswerPart, at: int) -> Fact:
    """A part of an answer, as it was at a time. The same part at the same time gets the same id."""
    kind, subject, document = part
    text = json.dumps([kind, subject, at, document], sort_keys=True)
    return Fact(f"known-{blake2b(text.encode(), digest_size=16).hexdigest()}", kind, subject, at, document)


AnswerPart = tuple[str, str, dict[str, Any]]
"""(kind, subject, document)."""
Slots = tuple[str, ...]


def changed_by(fact: Fact) -> Slots:
    """The beginning of the slots (slots.py) that matter to a fact; for an identity, without the first word. After a
    change that writes such a slot, the fact tells nothing about the time before the change."""
    parsed = parse_arn(fact.subject)
    if fact.kind in (POLICY, GRANTS):
        return ("key policy" if fact.kind == POLICY else "grants", key_id(fact.subject))
    if fact.kind == IDENTITY and parsed is not None:
        return (str(fact.document["kind"]), parsed.account, parsed.resource.rpartition("/")[2].lower())
    return (fact.kind, fact.subject)


def text_in(document: Any, kind: PolicyKind) -> str:
    """A policy in any form that an answer may have: an object, its text, or the encoded text that the API itself sends.
    Raises Broken."""
    text = document if isinstance(document, str) else json.dumps(document)
    if text.startswith("%7B"):
        text = unquote(text)
    try:
        parse_policy(text, kind)
    except Refusal as fault:
        raise Broken(f"a policy in it cannot be read: {fault.message}") from None
    return text


def beginning(facts: Mapping[str, Mapping[str, Fact]], world: World) -> Iterator[tuple[str, Placed]]:
    """For each subject, the events that make what is known of it true; each must be applied before the next is requested.
    `facts`: by kind and subject."""
    for fact in facts.get(MANAGED_POLICY, {}).values():
        yield fact.subject, _placed("", _managed(fact, world))
    people = sorted(facts.get(IDENTITY, {}).values(), key=lambda each: each.document["kind"] != GROUP)
    for fact in people:
        yield fact.subject, _placed("", _identity(fact, world))
    keys = {*facts.get(POLICY, {}), *facts.get(GRANTS, {})}
    for arn in sorted(keys):
        made = _key(arn, facts.get(POLICY, {}).get(arn), facts.get(GRANTS, {}).get(arn), world)
        yield arn, _placed(region_in(arn), made)


def _placed(region: str, made: CausedEvents) -> Placed:
    for event in made:
        yield region, event


def _key(arn: str, policy: Fact | None, grants: Fact | None, world: World) -> CausedEvents:
    key, parsed = key_id(arn), parse_arn(arn)
    if parsed is None or key in world.keys:
        return
    text = unseen.policy_before(arn) if policy is None else str(policy.document["text"])
    yield from account_there(world, parsed.account)
    if policy is not None:
        yield from named_there(text, world)
    mark = unseen.mark_of(policy=policy is None, grants=grants is None)
    named = {} if policy is None else principals(text, world)
    yield created(key, parsed.account, text, {unseen.NAME: mark}, named)
    for each in grants.document["grants"] if grants is not None else ():
        for name in ("GranteePrincipal", "RetiringPrincipal"):
            yield from principal_there(given(each, name), world)
        yield _grant(key, each, world)


def _grant(key: str, told: Mapping[str, Any], world: World) -> kms.GrantCreated:
    grantee, retiring = given(told, "GranteePrincipal"), given(told, "RetiringPrincipal")
    return kms.GrantCreated(
        key=key,
        grant=given(told, "GrantId"),
        name=given(told, "Name"),
        grantee=grantee,
        grantee_id=matched_as(grantee, world),
        retiring=retiring,
        retiring_id=matched_as(retiring, world),
        operations=sorted({each for each in told.get("Operations") or () if isinstance(each, str)}),
        constraints=constraints_in(told),
        issuer=given(told, "IssuingAccount"),
        issued_by=(parse_arn(given(told, "IssuingAccount")) or _NOBODY).account,
        parent="",
    )


class _Nobody:
    account = ""


_NOBODY = _Nobody()


def _managed(fact: Fact, world: World) -> CausedEvents:
    parsed = parse_arn(fact.subject)
    if parsed is None or fact.subject in world.directory.policies:
        return
    told = fact.document
    path, _, name = parsed.resource.removeprefix("policy").rpartition("/")
    versions, default = told["versions"], told["default"]
    unique = told["id"] or f"ARN:{fact.subject}"
    first = versions.get("v1", versions[default])
    yield iam.ManagedPolicyCreated(parsed.account, unique, name, f"{path}/", "", first, {})
    for version in sorted(versions.keys() - {"v1"}, key=lambda each: int(each[1:])):
        yield iam.PolicyVersionCreated(parsed.account, unique, version, versions[version], version == default)
    if "v1" not in versions:
        yield iam.PolicyVersionDeleted(parsed.account, unique, "v1")


def _identity(fact: Fact, world: World) -> CausedEvents:
    told, parsed = fact.document, parse_arn(fact.subject)
    if parsed is None or fact.subject in world.directory.by_arn:
        return
    kind, account, unique = told["kind"], parsed.account, told["id"] or f"ARN:{fact.subject}"
    path, _, name = parsed.resource.partition("/")[2].rpartition("/")
    path = f"/{path}/" if path else "/"
    tags = {**told["tags"], unseen.NAME: "date"}
    yield from account_there(world, account)
    for arn in (*told["attached"], *([told["boundary"]] if told["boundary"] else [])):
        if arn not in world.directory.policies:
            yield from unseen_policy(arn)
    if kind == USER:
        yield iam.UserCreated(account, unique, name, path, tags, told["boundary"])
    elif kind == GROUP:
        yield iam.GroupCreated(account, unique, name, path)
    else:
        yield iam.RoleCreated(account, unique, name, path, told["trust"], {}, "", 3600, tags, told["boundary"])
    for policy, text in told["inline"].items():
        yield iam.InlinePolicyPut(account, kind, unique, policy, text)
    for arn in told["attached"]:
        yield iam.PolicyAttached(account, kind, unique, arn)
    for group in told["groups"]:
        held = world.directory.find(GROUP, account, group)
        group_id = id_without(iam_arn(account, GROUP, "/", group), world) if held is None else held.id
        if held is None:  # the answer does not say what the group may do, or says it too late
            yield from identity_met(account, GROUP, group_id, group, "/")
        yield iam.MemberAdded(account, group_id, unique)
