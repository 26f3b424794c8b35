"""Principals by the names that questions use. If a name is nearly right, the error suggests the nearest names. Only
names of the asking account are searched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from domain.arn import ACCOUNT_ID, account_in, parse_arn, root_arn
from domain.identities.identity import GROUP, POLICY, ROLE, USER
from domain.policy.parse import UNIQUE_ID
from domain.state.world import World
from projections.decisions import queries as decisions
from projections.decisions.queries import CallFilters
from projections.history import queries as history
from projections.history.arn_holders import HeldArn, held_arns, last_holder
from services.audit_api.faults import invalid, missing
from services.audit_api.long_questions import LongQuestions
from services.audit_api.request import AuditRequest
from services.kms_api.live_state import LiveState
from services.questions.nearest import in_words, last, meant, nearest
from services.questions.source import Source

CALLERS = (USER, ROLE)
"""The kinds of principal that can call."""
RESOURCE_TYPES = {USER: "user", ROLE: "role", GROUP: "group", POLICY: "policy"}
"""The beginning of the resource in an ARN, for each kind."""
MOST_NAMES = 5_000
"""The most names that are compared with the name in a question."""


class PrincipalReferences:
    def __init__(self, live: LiveState, long_questions: LongQuestions) -> None:
        self._live = live
        self._long_questions = long_questions

    async def principal(self, request: AuditRequest, source: Source, text: str, kinds: Iterable[str] = CALLERS) -> str:
        """The ARN of the principal that a text means: the text may be an ARN, a unique id, user/bob, or bob. Whether a
        principal of another account exists is not looked up. Raises WireError, with the nearest names."""
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
        found = [] if source.is_trail else meant(name, named_now(self._live.world, account, name, kinds))
        if len(found) == 1:
            return found[0]
        names = await self._names(source, tuple(kinds))
        found = meant(name, names)
        if UNIQUE_ID.match(name):
            held = await history.last_arn(source.log, name, account)
            found = [held] if held else found
        if not found and (called := await decisions.callers(source.log, account, MOST_NAMES)):
            names, found = [*names, *called], meant(name, called)
        if len(found) == 1:
            return found[0]
        if found:
            raise invalid(f"{text} may mean {' or '.join(found[:4])}: say which.")
        near = await self._long_questions.compute(request, nearest, name, names)
        raise missing(f"Nobody here is called {text}.{in_words(near)}")

    async def calls_of(self, request: AuditRequest, source: Source, text: str, filters: CallFilters) -> CallFilters:
        """Narrows filters to the calls of a caller: a pattern, an account, or a principal. A role includes its sessions, and a
        user what it called under its other names. Raises WireError."""
        caller, asked = await self._caller(request, source, text), text.strip()
        held = list[HeldArn]()
        if "*" not in caller and parse_arn(caller) is not None:
            held = await held_arns(source.log, [asked]) if UNIQUE_ID.fullmatch(asked) else []
            if not held and (id := await last_holder(source.log, caller)):
                others = [each for each in await held_arns(source.log, [id]) if each.arn != caller]
                # An ARN also means every call that its record has it in, whoever had it then.
                held = [HeldArn(caller, caller), *others] if others else []
        if held:
            return replace(filters, callers=held)
        return replace(filters, fields={**filters.fields, "principal": caller})

    async def _caller(self, request: AuditRequest, source: Source, text: str) -> str:
        """The account, the ARN or the pattern of ARNs that records have of a caller. Raises WireError."""
        if "*" in text:
            return text
        if ACCOUNT_ID.fullmatch(text) and source.account and text != source.account:
            return text
        found = await self.principal(request, source, text)
        arn = parse_arn(found)
        if arn is None:
            return found
        if source.account and arn.account != source.account:
            raise invalid(
                f"{text} belongs to another account, and only that account learns which of its principals called. To see all "
                f"calls from that account, use --principal {arn.account}"
            )
        if arn.resource.startswith("role/"):
            return f"arn:{arn.partition}:sts::{arn.account}:assumed-role/{arn.resource.rpartition('/')[2]}/*"
        return found

    async def _is_known(self, source: Source, arn: str) -> bool:
        world = self._live.world
        directory = world.directory
        if not source.is_trail and (arn in directory.by_arn or arn in directory.policies or arn in directory.oidc):
            return True
        if arn == root_arn(account_in(arn)):
            return True
        found = parse_arn(arn)
        if found is not None and found.resource.startswith("assumed-role/") and not source.is_trail:
            _, role, *session = found.resource.split("/")
            if session and world.directory.find(ROLE, found.account, role) is not None:
                return True  # the role exists, so the session may exist
        return await history.had_arn(source.log, arn) or await decisions.called(source.log, arn)

    async def _names(self, source: Source, kinds: tuple[str, ...]) -> list[str]:
        """The ARNs of the account's present and past principals of these kinds."""
        directory, found = self._live.world.directory, set[str]()
        if not source.is_trail:
            for kind in kinds:
                for each in directory.listed.get((kind, source.account), ())[:MOST_NAMES]:
                    id = directory.ids[kind, source.account, each]
                    found.add(directory.policy_arns[id] if kind == POLICY else directory.identities[id].arn)
        past = await history.arns(source.log, source.account, MOST_NAMES)
        found |= {each for each in past if _resource_type(each) in {RESOURCE_TYPES[kind] for kind in kinds}}
        return sorted(found)


def named_now(world: World, account: str, name: str, kinds: Iterable[str]) -> list[str]:
    """The ARNs of the account's principals that have exactly this name now."""
    held = (world.directory.find(kind, account, last(name)) for kind in kinds if kind != POLICY)
    return [each.arn for each in held if each is not None]


def _resource_type(arn: str) -> str:
    found = parse_arn(arn)
    return "" if found is None else found.resource.partition("/")[0]
