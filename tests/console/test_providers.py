"""An administrator registers an OpenID Connect provider in the console, changes it and deletes it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from services.cli.client import Client
from tests.attacks.test_sessions import ACCOUNT, ROOT
from tests.console.visit import NARROW, Visit
from tests.installation import Installation

HOST = "login.example.org/tenant"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}"
PRINT = "0123456789abcdef0123456789abcdef01234567"
HOSTILE = "\u202egro<b>"


def registers(page: Page) -> None:
    """By keyboard, from the list to the page of the new provider."""
    page.get_by_role("button", name="Add provider").press("Enter")
    dialog = page.get_by_role("dialog", name="Add a provider")
    dialog.get_by_label("Provider URL").fill(f"http://{HOST}")
    expect(dialog.get_by_text("Type an https:// address without a query.")).to_be_visible()
    dialog.get_by_label("Thumbprints").fill("abc")
    expect(dialog.get_by_text("A thumbprint has 40 hexadecimal digits.")).to_be_visible()
    dialog.get_by_label("Thumbprints").fill(PRINT.upper())
    dialog.get_by_label("Audiences").fill("console\npods, console")
    dialog.get_by_label("Provider URL").fill(f"https://{HOST}")
    dialog.get_by_label("Provider URL").press("Enter")
    expect(page.get_by_role("heading", name=HOST, level=1)).to_be_focused()


def changes(page: Page) -> None:
    """On the provider's page: its audiences, its thumbprints and its tags."""
    page.get_by_role("button", name="Remove pods").click()
    page.get_by_role("dialog", name="Remove an audience").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="Remove pods")).to_have_count(0)
    page.get_by_role("button", name="Add audience").click()
    page.get_by_role("dialog", name="Add an audience").get_by_label("Client ID").fill(HOSTILE)
    page.get_by_label("Client ID").press("Enter")
    expect(page.get_by_role("cell", name="\\u202egro<b>")).to_be_visible()
    page.get_by_role("button", name="Edit the thumbprints").click()
    dialog = page.get_by_role("dialog", name="Edit the thumbprints")
    dialog.get_by_label("Thumbprints").fill(f"{PRINT}\n{PRINT[::-1]}")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text(PRINT[::-1])).to_be_visible()
    page.get_by_role("button", name="Add tag").click()
    page.get_by_label("Tag key").fill("team")
    page.get_by_label("Tag value").fill("platform")
    page.get_by_label("Tag value").press("Enter")
    expect(page.get_by_role("button", name="Remove tag team")).to_be_visible()


@pytest.mark.soak
def test_a_provider_is_registered_changed_and_deleted(visit: Callable[..., Visit], served: Installation) -> None:
    iam = served.client(service="iam")
    tab = visit()
    page = tab.page
    tab.opens("/identity-providers")
    tab.signs_in(keep=True)
    expect(page.get_by_text("This account has no identity providers.")).to_be_visible()
    assert tab.serious() == []
    registers(page)
    expect(page.get_by_label("Trust policy for a role")).to_contain_text(f'"{HOST}:sub": "SUBJECT"')
    assert tab.serious() == []
    changes(page)
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    assert (found["Url"], found["ClientIDList"]) == (HOST, ["console", HOSTILE])
    assert (found["ThumbprintList"], found["Tags"]) == ([PRINT, PRINT[::-1]], [{"Key": "team", "Value": "platform"}])
    narrow = visit(viewport=NARROW, color_scheme="dark")
    narrow.opens(page.url.partition("/console")[2])
    narrow.signs_in()
    expect(narrow.page.get_by_role("button", name="Remove tag team")).to_be_visible()
    assert narrow.page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]
    assert narrow.serious() == []
    page.get_by_role("button", name="Remove tag team").click()
    page.get_by_role("dialog", name="Remove a tag").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("This provider has no tags.")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog", name=f"Delete {HOST}").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("This account has no identity providers.")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("This does not exist")).to_be_visible()
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    served.caught_up()
    on_record = [each for each in Client(served.data).items("/v1/events", None) if HOST in json.dumps(each)]
    assert {each["principal"] for each in on_record} == {ROOT}
    assert [each["operation"] for each in on_record] == [
        "CreateOpenIDConnectProvider",
        "RemoveClientIDFromOpenIDConnectProvider",
        "AddClientIDToOpenIDConnectProvider",
        "UpdateOpenIDConnectProviderThumbprint",
        "TagOpenIDConnectProvider",
        "UntagOpenIDConnectProvider",
        "DeleteOpenIDConnectProvider",
    ]
