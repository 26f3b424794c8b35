"""given / when / then for the domain: events make a state, a caller does something, and an event or a refusal
follows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domain.arn import key_arn
from domain.authorization.caller import Caller, root_of
from domain.commands.create_key import CreateKey
from domain.commands.decide import Outcome, decide
from domain.log import events
from domain.log.record import Record
from domain.policy.default import default_key_policy
from domain.state.world import World

ACCOUNT = "111122223333"
OTHER = "444455556666"
REGION = "us-east-1"
ROOT = root_of(ACCOUNT)
STRANGER = root_of(OTHER)


def key_id(number: int = 1) -> str:
    return str(UUID(int=number, version=4))


def arn(number: int = 1, account: str = ACCOUNT) -> str:
    return key_arn(REGION, account, key_id(number))


def a_key(number: int = 1, /, account: str = ACCOUNT, **changes: Any) -> events.KeyCreated:
    """A symmetric key's event with the default policy. Named fields replace its own."""
    fields: dict[str, Any] = {
        "key": key_id(number),
        "account": account,
        "spec": "SYMMETRIC_DEFAULT",
        "usage": "ENCRYPT_DECRYPT",
        "origin": "AWS_KMS",
        "description": "",
        "policy": default_key_policy(account),
        "tags": {},
        "material": f"{number:064x}",
        "fingerprint": f"{number:064x}",
        "public_key": "",
        "bypassed_lockout_check": False,
        "locked_out": False,
        "principals": {},
        "manager": "",
        "alias": "",
    }
    return events.KeyCreated(**(fields | changes))


def create_key(**changes: Any) -> CreateKey:
    """A CreateKey command as the API sends it. Named fields replace its own."""
    fields: dict[str, Any] = {
        "key": key_id(99),
        "spec": "",
        "usage": "",
        "origin": "AWS_KMS",
        "multi_region": False,
        "key_store": False,
        "description": "",
        "policy": None,
        "bypass_lockout_check": False,
        "tags": [],
        "material": "ab" * 32,
        "fingerprint": "cd" * 32,
        "public_key": "",
    }
    return CreateKey(**(fields | changes))


class Given:
    """`given(a_key()).when(PutKeyPolicy(...)).then(event)` or `.refused(Refusal)`."""

    def __init__(self, *happened: object) -> None:
        self.world = World()
        first = (events.LogCreated("log", REGION), events.AccountCreated(ACCOUNT, "AKIAONE"), events.AccountCreated(OTHER, "AKIATWO"))  # fmt: skip
        for position, event in enumerate((*first, *happened)):
            self.world.fold(position, Record("", position - 1, position, "w", 0, None, None, event))
        self.outcome: Outcome | None = None

    def when(self, command: object, by: Caller = ROOT) -> Given:
        self.outcome = decide(command, by, self.world)
        return self

    def then(self, event: object) -> Given:
        assert self.outcome is not None
        assert self.outcome.event == event, self.outcome.decision.error
        assert self.outcome.decision.effect == "allowed"
        return self

    def refused(self, refusal: type[Any], message: str | None = None) -> Given:
        assert self.outcome is not None
        assert self.outcome.event is None
        error = self.outcome.decision.error
        assert error is not None
        assert error["kind"] == refusal.kind
        if message is not None:
            assert message in error["message"]
        return self

    @property
    def event(self) -> object:
        """What was caused; None if the command was refused."""
        assert self.outcome is not None
        return self.outcome.event

    @property
    def by(self) -> Any:
        """The decider of the last permission that was asked."""
        assert self.outcome is not None
        return self.outcome.decision.reasons[-1]["by"]


given = Given
