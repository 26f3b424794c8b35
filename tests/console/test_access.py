"""Who can, in the console: as a list and as a picture, for a principal, and between two times."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.console.visit import NARROW, WIDE, Visit
from tests.installation import Installation

USE = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "Use", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def key(served: Installation) -> str:
    kms, iam = served.client(), served.client(service="iam")
    found: str = kms.create_key()["KeyMetadata"]["KeyId"]
    for name in ("access-eve", "access-dan"):
        iam.create_user(UserName=name)
    iam.put_user_policy(UserName="access-eve", PolicyName="use", PolicyDocument=json.dumps(USE))
    dan = iam.get_user(UserName="access-dan")["User"]["Arn"]
    constraints = {"EncryptionContextSubset": {"team": "hr"}}
    kms.create_grant(KeyId=found, GranteePrincipal=dan, Operations=["Decrypt"], Constraints=constraints)
    served.caught_up()
    return found


@pytest.mark.parametrize(
    ("size", "colours"),
    [
        pytest.param(WIDE, "light", id="wide", marks=pytest.mark.soak),
        pytest.param(NARROW, "dark", id="narrow"),
    ],
)
def test_everyone_who_can_is_listed_and_drawn_with_the_way(
    visit: Callable[..., Visit], key: str, size: dict[str, int], colours: str
) -> None:
    tab = visit(viewport=size, color_scheme=colours)
    page = tab.page
    tab.opens(f"/access?key={key}&action=kms:Decrypt")
    tab.signs_in()
    table = page.get_by_role("table", name="Who can call kms:Decrypt")
    eve = table.get_by_role("row").filter(has_text="user/access-eve")
    expect(eve).to_contain_text('user/access-eve#use "Use", delegated by key policy "Enable IAM User Permissions"')
    expect(eve).to_contain_text("Always")
    dan = table.get_by_role("row").filter(has_text="user/access-dan")
    expect(dan).to_contain_text("only where")
    expect(dan).to_contain_text("Under conditions")
    picture = page.get_by_role("img", name="Who can call kms:Decrypt")
    expect(picture.locator("g").filter(has_text="user/access-eve")).not_to_have_count(0)
    assert tab.serious() == []
    eve.get_by_role("link").click()
    expect(page.get_by_role("heading", name="What user/access-eve can do")).to_be_visible()
    expect(
        page.get_by_role("table", name="Keys that the principal can use").get_by_role("row").filter(has_text=key)
    ).to_contain_text("Decrypt")
    assert tab.serious() == []


def test_a_principal_is_chosen_by_keyboard_from_the_list_or_typed(visit: Callable[..., Visit], key: str) -> None:
    tab = visit()
    page = tab.page
    tab.opens("/access?principal=")
    tab.signs_in()
    page.get_by_role("combobox", name="Principal").press_sequentially("access-e")
    expect(page.get_by_role("option", name="user/access-eve")).to_be_visible()
    for pressed in ("ArrowDown", "ArrowDown", "Enter"):  # the first is what was typed, as it stands
        page.keyboard.press(pressed)
    expect(page.get_by_role("heading", name="What user/access-eve can do")).to_be_visible()
    whole = page.get_by_role("combobox", name="Principal").input_value()
    page.get_by_role("combobox", name="Principal").fill(whole.replace("access-eve", "access-dan"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What user/access-dan can do")).to_be_visible()
    tab.opens("/access")
    tab.signs_in()
    page.get_by_role("combobox", name="Key").press_sequentially(key[:8])
    expect(page.get_by_role("option", name=key)).to_be_visible()
    for pressed in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(pressed)
    expect(page.get_by_role("table", name="Who can call kms:Decrypt")).to_be_visible()
    assert f"key={key}" in page.url


@pytest.mark.soak
def test_who_gained_and_lost_between_two_times(visit: Callable[..., Visit], served: Installation, key: str) -> None:
    tab = visit()
    page = tab.page
    tab.opens(f"/access?key={key}&action=kms:Decrypt&days=7")
    tab.signs_in(keep=True)
    table = page.get_by_role("table", name="Who gained and lost kms:Decrypt")
    granted = table.get_by_role("row").filter(has_text="user/access-dan")
    expect(granted.first).to_contain_text("grant")
    assert tab.serious() == []
    tab.opens(f"/access/changes?about={key}")
    changes = page.get_by_role("table", name="Changes of who may do what")
    expect(changes.get_by_role("row").filter(has_text="user/access-dan: kms:Decrypt")).to_have_count(1)
    assert tab.serious() == []


@pytest.mark.soak
def test_of_many_changes_the_newest_are_shown_and_the_page_says_so(visit: Callable[..., Visit], key: str) -> None:
    tab = visit()
    page = tab.page
    change = {"at": "2026-11-20T10:00:00Z", "principal": "arn:aws:iam::111122223333:root", "operation": "PutKeyPolicy"}
    rows: list[dict[str, Any]] = [
        {"change": {**change, "position": n, "summary": f"change {n}."}, "kind": None, "keys": [], "about": []}
        for n in range(2001)
    ]
    body = "".join(f"{json.dumps(each)}\n" for each in rows)
    page.route("**/v1/changes?*", lambda route: route.fulfill(body=body, content_type="application/x-ndjson"))
    tab.opens("/access/changes")
    tab.signs_in()
    expect(page.get_by_text("Only the newest 2,000 are shown.")).to_be_visible()
    table = page.get_by_role("table", name="Changes of who may do what")
    expect(table.get_by_role("row").nth(1)).to_contain_text("change 2000.")
    expect(table.get_by_role("row")).to_have_count(51)
    page.get_by_role("button", name="Page 40 of").click()
    expect(table.get_by_role("row").last).to_contain_text("change 1.")
    assert tab.serious() == []


@pytest.mark.soak
def test_many_principals_who_can_are_shown_a_page_at_a_time(visit: Callable[..., Visit], key: str) -> None:
    tab = visit()
    page = tab.page

    def many(route: Route) -> None:
        answer = route.fetch().json()
        (each, *_) = answer["items"]
        answer["items"] = [{**each, "principal": f"arn:aws:iam::111122223333:user/u{n}"} for n in range(120)]
        route.fulfill(json=answer)

    page.route("**/v1/who-can/*", many)
    for path in (f"/access?key={key}&action=kms:Decrypt", f"/keys/{key}/access"):
        tab.opens(path)
        tab.signs_in()
        table = page.get_by_role("table", name="Who can call kms:Decrypt")
        expect(table.get_by_role("row")).to_have_count(51)
        expect(page.get_by_text("(120)")).to_be_visible()
        page.get_by_role("button", name="Page 3 of").click()
        expect(table.get_by_role("row").last).to_contain_text("user/u119")
        assert tab.serious() == []
