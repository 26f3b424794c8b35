"""Times as people say them. The tests' present is Thursday, 26 November 2026, 17:34:11 UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.times import BadTime, Span, Times, period_of

NOW = datetime(2026, 11, 26, 17, 34, 11, 250_000, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
MOMENTS = {
    "now": "2026-11-26T17:34:11.250",
    "7d": "2026-11-19T17:34:11.250",
    "-7d": "2026-11-19T17:34:11.250",
    "7 days": "2026-11-19T17:34:11.250",
    "7 days ago": "2026-11-19T17:34:11.250",
    "the last 7 days": "2026-11-19T17:34:11.250",
    "in the past 7 days": "2026-11-19T17:34:11.250",
    "a week ago": "2026-11-19T17:34:11.250",
    "past week": "2026-11-19T17:34:11.250",
    "2w": "2026-11-12T17:34:11.250",
    "12h": "2026-11-26T05:34:11.250",
    "last hour": "2026-11-26T16:34:11.250",
    "an hour ago": "2026-11-26T16:34:11.250",
    "30m": "2026-11-26T17:04:11.250",
    "90 min": "2026-11-26T16:04:11.250",
    "1h30m": "2026-11-26T16:04:11.250",
    "1 day and 2 hours ago": "2026-11-25T15:34:11.250",
    "45s": "2026-11-26T17:33:26.250",
    "3mo": "2026-08-26T17:34:11.250",
    "9 months ago": "2026-02-26T17:34:11.250",
    "1y": "2025-11-26T17:34:11.250",
    "14:30": "2026-11-26T14:30:00",
    "today 14:30": "2026-11-26T14:30:00",
    "yesterday at 9am": "2026-11-25T09:00:00",
    "yesterday noon": "2026-11-25T12:00:00",
    "12 am": "2026-11-26T00:00:00",
    "2026-11-20 14:30": "2026-11-20T14:30:00",
    "2026-11-20T14:30": "2026-11-20T14:30:00",
    "2026-11-20T14:30:15.123456Z": "2026-11-20T14:30:15.123456",
    "2026-11-20t14:30:15z": "2026-11-20T14:30:15",
    "2026-11-20 14:30 UTC": "2026-11-20T14:30:00",
    "2026-11-20T14:30:00+01:00": "2026-11-20T13:30:00",
    "2026-11-20T14:30:00-0500": "2026-11-20T19:30:00",
    "monday 9:30": "2026-11-23T09:30:00",
    "nov 20 2pm": "2026-11-20T14:00:00",
}
PERIODS = {
    "today": ("2026-11-26", "2026-11-27"),
    "yesterday": ("2026-11-25", "2026-11-26"),
    "Yesterday": ("2026-11-25", "2026-11-26"),
    "the day before yesterday": ("2026-11-24", "2026-11-25"),
    "last week": ("2026-11-16", "2026-11-23"),
    "last quarter": ("2026-07-01", "2026-10-01"),
    "this quarter": ("2026-10-01", "2027-01-01"),
    "previous quarter": ("2026-07-01", "2026-10-01"),
    "2026-q1": ("2026-01-01", "2026-04-01"),
    "2026q4": ("2026-10-01", "2027-01-01"),
    "Q2 2025": ("2025-04-01", "2025-07-01"),
    "q3": ("2026-07-01", "2026-10-01"),
    "q4": ("2026-10-01", "2027-01-01"),
    "last-week": ("2026-11-16", "2026-11-23"),
    "LAST  WEEK": ("2026-11-16", "2026-11-23"),
    "this week": ("2026-11-23", "2026-11-30"),
    "last month": ("2026-10-01", "2026-11-01"),
    "this month": ("2026-11-01", "2026-12-01"),
    "last year": ("2025-01-01", "2026-01-01"),
    "monday": ("2026-11-23", "2026-11-24"),
    "last monday": ("2026-11-23", "2026-11-24"),
    "thursday": ("2026-11-26", "2026-11-27"),
    "last thursday": ("2026-11-19", "2026-11-20"),
    "fri": ("2026-11-20", "2026-11-21"),
    "2026-11-20": ("2026-11-20", "2026-11-21"),
    "since 2026-11-20": ("2026-11-20", "2026-11-21"),
    "2026-11": ("2026-11-01", "2026-12-01"),
    "2026": ("2026-01-01", "2027-01-01"),
    "2026-W47": ("2026-11-16", "2026-11-23"),
    "20 November 2026": ("2026-11-20", "2026-11-21"),
    "Nov 20": ("2026-11-20", "2026-11-21"),
    "November 20th, 2026": ("2026-11-20", "2026-11-21"),
    "24 december": ("2025-12-24", "2025-12-25"),
    "november": ("2026-11-01", "2026-12-01"),
    "2024-02-29": ("2024-02-29", "2024-03-01"),
}
NONE = (
    "", " ", "soon", "7", "7x", "20.11.2026", "11/20/2026", "2026-13", "2026-02-30", "25:00", "13pm", "0am", "last", "week",
    "last week 14:30", "7d 7d", "20 20 november", "2026-11-20T", "@", "@x", "@-1", "ma", "20 nov dec", "0000-01-01", "99999y",
    "2026-11-20T14:30:61Z", "\x1b[31m", "٧d",
)  # fmt: skip


@pytest.mark.parametrize(("words", "moment"), MOMENTS.items())
def test_words_that_say_a_moment(words: str, moment: str) -> None:
    found = period_of(words, NOW, UTC)
    assert (found.begin, found.end) == (datetime.fromisoformat(moment).replace(tzinfo=UTC),) * 2


@pytest.mark.parametrize(("words", "period"), PERIODS.items())
def test_words_that_say_days(words: str, period: tuple[str, str]) -> None:
    found = period_of(words, NOW, UTC)
    assert (found.begin, found.end) == tuple(datetime.fromisoformat(each).replace(tzinfo=UTC) for each in period)


@pytest.mark.parametrize("words", NONE)
def test_an_invalid_time_is_refused_with_valid_examples(words: str) -> None:
    with pytest.raises(BadTime, match="yesterday"):
        period_of(words, NOW, UTC)


@given(st.text(max_size=24))
def test_any_text_is_a_time_or_no_time(words: str) -> None:
    try:
        found = period_of(words, NOW, BERLIN)
    except BadTime:
        return
    assert found.begin <= found.end


def test_a_day_is_one_of_the_zone_that_was_set() -> None:
    found = period_of("2026-03-29", NOW, BERLIN)  # 23 hours, since the clocks go forward
    assert [each.astimezone(UTC).isoformat() for each in (found.begin, found.end)] == [
        "2026-03-28T23:00:00+00:00",
        "2026-03-29T22:00:00+00:00",
    ]
    assert period_of("2026-11-20 14:30Z", NOW, BERLIN).begin == datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


def sent(since: str | None, until: str | None) -> Any:
    span = Times("", NOW).span(since, until)
    return span.since, span.until


def test_from_takes_a_days_beginning_and_to_its_end() -> None:
    assert sent("yesterday", "yesterday") == ("2026-11-25T00:00:00.000000Z", "2026-11-26T00:00:00.000000Z")
    assert sent("@4", None) == ("@4", None)
    assert sent(None, "@9") == (None, "@9")


@pytest.mark.parametrize(("since", "until"), [("today", "yesterday"), ("1h", "2h"), ("@9", "@4")])
def test_a_span_that_ends_before_it_begins_is_no_span(since: str, until: str) -> None:
    with pytest.raises(BadTime, match="is not before --to"):
        sent(since, until)


def test_as_of_a_day_is_its_end_and_never_later_than_now() -> None:
    times = Times("", NOW)
    assert times.at("2026-11-20") == "2026-11-20T23:59:59.999999Z"
    assert times.at("today") == "2026-11-26T17:34:11.250000Z"
    assert times.at("2026-11-20 14:30") == "2026-11-20T14:30:00.000000Z"
    assert (times.at("@7"), times.at(None)) == ("@7", None)


def test_times_are_shown_in_seconds_with_the_zones_mark() -> None:
    assert Times("", NOW).shown("2026-11-20T14:30:15.999999Z") == "2026-11-20 14:30:15Z"
    assert Times("Europe/Berlin", NOW).shown("2026-07-20T14:30:15Z") == "2026-07-20 16:30:15+02:00"
    assert Times("Asia/Kolkata", NOW).shown("2026-07-20T14:30:15Z") == "2026-07-20 20:00:15+05:30"


def test_a_span_in_words() -> None:
    times = Times("", NOW)
    assert times.between(times.span("yesterday", None)) == "since 2026-11-25 00:00:00Z"
    assert times.between(Span(None, "@5")) == "before @5"
    assert times.between(times.span("2026-11-20", "2026-11-20")) == (
        "between 2026-11-20 00:00:00Z and 2026-11-21 00:00:00Z"
    )


def test_an_empty_span_says_what_both_its_ends_mean() -> None:
    with pytest.raises(BadTime) as told:
        sent("today", "yesterday")
    assert str(told.value) == (
        "--from today (it begins at 2026-11-26 00:00:00Z) is not before --to yesterday (it ends at 2026-11-26 00:00:00Z)"
    )


@pytest.mark.parametrize(
    ("since", "comes"), [("tomorrow", True), ("2027", True), ("now", False), ("today", False), ("1s", False)]
)
def test_a_future_time_is_reported_as_such(since: str, comes: bool) -> None:
    times = Times("", NOW)
    for until in (None, "2031"):
        assert times.between(times.span(since, until)).endswith(", a time that is still to come") is comes
