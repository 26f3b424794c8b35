"""One key's page: what can be done to it, and that nobody sees or does there what they may not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from playwright.sync_api import Download, Page, Response, Route, expect

from tests.console.visit import NARROW, Visit, is_of
from tests.installation import Installation

TABS = {
    "Cryptographic configuration": "Cryptographic configuration",
    "Tags": "Tags",
    "Key rotation": "Key materials",
    "Aliases": "Aliases",
    "Grants": "Grants",
    "History": "History",
    "Access": "Who can call kms:Decrypt",
    "Decisions": "Decisions",
    "Alerts": "Alerts",
}
"""The heading on each tab. The key policy has a test of its own."""
SECRET = "nobody-else-may-read-this"


@pytest.fixture
def key(served: Installation) -> str:
    client = served.client()
    found: str = client.create_key(Description=SECRET, Tags=[{"TagKey": SECRET, "TagValue": "x"}])["KeyMetadata"][
        "KeyId"
    ]
    served.caught_up()
    return found


def hears(page: Page, notice: str) -> None:
    """A notice is a live region: a screen reader says it."""
    expect(page.get_by_role("status").filter(has_text=notice)).to_be_visible()


def confirms(page: Page, verb: str, notice: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click()
    hears(page, notice)
    expect(page.get_by_role("dialog")).to_have_count(0)


CALLS = re.compile(r"//[^/]+/$")


def turns_to(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab).click()


def test_a_key_is_managed_on_its_page(visit: Callable[..., Visit], served: Installation, key: str) -> None:
    kms, account = served.client(), served.client(service="sts").get_caller_identity()["Account"]
    grantee = f"arn:aws:iam::{account}:root"
    tab = visit(reduced_motion="no-preference")  # the dialogs move here, as they do for most people
    tab.opens(f"/keys/{key}/tags")
    tab.signs_in()
    page = tab.page

    page.get_by_role("button", name="Add tag").click()
    page.get_by_label("Tag key").fill("team")
    page.get_by_label("Tag value").fill("orders")
    confirms(page, "Save", "The tag team is set.")
    page.get_by_role("button", name=f"Remove tag {SECRET}").click()
    confirms(page, "Remove", f"The tag {SECRET} is removed.")

    turns_to(page, "Aliases")
    page.get_by_role("button", name="Create alias").click()
    page.get_by_label("Alias name").fill("on-the-page")
    assert tab.serious() == []
    page.keyboard.press("Enter")
    hears(page, "alias/on-the-page is created.")

    turns_to(page, "Key rotation")
    page.get_by_role("button", name="Switch on").click()
    page.get_by_label("Period in days").fill("20")
    expect(page.get_by_role("dialog").get_by_role("button", name="Save")).to_be_disabled()
    page.get_by_label("Period in days").fill("200")
    confirms(page, "Save", "The key is rotated every 200 days.")
    page.get_by_role("button", name="Rotate now").click()
    confirms(page, "Rotate", "The key is rotated.")
    expect(page.get_by_role("row").filter(has_text="On demand")).to_contain_text("Current")

    turns_to(page, "Grants")
    page.get_by_role("button", name="Create grant").click()
    page.get_by_label("Grantee principal").fill(grantee)
    page.get_by_role("button", name="Operations").click()
    page.get_by_role("option", name="Decrypt", exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="It allows").click()
    page.get_by_role("option", name="has these pairs").click()
    page.get_by_role("textbox", name="Name", exact=True).last.fill("case")
    page.get_by_role("button", name="Add pair").click()
    page.get_by_role("textbox", name="Name", exact=True).last.fill("case")
    expect(page.get_by_text("This name is there twice.")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_role("button", name="Create grant")).to_be_disabled()
    page.get_by_role("textbox", name="Name", exact=True).last.fill("other")
    expect(page.get_by_text("This name is there twice.")).to_have_count(0)
    page.get_by_role("dialog").get_by_role("button", name="Create grant").click()
    expect(page.get_by_text("The grant is created")).to_be_visible()
    (grant,) = kms.list_grants(KeyId=key)["Grants"]
    assert (grant["Operations"], grant["Constraints"]) == (
        ["Decrypt"],
        {"EncryptionContextSubset": {"case": "", "other": ""}},
    )
    page.get_by_role("button", name="Revoke grant").click()
    confirms(page, "Revoke", "The grant is revoked.")

    page.get_by_role("button", name="Key actions").click()
    page.get_by_role("menuitem", name="Disable").click()
    held: list[Route] = []
    page.route(CALLS, lambda route: held.append(route) if is_of(route, "DisableKey") else route.continue_())
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Disable", exact=True).click()
    # Under way, the dialog stays: whoever closed it never learned what became of the change.
    expect(dialog.get_by_role("button", name="Cancel")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    held.pop().continue_()
    hears(page, "The key is disabled.")
    expect(dialog).to_have_count(0)
    page.unroute(CALLS)
    page.get_by_role("button", name="Key actions").click()
    page.get_by_role("menuitem", name="Schedule key deletion").click()
    page.get_by_label("Waiting period in days").fill("9")
    page.get_by_role("checkbox", name="Delete this key").check()
    assert tab.serious() == []
    confirms(page, "Schedule deletion", "The key will be deleted on")

    made = kms.describe_key(KeyId="alias/on-the-page")["KeyMetadata"]
    assert (made["KeyId"], made["KeyState"]) == (key, "PendingDeletion")
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "team", "TagValue": "orders"}]
    assert kms.list_grants(KeyId=key)["Grants"] == []
    served.caught_up()
    turns_to(page, "History")
    for operation in (
        "ScheduleKeyDeletion",
        "DisableKey",
        "RevokeGrant",
        "CreateGrant",
        "RotateKeyOnDemand",
        "CreateAlias",
    ):
        expect(page.get_by_role("row").filter(has=page.get_by_text(operation, exact=True))).to_have_count(1)
    done = served.answers("history", key)
    assert [each["operation"] for each in done][-2:] == ["DisableKey", "ScheduleKeyDeletion"]


@pytest.mark.soak
def test_every_tab_is_read_on_a_telephone_in_the_dark(
    visit: Callable[..., Visit], served: Installation, key: str
) -> None:
    served.client().encrypt(KeyId=key, Plaintext=b"x")
    served.caught_up()
    tab = visit(viewport=NARROW, color_scheme="dark")
    tab.opens(f"/keys/{key}/cryptography")
    tab.signs_in()
    page = tab.page
    for each, heading in TABS.items():
        turns_to(page, each)
        expect(page.get_by_role("tabpanel").get_by_role("heading", name=heading)).to_be_visible()
        expect(page.get_by_text("Asking", exact=True)).to_have_count(0)
        assert tab.serious() == [], each
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], each
    expect(page.get_by_text("No alert was raised on this key.")).to_be_visible()


@pytest.mark.soak
def test_material_is_imported_and_a_public_key_downloaded(
    visit: Callable[..., Visit], served: Installation, tmp_path: Path
) -> None:
    kms = served.client()
    key = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    pair = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    tab = visit()
    tab.opens(f"/keys/{key}/material")
    tab.signs_in(keep=True)
    page = tab.page
    files: list[Download] = []
    page.on("download", lambda file: files.append(file))
    page.get_by_role("button", name="Get parameters").click()
    page.get_by_role("dialog").get_by_role("button", name="Download").click()
    expect(page.get_by_text("Two files were downloaded")).to_be_visible()
    while len(files) < 2:
        page.wait_for_event("download")
    named = {each.suggested_filename.rpartition("-")[2]: each.path() for each in files}
    wrapping = serialization.load_der_public_key(named["WrappingPublicKey.bin"].read_bytes())
    assert isinstance(wrapping, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    wrapped = tmp_path / "wrapped.bin"
    wrapped.write_bytes(wrapping.encrypt(b"k" * 32, oaep))
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Upload material").click()
    page.locator("input[type=file]").nth(0).set_input_files(wrapped)
    page.locator("input[type=file]").nth(1).set_input_files(named["ImportToken.bin"])
    assert tab.serious() == []
    confirms(page, "Upload", "The key material is imported.")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"

    tab.opens(f"/keys/{pair}/public-key")
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Download").click()
    found = serialization.load_pem_public_key(downloaded.value.path().read_bytes())
    expected = serialization.load_der_public_key(kms.get_public_key(KeyId=pair)["PublicKey"])
    assert found == expected


def test_the_answer_to_the_question_before_is_never_shown_under_this_one(
    visit: Callable[..., Visit], served: Installation, key: str
) -> None:
    tab = visit()
    page = tab.page
    tab.opens(f"/keys/{key}/access")
    tab.signs_in()
    expect(page.get_by_role("heading", name="Who can call kms:Decrypt")).to_be_visible()
    rows = page.get_by_role("tabpanel").get_by_role("row").filter(has_text=":root")
    expect(rows).to_have_count(1)
    held: list[Route] = []
    page.route("**/v1/who-can/*", lambda route: held.append(route))
    page.get_by_role("button", name="Operation kms:Decrypt").click()
    page.get_by_role("option", name="kms:DisableKey").click()
    expect(page.get_by_role("heading", name="Who can call kms:DisableKey")).to_be_visible()
    expect(rows).to_have_count(0)
    (route,) = held
    route.fulfill(status=400, json={"error": {"code": "ValidationException", "message": "no answer to this one"}})
    expect(page.get_by_text("no answer to this one")).to_be_visible()
    expect(rows).to_have_count(0)


@pytest.fixture
def stranger(served: Installation) -> Iterator[dict[str, str]]:
    """A user whom no policy names."""
    iam = served.client(service="iam")
    iam.create_user(UserName="stranger")
    made = iam.create_access_key(UserName="stranger")["AccessKey"]
    yield {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    iam.delete_access_key(UserName="stranger", AccessKeyId=made["AccessKeyId"])
    iam.delete_user(UserName="stranger")


def test_a_user_without_rights_sees_refusals_and_never_data(
    visit: Callable[..., Visit], served: Installation, key: str, stranger: dict[str, str]
) -> None:
    served.client().create_alias(AliasName=f"alias/{SECRET}", TargetKeyId=key)
    tab = visit()
    answers: list[Response] = []
    tab.page.on("response", lambda answer: answers.append(answer))
    tab.opens(f"/keys/{key}/cryptography")
    tab.signs_in(stranger, keep=True)
    page = tab.page
    refusals = page.get_by_text("You may not do this")
    expect(page.get_by_text("is not authorized to perform: kms:DescribeKey")).to_be_visible()
    expect(refusals).to_have_count(1)
    for each in [each for each in TABS if each != "Cryptographic configuration"]:
        turns_to(page, each)
        expect(page.get_by_role("tab", name=each)).to_have_attribute("aria-selected", "true")
        expect(refusals).to_have_count(3 if each == "Key rotation" else 2)  # the page's own, and those of the tab
        assert SECRET not in page.content()
    turns_to(page, "Imported key material")
    expect(page.get_by_text("Expires")).to_be_visible()
    expect(page.get_by_text("Never")).to_have_count(0)  # it is not known
    assert tab.serious() == []
    told = [each.text() for each in answers if "/console/" not in each.url]
    assert len(told) > len(TABS)
    assert [text for text in told if SECRET in text] == []

    # The wizard goes as far as the server lets it.
    tab.opens("/keys/create")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("textbox", name="Alias").fill("not-mine")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("is not authorized to perform: iam:List").first).to_be_visible()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("group", name="Policy editor")).to_be_visible()
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("is not authorized to perform: kms:CreateKey")).to_be_visible()
