"""Leaving: every tab forgets the session, and Keytrail takes its credential from nobody any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.attacks.test_console_sessions import CODES, SESSIONS, SIGN_OUTS, SIGNED_OUT, post
from tests.attacks.test_sessions import allow, user
from tests.console.test_sign_in import POLICIES, at_keys, at_sign_in, secret_of, signs_out, writes_a_draft
from tests.console.visit import Visit
from tests.installation import Installation


@pytest.fixture(scope="module")
def alice(served: Installation) -> dict[str, str]:
    return user(served, "console-leaving", allow(POLICIES))


def credential_of(tab: Visit) -> dict[str, str]:
    """A copy, as somebody takes it who has the computer for a moment. The tab has to keep its session."""
    kept = tab.page.evaluate("() => JSON.parse(sessionStorage['keytrail.session']).first.credential")
    names = {"accessKeyId": "ACCESS_KEY_ID", "secretAccessKey": "SECRET_ACCESS_KEY", "sessionToken": "SESSION_TOKEN"}
    return {f"AWS_{names[name]}": text for name, text in kept.items()}


def signed_in(tab: Visit, by: dict[str, str], *, keep: bool = True) -> Visit:
    tab.opens("/keys")
    tab.signs_in(by, keep=keep)
    at_keys(tab)
    return tab


def handed_over(tab: Visit) -> Visit:
    """A new tab, which gets the session of another one."""
    tab.opens("/keys")
    at_keys(tab)
    return tab


def is_ended(served: Installation, copy: dict[str, str]) -> bool:
    status, answer = post(served, SESSIONS, {}, copy)
    assert status == 403, answer
    return bool(answer["error"]["message"] == SIGNED_OUT)


def sign_outs_of(*tabs: Visit) -> int:
    return sum(each.url.endswith(SIGN_OUTS) for tab in tabs for each in tab.sent)


def test_a_copy_of_the_session_is_worth_nothing_after_the_sign_out(
    visit: Callable[..., Visit], served: Installation, alice: dict[str, str]
) -> None:
    """Gained: whoever copied the credential works as its user for the rest of twelve hours. One tab of those that share a session
    ends it: a second request with it would look like the thief's."""
    tab = signed_in(visit(), alice)
    other = handed_over(visit(beside=tab))
    copy = credential_of(other)
    assert not is_ended(served, copy)
    signs_out(other)
    expect(other.page.get_by_text("Keytrail has ended your session")).to_be_visible()
    assert is_ended(served, copy)
    at_sign_in(tab)
    assert sign_outs_of(tab, other) == 1
    other.signs_in(alice)  # it was this session alone
    at_keys(other)


@pytest.mark.soak
def test_signing_out_ends_what_each_tab_had_for_itself(
    visit: Callable[..., Visit], served: Installation, alice: dict[str, str]
) -> None:
    """Who does not stay signed in signs in to each tab anew, and means all of them when leaving."""
    tab = signed_in(visit(), alice, keep=False)
    other = signed_in(visit(beside=tab), alice)
    third = handed_over(visit(beside=tab))
    copy = credential_of(other)
    assert credential_of(third) == copy
    signs_out(tab)
    for each in (tab, other):
        expect(each.page.get_by_text("Keytrail has ended your session")).to_be_visible()
    assert is_ended(served, copy)
    at_sign_in(third)
    assert sign_outs_of(tab, other, third) == 2


def test_who_signs_out_while_keytrail_is_away_is_signed_out_here_and_told(
    visit: Callable[..., Visit], served: Installation, alice: dict[str, str]
) -> None:
    tab = signed_in(visit(), alice)
    copy = credential_of(tab)
    tab.page.route(f"**{SIGN_OUTS}", lambda route: route.abort())
    signs_out(tab)
    expect(tab.page.get_by_text("Keytrail did not end your session")).to_be_visible()
    assert "ASIA" not in secret_of(tab)
    assert tab.serious() == []
    assert not is_ended(served, copy)


@pytest.mark.soak
def test_a_session_that_was_signed_out_by_somebody_else_says_so(
    visit: Callable[..., Visit], served: Installation, alice: dict[str, str]
) -> None:
    tab = signed_in(visit(), alice)
    assert post(served, SIGN_OUTS, {}, credential_of(tab))[0] == 200
    tab.page.get_by_role("button", name="Ask again").click()
    expect(tab.page.get_by_text("it was signed out, in another tab or by somebody")).to_be_visible()
    assert "ASIA" not in secret_of(tab)


def closes_and_comes_back(tab: Visit, meanwhile: Callable[[], None]) -> None:
    """As with Ctrl+Shift+T: the tab is gone, and then the browser loads its page anew, beside the sessionStorage that the tab had."""
    tab.page.wait_for_load_state("networkidle")
    was = tab.page.url
    tab.page.goto("about:blank")
    meanwhile()
    tab.page.goto(was)


@pytest.mark.soak
def test_a_tab_that_was_closed_at_the_sign_out_comes_back_signed_out(
    visit: Callable[..., Visit], alice: dict[str, str]
) -> None:
    """Gained: whoever sits down at the computer next brings the tab back, and with it the session of who signed out and left."""
    tab = visit()
    tab.opens("/keys")
    tab.signs_in(alice, keep=True)
    writes_a_draft(tab)
    other = handed_over(visit(beside=tab))
    in_memory = visit(beside=tab)
    in_memory.opens("/keys")
    writes_a_draft(in_memory)
    in_memory.page.evaluate("() => sessionStorage.removeItem('keytrail.session')")  # as if she had not asked to stay

    closes_and_comes_back(tab, lambda: None)
    expect(tab.page.get_by_role("navigation").first).to_be_visible()

    closes_and_comes_back(tab, lambda: closes_and_comes_back(in_memory, lambda: signs_out(other)))
    at_sign_in(tab)
    expect(tab.page.get_by_text("You signed out in another tab")).to_be_visible()
    at_sign_in(in_memory)
    other.signs_in(alice)  # a new stay of hers brings nothing of the one before back
    at_keys(other)
    tab.page.reload()
    at_sign_in(tab)
    for each in (tab, in_memory):
        assert [word for word in ("ASIA", "half a policy") if word in secret_of(each)] == []


@pytest.mark.soak
def test_a_tab_that_was_frozen_at_the_sign_out_ends_at_its_next_look(
    visit: Callable[..., Visit], alice: dict[str, str]
) -> None:
    """A frozen page hears nothing, and its memory has the session: the first click must not be made with it."""
    tab = visit()
    tab.page.add_init_script("addEventListener('storage', (each) => each.stopImmediatePropagation())")
    signed_in(tab, alice)
    other = handed_over(visit(beside=tab))
    signs_out(other)
    assert "ASIA" in secret_of(tab), "it heard nothing"
    tab.page.keyboard.press("Shift")
    at_sign_in(tab)
    expect(tab.page.get_by_text("You signed out in another tab")).to_be_visible()
    assert "ASIA" not in secret_of(tab)


@pytest.mark.soak
def test_nothing_of_who_signed_out_is_left_in_the_browser(
    visit: Callable[..., Visit], served: Installation, alice: dict[str, str]
) -> None:
    """Neither their name nor, in the page's memory, the secret that signed: clients kept it, and so did the answer to the code."""
    tab = visit()
    tab.opens(f"/keys#code={post(served, CODES, {}, alice)[1]['code']}")
    tab.page.get_by_label("Keep me signed in until this tab closes").check()
    tab.page.get_by_role("button", name="Continue").click()
    at_keys(tab)
    secret = credential_of(tab)["AWS_SECRET_ACCESS_KEY"]
    assert secret in in_memory_of(tab)
    signs_out(tab)
    expect(tab.page.get_by_text("Keytrail has ended your session")).to_be_visible()
    assert "console-leaving" not in secret_of(tab)
    assert secret not in in_memory_of(tab)


def in_memory_of(tab: Visit) -> str:
    """Whatever the page's memory holds, after what nobody holds was collected."""
    chrome, parts = tab.page.context.new_cdp_session(tab.page), list[str]()
    chrome.on("HeapProfiler.addHeapSnapshotChunk", lambda part: parts.append(part["chunk"]))
    chrome.send("HeapProfiler.collectGarbage")
    chrome.send("HeapProfiler.takeHeapSnapshot")
    chrome.detach()
    return "".join(parts)
