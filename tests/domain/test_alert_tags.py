"""A tag that the allow-list names lets whoever may tag keys take the alerts on them away. That is an alert itself, which no tag covers."""

from __future__ import annotations

import pytest

from domain.alerts.allow import Allow
from domain.alerts.settings import AlertSettings
from domain.log import events
from tests.alert_cases import ADMIN, NOW, judged, tagged
from tests.given import ACCOUNT, a_key, arn, key_id


def allowing(
    tag: str = "env=dev", *, rule: str = "*", key: str = "", principal: str = "", ends: int = NOW * 2
) -> AlertSettings:
    return AlertSettings(allow=(Allow(rule, "keys of tests", ends, principal, key, tag),))


def raised(event: object, *before: object, settings: AlertSettings) -> list[tuple[str, str, bool]]:
    """(rule, severity, suppressed) of each alert."""
    found = judged(event, *before, settings=settings, by=ADMIN)
    return [(each.rule.id, each.severity, each.suppressed is not None) for each in found]


TOLD = [("allowed-by-tag", "medium", False)]


@pytest.mark.parametrize(
    ("event", "before", "settings"),
    [
        (tagged(env="dev"), {}, allowing()),
        (tagged(ENV="dev"), {}, allowing()),
        (tagged(env="dev"), {"env": "prod"}, allowing()),
        (tagged(env="anything"), {}, allowing("env")),
        (tagged(env="dev"), {}, allowing(rule="allowed-by-tag")),
        (tagged(env="dev"), {}, allowing(key=arn())),
        (tagged(env="dev"), {}, allowing(principal="*:role/ci-*")),
        (events.KeyUntagged(key_id(), ["Env"], {"env": "dev"}), {"env": "dev", "Env": "prod"}, allowing()),
    ],
)
def test_a_tag_that_lets_an_entry_cover_a_key_is_told(
    event: object, before: dict[str, str], settings: AlertSettings
) -> None:
    """Gained: a key policy for everybody, and no alert that anybody is sent."""
    assert raised(event, a_key(tags=before), settings=settings) == TOLD


@pytest.mark.parametrize(
    ("event", "before", "settings"),
    [
        (tagged(env="dev"), {"env": "dev"}, allowing()),
        (tagged(env="dev", Env="prod"), {"Env": "prod"}, allowing()),
        (tagged(env="prod"), {"env": "dev"}, allowing()),
        (tagged(env="dev"), {}, allowing(ends=NOW)),
        (tagged(env="dev"), {}, allowing(key=arn(2))),
        (tagged(env="dev"), {}, AlertSettings(allow=(Allow("*", "a key", NOW * 2, key=arn()),))),
        (events.KeyUntagged(key_id(), ["env"], {}), {"env": "dev"}, allowing()),
    ],
)
def test_a_tag_that_changes_nothing_for_the_list_is_not(
    event: object, before: dict[str, str], settings: AlertSettings
) -> None:
    assert raised(event, a_key(tags=before), settings=settings) == []


def test_a_key_that_is_made_with_the_tag_is_milder() -> None:
    assert raised(a_key(tags={"env": "dev"}), settings=allowing()) == [("allowed-by-tag", "low", False)]


def test_whoever_is_expected_to_tag_keys_can_be_allowed() -> None:
    by = AlertSettings(allow=(*allowing().allow, Allow("allowed-by-tag", "ours", NOW * 2, principal=ADMIN)))
    assert raised(tagged(env="dev"), a_key(), settings=by) == [("allowed-by-tag", "medium", True)]


def test_the_alert_says_who_and_what_the_list_covers_now() -> None:
    both = AlertSettings(allow=(*allowing().allow, *allowing("team", rule="rotation-disabled").allow))
    (one,) = judged(tagged(env="dev", team="a"), a_key(), settings=both, by=ADMIN)
    assert one.finding.summary == (
        f"{ADMIN} changed the key's tags so that the allow-list covers findings on it: every rule, by env=dev; "
        "rotation-disabled, by team"
    )
    assert one.finding.about == (ADMIN,)
    assert one.finding.key == arn()
    assert one.finding.account == ACCOUNT
