"""Answers on a state that is at least as new as the question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.errors import AccessRefused, Refusal
from domain.ports import Unavailable
from services.audit_api.faults import invalid, missing
from services.kms_api import errors
from services.kms_api.live_state import LiveState, NotFresh
from services.questions.moments import NoSuchMoment


@asynccontextmanager
async def fresh(live: LiveState) -> AsyncIterator[None]:
    """Inside this context, the live state was fetched after the question arrived. Raises AccessRefused, and WireError
    for any other refusal of the answer."""
    try:
        await live.barrier()
        yield
    except NoSuchMoment as fault:
        raise invalid(str(fault)) from None
    except AccessRefused:
        raise
    except Refusal as fault:
        raise missing(fault.message) from None
    except (NotFresh, Unavailable):
        raise errors.not_now("The state of the log at that time cannot be read now; try again.") from None
