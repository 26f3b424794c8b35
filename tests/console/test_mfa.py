"""A user adds an MFA device to themselves in the console, by what its QR code says; an administrator sees it, and takes it away."""

from __future__ import annotations

import json
import subprocess
import time
from base64 import b32decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from botocore.exceptions import ClientError
from PIL import Image
from playwright.sync_api import Dialog, Locator, Page, Route, expect

from domain.crypto.totp import STEP_SECONDS, code_of
from services.cli.client import Client
from services.console.build import SOURCES, node
from tests.attacks.test_sessions import ACCOUNT, ROOT, user
from tests.console.test_passwords import FIRST, own_credentials, person, says_who, shows
from tests.console.visit import NARROW, Visit
from tests.installation import Installation, eventually

ANNA = f"arn:aws:iam::{ACCOUNT}:user/mfa-anna"
DEVICE = f"arn:aws:iam::{ACCOUNT}:mfa/mfa-anna"
READS = """
import { readFileSync } from "node:fs";
import decodeQR from "qr/decode.js";
const [width, height] = process.argv.slice(1).map(Number);
process.stdout.write(decodeQR({ width, height, data: new Uint8Array(readFileSync(0)) }));
"""


def scanned(code: Locator) -> str:
    """What a camera reads from the page's picture."""
    with Image.open(BytesIO(code.screenshot())) as picture:
        pixels, (width, height) = picture.convert("RGBA").tobytes(), picture.size
    command = [str(node()), "--input-type=module", "--eval", READS, "--", str(width), str(height)]
    return subprocess.run(command, input=pixels, cwd=SOURCES, capture_output=True, check=True).stdout.decode()


class Phone:
    """Shows the codes of a seed, also those of steps before and after this one."""

    def __init__(self, uri: str) -> None:
        self.label = unquote(urlsplit(uri).path)
        (self.secret,) = parse_qs(urlsplit(uri).query)["secret"]

    def code(self, ahead: int = 0) -> str:
        return code_of(b32decode(self.secret), int(time.time()) // STEP_SECONDS + ahead)

    def types(self, dialog: Locator, first: int) -> None:
        """Two codes that follow each other, as an app shows the first."""
        code = self.code(first)
        dialog.get_by_label("MFA code 1").fill(f"{code[:3]} {code[3:]}")
        dialog.get_by_label("MFA code 2").fill(self.code(first + 1))


def opens_own_page(tab: Visit, name: str = "mfa-anna") -> None:
    tab.page.get_by_role("button", name=name).click()
    tab.page.get_by_role("menuitem", name="My security credentials").click()
    expect(tab.page.get_by_role("heading", name="My security credentials", level=1)).to_be_focused()


def begins(page: Page) -> tuple[Locator, Phone]:
    """Name the device as the page suggests it; by keyboard alone."""
    page.get_by_role("button", name="Add MFA device").press("Enter")
    dialog = page.get_by_role("dialog", name="Add an MFA device")
    expect(dialog.get_by_label("Device name")).to_have_value("mfa-anna")
    dialog.get_by_label("Device name").press("Enter")
    return registers(page)


def registers(page: Page, name: str = "mfa-anna") -> tuple[Locator, Phone]:
    dialog = page.get_by_role("dialog", name="Scan the code")
    phone = Phone(scanned(dialog.get_by_role("img", name=f"QR code of the MFA device {name}")))
    return dialog, phone


@contextmanager
def asked_to_leave(page: Page, *, leaves: bool) -> Iterator[list[Dialog]]:
    asked: list[Dialog] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog)
        if leaves:
            dialog.accept()
        else:
            dialog.dismiss()

    page.once("dialog", answer)
    yield asked

    def has_asked() -> bool:
        page.wait_for_timeout(20)  # in which it learns of the dialog
        return bool(asked)

    eventually(has_asked)


@pytest.mark.soak
def test_a_user_adds_an_mfa_device_and_an_administrator_takes_it_away(
    visit: Callable[..., Visit], served: Installation
) -> None:
    iam = served.client(service="iam")

    def made() -> list[str]:
        all_made = (each["SerialNumber"] for each in iam.list_virtual_mfa_devices()["VirtualMFADevices"])
        return [each for each in all_made if each == DEVICE]

    credentials = user(served, "mfa-anna")
    iam.put_user_policy(UserName="mfa-anna", PolicyName="own", PolicyDocument=own_credentials())
    tab = visit()
    page = tab.page
    tab.opens("/keys")
    tab.signs_in(credentials, keep=True)
    opens_own_page(tab)
    expect(page.get_by_text("This user has no MFA device.")).to_be_visible()
    expect(page.get_by_text(credentials["AWS_ACCESS_KEY_ID"])).to_be_visible()

    # Given up: by Escape, by another page, and by a reload, which deletes nothing.
    dialog, phone = begins(page)
    assert phone.label == f"/Keytrail:mfa-anna@{ACCOUNT}"
    expect(dialog.get_by_text(phone.secret)).to_have_count(0)
    assert tab.serious() == []
    dialog.get_by_role("button", name="Show secret key").click()
    expect(dialog.get_by_text(phone.secret)).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert phone.secret not in page.content()
    eventually(lambda: made() == [])
    begins(page)
    with asked_to_leave(page, leaves=False):
        page.evaluate("() => { history.back() }")
    assert made() == [DEVICE]
    with asked_to_leave(page, leaves=True):
        page.evaluate("() => { history.back() }")
    eventually(lambda: made() == [])
    opens_own_page(tab)
    begins(page)
    with asked_to_leave(page, leaves=True) as asked:
        page.evaluate("() => { location.reload() }")
    assert [each.type for each in asked] == ["beforeunload"]
    page.get_by_role("button", name="Add MFA device").click()
    dialog = page.get_by_role("dialog", name="Add an MFA device")
    assert made() == [DEVICE]
    dialog.get_by_role("button", name="Next").click()
    expect(dialog.get_by_text("There is a device of this name that nobody uses")).to_be_visible()
    assert tab.serious() == []
    dialog.get_by_role("button", name="Replace it").click()

    # Wrong codes, the same code twice, and then two that fit; the answer to them is lost.
    dialog, phone = registers(page)
    add = dialog.get_by_role("button", name="Add MFA device")
    phone.types(dialog, -60)
    add.click()
    expect(dialog.get_by_text("Authentication code for device is not valid")).to_be_visible()
    assert tab.serious() == []
    for each in (1, 2):
        dialog.get_by_label(f"MFA code {each}").fill(phone.code(-6))
    expect(dialog.get_by_text("This is the first code again")).to_be_visible()
    expect(add).to_be_disabled()

    answers_lost: list[Route] = []

    def lost(route: Route) -> None:
        if "Action=EnableMFADevice" in (route.request.post_data or "") and not answers_lost:
            answers_lost.append(route)
            route.fetch()
            route.abort()
        else:
            route.fallback()

    page.route("**/*", lost)
    phone.types(dialog, -6)
    dialog.get_by_label("MFA code 2").press("Enter")
    expect(dialog).to_have_count(0)
    page.unroute("**/*")
    expect(page.get_by_role("row", name="mfa-anna").get_by_role("time")).to_be_visible()
    assert [each["SerialNumber"] for each in iam.list_mfa_devices(UserName="mfa-anna")["MFADevices"]] == [DEVICE]
    assert phone.secret not in page.content()

    page.get_by_role("button", name="Resync mfa-anna").click()
    dialog = page.get_by_role("dialog", name="Resync mfa-anna")
    phone.types(dialog, -6)
    dialog.get_by_role("button", name="Resync").click()
    expect(dialog.get_by_text("Authentication code for device is not valid")).to_be_visible()  # used already
    phone.types(dialog, -2)
    dialog.get_by_role("button", name="Resync").click()
    expect(dialog).to_have_count(0)

    narrow = visit(viewport=NARROW, color_scheme="dark")
    narrow.opens("/security-credentials")
    narrow.signs_in(credentials)
    expect(narrow.page.get_by_role("button", name="Resync mfa-anna")).to_be_visible()
    assert narrow.page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]
    assert narrow.serious() == []

    administrator = visit()
    takes_it_away(administrator)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_mfa_device(SerialNumber=DEVICE, UserName="mfa-anna")
    assert made() == []
    served.caught_up()
    of_device = [each for each in Client(served.data).items("/v1/events", None) if DEVICE in json.dumps(each)]
    begun, given_up, used = "CreateVirtualMFADevice", "DeleteVirtualMFADevice", "ResyncMFADevice"
    assert [(each["operation"], each["error"]) for each in of_device if each["principal"] == ANNA] == [
        *[(begun, None), (given_up, None)] * 2,
        (begun, None),
        (begun, "entity-exists"),
        *[(given_up, None), (begun, None)],
        ("EnableMFADevice", "invalid-mfa-code"),
        *[("EnableMFADevice", None)] * 2,  # the second: the client's retry
        *[(used, "invalid-mfa-code"), (used, None)],
    ]
    assert [(each["operation"], each["error"]) for each in of_device if each["principal"] == ROOT] == [
        ("DeactivateMFADevice", None),
        ("DeleteVirtualMFADevice", None),
    ]


def takes_it_away(tab: Visit) -> None:
    page = tab.page
    tab.opens("/users")
    tab.signs_in()
    expect(page.get_by_role("row", name="mfa-anna").get_by_role("cell", name="Yes", exact=True)).to_be_visible()
    page.get_by_role("link", name="mfa-anna").click()
    page.get_by_role("button", name="Remove mfa-anna", exact=True).click()
    dialog = page.get_by_role("dialog", name="Remove mfa-anna")
    expect(dialog.get_by_text("It is the last one")).to_be_visible()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("This user has no MFA device.")).to_be_visible()
    page.get_by_role("link", name="Users", exact=True).first.click()
    expect(page.get_by_role("row", name="mfa-anna").get_by_role("cell", name="No", exact=True)).to_be_visible()
    opens_own_page(tab, "root")
    expect(page.get_by_text("The root user has none here")).to_be_visible()
    expect(page.get_by_role("table")).to_have_count(0)


def test_a_device_that_a_user_adds_is_asked_for_at_the_next_sign_in(
    visit: Callable[..., Visit], served: Installation
) -> None:
    """Both adding and removing it end the session, which began without it; the page leads back to where the user was."""
    name = person(served, "mfa-dora")
    tab = visit()
    page = tab.page
    tab.opens("/security-credentials")
    says_who(tab, name, FIRST)
    page.get_by_role("button", name="Add MFA device").click()
    page.get_by_label("Device name").press("Enter")
    dialog, phone = registers(page, name)
    phone.types(dialog, -2)
    dialog.get_by_role("button", name="Add MFA device").click()
    expect(page.get_by_text("your password or an MFA device of yours was changed")).to_be_visible()
    says_who(tab, name, FIRST)
    shows(tab, phone.code())
    page.get_by_role("button", name=f"Remove {name}").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("your password or an MFA device of yours was changed")).to_be_visible()
    says_who(tab, name, FIRST)
    expect(page.get_by_text("This user has no MFA device.")).to_be_visible()
