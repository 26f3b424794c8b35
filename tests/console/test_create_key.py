"""A key made by the wizard is the key that was chosen, and it is made once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.console.visit import Visit, is_of
from tests.installation import Installation

ADMINISTRATOR, USER, ELSEWHERE = "wizard-admin", "wizard-app", "444455556666"


@pytest.fixture(scope="module")
def people(served: Installation) -> dict[str, str]:
    """ARNs by name."""
    iam = served.client(service="iam")
    names = (ADMINISTRATOR, USER)
    return {name: iam.create_user(UserName=name)["User"]["Arn"] for name in names}


def goes_on(page: Page, heading: str) -> None:
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", name=heading).first).to_be_visible()


def fills_labels(page: Page, alias: str, description: str) -> None:
    goes_on(page, "Add labels")
    page.get_by_role("textbox", name="Alias").fill(alias)
    page.get_by_role("textbox", name="Description").fill(description)


def tabs_to(page: Page, wanted: Locator) -> None:
    """By the Tab key alone."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("(it) => it === document.activeElement"):
            return
    expect(wanted).to_be_focused()


def walks_by_keyboard(page: Page, alias: str, description: str, people: dict[str, str]) -> None:
    """To the review, where the button that makes the key has the focus. The kind of key is as proposed."""
    following = page.get_by_role("button", name="Next")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # past the bar and the navigation
    tabs_to(page, following)
    page.keyboard.press("Enter")
    tabs_to(page, page.get_by_role("textbox", name="Alias"))
    page.keyboard.type(alias)
    tabs_to(page, page.get_by_role("textbox", name="Description"))
    page.keyboard.type(description)
    tabs_to(page, following)
    page.keyboard.press("Enter")
    for heading, name in (("administrative permissions", ADMINISTRATOR), ("usage permissions", USER)):
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()
        expect(page.get_by_role("checkbox", name=name)).to_be_visible()
        tabs_to(page, page.get_by_role("checkbox", name=name))
        page.keyboard.press("Space")
        tabs_to(page, following)
        page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Policy editor")).to_be_visible()
    tabs_to(page, page.get_by_role("button", name="Create key"))


def keys_described(served: Installation, description: str) -> list[str]:
    served.caught_up()
    found = served.answers("keys")
    return [key["key_id"] for key in found if key["description"] == description]


def test_the_wizard_makes_the_key_that_was_chosen(
    visit: Callable[..., Visit], served: Installation, people: dict[str, str]
) -> None:
    kms = served.client()
    kms.create_alias(AliasName="alias/taken", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    tab = visit()
    tab.opens("/keys/create")
    tab.signs_in(keep=True)
    page = tab.page
    page.get_by_role("radio", name="Asymmetric").check()
    page.get_by_role("radio", name="Sign and verify").check()
    page.get_by_role("button", name="Key spec").click()
    page.get_by_role("option", name="ECC_NIST_P256").click()
    assert tab.serious() == []

    fills_labels(page, "", "made by the wizard")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Type a name for the key.")).to_be_visible()
    page.get_by_role("textbox", name="Alias").fill("taken")
    page.get_by_role("button", name="Add tag").click()
    page.get_by_role("textbox", name="Tag key").fill("team")
    page.get_by_role("textbox", name="Tag value").fill("orders")
    assert tab.serious() == []

    goes_on(page, "administrative permissions")
    page.get_by_label("Find users and roles").fill("admin")
    page.get_by_role("checkbox", name=ADMINISTRATOR).check()
    page.get_by_role("checkbox", name="Allow key administrators to delete").uncheck()
    page.reload()  # the draft survives it
    expect(page.get_by_role("checkbox", name=ADMINISTRATOR)).to_be_checked()
    assert tab.serious() == []

    goes_on(page, "usage permissions")
    page.get_by_label("By ARN").fill(people[USER])
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Add another AWS account").click()
    page.get_by_role("textbox", name="Account number").fill(ELSEWHERE)
    goes_on(page, "Review")
    expect(page.get_by_text("alias/taken")).to_be_visible()
    expect(page.get_by_text("they may not delete the key")).to_be_visible()
    page.get_by_role("group", name="Policy editor").click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Use the generated policy")).to_be_visible()
    assert tab.serious() == []

    # The key is made, its alias is refused: what is left is done without a second key, after a reload too.
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("The key is made, but it has no alias yet")).to_be_visible()
    expect(page.get_by_text("alias/taken already exists")).to_be_visible()
    page.reload()
    page.get_by_role("textbox", name="Alias").fill("wizard")
    assert tab.serious() == []
    page.get_by_role("button", name="Create alias").click()
    expect(page.get_by_role("heading", name="General configuration")).to_be_visible()

    (key,) = keys_described(served, "made by the wizard")
    assert key in page.url
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("wizard")
    page.get_by_role("link", name="Users").click()
    notice = page.get_by_role("status").filter(has_text="The key wizard was created:")
    expect(notice).to_be_visible()
    page.get_by_role("link", name=key).click()
    expect(page).to_have_title("wizard · Key · Keytrail")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(notice).to_have_count(0)
    made = kms.describe_key(KeyId="alias/wizard")["KeyMetadata"]
    assert (made["KeyId"], made["KeySpec"], made["KeyUsage"]) == (key, "ECC_NIST_P256", "SIGN_VERIFY")
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "team", "TagValue": "orders"}]
    by_command = served.keytrail(
        *("make-policy", "--spec", "ECC_NIST_P256", "--usage", "SIGN_VERIFY", "--no-deletion"),
        *("--administrator", people[ADMINISTRATOR], "--user", people[USER], "--other-account", ELSEWHERE),
    )
    generated = by_command.stdout.rstrip("\n")
    assert kms.get_key_policy(KeyId=key)["Policy"] == f"{generated}\n"  # with the line that was typed


@pytest.mark.parametrize(
    "landed",
    [
        pytest.param(True, id="landed but unanswered"),
        pytest.param(False, id="never landed", marks=pytest.mark.soak),
    ],
)
def test_a_lost_answer_makes_no_second_key(
    visit: Callable[..., Visit], served: Installation, people: dict[str, str], landed: bool
) -> None:
    tab = visit()
    page = tab.page
    description = f"lost {landed}"

    def loses(route: Route) -> None:
        if not is_of(route, "CreateKey"):
            route.continue_()
            return
        if landed:
            route.fetch()
        route.abort()

    page.route(f"{served.url}/", loses)  # before the page is opened: see `is_of`
    tab.opens("/keys/create")
    tab.signs_in()
    walks_by_keyboard(page, f"lost-{landed}", description, people)
    expect(page.get_by_role("group", name="Policy editor")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("It is not known whether the key was made")).to_be_visible()
    assert len(keys_described(served, description)) == (1 if landed else 0)
    page.unroute(f"{served.url}/")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="General configuration")).to_be_visible()
    (key,) = keys_described(served, description)
    assert key in page.url


@pytest.mark.soak
def test_an_unanswered_try_is_not_sent_again_once_the_server_has_forgotten_it(
    visit: Callable[..., Visit], served: Installation, people: dict[str, str]
) -> None:
    """It would make a second key, while the page promises that it cannot."""
    tab = visit()
    page = tab.page
    page.clock.install()

    def loses(route: Route) -> None:
        if not is_of(route, "CreateKey"):
            route.continue_()
            return
        route.fetch()
        route.abort()

    page.route(f"{served.url}/", loses)  # before the page is opened: see `is_of`
    tab.opens("/keys/create")
    tab.signs_in()
    walks_by_keyboard(page, "forgotten", "forgotten", people)
    expect(page.get_by_role("group", name="Policy editor")).to_be_visible()
    page.keyboard.press("Enter")
    promise = page.get_by_text("It is not known whether the key was made")
    expect(promise).to_be_visible()
    page.unroute(f"{served.url}/")
    warning = page.get_by_text("An earlier try had no answer")
    expect(warning).to_have_count(0)
    sent = len(tab.sent)
    page.clock.set_system_time(datetime.now(UTC) + timedelta(minutes=11))  # the computer slept, and its timers with it
    page.keyboard.press("Enter")
    expect(warning).to_be_visible()
    expect(promise).to_have_count(0)
    assert [each.url for each in tab.sent[sent:] if each.url == f"{served.url}/"] == []
    assert len(keys_described(served, "forgotten")) == 1
    assert tab.serious() == []
