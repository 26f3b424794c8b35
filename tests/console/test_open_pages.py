"""Pages that stay open: the span of time that they ask about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.console.visit import Visit


@pytest.mark.soak
def test_the_last_hour_ends_when_it_is_chosen_and_not_when_the_page_was_opened(visit: Callable[..., Visit]) -> None:
    tab = visit()
    page = tab.page
    tab.opens("/decisions")
    tab.signs_in()
    expect(page.get_by_role("table", name="Decisions")).to_be_visible()
    page.get_by_role("button", name="Last day").click()
    page.get_by_role("radio", name="Last hour").check()
    chosen: int = page.evaluate("() => Date.now()")
    with page.expect_request("**/v1/decisions?*") as asked:
        page.get_by_role("button", name="Apply").click()
    (begins,) = parse_qs(urlsplit(asked.value.url).query)["from"]
    assert datetime.fromisoformat(begins) >= datetime.fromtimestamp(chosen / 1000, UTC) - timedelta(hours=1)


@pytest.mark.soak
def test_a_review_of_the_last_week_is_not_begun_again_when_the_minute_is_over(visit: Callable[..., Visit]) -> None:
    tab = visit()
    page = tab.page
    tab.opens("/access/changes")
    tab.signs_in()
    expect(page.get_by_text("Nothing yet.")).to_have_count(0)
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(minutes=2))
    page.get_by_label("Key or principal").fill("user/eve")  # the page is drawn again for each letter
    expect(page.get_by_label("Key or principal")).to_have_value("user/eve")
    assert len([each for each in tab.sent if "/v1/changes?" in each.url]) == 1
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Changes of who may do what")).to_be_visible()
    assert len([each for each in tab.sent if "/v1/changes?" in each.url]) == 2
