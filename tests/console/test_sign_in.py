"""Signing in, staying, leaving: where the credential is kept, and what ends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.attacks.test_console_sessions import CODES, SIGN_OUTS, post
from tests.attacks.test_sessions import ACCOUNT, ROOT, allow, user
from tests.console.visit import Visit
from tests.installation import Installation

STORES = "() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])"
KEYS = ["keytrail:ListKeys"]
POLICIES = [*KEYS, "iam:ListPolicies"]


@pytest.fixture(scope="module")
def alice(served: Installation) -> dict[str, str]:
    return user(served, "console-alice", allow(POLICIES))


def at_sign_in(tab: Visit) -> None:
    expect(tab.page.get_by_role("heading", name="Sign in to Keytrail")).to_be_visible()


def at_keys(tab: Visit) -> None:
    expect(tab.page.get_by_role("heading", name="Customer managed keys")).to_be_visible()


def secret_of(tab: Visit) -> str:
    """Whatever is kept in the browser, as text."""
    found: str = tab.page.evaluate(STORES)
    return found


def writes_a_draft(tab: Visit) -> None:
    tab.opens("/policies")
    tab.page.get_by_role("button", name="Create policy").click()
    tab.page.get_by_role("textbox", name="Policy").fill("half a policy")
    assert "half a policy" in secret_of(tab)


def test_a_typed_key_is_exchanged_and_forgotten(visit: Callable[..., Visit], alice: dict[str, str]) -> None:
    """A reload asks for it again, since it is kept in memory alone; requests are signed by the console's session."""
    tab = visit()
    tab.opens("/keys")
    tab.signs_in(alice)
    at_keys(tab)
    assert alice["AWS_SECRET_ACCESS_KEY"] not in secret_of(tab)
    assert "ASIA" not in secret_of(tab)
    signed = [request.headers["authorization"] for request in tab.sent if "authorization" in request.headers]
    assert [alice["AWS_ACCESS_KEY_ID"] in each for each in signed] == [True] + [False] * (len(signed) - 1)
    assert len(signed) > 1
    assert not any(alice["AWS_SECRET_ACCESS_KEY"] in (each.post_data or "") + str(each.headers) for each in tab.sent)
    tab.page.reload()
    at_sign_in(tab)


def signs_out(tab: Visit) -> None:
    tab.page.get_by_role("button", name="console-").click()
    tab.page.get_by_role("menuitem", name="Sign out").click()
    at_sign_in(tab)


@pytest.mark.soak
def test_who_asks_stays_signed_in_until_the_tab_closes(
    visit: Callable[..., Visit], served: Installation, alice: dict[str, str]
) -> None:
    """In the tabs that they open, too: a session that is kept in memory alone is in no other tab."""
    stranger = visit()
    stranger.opens("/keys")
    stranger.signs_in()
    tab = visit(beside=stranger)
    tab.opens("/keys?state=Enabled")
    tab.signs_in(alice, keep=True)
    writes_a_draft(tab)
    tab.opens("/keys?state=Enabled")
    tab.page.reload()
    at_keys(tab)
    other = visit(beside=tab)
    other.opens("/keys?state=Disabled")
    at_keys(other)
    other.page.reload()
    at_keys(other)
    assert tab.page.url == f"{served.url}/console/keys?state=Enabled"
    assert '"keytrail.session"' in tab.page.evaluate("() => JSON.stringify(Object.keys(sessionStorage))")
    assert tab.page.evaluate("() => Object.values(localStorage).join().includes('ASIA')") is False
    signs_out(tab)
    expect(other.page.get_by_text("You signed out in another tab")).to_be_visible()
    for each in (tab, other):
        assert [word for word in ("ASIA", "half a policy") if word in secret_of(each)] == []
    tab.page.reload()
    at_sign_in(tab)
    at_keys(stranger)  # the root user's own session


def test_a_wrong_credential_is_refused_in_the_servers_words(visit: Callable[..., Visit], alice: dict[str, str]) -> None:
    tab = visit()
    for changed, says in (
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "signature we calculated does not match"),
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY0000000000"}, "security token included in the request is invalid"),
        ({"AWS_SESSION_TOKEN": "not a token"}, "security token included in the request is invalid"),
    ):
        tab.opens()  # without what the one before was told
        tab.fills_in(alice | changed)
        expect(tab.page.get_by_role("alert").filter(has_text=says)).to_be_visible()  # a live region: it is also heard
        assert tab.serious() == []


def test_a_code_signs_in_once_and_is_gone_from_the_url(visit: Callable[..., Visit], served: Installation) -> None:
    """`keytrail console` opens the page so. The page says who it is before it goes on."""
    bob = user(served, "console-bob", allow(KEYS))
    code = post(served, CODES, {}, bob)[1]["code"]
    tab = visit()
    tab.opens(f"/keys#code={code}")
    expect(tab.page.get_by_text(f"arn:aws:iam::{ACCOUNT}:user/console-bob")).to_be_visible()
    assert tab.page.url == f"{served.url}/console/keys"
    assert tab.serious() == []
    tab.page.get_by_label("Keep me signed in until this tab closes").check()
    tab.page.get_by_role("button", name="Continue").click()
    at_keys(tab)
    tab.page.reload()
    at_keys(tab)
    tab.page.go_back()
    assert code not in tab.page.url
    again = visit()
    again.opens(f"/keys#code={code}")
    expect(again.page.get_by_text("used already")).to_be_visible()
    again.page.get_by_role("button", name="Sign in another way").click()
    at_sign_in(again)


def test_the_root_user_is_named_before_it_goes_on(visit: Callable[..., Visit], served: Installation) -> None:
    code = post(served, CODES, {"root": True}, served.credentials())[1]["code"]
    tab = visit()
    tab.opens(f"/#code={code}")
    expect(tab.page.get_by_text(ROOT)).to_be_visible()
    expect(tab.page.get_by_text("This is the root user")).to_be_visible()
    with tab.page.expect_response(f"**{SIGN_OUTS}") as ended:
        tab.page.get_by_role("button", name="This is not me").click()
    assert ended.value.status == 200, "nobody has the session that the code became"
    at_sign_in(tab)


def test_a_credential_that_was_revoked_leads_to_sign_in_and_back_to_the_same_page(
    visit: Callable[..., Visit], served: Installation
) -> None:
    carol = user(served, "console-carol", allow(POLICIES))
    tab = visit()
    tab.opens("/policies")
    tab.signs_in(carol, keep=True)
    writes_a_draft(tab)
    tab.opens("/keys?state=Enabled")
    at_keys(tab)
    served.client(service="iam").update_access_key(
        UserName="console-carol", AccessKeyId=carol["AWS_ACCESS_KEY_ID"], Status="Inactive"
    )
    tab.page.get_by_role("button", name="Ask again").click()
    at_sign_in(tab)
    expect(tab.page.get_by_text("no longer accepted")).to_be_visible()
    assert "half a policy" in secret_of(tab)
    tab.signs_in()
    at_keys(tab)
    assert "half a policy" not in secret_of(tab), "somebody else is signed in"
    assert tab.page.url == f"{served.url}/console/keys?state=Enabled"


@pytest.mark.soak
def test_a_user_without_rights_sees_why_and_no_key(visit: Callable[..., Visit], served: Installation) -> None:
    key = served.client().create_key()["KeyMetadata"]["KeyId"]
    tab = visit()
    tab.opens("/keys")
    tab.signs_in(user(served, "console-dave"))
    expect(tab.page.get_by_text("You may not do this")).to_be_visible()
    expect(tab.page.get_by_text("is not authorized to perform: keytrail:ListKeys")).to_be_visible()
    assert key not in tab.page.content()
    assert tab.serious() == []


def under_a_clock(tab: Visit, user: dict[str, str], *, keep: bool = False) -> Visit:
    """Signed in at the list of keys, in a browser whose clock the test moves."""
    tab.page.clock.install()
    tab.opens("/keys")
    tab.signs_in(user, keep=keep)
    at_keys(tab)
    return tab


@pytest.mark.soak
def test_an_idle_session_is_forgotten(visit: Callable[..., Visit], alice: dict[str, str]) -> None:
    tab = under_a_clock(visit(), alice, keep=True)
    tab.page.clock.fast_forward("29:00")
    at_keys(tab)
    tab.page.keyboard.press("Shift")
    tab.page.clock.fast_forward("29:00")
    at_keys(tab)
    tab.page.clock.fast_forward("01:30")
    at_sign_in(tab)
    expect(tab.page.get_by_text("nothing happened here for 30 minutes")).to_be_visible()
    assert "ASIA" not in secret_of(tab)


def test_an_idle_session_is_not_revived_by_a_click(visit: Callable[..., Visit], alice: dict[str, str]) -> None:
    """After a computer's sleep: timers stood still, and the click comes before the first of them."""
    tab = under_a_clock(visit(), alice)
    tab.page.clock.set_system_time(datetime.now(UTC) + timedelta(minutes=31))
    tab.page.keyboard.press("Shift")
    tab.page.clock.fast_forward("00:16")
    at_sign_in(tab)
    expect(tab.page.get_by_text("nothing happened here for 30 minutes")).to_be_visible()


@pytest.mark.soak
def test_a_tab_that_comes_back_after_half_an_hour_is_signed_out(
    visit: Callable[..., Visit], alice: dict[str, str]
) -> None:
    """The browser keeps the storage of a tab that it discards, or whose user goes to another site."""
    tab = under_a_clock(visit(), alice, keep=True)
    for away, comes_back in (("03:00", at_keys), ("31:00", at_sign_in)):  # Keytrail's clock stays
        tab.page.goto("about:blank")
        tab.page.clock.fast_forward(away)
        tab.page.go_back()
        comes_back(tab)
    expect(tab.page.get_by_text("nothing happened here for 30 minutes")).to_be_visible()
    assert "ASIA" not in secret_of(tab)


@pytest.mark.soak
def test_a_session_whose_time_is_up_leads_to_sign_in_and_back(
    visit: Callable[..., Visit], served: Installation, alice: dict[str, str]
) -> None:
    """Without any request: nobody clicks on a page that asks nothing. A wrong clock is named for what it is."""
    tab = visit()
    tab.page.clock.install()
    tab.opens("/keys?state=Enabled")
    tab.signs_in(alice, keep=True)
    writes_a_draft(tab)
    tab.opens("/keys?state=Enabled")
    at_keys(tab)
    tab.page.wait_for_load_state("networkidle")  # an answer that comes after the jump would say that the clock is wrong
    sent = len(tab.sent)
    tab.page.clock.fast_forward("12:00:15")
    expect(tab.page.get_by_text("Your console session is over: its time is up")).to_be_visible()
    offered = f"{served.url}/v1/console/providers"  # which the sign-in page asks for
    assert [each.url for each in tab.sent[sent:] if each.url != offered] == []
    assert "ASIA" not in secret_of(tab)
    tab.fills_in(alice)
    expect(tab.page.get_by_text("yours is 12 hours fast")).to_be_visible()
    assert tab.serious() == []
    tab.page.clock.set_system_time(datetime.now(UTC))
    tab.signs_in(alice)
    at_keys(tab)
    assert tab.page.url == f"{served.url}/console/keys?state=Enabled"
    assert "half a policy" in secret_of(tab)
    tab.page.clock.set_system_time(datetime.now(UTC) - timedelta(minutes=17))
    tab.page.get_by_role("button", name="Ask again").click()
    expect(tab.page.get_by_text("yours is 17 minutes slow")).to_be_visible()


@pytest.mark.soak
def test_a_script_that_did_not_come_is_told_from_a_bug(visit: Callable[..., Visit], alice: dict[str, str]) -> None:
    """A browser does not ask again for a script that it did not get, so a reload is offered: before the first page, and on one."""
    tab = visit()
    page = tab.page
    missing = page.get_by_text("A part of the console could not be loaded")

    def comes_back(script: str, heading: str) -> None:
        expect(missing).to_be_visible()
        assert tab.serious() == []
        page.unroute(script)
        page.get_by_role("button", name="Reload the page").click()
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()

    shell, access = "**/console/assets/shell-*.js", "**/console/assets/access-*.js"
    page.route(shell, lambda route: route.abort())
    tab.opens("/decisions")
    tab.fills_in(alice, keep=True)
    comes_back(shell, "Decisions")
    page.route(access, lambda route: route.abort())
    page.get_by_role("link", name="Who can").click()
    comes_back(access, "Who can")


def test_a_server_that_restarts_is_waited_for(visit: Callable[..., Visit], served: Installation) -> None:
    tab = visit()
    tab.opens("/keys")
    tab.signs_in()
    at_keys(tab)
    tab.page.route("**/v1/keys*", lambda route: route.abort())
    tab.page.get_by_role("button", name="Ask again").click()
    expect(tab.page.get_by_text("Keytrail does not answer")).to_be_visible()
    tab.page.unroute("**/v1/keys*")
    expect(tab.page.get_by_text("Keytrail does not answer")).to_be_hidden()
