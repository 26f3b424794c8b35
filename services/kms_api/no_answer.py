"""Calls that get no answer now: nothing was decided, or it is not known whether anything was. Each is counted by its
reason.

The client reads 503 and may try again.
"""

from __future__ import annotations

from services.kms_api.errors import WireError, not_now
from services.metrics import NOT_ANSWERED

NEWEST_STATE_UNKNOWN = "This server does not know the log's newest state now; try again."


def not_fresh() -> WireError:
    NOT_ANSWERED.labels("not-fresh").inc()
    return not_now(NEWEST_STATE_UNKNOWN)


def vault_away(message: str) -> WireError:
    NOT_ANSWERED.labels("vault").inc()
    return not_now(message)


def no_record() -> WireError:
    """The writer's record did not come in time: the command may still take effect."""
    NOT_ANSWERED.labels("no-record").inc()
    return not_now("It is not known yet whether the call took effect; try again.")


def not_durable() -> WireError:
    NOT_ANSWERED.labels("decision-not-durable").inc()
    return not_now("The decision could not be made durable; try again.")
