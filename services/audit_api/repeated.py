"""Routes that decide logged calls again: with a draft in place, or as they were."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

from domain.authorization.audience import Told
from domain.errors import Refusal
from domain.identities.identity import GROUP, Identity
from domain.keys.key import Key
from projections.decisions.spans import Times
from projections.history import queries as history
from services.audit_api.declared import whole
from services.audit_api.explaining import bad
from services.audit_api.questions import CALLERS, Questions, document_in, text_in
from services.kms_api import errors
from services.kms_api.errors import WireError
from services.kms_api.live_state import LiveState
from services.questions.drafts import Draft, IdentityPolicyDraft, KeyPolicyDraft, RevokedGrant
from services.questions.recheck import recheck
from services.questions.source import Source
from services.questions.what_if import what_if
from services.settings import Settings
from services.trails import what_if as trails

if TYPE_CHECKING:
    from services.audit_api.asked import Asked
    from services.audit_api.audit import Audit

WHAT_IF_BODY = (
    'the body is {"key": "...", "policy": "..."} or {"key": "...", "grant": "..."} or {"principal": ARN, "policy": "...", '
    '"policy_name": "..."}; "from" and "to" (a time or @position), "after" (a position) and "calls" (true) may be added'
)


class Repeated:
    """The routes' functions, beside those of Audit and Questions."""

    def __init__(self, audit: Audit, questions: Questions, settings: Settings, present: LiveState) -> None:
        self._audit = audit
        self._questions = questions
        self._settings = settings
        self._present = present

    async def what_if(self, asked: Asked) -> AsyncGenerator[Told, None]:
        body = document_in(asked.body, WHAT_IF_BODY)
        async with self._questions.answering():
            source = await self._questions.sources.of(asked)
            draft = await self._draft(asked, source, body)
        # `since` is what earlier versions called it
        since, until, after = (
            text_in(body, "from", WHAT_IF_BODY) or text_in(body, "since", WHAT_IF_BODY),
            text_in(body, "to", WHAT_IF_BODY),
            whole(body.get("after")),
        )
        if after is not None and not isinstance(after, int):
            raise bad("after is the position that an answer before went through to")
        begin, end = [
            await self._audit.moment_in(source.pool, text, name) if text else None
            for text, name in ((since, "from"), (until, "to"))
        ]
        return self._what_if(asked, source, draft, (begin, end), after, calls=body.get("calls") is True)

    async def _what_if(
        self, asked: Asked, source: Source, draft: Draft, times: Times, after: int | None, *, calls: bool
    ) -> AsyncGenerator[Told, None]:
        more = await source.before_it_began(times[0])
        async with self._questions.still(asked, source) as found:
            if source.is_trail:
                answers = trails.what_if(found.connection, draft, found.last, times, after, calls=calls)
            else:
                answers = what_if(found, source.region, draft, times, after, source.audience, calls=calls)
            async for each in answers:
                yield source.audience.own(source.account, each | more if "end" in each else each)

    @staticmethod
    async def _revoked(source: Source, key: Key, grant: str) -> Draft:
        """A grant by its id, or by the beginning of it that a table shows. Raises WireError."""
        begun = grant.rstrip("…")
        found = await history.grants_begun(source.pool, key.id, begun) if begun.isalnum() else []
        if len(found) == 1:
            return RevokedGrant(key, found[0])
        if found:
            raise bad(f"{grant} is the beginning of several grants' ids: {', '.join(found)}")
        raise WireError(
            404, "NotFoundException", f"The key has and had no grant {grant}; `keytrail show` lists those it has."
        )

    async def _draft(self, asked: Asked, source: Source, body: dict[str, Any]) -> Draft:
        """Raises WireError, and refusals for what is not there."""
        key, principal, policy, grant = (
            text_in(body, name, WHAT_IF_BODY) for name in ("key", "principal", "policy", "grant")
        )
        if key and (policy or grant) and not (policy and grant) and not principal:
            found = await self._questions.key(source, key)
            return (
                self._of_policy(KeyPolicyDraft, found, policy) if policy else await self._revoked(source, found, grant)
            )
        if principal and policy and not key and not grant:
            principal = await self._questions.who(asked, source, principal, (*CALLERS, GROUP))
            identity = await self._identity(source, principal)
            if identity is None or source.account not in ("", identity.account):
                raise WireError(404, "NotFoundException", f"There is no user, group or role {principal} here.")
            return self._of_policy(
                IdentityPolicyDraft, identity, text_in(body, "policy_name", WHAT_IF_BODY) or "draft", policy
            )
        raise bad(WHAT_IF_BODY)

    @staticmethod
    def _of_policy(made: Callable[..., Draft], *given: Any) -> Draft:
        """Raises WireError for a policy that is none."""
        try:
            return made(*given)
        except Refusal as fault:
            raise errors.wire_error(fault) from None

    async def _identity(self, source: Source, principal: str) -> Identity | None:
        if not source.is_trail:
            directory = self._present.world.directory
            return directory.identities.get(directory.by_arn.get(principal, principal))
        row = await history.by_arn(source.pool, source.end, principal)
        found = None if row is None else history.aggregate(row)
        return found if isinstance(found, Identity) else None

    async def recheck(self, asked: Asked) -> AsyncGenerator[Told, None]:
        if not self._audit.hosts(asked):
            raise WireError(
                403, "AccessDeniedException", "Decisions of every account are rechecked: the first account's."
            )
        begin = await self._audit.moment(asked, "from" if asked.text("from") else "since")
        return self._rechecked(asked, (begin, await self._audit.moment(asked, "to")))

    async def _rechecked(self, asked: Asked, times: Times) -> AsyncGenerator[Told, None]:
        audience = asked.audience
        more = await (await self._questions.sources.of(asked)).before_it_began(times[0])
        async with self._questions.still(asked) as found:
            async for each in recheck(found, self._settings.region, times, audience):
                if "result" in each and each["result"]["mismatches"] and self._questions.on_mismatch is not None:
                    await self._questions.on_mismatch(each["result"])
                yield audience.own(audience.account, each | more if "result" in each else each)
