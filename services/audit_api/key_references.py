"""Keys by the names that questions use. If a name is nearly right, the error suggests the nearest names. Only names of
the asking account are searched."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from domain.arn import KEY_ID, MULTI_REGION, account_in, is_elsewhere, key_arn
from domain.authorization.audience import Audience
from domain.cloudtrail.keys_named import id_of
from domain.errors import AliasNotFound, KeyNotFound, Refusal
from domain.identities.identity import GROUP, ROLE, USER
from domain.keys.key import Key
from projections.decisions import queries as decisions
from projections.decisions import uses
from projections.history import queries as history
from projections.history.aggregates import aggregate_of
from projections.history.project import ALIAS, KEY
from services.audit_api.faults import invalid, missing, not_found
from services.audit_api.freshness import fresh
from services.audit_api.principal_references import MOST_NAMES, named_now
from services.audit_api.request import AuditRequest
from services.audit_api.sources import Sources
from services.kms_api import errors, no_answer
from services.kms_api.live_state import LiveState, NotFresh
from services.questions.as_of import find_key
from services.questions.moments import Moment
from services.questions.nearest import LEAST, in_words, meant, nearest
from services.questions.source import Source


class KeyReferences:
    def __init__(self, live: LiveState, sources: Sources) -> None:
        self._live = live
        self._sources = sources

    # -- what a text means ----------------------------------------------------------------------------------------------

    def written(self, text: str, account: str) -> str:
        """The full reference for a text: alias/payroll for payroll, and a key's id for its first characters. An id, an
        ARN and an alias stay the same. Raises WireError if several keys' ids begin with the text."""
        text = text.strip()
        if text.startswith(("arn:", "alias/")) or KEY_ID.fullmatch(text):
            return text
        world = self._live.world
        if (account, f"alias/{text}") in world.aliases:
            return f"alias/{text}"
        begun = text.lower().rstrip("…")
        ids = world.key_ids(account)
        start = bisect_left(ids, begun)
        found = [each for each in ids[start : start + 4] if each.startswith(begun)]
        if len(begun) < LEAST or not found:
            return text
        if len(found) > 1:
            raise invalid(
                f"{text} is the beginning of several keys' ids: {', '.join(found[:3])}{', …' * (len(found) > 3)}"
            )
        return found[0]

    async def written_of_trail(self, source: Source, text: str) -> str:
        """The same for a trail's keys. Raises WireError if the text may mean several."""
        text = text.strip()
        if text.startswith(("arn:", "alias/", MULTI_REGION)) or KEY_ID.fullmatch(text):
            return text
        begun, found = text.lower().rstrip("…"), list[str]()
        for name in await names_in(source):
            if name.endswith(f":alias/{text}") or (len(begun) >= LEAST and name.startswith(begun)):
                found.append(name)
        if len(found) > 1:
            raise invalid(f"{text} may mean {' or '.join(sorted(found)[:4])}: say which.")
        return found[0] if found else text

    def near(self, text: str, account: str) -> str:
        """A sentence that follows "there is no such key": what else has that name, or which names are near it."""
        world = self._live.world
        people = (
            ()
            if text.startswith(("arn:", "alias/"))
            else meant(text, named_now(world, account, text, (USER, ROLE, GROUP)))
        )
        if people:
            whose = people[0].rpartition(":")[2]
            return f" {whose} is not a key. Commands that also take principals have --principal {whose}."
        names = [*world.alias_names(account)[:MOST_NAMES], *world.key_ids(account)[:MOST_NAMES]]
        return in_words(nearest(text, names), "`keytrail keys` lists your keys.")

    async def _near_in(self, source: Source, text: str) -> str:
        return in_words(nearest(text, await names_in(source))) if source.is_trail else self.near(text, source.account)

    # -- ids ------------------------------------------------------------------------------------------------------------

    async def of_path(self, request: AuditRequest) -> tuple[str, str]:
        """(id, account) of the key in the path, which may be an id, an ARN or an alias. The key may be deleted. Raises
        WireError."""
        text, account = request.place("key"), request.account
        try:
            return self._live.world.once(self.written(text, account), account)
        except Refusal as first:
            try:
                await self._live.barrier()
                return self._live.world.once(self.written(text, account), account)
            except NotFresh:
                raise errors.not_now(no_answer.NEWEST_STATE_UNKNOWN) from None
            except Refusal:
                raise not_found(first, self.near(text, account)) from None

    async def own_of_path(self, request: AuditRequest) -> str:
        """The id of the account's own key in the path. Raises WireError, AccessRefused."""
        key_id, account = await self.of_path(request)
        request.audience.require(account)
        return key_id

    async def recorded(self, request: AuditRequest, source: Source, text: str) -> str:
        """The id of a key that has records. Raises WireError."""
        if not source.is_trail:
            return await self.called(request, text)
        found = await self.of_trail(request, text)
        await self.require_recorded(source, found, text)
        return found

    async def arn_of(self, source: Source, text: str, key: str) -> str:
        """The ARN of the key that a text names, as calls have it that concern two keys; "" if no call of a trail has it."""
        if source.is_trail:
            return await uses.destination(source.log, key)
        return key_arn(source.region, account_in(self.written(text, source.account)) or source.account, key)

    async def called(self, request: AuditRequest, text: str) -> str:
        """The id of a key, including a deleted one. For another account's key: the last part of its ARN, which may be
        an alias. Raises WireError if no call names such a key, or none can: a key of another Region, or our own key
        under another account."""
        account = request.account
        reference = self.written(text, account)
        bare, region = reference.rpartition("/")[2], self._live.world.region
        if is_elsewhere(reference, region):
            fault = f"{text} is in another Region or partition: this installation only has keys of {region}"
            raise not_found(KeyNotFound(fault), "")
        if not request.audience.owns(account_in(reference) or account):
            if bare in self._live.world.keys and request.audience.owns(self._live.world.keys[bare].account):
                fault = f"{text} names one of your keys under another account"
                raise not_found(KeyNotFound(fault), f" Ask for {bare}.")
            await self._require_called(await self._sources.of(request), bare, text)
            return bare
        try:
            return self._live.world.once(reference, account)[0]
        except Refusal:
            await self.require_recorded(await self._sources.of(request), bare, text)
            return bare  # a deleted key still has its decisions

    async def of_trail(self, request: AuditRequest, text: str) -> str:
        """The id of a trail's key, including a deleted key and a key of which the trail has only the id. Raises WireError."""
        source = await self._sources.of(request)
        reference = await self.written_of_trail(source, text)
        if "alias/" not in reference and not reference.startswith(MULTI_REGION):
            return id_of(reference)
        async with fresh(self._live):
            return str((await self.row(source, reference, await source.moment(None)))["id"])

    async def require_recorded(self, source: Source, key: str, text: str) -> None:
        """Raises WireError if the trail, or our own log, has nothing about this key."""
        if await decisions.names_key(source.log, source.account, key):
            return
        raise missing(f"No record here names a key {text}.{await self._near_in(source, text)}")

    @staticmethod
    async def _require_called(source: Source, key: str, text: str) -> None:
        """Raises WireError if the asking account has no calls on another account's key. Whether that key exists is not
        looked up."""
        if not await decisions.names_key(source.log, source.account, key):
            raise missing(
                f"No call of this account names {text}. It belongs to another account, and only that account learns what "
                "others did with it."
            )

    # -- keys -----------------------------------------------------------------------------------------------------------

    async def row(self, source: Source, text: str, moment: Moment) -> Any:
        """The history's row of the key that the text meant at that moment. Raises WireError, AccessRefused."""
        reference = await self.written_of_trail(source, text) if source.is_trail else self.written(text, source.account)
        try:
            return await find_key(source.log, reference, source.account, source.region, moment)
        except KeyNotFound as fault:
            raise not_found(fault, await self._near_in(source, text)) from None

    async def now(self, source: Source, text: str) -> Key:
        """The key now; a trail's key at the end of the trail. Raises WireError, KeyNotFound and its kin."""
        if source.is_trail:
            found = aggregate_of(await self.row(source, text, await source.moment(None)))
            assert isinstance(found, Key), "the row is a key's"
            return found
        try:
            key = self._live.world.key(self.written(text, source.account), source.account, aliases=True)
        except (KeyNotFound, AliasNotFound) as fault:
            raise not_found(fault, self.near(text, source.account)) from None
        source.audience.require(key.account)
        return key

    # -- aliases --------------------------------------------------------------------------------------------------------

    def with_aliases_now(self, row: dict[str, Any], audience: Audience) -> dict[str, Any]:
        """A row with a key's id. If the key is the account's own, its aliases are added."""
        world = self._live.world
        key = world.keys.get(row.get("key_id") or "")
        own = key is not None and key.account == audience.account
        return row | {"key_aliases": list(world.aliases_of(key.id)) if own and key is not None else []}

    async def with_aliases(self, source: Source, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows with keys' ids. The aliases of the keys are added: those of now, or of the end of a trail."""
        if not source.is_trail:
            return [self.with_aliases_now(row, source.audience) for row in rows]
        ids = sorted({row["key_id"] for row in rows if row["key_id"]})
        found = await history.aliases_of(source.log, source.end, ids) if ids else {}
        return [row | {"key_aliases": found.get(row["key_id"], [])} for row in rows]


async def names_in(source: Source) -> list[str]:
    """The keys and aliases of a trail."""
    return await history.names(source.log, (KEY, ALIAS), MOST_NAMES)
