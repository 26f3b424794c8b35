"""What an operation's row says of it."""

from __future__ import annotations

import pytest

from services.kms_api.live_decision import shows_state
from services.operations.rows import Changing
from services.operations.table import SERVICES

SAYS = ("Get", "List", "Describe", "Simulate")
SAYS_NOTHING_THAT_CHANGES = {
    "GetPublicKey",  # a key has one for ever
    "GetKeyLastUsage",  # of the past
    "GetParametersForImport",
    "GetCallerIdentity",
    "GetSessionToken",
}
LOOKS = [
    pytest.param(row, id=f"{service}-{name}")
    for service, table in SERVICES.items()
    for name, row in table.items()
    if name.startswith(SAYS) and name not in SAYS_NOTHING_THAT_CHANGES
]


@pytest.mark.parametrize("row", LOOKS)
def test_an_answer_about_a_thing_is_not_older_than_the_question(row: object) -> None:
    """GetUser, ListUsers and SimulatePrincipalPolicy were: after a change by one worker, another one showed what was before it."""
    assert not isinstance(row, Changing)
    assert shows_state(row)  # type: ignore[arg-type]  # the rows of a table are Changing or Unchanging
