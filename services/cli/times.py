"""Reads times as people say them ("7d", "yesterday", "2026-11-20", "last week"), and shows times in people's time zone.

A word names a period: `--from` takes its beginning, `--to` its end, so `--from yesterday --to yesterday` is the whole day. The
server gets RFC 3339, or the `@position` that was given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from services.setting_forms import zone_of

EXAMPLES = '7d, yesterday, "last week", 2026-11-20, "2026-11-20 14:30", 2026-11-20T14:30:00Z or @1234'

MOMENT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
"""A time as answers contain it."""


class BadTime(ValueError):
    """The text is not a time, or a span ends before it begins. The message says which forms are understood."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `begin` on and before `end`; a moment if both are the same."""

    begin: datetime
    end: datetime


UNITS = {
    "s": "seconds", "sec": "seconds", "second": "seconds", "m": "minutes", "min": "minutes", "minute": "minutes",
    "h": "hours", "hr": "hours", "hour": "hours", "d": "days", "day": "days", "w": "weeks", "wk": "weeks", "week": "weeks",
    "mo": "months", "month": "months", "y": "years", "yr": "years", "year": "years",
}  # fmt: skip
"""Units in the singular."""
NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10,
}  # fmt: skip
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}
CLOCK = re.compile(r"(?:at )?(?:(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?|(\d{1,2}) ?(am|pm)|(noon|midnight))$")
ZONE = re.compile(r"(?<=\d) ?(z|utc|gmt|[+-]\d\d:?\d\d|[+-]\d\d)$")
PART = re.compile(r"(\d{1,6}) ?([a-z]+) ?")


def period_of(text: str, now: datetime, zone: tzinfo | None) -> Period:
    """What the words mean to a person in `zone` (None: the machine's zone) at `now`. Weeks begin on Monday. Raises BadTime."""
    try:
        if not text.isascii():
            raise ValueError(text)
        words = " ".join(re.sub(r"(?<=[a-z])[-_](?=[a-z0-9])", " ", text.strip().lower()).split())
        words = re.sub(r"^(?:since|from|until|in|on|over|during) ", "", words).removeprefix("the ")
        words = re.sub(r"(\d)t(\d)", r"\1 \2", words)
        found = _period(words, now.astimezone(zone), zone)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise BadTime(f"{text!r} is not a time. Say {EXAMPLES}")
    return found


def _period(words: str, now: datetime, zone: tzinfo | None) -> Period | None:
    if words == "now":
        return Period(now, now)
    if (ago := _ago(words, now, zone)) is not None:
        return Period(ago, ago)
    given = ZONE.search(words)
    # "2026-11" ends like a zone, but only a time of day can have a zone.
    if given is not None and ":" in words[: given.start()]:
        words, zone = words[: given.start()], _offset(given[1])
    clock = CLOCK.search(words)
    days = _days(words[: clock.start()].strip() if clock else words, now.date(), anything=clock is not None)
    if days is None:
        return None
    first, after = days
    if clock is None:
        return Period(_aware(first, time(), zone), _aware(after, time(), zone))
    if after - first > timedelta(days=1):
        return None
    moment = _aware(first, _time(clock), zone)
    return Period(moment, moment)


def _aware(day: date, clock: time, zone: tzinfo | None) -> datetime:
    naive = datetime.combine(day, clock)
    return naive.astimezone() if zone is None else naive.replace(tzinfo=zone)


def _offset(text: str) -> tzinfo:
    return UTC if text in ("z", "utc", "gmt") else datetime.strptime(text.ljust(5, "0"), "%z").tzinfo or UTC


def _time(found: re.Match[str]) -> time:
    hour, minute, second, fraction, of_twelve, half, word = found.groups()
    if word:
        return time(12 if word == "noon" else 0)
    if of_twelve:
        if not 1 <= int(of_twelve) <= 12:
            raise ValueError(of_twelve)
        return time(int(of_twelve) % 12 + (12 if half == "pm" else 0))
    return time(int(hour), int(minute), int(second or 0), int((fraction or "0").ljust(6, "0")[:6]))


def _ago(words: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    """Reads 7d, 1h30m, "2 weeks ago", "the last 3 days", "an hour ago", "past week"."""
    text = words.removeprefix("-").removesuffix(" ago")
    for before in ("last ", "past ", "previous "):
        if text.startswith(before):
            text = text.removeprefix(before)
            # "last week" is a calendar week; "last hour" and "past week" count back from now.
            if text in UNITS and (before == "past " or UNITS[text] in ("seconds", "minutes", "hours", "days")):
                text = f"1 {text}"
    name, _, rest = text.partition(" ")
    text = f"{NUMBERS[name]} {rest}" if name in NUMBERS and rest else text
    counts: dict[str, int] = {}
    while text:
        part = PART.match(text)
        unit = part and (UNITS.get(part[2]) or UNITS.get(part[2].removesuffix("s")))
        if part is None or unit is None or unit in counts:
            return None
        counts[unit] = int(part[1])
        text = text[part.end() :].removeprefix("and ")
    if not counts:
        return None
    exact = timedelta(**{unit: count for unit in ("seconds", "minutes", "hours") if (count := counts.pop(unit, 0))})
    if not counts:
        return now - exact
    months = counts.get("months", 0) + 12 * counts.get("years", 0)
    day = _months_before(now.date(), months) - timedelta(days=counts.get("days", 0), weeks=counts.get("weeks", 0))
    return _aware(day, now.time(), zone) - exact


def _months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last day."""
    count = day.year * 12 + day.month - 1 - months
    first = date(count // 12, count % 12 + 1, 1)
    following = date((count + 1) // 12, (count + 1) % 12 + 1, 1)
    return min(first + timedelta(days=day.day - 1), following - timedelta(days=1))


def _days(words: str, today: date, *, anything: bool) -> tuple[date, date] | None:
    """The first day that the words mean, and the day after the last. `anything`: no words at all mean today."""
    one = timedelta(days=1)
    named = {"today": today, "yesterday": today - one, "tomorrow": today + one, "day before yesterday": today - 2 * one}
    if words in named or (anything and not words):
        day = named.get(words, today)
        return day, day + one
    which, _, unit = words.rpartition(" ")
    if which in ("this", "last", "previous") and unit in ("week", "month", "quarter", "year"):
        return _of_calendar(unit, today, back=0 if which == "this" else 1)
    if which in ("", "last", "this") and (number := _place(unit, DAYS)) is not None:
        back = (today.weekday() - number) % 7
        day = today - timedelta(days=7 if which == "last" and back == 0 else back)
        return day, day + one
    return _dated(words, today)


def _of_calendar(unit: str, today: date, back: int) -> tuple[date, date]:
    if unit == "week":
        monday = today - timedelta(days=today.weekday() + 7 * back)
        return monday, monday + timedelta(days=7)
    months = MONTHS_OF[unit]
    first = date(today.year, (today.month - 1) // months * months + 1, 1)
    return _months_before(first, back * months), _months_before(first, (back - 1) * months)


def _quarter(number: int, year: str | None, today: date) -> tuple[date, date]:
    """The first day of a quarter and the day after its last. Without a year, the latest quarter that has begun."""
    first = date(int(year) if year else today.year, 3 * number - 2, 1)
    if not year and first > today:
        first = first.replace(year=first.year - 1)
    return first, _months_before(first, -3)


def _place(word: str, names: tuple[str, ...]) -> int | None:
    """The place of the name that the word is, or that begins with it (three letters or more)."""
    return next((place for place, name in enumerate(names) if len(word) >= 3 and name.startswith(word)), None)


def _dated(words: str, today: date) -> tuple[date, date] | None:
    """Reads 2026-11-20, 2026-11, 2026, 2026-w47, 2026-q4, "q4 2026", "20 november 2026", "nov 20"."""
    if found := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", words):
        day = date(int(found[1]), int(found[2]), int(found[3]))
        return day, day + timedelta(days=1)
    if found := re.fullmatch(r"(\d{4})-(\d\d)", words):
        first = date(int(found[1]), int(found[2]), 1)
        return first, _months_before(first, -1)
    if re.fullmatch(r"(?:19|20)\d\d", words):
        return date(int(words), 1, 1), date(int(words) + 1, 1, 1)
    if found := re.fullmatch(r"(\d{4})-? ?w(\d\d)", words):
        monday = date.fromisocalendar(int(found[1]), int(found[2]), 1)
        return monday, monday + timedelta(days=7)
    if found := re.fullmatch(r"(?:(\d{4})-? ?)?q([1-4])|q([1-4]) (\d{4})", words):
        return _quarter(int(found[2] or found[3]), found[1] or found[4], today)
    parts = words.replace(",", " ").split()
    months = [place + 1 for each in parts if (place := _place(each, MONTHS)) is not None]
    numbers = [re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", each) for each in parts if each[:1].isdigit()]
    if len(months) != 1 or len(months) + len(numbers) != len(parts) or not all(each.isdigit() for each in numbers):
        return None
    years = [int(each) for each in numbers if len(each) == 4]
    days = [int(each) for each in numbers if len(each) < 3]
    if len(years) > 1 or len(days) > 1 or len(years) + len(days) != len(numbers):
        return None
    first = date(years[0] if years else today.year, months[0], days[0] if days else 1)
    if not years and first > today:  # the latest that has begun
        first = first.replace(year=first.year - 1)
    return first, first + timedelta(days=1) if days else _months_before(first, -1)


# -- what is sent ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """`--from` and `--to` as they are sent; None if left out."""

    since: str | None
    until: str | None

    @property
    def parameters(self) -> dict[str, str | None]:
        return {"from": self.since, "to": self.until}


class Times:
    """Reads and shows times for one person, by the zone that they set and the present time."""

    def __init__(self, zone: str, now: datetime | None = None) -> None:
        """`zone` is the value of KEYTRAIL_TIME_ZONE."""
        self._zone = zone_of(zone)
        self._now = now or datetime.now(UTC)
        self.name = zone or "UTC"
        """The zone's name in a table's heading."""

    def now(self) -> str:
        """When the command was run, in the form of an answer's times."""
        return self.shown(_sent(self._now))

    def period(self, text: str) -> Period:
        """Raises BadTime."""
        return period_of(text, self._now, self._zone)

    def span(self, since: str | None, until: str | None) -> Span:
        """Raises BadTime."""
        begin = None if since is None or is_position(since) else self.period(since).begin
        end = None if until is None or is_position(until) else self.period(until).end
        if begin is not None and end is not None and begin >= end:
            raise BadTime(
                f"--from {since} (it begins at {self.shown(_sent(begin))}) is not before --to {until} (it ends at "
                f"{self.shown(_sent(end))})"
            )
        if since and until and is_position(since) and is_position(until) and int(since[1:]) > int(until[1:]):
            raise BadTime(f"--from ({since}) is not before --to ({until})")
        return Span(since if begin is None else _sent(begin), until if end is None else _sent(end))

    def at(self, text: str | None) -> str | None:
        """One moment. A day or a week means its end, but not later than now. Raises BadTime."""
        if text is None or is_position(text):
            return text
        period = self.period(text)
        if period.begin == period.end:
            return _sent(period.begin)
        return _sent(max(period.begin, min(period.end - timedelta(microseconds=1), self._now)))

    def moments(self, since: str, until: str | None) -> Span:
        """The two moments of a question about changes. Raises BadTime."""
        return Span(self.span(since, until).since, self.at(until))

    def shown(self, text: str | None) -> str:
        """An answer's time, down to the second, with the zone's mark."""
        if not text or is_position(text):
            return text or ""
        return f"{self.second(text)}{self.mark(text)}"

    def within(self, text: str) -> str:
        """A sentence with its times in the reader's form."""
        return MOMENT.sub(lambda found: self.shown(found[0]), text)

    def second(self, text: str) -> str:
        """The same without the mark, for a column whose heading names the zone."""
        return self._here(text).strftime("%Y-%m-%d %H:%M:%S")

    def mark(self, text: str) -> str:
        offset = self._here(text).strftime("%z")
        return "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}"

    def _here(self, text: str) -> datetime:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(self._zone)

    def between(self, span: Span) -> str:
        """ "between ... and ..." in words; "" if no time was given."""
        match span.since, span.until:
            case None, None:
                return ""
            case since, None:
                return f"since {self.shown(since)}{self._to_come(since)}"
            case None, until:
                return f"before {self.shown(until)}"
            case since, until:
                return f"between {self.shown(since)} and {self.shown(until)}{self._to_come(since)}"

    def _to_come(self, since: str | None) -> str:
        """Says that a time is still to come, so that "nothing found" is not read as news of the past."""
        known = since is None or is_position(since) or since <= _sent(self._now)
        return "" if known else ", a time that is still to come"


def is_position(text: str) -> bool:
    return text.startswith("@") and text[1:].isascii() and text[1:].isdigit()


def _sent(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
