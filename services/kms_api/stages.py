"""Calls that arrive together go through each stage together.

A call runs through more code than the processor's nearest caches hold. If calls ran from end to end one after the
other, each would fetch all of that code again. So at the end of a stage a call lets the others finish that stage, and
its code is fetched once for all of them (Larus and Parkes, "Using Cohort Scheduling to Enhance Server Performance",
USENIX 2002). A single call waits for nobody.
"""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine


@coroutine
def next_stage() -> Generator[None, None, None]:
    """Lets the calls that arrived together finish the same stage. Meanwhile the live state may take in records, so look
    up afterwards whatever a decision depends on."""
    yield
