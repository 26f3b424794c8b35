"""An investigator in the browser: a refused call explained, the past, a user without rights, hostile names."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Locator, expect

from services.cli.client import Client
from services.evidence import verify
from tests.console.visit import NARROW, Visit
from tests.e2e.test_history import allow
from tests.e2e.test_trails import created, imported, key_arn, put, record, who, written
from tests.installation import Installation

HOSTILE = "fdp\u202e <img src=x onerror=alert(1)>"
SHOWN = "fdp\\u202e <img src=x onerror=alert(1)>"
POLICY = {
    "Version": "2012-10-17",
    "Statement": {
        "Sid": "BlueOnly",
        "Effect": "Allow",
        "Action": "kms:Encrypt",
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:EncryptionContext:project": "blue"}},
    },
}


class Scene(NamedTuple):
    key: str
    credentials: dict[str, str]
    """Of a user who may encrypt for the project blue, and nothing else."""
    before: str
    """The position before the key got its description."""


@pytest.fixture(scope="module")
def scene(served: Installation) -> Scene:
    kms, iam = served.client(), served.client(service="iam")
    iam.create_user(UserName="eve")
    made: dict[str, Any] = iam.create_access_key(UserName="eve")["AccessKey"]
    credentials = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    iam.put_user_policy(UserName="eve", PolicyName="blue", PolicyDocument=json.dumps(POLICY))
    key: str = kms.create_key(Description="as it was")["KeyMetadata"]["KeyId"]
    served.caught_up()
    before = Client(served.data).get("/v1/status")["position"]
    kms.update_key_description(KeyId=key, Description="as it is")
    with pytest.raises(ClientError, match="AccessDenied"):
        served.client(credentials).encrypt(KeyId=key, Plaintext=b"-", EncryptionContext={"project": HOSTILE})
    served.caught_up()
    return Scene(key, credentials, f"@{before}")


def test_a_refused_call_is_found_opened_and_explained(visit: Callable[..., Visit], scene: Scene) -> None:
    tab = visit()
    tab.opens("/decisions?effect=refuse")  # no effect: the question cannot be answered, and is on record
    tab.signs_in(keep=True)
    expect(tab.page.get_by_text("must be one of").first).to_be_visible()
    tab.opens("/decisions?effect=refused")
    question = (
        tab.page.get_by_role("table", name="Decisions")
        .get_by_role("row")
        .filter(has_text="ReadDecisions")
        .filter(has_text="root")
    )
    expect(
        tab.page.get_by_role("table", name="Decisions").get_by_role("row").filter(has_text="user/eve").first
    ).to_be_visible()
    expect(question).to_have_count(0)
    tab.page.get_by_label("Also questions that Keytrail could not answer").check()
    expect(question.first).to_be_visible()
    tab.page.go_back()
    expect(question).to_have_count(0)
    tab.opens(f"/decisions?effect=refused&key={scene.key}")
    row = tab.page.get_by_role("table", name="Decisions").get_by_role("row").filter(has_text="Encrypt")
    expect(row).to_contain_text("user/eve")
    expect(tab.page.get_by_role("application", name="Calls by hour")).to_be_visible()
    assert tab.serious() == []
    row.get_by_role("link").first.click()
    tree = tab.page.get_by_role("tree", name="What was looked at for kms:Encrypt")
    expect(tree).to_contain_text("Allow, “BlueOnly” of user/eve#blue")
    expect(tree).to_contain_text(f"wants blue; there is {SHOWN} (does not hold)")
    expect(tab.page.get_by_text("One statement came close")).to_be_visible()
    assert tab.page.locator("img[src=x]").count() == 0
    assert tab.serious() == []


ON_DISK = """() => {
  window.showSaveFilePicker = async ({ suggestedName }) => {
    window.saved = await (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
    return window.saved;
  };
}"""
"""A file of the browser's own, in the place of the one that its dialog would ask a person for."""
BYTES = "async () => Array.from(new Uint8Array(await (await window.saved.getFile()).arrayBuffer()))"


@pytest.mark.soak
def test_decisions_are_exported_with_the_filters_of_the_page(
    visit: Callable[..., Visit], scene: Scene, served: Installation
) -> None:
    tab = visit(viewport=NARROW, color_scheme="dark")
    tab.opens(f"/decisions?key={scene.key}")
    tab.signs_in()
    page = tab.page
    expected = [each["call_id"] for each in Client(served.data).items("/v1/decisions", key=scene.key)]
    page.evaluate("() => { delete window.showSaveFilePicker; }")
    page.get_by_role("button", name="Export").click()
    dialog = page.get_by_role("dialog", name="Export decisions")
    expect(dialog.get_by_text(f"{len(expected)} calls with the filters")).to_be_visible()
    assert tab.serious() == []
    with page.expect_download() as downloaded:
        dialog.get_by_role("button", name="Export").press("Enter")
    expect(dialog.get_by_text(f"{len(expected)} calls, ")).to_be_visible()
    rows = list(csv.DictReader(io.StringIO(downloaded.value.path().read_bytes().decode())))
    assert [row["call_id"] for row in rows] == expected
    page.evaluate(ON_DISK)
    dialog.get_by_role("radio", name="Parquet").check()
    dialog.get_by_role("button", name="Export").click()
    expect(dialog.get_by_text(".parquet is complete")).to_be_visible(
        timeout=30_000
    )  # its process loads a library first
    assert pq.read_table(io.BytesIO(bytes(page.evaluate(BYTES))))["call_id"].to_pylist() == expected
    asked = [parse_qs(urlsplit(each.url).query).keys() for each in tab.sent if "/export?" in each.url]
    assert asked == [{"key", "from", "unanswered", "format"}] * 2  # and nothing of a credential


def saved(tab: Visit, path: Path, button: Locator) -> Path:
    """The file that a click saves."""
    tab.page.evaluate("() => { delete window.showSaveFilePicker; }")
    with tab.page.expect_download(timeout=60_000) as downloaded:
        button.click()
    downloaded.value.save_as(path / downloaded.value.suggested_filename)
    return path / downloaded.value.suggested_filename


def holds(served: Installation, path: Path) -> bool:
    """Whether verify.py, alone in another Python, says that the file holds under the log's key."""
    with urllib.request.urlopen(f"{served.url}/log/key", timeout=10) as answer:
        key = answer.read().decode().strip()
    command = [sys.executable, "-I", verify.__file__, "--log-key", key, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.returncode, done.stderr) == (verify.HOLD, "") or pytest.fail(f"{done.stdout}{done.stderr}")


@pytest.mark.soak
def test_a_call_a_key_and_a_user_are_proven_by_files_from_the_console(
    visit: Callable[..., Visit], scene: Scene, served: Installation, tmp_path: Path
) -> None:
    """Given a call with hostile text, when its proof and the evidence about its key and its user are saved, then verify.py
    takes them as they were saved, and somebody who may read the call is refused a proof of it."""
    refused = Client(served.data).items("/v1/decisions", key=scene.key, effect="refused", operation="Encrypt")
    (call,) = [each["call_id"] for each in refused]
    tab = visit(viewport=NARROW)
    tab.opens(f"/decisions/{call}")
    tab.signs_in(keep=True)
    page = tab.page
    proof = saved(tab, tmp_path, page.get_by_role("button", name="Save proof"))
    expect(page.get_by_text(f"proof-{call}.json is complete")).to_be_visible()
    assert (proof.name, holds(served, proof)) == (f"proof-{call}.json", True)
    assert HOSTILE in json.dumps(json.loads(json.loads(proof.read_text())["record"]["value"]), ensure_ascii=False)
    assert tab.serious() == []
    for path, whole in ((f"/keys/{scene.key}", True), ("/users/eve", False)):
        tab.opens(path)
        page.get_by_role("button", name="Make evidence…").press("Enter")
        dialog = page.get_by_role("dialog", name="Make evidence")
        expect(dialog.get_by_text("it does not prove that there are no others")).to_be_visible()
        if whole:
            dialog.get_by_label("With every leaf of the span").check()
        assert tab.serious() == []
        package = saved(tab, tmp_path, dialog.get_by_role("button", name="Save", exact=True))
        expect(dialog.get_by_text(f"{package.name} is complete")).to_be_visible()
        with zipfile.ZipFile(package) as read:
            read.extractall(package.with_suffix(""))
            assert call in read.read("report.html").decode()
            assert ("leaves" in read.namelist()) == whole
        assert holds(served, package.with_suffix(""))
    reader = visit(color_scheme="dark")
    reader.opens(f"/decisions/{call}")
    reader.signs_in(may_read(served), keep=True)
    reader.page.evaluate("() => { delete window.showSaveFilePicker; }")
    reader.page.get_by_role("button", name="Save proof").click()
    expect(reader.page.get_by_text("You may not do this")).to_be_visible()
    reader.opens(f"/keys/{scene.key}")
    reader.page.get_by_role("button", name="Make evidence…").click()
    reader.page.evaluate("() => { delete window.showSaveFilePicker; }")
    dialog = reader.page.get_by_role("dialog", name="Make evidence")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog.get_by_text("not authorized to perform: keytrail:Prove")).to_be_visible()
    assert reader.serious() == []


def may_read(served: Installation) -> dict[str, str]:
    """The access key of a user who may read keys and decisions, and prove nothing."""
    iam = served.client(service="iam")
    iam.create_user(UserName="reader")
    statement = {"Effect": "Allow", "Action": ["kms:*", "keytrail:Read*", "keytrail:Explain"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
    made: dict[str, Any] = iam.create_access_key(UserName="reader")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}


def test_the_past_is_shown_as_it_was_and_cannot_be_changed(visit: Callable[..., Visit], scene: Scene) -> None:
    tab = visit(viewport=NARROW, color_scheme="dark")
    tab.opens(f"/keys/{scene.key}?at={scene.before}")
    tab.signs_in(keep=True)
    page = tab.page
    expect(page.get_by_text(f"The past: as of position {scene.before}")).to_be_visible()
    expect(page.get_by_text("as it was", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Key actions")).to_have_count(0)
    assert tab.serious() == []
    page.get_by_role("button", name="Back to now").click()
    expect(page.get_by_text("as it is", exact=True)).to_be_visible()
    assert "at=" not in page.url
    page.go_back()
    expect(page.get_by_text("as it was", exact=True)).to_be_visible()
    tab.opens(f"/installation?at={scene.before}")
    expect(page.get_by_text("This page shows the present only")).to_be_visible()
    tab.opens(f"/keys?at={scene.before}")
    row = page.get_by_role("table", name="Keys at that time").get_by_role("row").filter(has_text=scene.key)
    expect(row).to_contain_text("as it was")
    expect(page.get_by_role("button", name="Create key")).to_have_count(0)
    assert tab.serious() == []
    page.get_by_role("combobox", name="Find keys").fill("Description : it is")
    page.keyboard.press("Enter")
    expect(row).to_have_count(0)
    assert "description=*it%20is*" in page.url.replace("+", "%20").replace("%2A", "*")
    tab.opens(f"/keys?at={scene.before}&description=*it was*&key={scene.key}")
    expect(row).to_be_visible()
    tab.opens(f"/users?at={scene.before}")
    page.get_by_role("table", name="Users at that time").get_by_role("link", name="eve", exact=True).click()
    expect(page.get_by_role("heading", name="Attached policies")).to_be_visible()
    tab.opens("/users?at=@0")
    expect(page.get_by_text("There were none.")).to_be_visible()


@pytest.mark.soak
def test_the_past_without_its_answer_shows_nothing_of_the_present(
    visit: Callable[..., Visit], served: Installation
) -> None:
    """Given a key that got a tag since and waits for its material, when the question about the past is not answered, then
    neither is shown as the past, and nothing can be changed."""
    kms = served.client()
    key: str = kms.create_key(Origin="EXTERNAL", Description="of now")["KeyMetadata"]["KeyId"]
    served.caught_up()
    before = Client(served.data).get("/v1/status")["position"]
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "set-since", "TagValue": "x"}])
    tab = visit()
    tab.opens(f"/keys/{key}/tags")
    tab.signs_in(keep=True)
    page = tab.page
    expect(page.get_by_text("set-since")).to_be_visible()
    away = {"error": {"code": "ServiceUnavailableException", "message": "the projections are away"}}
    page.route("**/v1/as-of/keys/*", lambda route: route.fulfill(status=503, json=away))
    for name in ("tags", "material"):
        tab.opens(f"/keys/{key}/{name}?at=@{before}")
        expect(page.get_by_text("the projections are away")).to_be_visible()
        expect(page.get_by_role("tabpanel").get_by_role("heading", name="History")).to_be_visible()
        assert page.get_by_role("tab").all_inner_texts() == ["Key policy", "History", "Access", "Decisions", "Alerts"]
        for text in ("set-since", "of now", "General configuration", "Upload material"):
            expect(page.get_by_text(text)).to_have_count(0)
    page.unroute("**/v1/as-of/keys/*")
    tab.opens(f"/keys/{key}/tags?at=@{before}")
    expect(page.get_by_text("This key has no tags.")).to_be_visible()
    # From the present, to a time before the key: what is shown of the present goes with it.
    page.get_by_role("button", name="Back to now").click()
    expect(page.get_by_text("set-since")).to_be_visible()
    page.get_by_role("button", name="Time: show the past").click()
    page.get_by_role("tab", name="At a position").click()
    page.get_by_role("textbox", name="Position").fill("1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This does not exist").first).to_be_visible()
    expect(page.get_by_text("General configuration")).to_have_count(0)
    assert tab.serious() == []


@pytest.mark.soak
def test_a_trail_is_asked_by_the_same_pages_and_links_stay_in_it(
    visit: Callable[..., Visit], served: Installation, tmp_path: Path
) -> None:
    bob, key = who("bob"), key_arn(1)
    records = (
        created(1, "2026-03-01T08:00:00Z"),
        put(1, "2026-03-01T09:00:00Z", allow(bob["arn"], "kms:Decrypt")),
        record("Decrypt", "2026-03-01T10:00:00Z", 1, bob),
    )
    imported(served, "seen", written(tmp_path / "records.jsonl", *records))
    tab = visit()
    tab.opens("/trails")
    tab.signs_in()
    page = tab.page
    page.get_by_role("link", name="Keys: seen").click()
    bar = page.get_by_text("What AWS CloudTrail recorded elsewhere. Nothing can be changed here.")
    expect(bar).to_be_visible()
    page.get_by_role("table", name="Keys of the trail").get_by_role("link", name=key.rpartition("/")[2]).click()
    expect(page.get_by_role("tabpanel", name="Key policy")).to_contain_text(bob["arn"])
    expect(page.get_by_role("button", name="Key actions")).to_have_count(0)
    assert tab.serious() == []
    page.get_by_role("tab", name="Access", exact=True).click()
    expect(page.get_by_role("table", name="Who can call kms:Decrypt")).to_contain_text(bob["arn"])
    page.get_by_role("tab", name="Decisions", exact=True).click()
    page.get_by_role("row").filter(has_text="Decrypt").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Decrypt by")).to_contain_text("user/bob")
    (call,) = served.answers("decisions", "--trail", "seen", "--operation", "Decrypt")
    expect(page.get_by_text(call["call_id"]).first).to_be_visible()
    expect(bar).to_be_visible()
    assert tab.serious() == []
    page.get_by_role("link", name="What changed").click()
    changes = page.get_by_role("table", name="Changes of who may do what")
    expect(changes).to_contain_text("user/bob: kms:Decrypt")
    page.get_by_role("link", name="Users", exact=True).click()
    page.get_by_role("table", name="Users of the trail").get_by_role("link", name="bob", exact=True).click()
    expect(page.get_by_role("heading", name="As it was then")).to_be_visible()
    page.get_by_role("button", name="Back to our own log").click()
    assert "trail=" not in page.url


@pytest.mark.soak
def test_the_installation_is_verified_and_its_settings_read(visit: Callable[..., Visit], scene: Scene) -> None:
    tab = visit(viewport=NARROW)
    tab.opens("/installation")
    tab.signs_in()
    page = tab.page
    head = page.get_by_label("A head that you noted earlier (optional)")
    head.fill("12:abc")
    page.get_by_role("button", name="Verify everything").click()
    expect(page.get_by_text("Write the position, a colon and the 64 characters")).to_be_visible()
    head.fill(f"1:{'0' * 64}")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Verify everything").click()
    expect(
        page.get_by_text("Verification: Starting").or_(page.get_by_role("progressbar", name="Verification"))
    ).to_be_visible()
    expect(page.get_by_text("The log is broken at position 1")).to_be_visible(timeout=60_000)
    head.fill("")
    page.get_by_role("button", name="Verify everything").click()
    found = page.get_by_role("list", name="What was found")
    expect(found).to_contain_text("Every table says what the topics say.", timeout=60_000)
    expect(page.get_by_text("Everything is whole")).to_be_visible()
    page.get_by_role("button", name="Recheck decisions").click()
    expect(page.get_by_text("0 came out differently")).to_be_visible(timeout=60_000)
    settings = page.get_by_role("table", name="Settings")
    page.get_by_label("Only what is set").check()
    expect(settings.get_by_role("row").filter(has_text="KEYTRAIL_KAFKA_PASSWORD")).to_contain_text("a secret")
    expect(settings.get_by_role("row").filter(has_text="KEYTRAIL_REGION")).to_have_count(0)
    assert tab.serious() == []


@pytest.mark.soak
def test_a_user_without_rights_sees_refusals_and_never_data(visit: Callable[..., Visit], scene: Scene) -> None:
    tab = visit()
    tab.opens("/decisions")
    tab.signs_in(scene.credentials, keep=True)
    navigation = tab.page.get_by_role("navigation").first
    for title in (
        "Decisions",
        "Alerts",
        "Alert rules",
        "Users",
        "Groups",
        "Roles",
        "Policies",
        "Trails",
        "Installation",
    ):
        navigation.get_by_role("link", name=title, exact=True).click()
        expect(tab.page.get_by_role("heading", name=title, level=1, exact=True)).to_be_visible()
        expect(tab.page.get_by_text("You may not do this").first).to_be_visible()
        expect(tab.page.get_by_text("no identity-based policy allows").first).to_be_visible()
        expect(tab.page.get_by_role("table")).to_have_count(0)
    assert tab.serious() == []
