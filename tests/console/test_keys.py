"""The first story: somebody signs in and sees the keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.console.visit import NARROW, WIDE, Visit
from tests.installation import Installation

HOSTILE = "paid \u202efdp.exe <img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def key(served: Installation) -> str:
    client = served.client()
    found: str = client.create_key(Description=HOSTILE)["KeyMetadata"]["KeyId"]
    client.create_alias(AliasName="alias/orders", TargetKeyId=found)
    served.caught_up()
    return found


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_user_signs_in_and_sees_the_keys(
    visit: Callable[..., Visit], key: str, size: dict[str, int], colours: str
) -> None:
    tab = visit(viewport=size, color_scheme=colours)
    tab.opens("/keys")
    assert tab.serious() == []
    tab.signs_in()
    row = tab.page.get_by_role("row").filter(has_text=key)
    expect(row).to_contain_text("orders")
    expect(row).to_contain_text("Enabled")
    expect(row).to_contain_text("paid \\u202efdp.exe <img src=x onerror=alert(1)>")
    assert tab.page.url.endswith("/console/keys")
    assert tab.serious() == []
