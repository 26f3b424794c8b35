"""Questions whose filters may make Postgres read many rows: how many of them hold a connection at a time.

The worker's calls, its vault and all its questions share one pool of connections. A filter such as `message=*x*` holds one for
up to five seconds. So these questions have half of the pool, and the other half is always there for what an index answers at
once. They wait in line (WaitingLine).
"""

from __future__ import annotations

from services.adapters.postgres import Pool
from services.audit_api.waiting_line import LinePlaces, WaitingLine

OF_PRINCIPAL = 2
"""How many of one principal are answered at a time."""


def filtered_questions(pool: Pool) -> WaitingLine:
    at_once = pool.get_max_size() // 2
    of_account = max(1, at_once - 1)  # there is always one for another account
    return WaitingLine(
        LinePlaces(at_once, of_account, OF_PRINCIPAL),
        "Too many questions with filters are being answered; try again.",
    )
