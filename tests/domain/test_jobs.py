"""The id of a GenerateServiceLastAccessedDetails job holds everything about the job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from domain.errors import NoSuchEntity
from services.operations.iam_history import Job

UNIQUE = some.builds(str.__add__, some.sampled_from(("AIDA", "AGPA", "AROA", "ANPA")), some.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=17, max_size=17))  # fmt: skip


@given(UNIQUE, some.integers(0, 2**34 - 1), some.booleans())
def test_a_job_is_read_from_its_name(unique: str, at: int, by_action: bool) -> None:
    job = Job(unique, at, by_action)
    assert (len(job.name()), Job.read(job.name())) == (36, job)


@pytest.mark.parametrize("name", ["f" * 36, "g" * 36, "0" * 36, "", "-" * 36, "\u0661" * 32])
def test_a_name_that_no_job_has_is_not_found(name: str) -> None:
    with pytest.raises(NoSuchEntity):
        Job.read(name)
