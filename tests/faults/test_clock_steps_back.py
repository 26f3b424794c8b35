"""A clock that goes back: time on the log does not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.faults.steady import Steady
from tests.faults.test_outages import goes_on, require_kept
from tests.faults.test_soak import read_log
from tests.installation import Installation


def test_the_clock_steps_back_an_hour(tmp_path: Path) -> None:
    """Time on the log never goes back. Calls, deadlines and retries go on."""
    with Installation(
        tmp_path / "data", test_clock=True, KEYTRAIL_WRITERS="2", KEYTRAIL_CLOCK_OFFSET="3600"
    ) as stepping:
        with Steady(stepping) as before:
            goes_on(before)
        ahead = stepping.client().create_key()["KeyMetadata"]["CreationDate"]
        stepping.at(days=0)
        with Steady(stepping) as after:
            goes_on(after)
        assert not after.refused
        later = stepping.client().create_key()["KeyMetadata"]["CreationDate"]
        assert later >= ahead
        require_kept(stepping, after)
        values = asyncio.run(read_log(stepping))
        times = [json.loads(value)["at"] for _, value in values]
        assert times == sorted(times)
