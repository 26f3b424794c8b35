"""Changes a key policy in the console's form, as its default view does: administrators, users, other accounts, deletion.

Source: KMS developer guide, key-policy-modifying. Everything that a change does not concern stays byte for byte: other
statements, the layout, the order of members, and actions that an older policy has or lacks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from domain.arn import ACCOUNT_ID, root_arn
from domain.errors import InvalidRequest
from domain.policy.console_form import (
    ADMINISTRATION,
    ATTACHMENT,
    DELEGATIONS,
    DELETING,
    MANAGING,
    USE,
    ConsoleForm,
    KeyKind,
    OtherForm,
    read,
    statements,
)
from domain.policy.json_places import TextPlace, place_of, replaced, with_item_after, with_texts, without_item


def changed(text: str, kind: KeyKind, wanted: ConsoleForm) -> str:
    """The policy with these administrators, users and accounts. Names that were there keep their order, and new ones
    follow. `kind` matters only for a statement that the policy does not have yet.

    Raises:
        InvalidRequest: the policy has not the console's form, or the form cannot be put into a policy.
        MalformedPolicy, LimitExceeded: the text, or what it would become, is not a key policy.
    """
    found = read(text)
    if isinstance(found, OtherForm):
        raise InvalidRequest(not_shown(found))
    if wanted.account != found.form.account:
        raise InvalidRequest(f"The policy is of a key of account {found.form.account}, not {wanted.account}.")
    wanted.require()
    before = found.form
    made = {each["Sid"]: each for each in statements(kind, wanted)}
    for sid, names in ((ADMINISTRATION, wanted.administrators), (USE, wanted.using), (ATTACHMENT, wanted.using)):
        there = _Statements.of(text)
        if sid not in there.sids:
            text = there.with_new(sid, made[sid]) if names else text
        elif names:
            text = _with_principals(text, there.place(sid).members["Principal"].members["AWS"], names)
        else:
            text = without_item(text, there.listed, there.sids.index(sid))
    if before.administrators and wanted.administrators and wanted.may_delete != before.may_delete:
        text = _with_deletion(text, may_delete=wanted.may_delete)
    read(text)  # the size
    return text


def not_shown(found: OtherForm) -> str:
    """The sentence that says why the default view cannot show a policy."""
    where = f' (statement {found.index + 1}, "{found.sid}")' if found.index is not None else ""
    return f"The policy is not in the form that the console makes: {found.why}{where}."


@dataclass(frozen=True, slots=True)
class _Statements:
    """The statements of a text, in their places. A policy may have one statement without a list."""

    text: str
    alone: bool
    listed: TextPlace
    sids: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        place = place_of(text).members["Statement"]
        listed = place if place.items else replace(place, items=(place,))
        sids = [each.members.get("Sid") for each in listed.items]
        texts = ["" if each is None else json.loads(text[each.begin : each.end]) for each in sids]
        return cls(text, not place.items, listed, tuple(texts))

    def place(self, sid: str) -> TextPlace:
        return self.listed.items[self.sids.index(sid)]

    def with_new(self, sid: str, value: object) -> str:
        """The text with a new statement, behind the one that the console writes before it."""
        if self.alone:
            listed = replaced(self.text, self.listed, f"[{self.text[self.listed.begin : self.listed.end]}]")
            return self.of(listed).with_new(sid, value)
        order = (*reversed(DELEGATIONS), ADMINISTRATION, USE, ATTACHMENT)
        before = next(each for each in reversed(order[: order.index(sid)]) if each in self.sids)
        return with_item_after(self.text, self.listed, self.sids.index(before), value)


def _with_principals(text: str, place: TextPlace, names: Sequence[str]) -> str:
    """The text with these principals. New users stand behind the last user and before the accounts, as the console has
    them."""
    there = {_canonical(text, each): text[each.begin : each.end] for each in place.items or (place,)}
    kept = [name for name in there if name in names]
    new = [name for name in names if name not in there]
    if len(kept) == len(there) and not new:
        return text
    behind = max((index + 1 for index, name in enumerate(kept) if not _is_account(name)), default=0)
    people = [name for name in new if not _is_account(name)]
    ordered = [*kept[:behind], *people, *kept[behind:], *filter(_is_account, new)]
    return with_texts(text, place, [there.get(name) or json.dumps(name) for name in ordered])


def _is_account(name: str) -> bool:
    return name.endswith(":root")


def _canonical(text: str, place: TextPlace) -> str:
    name = json.loads(text[place.begin : place.end])
    return root_arn(name) if ACCOUNT_ID.fullmatch(name) else str(name)


def _with_deletion(text: str, *, may_delete: bool) -> str:
    """The text with the two actions in the administrators' statement, behind those that every administrator has, or
    without them."""
    place = _Statements.of(text).place(ADMINISTRATION).members["Action"]
    there = [text[each.begin : each.end] for each in place.items]
    names = [json.loads(each) for each in there]
    if not may_delete:
        return with_texts(text, place, [each for each, name in zip(there, names, strict=True) if name not in DELETING])
    behind = 1 + max(index for index, name in enumerate(names) if name in MANAGING)
    return with_texts(text, place, [*there[:behind], *map(json.dumps, DELETING), *there[behind:]])
