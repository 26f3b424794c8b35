"""A few inputs for each door; `make fuzz` has the millions."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import Share, without_atheris
from tests.fuzz.doors import DOORS, Fault, call

FEW = 60


@pytest.mark.parametrize("name", DOORS)
def test_no_input_is_answered_with_a_fault(name: str) -> None:
    for sample in DOORS[name].samples:
        DOORS[name].enter(sample)
    assert without_atheris(name, Share(FEW), seed=1)[1] == ""


def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operation's own code fails, as it must not."""

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("services.kms_api.calls.check_request", broken)
    with pytest.raises(Fault, match="KMSInternalException"):
        call(DOORS["call"].samples[-1])
