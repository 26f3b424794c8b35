"""Pages that stay open: the span that they ask about, and an export that is not lost by a slip."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Route, expect

from tests.console.visit import Visit

SLOW_PICKER = """() => {
  window.asked = 0;
  window.showSaveFilePicker = () => {
    window.asked += 1;
    return new Promise((_, refuse) => { window.changesMind = () => refuse(new DOMException("", "AbortError")); });
  };
}"""
"""The browser's own dialog, which no test can press."""


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


@pytest.mark.soak
def test_a_click_beside_the_dialog_of_an_export_does_not_end_it(visit: Callable[..., Visit]) -> None:
    tab = visit()
    page = tab.page
    held: list[Route] = []  # without an answer
    page.route("**/v1/decisions/export?*", lambda route: held.append(route))
    tab.opens("/decisions")
    tab.signs_in()
    page.evaluate("() => { delete window.showSaveFilePicker; }")
    page.get_by_role("button", name="Export").click()
    dialog = page.get_by_role("dialog", name="Export decisions")
    export = dialog.get_by_role("button", name="Export")
    with page.expect_request("**/v1/decisions/export?*"):
        export.click()
    page.mouse.click(5, 450)
    page.keyboard.press("Escape")
    stop = dialog.get_by_role("button", name="Stop")
    expect(stop).to_be_visible()
    stop.click()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_visible()

    # While the browser asks where to save the file, a second click is none.
    page.evaluate(SLOW_PICKER)
    export.dblclick()
    assert page.evaluate("() => window.asked") == 1
    page.evaluate("() => window.changesMind()")
    export.click()
    assert page.evaluate("() => window.asked") == 2
    page.mouse.click(5, 450)
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
