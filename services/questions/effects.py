"""What one change did: its effects, the principals and resources that it concerns, and whether a question is about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.arn import parse_arn
from domain.policy import statement_set, unseen

NOT_GIVEN, GIVES, REFUSES = "not given", "given", "refused"
KEPT_OUT, LET_THROUGH = "outside the boundary", "within the boundary"
DEPENDS, BOUNDARY = "depends", "boundary"
STILL, REFUSED_OF_IT = "still", "refused"
"""Members of an identity policy's effect. `still`: what the holder's other statements still say of actions that went (they allow
them, or refuse them if the effect is a refusal). `refused`: what those statements refuse of actions that came."""
Effect = dict[str, Any]


@dataclass(slots=True)
class ChangeEffects:
    """What one change did. `account` owns it; it concerns `keys` and `about` (ARNs)."""

    account: str = ""
    keys: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    gained: list[Effect] = field(default_factory=list)
    lost: list[Effect] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangeScope:
    """What a question is about: `key` (its id and ARN) or `principal` (an ARN); everything if both are ""."""

    key: str = ""
    key_arn: str = ""
    principal: str = ""


def unseen_in(effect: Mapping[str, Any]) -> str:
    """Names what a trail never saw, if the statement stands in for it; "" otherwise."""
    asked = (values.get(unseen.KEY) for values in effect.get("condition", {}).values())
    return next((each[0] for each in asked if each), "")


def put(told: ChangeEffects, effect: Effect) -> None:
    """Adds an effect. A new Deny takes access away, and a removed Deny gives it back. A statement that stands in for an unseen
    policy does neither; the answer says once that it is unknown."""
    if what := unseen_in(effect):
        words = f"{what}, {unseen.NEVER}"
        told.unknown += [words] if words not in told.unknown else []
        return
    takes = effect["after"] == REFUSES or effect["before"] in (GIVES, LET_THROUGH)
    (told.lost if takes else told.gained).append(effect)


def statement(effect: Mapping[str, Any], who: tuple[str, ...], *, made: bool, limits: bool = False) -> Effect:
    """A statement that was added or removed. `limits`: of a permissions boundary, which gives nothing and lets through what other
    policies give."""
    gives = effect["effect"] == statement_set.GIVEN
    word, none = (REFUSES, NOT_GIVEN) if not gives else (LET_THROUGH, KEPT_OUT) if limits else (GIVES, NOT_GIVEN)
    shown = {name: value for name, value in effect.items() if name not in ("effect", "who")}
    states = (none, word) if made else (word, none)
    return {"who": [{"principal": each} for each in who], **shown, "before": states[0], "after": states[1]}


def assumes(effect: Mapping[str, Any], role: str, *, made: bool) -> Effect:
    return statement({**effect, "resources": [role]}, tuple(effect.get("who") or ()), made=made)


def depends(
    account: str,
    what: str,
    keys: tuple[str, ...] = (),
    about: tuple[str, ...] = (),
    more: Mapping[str, Any] | None = None,
) -> ChangeEffects:
    return ChangeEffects(account, keys, about, more={DEPENDS: f"policies with conditions on {what}", **(more or {})})


def concerns(told: ChangeEffects, scope: ChangeScope) -> bool:
    effects = [*told.gained, *told.lost]
    if scope.key:
        # Another boundary, or none, lets through what the holder's policies give on any key.
        of_people = not told.keys and any(
            "resources" in each and statement_set.reaches(each, scope.key_arn) and _is_of_keys(each) for each in effects
        )
        return scope.key in told.keys or of_people or BOUNDARY in told.more
    if scope.principal:
        return scope.principal in told.about or any(
            _means(each, scope.principal)
            for effect in effects
            for each in effect.get("who", effect.get("principals", ()))
        )
    return True


def _is_of_keys(effect: Mapping[str, Any]) -> bool:
    return any(each.startswith(("kms:", "*", "everything")) for each in effect["actions"])


def _means(shown: Mapping[str, Any], principal: str) -> bool:
    """Whether a principal, as shown, is this one or a group that includes it."""
    arn = parse_arn(principal)
    if "principal" in shown:
        return bool(shown["principal"] in (principal, "*"))
    if any(each.get("principal") == principal and "id" not in each for each in shown.get("but", ())):
        return False
    kind = arn.resource.partition("/")[0] if arn is not None else ""
    return bool(arn is not None and shown.get("kind") == kind and shown.get("account") == arn.account)
