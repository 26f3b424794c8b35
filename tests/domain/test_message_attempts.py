"""When a notifier gives up a message: it counts the time in which it tried, and not the time in which nobody did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.durations import DAY_SECONDS, HOUR_SECONDS
from services.notifier.message_attempts import LONGEST_STEP, SURELY_TRIED, MessageAttempts
from services.notifier.outbox import Waiting

NOW = datetime(2026, 11, 27, 10, tzinfo=UTC)
OLD = NOW - timedelta(days=3)


class Tried:
    """A notifier whose receiver is away. `seconds` is the time that its process has, on the monotonic clock."""

    def __init__(self, give_up_after: int = DAY_SECONDS) -> None:
        self.seconds = 1000.0
        self.attempts = MessageAttempts(give_up_after, lambda: self.seconds)

    def tries(self, number: int, since: datetime, now: datetime = NOW) -> bool:
        """Try a message once. Returns whether it is given up."""
        self.attempts.begin(Waiting(number, f"m{number}", {}, since))
        given_up = self.attempts.enough(since, now)
        self.attempts.failed()
        return given_up

    def tries_for(self, seconds: float, number: int, since: datetime, now: datetime = NOW) -> list[bool]:
        found = [self.tries(number, since, now)]
        for _ in range(int(seconds // 10)):
            self.seconds += 10
            found.append(self.tries(number, since, now))
        return found


def test_messages_that_waited_while_the_notifier_was_off_are_tried_for_five_minutes_each() -> None:
    """The first failure after a start gave up one old message after another: a whole outbox in seconds."""
    tried = Tried()
    for number in (1, 2):
        assert tried.tries_for(SURELY_TRIED, number, OLD) == [False] * 30 + [True]


def test_a_message_is_given_up_after_a_day_of_trying_and_not_before() -> None:
    tried, since = Tried(), NOW
    assert not any(tried.tries_for(HOUR_SECONDS, 1, since, NOW + timedelta(days=1)))
    assert tried.tries(1, since, NOW + timedelta(days=1, seconds=1))


def test_time_in_which_nothing_was_tried_does_not_count() -> None:
    """The process was stopped, its machine slept, or Postgres was away between two attempts."""
    tried = Tried()
    assert not tried.tries(1, OLD)
    for pauses in range(1, 10):
        tried.seconds += HOUR_SECONDS
        assert tried.tries(1, OLD) is (pauses * LONGEST_STEP >= SURELY_TRIED)


def test_a_message_of_a_clock_that_was_ahead_is_given_up_once_it_was_tried_for_long_enough() -> None:
    """It was written under a clock that was a year ahead: it would have kept those behind it waiting for a year."""
    tried, ahead = Tried(HOUR_SECONDS), NOW + timedelta(days=365)
    assert tried.tries_for(HOUR_SECONDS + 10, 1, ahead) == [False] * 361 + [True]


def test_who_gives_up_sooner_needs_no_five_minutes() -> None:
    tried = Tried(60)
    assert tried.tries_for(60, 1, OLD) == [False] * 6 + [True]


def test_what_is_never_tried_again_is_given_up_at_the_first_failure() -> None:
    assert Tried(0).tries(1, OLD)


def test_messages_behind_one_that_fails_are_tried_in_turn_with_it() -> None:
    tried, now = Tried(), Waiting(1, "m1", {}, NOW)
    tried.tries_for(SURELY_TRIED - 10, 1, NOW)
    assert tried.attempts.place_behind(now) == 0
    places = []
    for number in (2, 3):
        tried.tries_for(10, 1, NOW)
        place = tried.attempts.place_behind(now)
        tried.attempts.begin_behind(Waiting(number, f"m{number}", {}, NOW), place)
        assert not tried.attempts.enough(OLD, NOW), "only the next one is given up for its age"
        tried.attempts.failed()
        assert tried.attempts.place_behind(now) == 0, "it is the next one's turn"
        places.append(place)
    assert places == [1, 2]


def test_a_message_is_given_up_if_it_fails_once_more_after_one_behind_it_was_taken() -> None:
    tried = Tried()
    assert not any(tried.tries_for(SURELY_TRIED, 1, NOW))
    tried.attempts.begin_behind(Waiting(2, "m2", {}, NOW), 1)
    tried.attempts.taken()
    assert tried.tries(1, NOW)
    assert not tried.tries(3, NOW), "that says nothing of the one after it"
