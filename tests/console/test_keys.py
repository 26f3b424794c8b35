"""The first story: somebody signs in and sees the keys."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.console.visit import NARROW, WIDE, Visit
from tests.e2e.test_kinds import ROOT
from tests.installation import Installation
from tests.service import service

HOSTILE = "paid \u202efdp.exe <img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def key(served: Installation) -> str:
    client = served.client()
    found: str = client.create_key(Description=HOSTILE)["KeyMetadata"]["KeyId"]
    client.create_alias(AliasName="alias/orders", TargetKeyId=found)
    served.caught_up()
    return found


@pytest.mark.parametrize(
    ("colours", "size"),
    [
        pytest.param("light", WIDE, id="light-wide", marks=pytest.mark.soak),
        pytest.param("dark", NARROW, id="dark-narrow"),
        pytest.param("light", NARROW, id="light-narrow", marks=pytest.mark.soak),
        pytest.param("dark", WIDE, id="dark-wide", marks=pytest.mark.soak),
    ],
)
def test_a_user_signs_in_and_sees_the_keys(
    visit: Callable[..., Visit], key: str, colours: str, size: dict[str, int]
) -> None:
    tab = visit(viewport=size, color_scheme=colours)
    tab.opens("/keys")
    assert tab.serious() == []
    tab.signs_in()
    page = tab.page
    row = page.get_by_role("row").filter(has_text=key)
    expect(row).to_contain_text("orders")
    expect(row).to_contain_text("Enabled")
    expect(row).to_contain_text("paid \\u202efdp.exe <img src=x onerror=alert(1)>")
    expect(row.get_by_role("time")).to_contain_text("UTC")
    assert page.url.endswith("/console/keys")
    assert len([each for each in tab.sent if "/console/" in each.url]) < 30, "each file is a request"
    assert tab.serious() == []
    if size is WIDE:
        width, window = page.evaluate(
            "() => { const t = document.querySelector('table'); return [t.scrollWidth, t.parentElement.clientWidth]; }"
        )
        assert width <= window, "a column of the usual ones is cut"
    if colours == "light":
        goes_by_keyboard(page, key)


def goes_by_keyboard(page: Page, key: str) -> None:
    """From the beginning of a page to what it shows, and from page to page, without the bar and the navigation."""
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Customer managed keys")).to_be_focused()
    expect(page).to_have_title("Customer managed keys · Keytrail")
    page.get_by_role("row").filter(has_text=key).get_by_role("link", name=key).press("Enter")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_be_focused()
    expect(heading).to_have_text("orders")
    expect(page.get_by_text(key, exact=True).first).to_be_visible()
    expect(page).to_have_title("orders · Key · Keytrail")
    page.go_back()
    expect(page.get_by_role("heading", name="Customer managed keys")).to_be_focused()


def test_many_keys_are_found_and_disabled_at_once(visit: Callable[..., Visit], served: Installation) -> None:
    """One of them refuses: its row stays selected, and the dialog says who decided."""
    kms = served.client()
    tags = [{"TagKey": "team", "TagValue": "mobile"}]
    keys = [kms.create_key(Description=f"many {n}", Tags=tags)["KeyMetadata"] for n in range(3)]
    kms.create_alias(AliasName="alias/many-0", TargetKeyId=keys[0]["KeyId"])
    kms.disable_key(KeyId=keys[1]["KeyId"])
    policy = json.loads(kms.get_key_policy(KeyId=keys[2]["KeyId"])["Policy"])
    stays = {"Sid": "stays on", "Effect": "Deny", "Principal": "*", "Action": "kms:DisableKey", "Resource": "*"}
    kms.put_key_policy(KeyId=keys[2]["KeyId"], Policy=json.dumps(policy | {"Statement": [*policy["Statement"], stays]}))
    served.caught_up()

    tab = visit()
    tab.opens("/keys?tag=team%3Dmobile&description=*many*")
    tab.signs_in()
    page = tab.page
    rows = page.get_by_role("row").filter(has_text="many ")
    expect(rows).to_have_count(3)
    find = page.get_by_label("Find keys")
    find.fill("Alias : many-0")
    find.press("Enter")
    expect(rows).to_have_count(1)
    assert "alias=*many-0*" in page.url
    for pasted in (keys[1]["KeyId"], keys[1]["Arn"]):
        page.go_back()  # one entry of the history for each filter, not for each letter
        expect(rows).to_have_count(3)
        find.fill(pasted)
        find.press("Enter")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("many 1")
    page.get_by_role("button", name="Remove filter").first.click()
    expect(rows).to_have_count(3)
    assert tab.serious() == []

    page.get_by_role("checkbox", name="Select all keys on this page").press("Space")
    page.get_by_role("button", name="Key actions").click()
    page.get_by_role("menuitem", name="Disable").click()
    dialog = page.get_by_role("dialog", name="Disable keys")
    expect(dialog).to_contain_text("2 keys will change")
    expect(dialog).to_contain_text("1 key stays as it is")
    assert tab.serious() == []
    dialog.get_by_role("button", name="Disable").click()
    expect(dialog).to_contain_text("1 of 2 keys disabled, 1 not")
    expect(dialog).to_contain_text("explicit deny in a resource-based policy")
    dialog.get_by_role("button", name="Close").last.click()
    expect(rows.filter(has_text="many 0")).to_contain_text("Disabled")
    expect(rows.filter(has_text="many 2")).to_contain_text("Enabled")
    expect(page.get_by_role("heading", name="Customer managed keys")).to_contain_text("2 selected")
    (changed,) = served.answers("history", keys[0]["KeyId"], "--operation", "DisableKey")
    assert (changed["effect"], changed["event_type"]) == ("allowed", "key.disabled.v1")
    (refused,) = served.answers("history", keys[2]["KeyId"], "--operation", "DisableKey")
    assert (refused["effect"], refused["sid"]) == ("refused", "stays on")


@pytest.mark.soak
def test_the_columns_that_a_user_chose_are_there_again(visit: Callable[..., Visit], key: str) -> None:
    tab = visit()
    tab.opens("/keys")
    tab.signs_in()
    page = tab.page
    header = page.get_by_role("columnheader", name="Origin")
    expect(page.get_by_role("columnheader", name="Key spec")).to_be_visible()
    expect(header).to_have_count(0)
    page.get_by_role("button", name="Preferences").click()
    page.get_by_role("checkbox", name="Origin").check()
    page.get_by_role("button", name="Confirm").click()
    expect(header).to_be_visible()
    page.reload()
    tab.fills_in(tab.installation.credentials())
    expect(header).to_be_visible()


@pytest.mark.soak
def test_the_keys_of_services_are_on_a_page_of_their_own(visit: Callable[..., Visit], served: Installation) -> None:
    arn = service(served, keytrail_on_behalf_of=ROOT).generate_data_key(KeyId="alias/aws/backup", KeySpec="AES_256")[
        "KeyId"
    ]
    served.caught_up()
    tab = visit()
    tab.opens("/aws-keys")
    tab.signs_in()
    row = tab.page.get_by_role("row").filter(has_text=arn.rpartition("/")[2])
    expect(row).to_contain_text("aws/")
    expect(tab.page.get_by_role("button", name="Key actions")).to_have_count(0)
    assert tab.serious() == []
