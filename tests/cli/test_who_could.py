"""For a principal that keeps access in another way, `who-can` says what changed."""

from __future__ import annotations

from typing import Any

import pytest

from services.cli.access import otherwise

ACCOUNT = "111122223333"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
HR = [{"operator": "StringEquals", "key": "kms:EncryptionContext:team", "wanted": ["hr"]}]


def by(sid: str, version: int, opened: list[dict[str, Any]] = []) -> dict[str, Any]:  # noqa: B006  # nobody writes into it
    return {
        "by": {"kind": "key-policy", "policy": KEY, "version": version, "sid": sid, "index": version},
        "open": opened,
    }


def told(paths: list[dict[str, Any]], unless: list[dict[str, Any]] = []) -> dict[str, Any]:  # noqa: B006  # see above
    return {"paths": paths, "unless": unless, "for_sure": not unless and not paths[0]["open"]}


SURE = {"paths": [], "unless": [], "for_sure": True}
GRANT = {"by": {"kind": "grant", "grant": "0" * 64, "position": 30}, "open": HR}


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (told([by("Use", 1)]), told([by("Use", 2), GRANT]),
         "also by grant 000000000000… if kms:EncryptionContext:team StringEquals hr"),
        (told([by("Use", 1), GRANT]), told([by("Use", 2)]),
         "no longer by grant 000000000000… if kms:EncryptionContext:team StringEquals hr"),
        (told([by("Use", 1)]), told([by("Use", 2, HR)]),
         'also by v2 "Use" if kms:EncryptionContext:team StringEquals hr; no longer by v1 "Use"'),
        (told([by("Use", 1)]), told([by("Use", 2)], [by("No", 2, HR)]), "now refused if kms:EncryptionContext:team StringEquals hr"),
        (told([by("Use", 1)], [by("No", 1, HR)]), told([by("Use", 2)]),
         "no longer refused if kms:EncryptionContext:team StringEquals hr"),
        (SURE, told([by("Use", 2, HR)]),
         'no longer whatever the request says; also by v2 "Use" if kms:EncryptionContext:team StringEquals hr'),
        (told([by("Use", 1, HR)]), SURE,
         'now whatever the request says; no longer by v1 "Use" if kms:EncryptionContext:team StringEquals hr'),
    ],
)  # fmt: skip
def test_who_can_says_what_changed(before: dict[str, Any], now: dict[str, Any], words: str) -> None:
    of_people = {"changed": [{"principal": BOB, "kind": "user", **now, "before": before}]}
    assert list(otherwise(of_people, ACCOUNT)) == [f"user/bob: {words}"]
    of_keys = {"changed": ["kms:Decrypt", "kms:Encrypt"]}
    ways = {each: {"before": before, "now": now} for each in of_keys["changed"]}
    assert list(otherwise({**of_keys, "otherwise": ways}, ACCOUNT)) == [f"Decrypt, Encrypt: {words}"]


def test_an_answer_of_an_earlier_version_has_the_names_alone() -> None:
    assert list(otherwise({"changed": [{"principal": BOB, "kind": "user", **SURE}]}, ACCOUNT)) == ["user/bob"]
    assert list(otherwise({"changed": ["kms:Decrypt"]}, ACCOUNT)) == ["Decrypt"]
