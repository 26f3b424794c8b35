"""What a question names: a key, a principal, an operation, a rule. Whoever writes nearly a name is told the nearest ones: an
answer without rows would say that nothing happened.

Names are looked for among those of the asking account alone, whatever is written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING

from domain.arn import ACCOUNT_ID, KEY_ID, parse_arn, root_arn
from domain.authorization.audience import account_in
from domain.authorization.verdict import RULE_KINDS
from domain.cloudtrail.keys_named import MULTI_REGION
from domain.cloudtrail.kms_changes import BY_OPERATION
from domain.errors import Refusal
from domain.identities.identity import GROUP, POLICY, ROLE, USER
from domain.policy.parse import UNIQUE_ID
from domain.state.world import World
from projections.decisions import queries as decisions
from projections.history import queries as history
from services.audit_api.explaining import KMS_ACTIONS, bad
from services.kms_api import shapes
from services.kms_api.errors import WireError
from services.kms_api.live_state import LiveState
from services.operations.table import BY_NAME
from services.questions.nearest import LEAST, in_words, last, meant, nearest

if TYPE_CHECKING:
    from services.audit_api.asked import Asked
    from services.audit_api.questions import Questions
    from services.questions.source import Source

KINDS = {USER: "user", ROLE: "role", GROUP: "group", POLICY: "policy"}
OWN_OPERATIONS = ("CreateAccount", "MarkAlert", "DeleteKey", "DeleteExpiredKeyMaterial", "RotateKey")
"""What is on record beside the operations of AWS's models."""
MOST_NAMES = 5_000
"""Names that one is looked for among."""


def _operations() -> dict[str, str]:
    """By the name in lower case."""
    from services.audit_api.openapi import ROUTES  # which names the functions of this file's users

    names = {
        *BY_NAME,
        *KMS_ACTIONS,
        *OWN_OPERATIONS,
        *(name for each in BY_OPERATION.values() for name in each),
        *(route.action for route in ROUTES if route.action),
    }
    for service in ("kms", "iam", "sts"):
        names |= shapes.operation_names(service)
    return {name.lower(): name for name in names}


class References:
    """Names of one installation, as a question writes them."""

    def __init__(self, questions: Questions, present: LiveState) -> None:
        self._questions = questions
        self._present = present
        self._operations: dict[str, str] = {}

    # -- keys -------------------------------------------------------------------------------------------------------

    def key(self, text: str, account: str) -> str:
        """The reference that a text stands for: alias/payroll for payroll, and a key's id for the beginning of it. What may
        be an id, an ARN or an alias stays as it is. Raises WireError where several keys' ids begin so."""
        text = text.strip()
        if text.startswith(("arn:", "alias/")) or KEY_ID.fullmatch(text):
            return text
        world = self._present.world
        if (account, f"alias/{text}") in world.aliases:
            return f"alias/{text}"
        begun = text.lower().rstrip("…")
        ids = world.key_ids(account)
        start = bisect_left(ids, begun)
        found = [each for each in ids[start : start + 4] if each.startswith(begun)]
        if len(begun) < LEAST or not found:
            return text
        if len(found) > 1:
            raise bad(f"{text} is the beginning of several keys' ids: {', '.join(found[:3])}{', …' * (len(found) > 3)}")
        return found[0]

    async def of_trail(self, source: Source, text: str) -> str:
        """The same of a trail's keys: the alias or the id that a word or the beginning of an id stands for. Raises WireError
        where that may be several."""
        text = text.strip()
        if text.startswith(("arn:", "alias/", MULTI_REGION)) or KEY_ID.fullmatch(text):
            return text
        begun, found = text.lower().rstrip("…"), list[str]()
        for name in await history.names(source.pool, ("key", "alias"), MOST_NAMES):
            if name.endswith(f":alias/{text}") or (len(begun) >= LEAST and name.startswith(begun)):
                found.append(name)
        if len(found) > 1:
            raise bad(f"{text} may be {' or '.join(sorted(found)[:4])}: say which.")
        return found[0] if found else text

    def near_keys(self, text: str, account: str) -> str:
        """What to say behind a sentence that there is no such key or alias: whose name it is instead, or what is near it."""
        world = self._present.world
        people = (
            ()
            if text.startswith(("arn:", "alias/"))
            else meant(text, self._at_once(account, text, (USER, ROLE, GROUP)))
        )
        if people:
            whose = people[0].rpartition(":")[2]
            return f" {whose} is no key: a command that takes principals as well has --principal {whose}."
        names = [*world.alias_names(account)[:MOST_NAMES], *world.key_ids(account)[:MOST_NAMES]]
        return in_words(nearest(text, names), "`keytrail keys` lists those that there are.")

    async def known_key(self, source: Source, key: str, text: str) -> None:
        """Raises WireError where a trail, or our own log, has nothing of this key."""
        if await decisions.names_key(source.pool, source.account, key):
            return
        if source.is_trail:
            names = await history.names(source.pool, ("key", "alias"), MOST_NAMES)
            near = in_words(nearest(text, names), "")
        else:
            near = self.near_keys(text, source.account)
        raise WireError(404, "NotFoundException", f"Nothing here names a key {text}.{near}")

    async def called_key(self, source: Source, key: str, text: str) -> None:
        """Of another account's key it is not looked whether it is there: an account has its own calls of it, or nothing.
        Raises WireError where it has none."""
        if not await decisions.names_key(source.pool, source.account, key):
            raise WireError(
                404,
                "NotFoundException",
                f"No call of this account names {text}, which belongs to another account: what others did with it, that "
                "account is told.",
            )

    async def meaning(self, asked: Asked, source: Source, text: str) -> tuple[str, str]:
        """("keys" or "principals", the name): whose name a word is. Raises WireError."""
        text = text.strip()
        if source.is_trail:
            keys = meant(text, await history.names(source.pool, ("key", "alias"), MOST_NAMES))
            key = keys[0] if len(keys) == 1 else text
        else:
            keys, key = [], self.key(text, source.account)
        if keys or key != text or text.startswith(("arn:aws:kms:", "alias/")) or KEY_ID.fullmatch(text):
            return "keys", key
        try:
            return "principals", await self.principal(asked, source, text, (USER, ROLE, GROUP, POLICY))
        except WireError as fault:
            if fault.status != 404:
                raise
            near = fault.message.partition("Near it: ")[2].rstrip(".")
            names = [*near.split(", ")] if near else []
            if source.is_trail:
                names += nearest(text, await history.names(source.pool, ("key", "alias"), MOST_NAMES))
            else:
                world = self._present.world
                names += nearest(text, [*world.alias_names(source.account)[:MOST_NAMES]])
            message = f"There is no key, alias, user, group, role or policy {text}.{in_words(names)}"
            raise WireError(404, "NotFoundException", message) from None

    # -- operations and rules ----------------------------------------------------------------------------------------

    def operation(self, text: str, names: Iterable[str] | None = None) -> str:
        """The operation, whatever the case and with or without `kms:`; a pattern as it is. `names` are those that it may be.
        Raises WireError."""
        if not self._operations:
            self._operations = _operations()
        known = self._operations if names is None else {name.lower(): name for name in names}
        bare = text.strip()
        for prefix in ("kms:", "iam:", "sts:"):
            if bare.lower().startswith(prefix):
                bare = bare[len(prefix) :]
        if "*" in bare:
            return bare
        found = known.get(bare.lower()) or known.get(text.strip().lower())
        if found is None:
            raise bad(f"There is no operation {text!r}.{in_words(nearest(bare, known.values()))}")
        return found

    async def recorded(self, source: Source, text: str) -> str:
        """The same of calls on record: a trail has operations that AWS made since, and no call here names those.
        Raises WireError."""
        if source.is_trail and await decisions.has_operation(source.pool, text):
            return text
        return self.operation(text)

    @staticmethod
    def rule(text: str, names: Iterable[str] = RULE_KINDS) -> str:
        """A rule by its id, or by its words. Raises WireError."""
        known = list(names)
        found = text.strip().lower().replace(" ", "-").replace("_", "-")
        if found in known or "*" in text:
            return found
        near = in_words(nearest(found, known), f"The rules: {', '.join(known)}.")
        raise bad(f"There is no rule {text}.{near}")

    # -- principals --------------------------------------------------------------------------------------------------

    async def principal(self, asked: Asked, source: Source, text: str, kinds: Iterable[str] = (USER, ROLE)) -> str:
        """The ARN of whom a text means: an ARN, a unique id, user/bob, or bob. Of another account it is not looked whether
        anybody is there. Raises WireError, with the nearest names."""
        name = text.strip()
        if ACCOUNT_ID.fullmatch(name):
            return root_arn(name)
        arn, account = parse_arn(name), source.account
        if arn is not None and account and arn.account != account:
            return name
        if name.lower() in ("root", "user/root") and account:
            return root_arn(account)
        if arn is not None and await self._is_known(source, name):
            return name
        found = [] if source.is_trail else meant(name, self._at_once(account, name, kinds))
        if len(found) == 1:
            return found[0]
        names = await self._names(source, tuple(kinds))
        found = meant(name, names)
        if UNIQUE_ID.match(name):
            held = await history.last_arn(source.pool, name, account)
            found = [held] if held else found
        if not found and (called := await decisions.callers(source.pool, account, MOST_NAMES)):
            names, found = [*names, *called], meant(name, called)
        if len(found) == 1:
            return found[0]
        if found:
            raise bad(f"{text} may be {' or '.join(found[:4])}: say which.")
        near = await self._questions.worked(asked, nearest, name, names)
        raise WireError(404, "NotFoundException", f"Nobody here is called {text}.{in_words(near)}")

    async def caller(self, asked: Asked, source: Source, text: str) -> str:
        """What a filter of calls is: a pattern, an account, or whom a text means; a role stands for its sessions. Raises
        WireError."""
        if "*" in text:
            return text
        if ACCOUNT_ID.fullmatch(text) and source.account and text != source.account:
            return text
        found = await self.principal(asked, source, text)
        arn = parse_arn(found)
        if arn is None:
            return found
        if source.account and arn.account != source.account:
            raise bad(
                f"{text} belongs to another account, which alone is told which of its principals called. Ask for all calls "
                f"from that account: --principal {arn.account}"
            )
        if arn.resource.startswith("role/"):
            return f"arn:{arn.partition}:sts::{arn.account}:assumed-role/{arn.resource.rpartition('/')[2]}/*"
        return found

    async def _is_known(self, source: Source, arn: str) -> bool:
        world = self._present.world
        if not source.is_trail and (arn in world.directory.by_arn or arn in world.directory.policies):
            return True
        if arn == root_arn(account_in(arn)):
            return True
        found = parse_arn(arn)
        if found is not None and found.resource.startswith("assumed-role/") and not source.is_trail:
            _, role, *session = found.resource.split("/")
            if session and world.directory.find(ROLE, found.account, role) is not None:
                return True  # a session that may be, of a role that is
        return await history.had_arn(source.pool, arn) or await decisions.called(source.pool, arn)

    def _at_once(self, account: str, name: str, kinds: Iterable[str]) -> list[str]:
        """ARNs of those of this very name who are there now."""
        directory = self._present.world.directory
        held = (directory.find(kind, account, last(name)) for kind in kinds if kind != POLICY)
        return [each.arn for each in held if each is not None]

    async def _names(self, source: Source, kinds: tuple[str, ...]) -> list[str]:
        """ARNs of those of the account that are there, and that were."""
        directory, found = self._present.world.directory, set[str]()
        if not source.is_trail:
            for kind in kinds:
                for each in directory.listed.get((kind, source.account), ())[:MOST_NAMES]:
                    id = directory.ids[kind, source.account, each]
                    found.add(directory.policy_arns[id] if kind == POLICY else directory.identities[id].arn)
        past = await history.arns(source.pool, source.account, MOST_NAMES)
        found |= {each for each in past if _kind(each) in {KINDS[kind] for kind in kinds}}
        return sorted(found)


def _kind(arn: str) -> str:
    found = parse_arn(arn)
    return "" if found is None else found.resource.partition("/")[0]


def aliases_of(world: World, key_id: str | None, account: str) -> list[str]:
    """The names that an account's key has now, for whoever reads its id; of another account's none."""
    key = world.keys.get(key_id or "")
    return list(world.aliases_of(key.id)) if key is not None and key.account == account else []


def not_found(fault: Refusal, near: str) -> WireError:
    """What is not there, with what is near it."""
    return WireError(404, "NotFoundException", f"{fault.message.rstrip('.')}.{near}")
