"""What a new key policy changes compared with the one it replaced, in the sets that rules ask about.

If a set depends on a condition that is not modelled, it counts as let in: what is not known never passes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.alerts.finding import THAT_MEET
from domain.arn import root_arn
from domain.crypto.uses import USES, permissions_of
from domain.keys.states import KEY_ACTIONS
from domain.once import once
from domain.policy.compile import DELEGATED, ROLE
from domain.policy_analysis.boxes import Box, common, merged, subtract, within
from domain.policy_analysis.budget import spend
from domain.policy_analysis.callers import Someone
from domain.policy_analysis.check import as_a_stranger, strangers
from domain.policy_analysis.compare import DENIES, WORDS, Witnesses, gains, space_shown
from domain.policy_analysis.dimensions import ACTION, ACTION_AT, CALLER, CALLER_AT, Dimension, bits_of, with_bits
from domain.policy_analysis.named_people import people
from domain.policy_analysis.space import Meaning, Side, Space
from domain.policy_analysis.stranger_values import strangers_have
from domain.policy_analysis.words import TooMany

DECRYPTING = frozenset({"kms:Decrypt", "kms:ReEncryptFrom", "kms:DeriveSharedSecret", "kms:Decapsulate"})
"""The permissions that turn ciphertext back into plaintext or secrets."""
USING = frozenset(f"kms:{name}" for name in permissions_of(*USES)) - {"kms:Verify", "kms:VerifyMac"}
"""Verifying is left out: it reveals nothing and makes nothing."""
MANAGING = frozenset({"kms:PutKeyPolicy"})
"""A caller who may replace the policy may let in anyone."""
GRANTING = frozenset({"kms:CreateGrant", "kms:RevokeGrant"})
"""They administer a key unless only AWS services may call them for the caller (`Compared.administering`)."""
ADMINISTERING = MANAGING | GRANTING | {"kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:DeleteImportedKeyMaterial"}
FOR_SERVICES = "kms:grantisforawsresource"
MOST_SHOWN = 5
"""The number of sets that a finding shows; it also says how many there are."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Requests whose answer was `lower` and is now `upper`; see domain/policy_analysis/compare.py."""

    box: Box
    lower: int
    upper: int


class Compared:
    """Two policies of one key. `why` says why they cannot be compared; if it is set, nothing is known about new access."""

    def __init__(self, old: Side, new: Side, account: str, key: str, fixed: Mapping[str, tuple[str, ...]]) -> None:
        self.account, self.key, self.sides, self.fixed = account, key, (old, new), fixed
        self.why = ""
        self.gained: list[Gain] = []
        try:
            self.space = Space((old, new), account, KEY_ACTIONS, key, fixed=fixed)
            found = gains(self.before, self.after, self.space, self.space.whole)
        except TooMany as fault:
            self.why = str(fault)
            return
        self.gained = [Gain(box, region.lower, region.upper) for region in found for box in region.boxes]

    @property
    def before(self) -> Meaning:
        return self.space.meanings[0]

    @property
    def after(self) -> Meaning:
        return self.space.meanings[1]

    # -- whom and what ------------------------------------------------------------------------------------------------

    def callers(self, wanted: Callable[[Someone], bool]) -> int:
        """The bits of the callers for whom `wanted` holds. All callers of one case get the same answer."""
        spend(1 + sum(map(len, self.space.callers.members)) // 4)
        return bits_of(any(wanted(each) for each in everyone) for everyone in self.space.callers.members)

    def actions(self, wanted: Collection[str]) -> int:
        return self.space.of_actions(wanted)

    def let_in(self, callers: int, actions: int | None = None, least: int = DELEGATED) -> list[Gain]:
        """The new access of these callers, at this level or a stronger one."""
        limits = {CALLER: callers} | ({} if actions is None else {ACTION: actions})
        return self._within([each for each in self.gained if each.upper >= least], limits)

    def no_more_denied(self) -> list[Gain]:
        return [each for each in self.gained if each.lower == DENIES]

    def _within(self, found: Iterable[Gain], limits: dict[str, int]) -> list[Gain]:
        if not all(limits.values()):
            return []
        box = self.space.box(limits)
        spend(1 + len(self.gained) * (12 + len(box)) // 12)
        return [Gain(both, each.lower, each.upper) for each in found if (both := common(each.box, box)) is not None]

    @once
    def public(self) -> list[Gain]:
        """The new access of callers about whom nothing is known."""
        return self._of_strangers([each for each in self.gained if each.upper >= DELEGATED])

    def beyond_public(self, found: list[Gain]) -> list[Gain]:
        """What is left of these sets without the requests that anyone may make. The rule on public policies tells of those; who
        else gets what else is told beside it, or a harmless statement for everyone would hide the rest of its policy."""
        try:
            return [
                Gain(box, each.lower, each.upper) for each in found for box in subtract([each.box], self._of_everyone)
            ]
        except TooMany:
            return found

    @once
    def _of_everyone(self) -> list[Box]:
        """The requests that strangers too may make. Whoever else makes them: it is the same access, which everybody has."""
        let_in = [each for each in self.gained if each.upper >= DELEGATED]
        return merged(
            with_bits(each.box, CALLER_AT, self.space.callers.whole) for each in let_in if self._of_strangers([each])
        )

    def _of_strangers(self, found: list[Gain]) -> list[Gain]:
        """What of these sets is new access of callers about whom nothing is known."""
        if self.why:
            return []
        limits = {CALLER: strangers(self.space)}
        for dimension in self.space.dimensions:
            if strangers_have(dimension.name):
                limits[dimension.name] = as_a_stranger(dimension)
        return self._within(found, limits)

    def could(self, meaning: Meaning, actions: Collection[str], least: int = ROLE) -> int:
        """The bits of the callers whom the policy itself allows one of these actions, under some condition."""
        wanted = self.space.box({ACTION: self.actions(actions)})
        return self._allowed(meaning, [wanted] if all(wanted) else [], least)

    def could_administer(self, meaning: Meaning) -> int:
        """The bits of the callers whom the policy itself lets administer the key."""
        return self._allowed(meaning, self.administering, ROLE)

    def newly_administering(self, callers: int) -> list[Gain]:
        """The new access of these callers to what administers the key."""
        return [
            Gain(both, each.lower, each.upper)
            for each in self.let_in(callers, self.actions(ADMINISTERING), ROLE)
            for box in self.administering
            if (both := common(each.box, box)) is not None
        ]

    @once
    def administering(self) -> list[Box]:
        """The requests that administer the key. A grant that an AWS service makes or revokes for its caller is none of them: it
        goes to the service, for a resource of the caller's. So a key user of the console's policy, whose statement "Allow
        attachment of persistent resources" asks for kms:GrantIsForAWSResource, is no administrator.

        Source: developer guide, conditions-kms-grant-is-for-aws-resource.
        """
        whole, others = self.actions(ADMINISTERING), self.actions(ADMINISTERING - GRANTING)
        at = self.space.places.get(FOR_SERVICES)
        if at is None:
            limits = [{ACTION: whole}]
        else:
            own = not_for_services(self.space.dimensions[at])
            limits = [{ACTION: others}, {ACTION: whole & ~others, FOR_SERVICES: own}]
        return [self.space.box(each) for each in limits if all(each.values())]

    def _allowed(self, meaning: Meaning, wanted: list[Box], least: int) -> int:
        found = subtract(within(meaning.at_least(least), wanted), meaning.denies)
        bits = 0
        for box in subtract(found, self.space.impossible):
            bits |= box[CALLER_AT]
        return bits

    def root_can(self, meaning: Meaning, actions: Collection[str]) -> bool:
        """Whether the account's root can do one of the actions; no identity policy limits root."""
        root = root_arn(self.account)
        return bool(self.could(meaning, actions, DELEGATED) & self.callers(lambda each: each.arn == root))

    def people(self, bits: int) -> Iterator[Someone]:
        for _, everyone in Space.members(self.space.callers, bits):
            spend(len(everyone))
            yield from everyone

    # -- in words -----------------------------------------------------------------------------------------------------

    def shown(self, found: list[Gain]) -> dict[str, Any]:
        """Some of the sets, each with a request that the evaluator refused before and allows now."""
        regions = []
        witnesses = Witnesses(self.space, *self.sides)
        for each in found[:MOST_SHOWN]:
            region = space_shown(self.space, each.box) | {"principals": people(self.space, each.box[CALLER_AT])}
            region["before"], region["after"] = WORDS[each.lower], WORDS[each.upper]
            opaque = self.space.opaque_in(each.box)
            if opaque:
                region["not_known"] = [test.document() for test in opaque[:MOST_SHOWN]]
            else:
                region["witness"] = witnesses.of(each.box, each.lower, each.upper)
            regions.append(region)
        return {"sets": len(found), "regions": regions}

    def actions_of(self, found: list[Gain]) -> list[str]:
        bits = 0
        for each in found:
            bits |= each.box[ACTION_AT]
        return sorted(name for _, names in Space.members(self.space.actions, bits) for name in names)

    def callers_of(self, found: list[Gain]) -> list[str]:
        """The callers that the sets are about, in words."""
        bits = 0
        for each in found:
            bits |= each.box[CALLER_AT]
        return self.named(bits)

    def named(self, bits: int, wanted: Callable[[Someone], bool] = lambda each: True) -> list[str]:
        """Those of these callers for whom `wanted` holds, in words. A caller who is an example of a pattern does not exist: the
        words are the conditions that it meets. So no entry of the allow-list that matches the example covers the finding.
        Whoever stands for all others may meet a pattern by chance, as "somebody-else" does `s*`: then the others are not all
        of their kind, and the words are the conditions too."""
        everyone = [each for each in self.people(bits) if wanted(each)]
        left_out = list(self.people(self.space.callers.whole & ~bits))
        means = {id(each): self._meant_by(each, left_out) for each in everyone if not each.arn or each.example}
        others = {(each.kind, each.of) for each in everyone if not (each.arn or each.example or means[id(each)])}
        found, alike = set[str](), dict[str, set[str]]()
        for each in everyone:
            if not (each.example or means.get(id(each))):
                found.add(named(each))
            elif (each.kind, each.of) not in others:
                alike.setdefault(means[id(each)], set()).add(f"{each.kind}s")
        for meant, kinds in alike.items():
            *first, last = sorted(kinds)
            found.add(f"{', '.join(first)}{' and ' if first else ''}{last}{meant}")
        return sorted(found)

    def _meant_by(self, one: Someone, left_out: Sequence[Someone]) -> str:
        """The conditions that a caller without a name of its own meets. "" for one that stands for all others of its kind, if
        nobody of that kind is left out by one of them."""
        spend(1 + len(self.space.callers.tests) // 4)
        met = [test for test in self.space.callers.tests if test.holds(one.context)]
        of = one.of if one.of not in self.invented else ""
        if not one.example:
            spend(1 + len(left_out) * (1 + len(met)) // 4)
            beside = [
                each
                for each in left_out
                if each.kind == one.kind and (each.of == of or (not of and each.of in self.invented))
            ]
            if all(test.holds(each.context) for each in beside for test in met):
                return ""
        words = " and ".join(f"{each.operator} {each.key} {' or '.join(each.wanted)}" for each in met)
        of = f" of {of}" if of else ""
        return f"{of}{THAT_MEET}{words}" if words else of

    @once
    def invented(self) -> set[str]:
        """The accounts that no policy names, made to meet a pattern."""
        return {each.of for each in self.people(self.space.callers.whole) if each.kind == "root" and each.example}


def not_for_services(dimension: Dimension) -> int:
    """The cases of kms:GrantIsForAWSResource that a caller's own request can have: false, or none. All values of a case pass the
    same tests, so a case that `false` is in counts, whichever value stands for it."""
    own = {
        tuple(test.holds({FOR_SERVICES: each} if each else {}) for test in dimension.tests) for each in (("false",), ())
    }
    return bits_of(case.passes in own for case in dimension.members)


def named(each: Someone) -> str:
    if each.arn:
        return each.arn
    if each.kind == "service":
        return "any service"
    if each.kind == "root":
        return f"the root of {each.of or 'any account'}"
    return f"other {each.kind}s of {each.of or 'any account'}"


def is_own(account: str) -> Callable[[Someone], bool]:
    """Holds for the account's principals, except its root."""
    return lambda each: each.of == account and each.kind in ("user", "role", "federated")
