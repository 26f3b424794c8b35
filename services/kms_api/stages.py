"""Calls that came together take each part of their way together.

A call runs through more code than the processor's nearest caches hold: done from end to end one after the other, each
fetches all of it again. Where one part ends it lets the others that came with it do theirs, so that the code of a part is
fetched once for all of them (Larus and Parkes, "Using Cohort Scheduling to Enhance Server Performance", USENIX 2002). A
call that is alone waits for nobody.
"""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine


@coroutine
def next_stage() -> Generator[None, None, None]:
    """Let the calls that came together do the same part. Meanwhile the live state may take in records, so look up whatever
    a decision depends on afterwards."""
    yield
