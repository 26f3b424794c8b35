"""A small file cannot fill the import's memory, the trail's topic or its tables. A whole file of CloudTrail is never cut."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.cloudtrail.quotas import MOST_OF_ONE, MOST_TEXT
from domain.cloudtrail.record import Broken
from services.trails.answers import known_in
from services.trails.files import records_of, text_of
from services.trails.importer import ImportCounts
from services.trails.prepared import RecordPreparer
from services.trails.reader_process import MOST_BROKEN, prepared_of
from services.trails.unpack_budget import BASE, RATIO, RECORD, TooMuch
from services.trails.wrappers import FoundRecord
from tests.domain.test_cloudtrail import fold
from tests.domain.test_trail_order import MANAGED, POLICY, TRUST, USE, T, iam, kms
from tests.e2e.test_history import document
from tests.e2e.test_trails import created, record

LEFT_OUT = "the file cannot be read: it unpacks to more than 16 MiB and 200 times its length; the rest is left out"


def packed(text: bytes) -> str:
    return base64.b64encode(gzip.compress(text)).decode()


def written(path: Path, text: bytes) -> Path:
    path.write_bytes(text)
    return path


def read(path: Path) -> tuple[list[FoundRecord], int]:
    """The records of a file, and how many there may be at most."""
    return list(records_of(path)), (BASE + RATIO * path.stat().st_size) // RECORD


def test_packed_lists_in_packed_lists_end_at_the_budget(tmp_path: Path) -> None:
    """Each of three lists holds the next one 50 times: 125,000 records of some hundred bytes."""
    text = json.dumps([{"message": "no record"}] * 50).encode()
    for _ in range(2):
        text = json.dumps([packed(text)] * 50).encode()
    path = written(tmp_path / "bomb.json.gz", gzip.compress(text))
    assert path.stat().st_size < 1_000
    found, most = read(path)
    assert len(found) <= most + 1
    assert (found[-1].reason, {each.reason for each in found[:-1]}) == (LEFT_OUT, {""})


def test_a_packed_text_that_holds_nothing_counts_too(tmp_path: Path) -> None:
    """Nothing is found in the texts, so that nothing would be counted; each takes 8 MB to unpack."""
    nothing = packed(b" " * 8_000_000 + b"[]")
    path = written(tmp_path / "nothing.json.gz", gzip.compress(json.dumps([nothing] * 1_000).encode()))
    found, _ = read(path)
    assert [each.reason for each in found] == [LEFT_OUT]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_file_unpacks_to_no_more_at_any_level(tmp_path: Path, levels: int) -> None:
    """At the innermost level, gzip's members may be empty: that file holds nothing, and takes as long."""
    for name, text in (
        ("zeros", b"\n" * 60_000_000),
        ("empty", gzip.compress(b"") * (200_000 if levels > 1 else 1)),
    ):
        for _ in range(levels - (name == "empty")):
            text = gzip.compress(text)
        path = written(tmp_path / f"{name}.gz", text)
        whole = name == "empty" and levels == 1
        assert [each.reason for each in records_of(path)] == ([] if whole else [LEFT_OUT])
        if not whole:
            with pytest.raises(TooMuch):
                text_of(path)
            assert [each.reason for each in known_in(path, 0, "")] == [LEFT_OUT]


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_a_file_of_cloudtrail_is_read_whole(tmp_path: Path, levels: int) -> None:
    """Records that differ by their ids alone, which is as small as a trail can become: more of them than BASE is for."""
    records = [record("Decrypt", "2024-01-01T00:00:00Z") for _ in range(20_000)]
    text = b"\n".join(json.dumps({"Records": records[at : at + 100]}).encode() for at in range(0, len(records), 100))
    assert len(text) + RECORD * len(records) > BASE
    for _ in range(levels):
        text = gzip.compress(text)
    found, _ = read(written(tmp_path / "file.gz", text))
    assert (len(found), {each.reason for each in found}) == (len(records), {""})


def test_short_records_of_a_plain_file_are_no_bomb(tmp_path: Path) -> None:
    found, _ = read(written(tmp_path / "short.json", b"{}\n" * 100_000))
    assert (len(found), {each.reason for each in found}) == (100_000, {""})


@pytest.mark.parametrize("broken", [MOST_BROKEN, MOST_BROKEN + 1, 5_000])
def test_of_a_file_that_cannot_be_read_a_part_is_kept(tmp_path: Path, broken: int) -> None:
    whole = json.dumps(record("Decrypt", "2024-01-01T00:00:00Z"))
    lines = [whole, *['{"eventName": "x"}'] * (broken - 1), whole.replace("Decrypt", "Encrypt"), "{}"]
    path = written(tmp_path / "broken.json", "\n".join(lines).encode())
    found = list(prepared_of(records_of(path), RecordPreparer()))
    assert sum(each.kind is not None for each in found) == 2
    kept = [each for each in found if each.reason]
    more = broken - MOST_BROKEN
    assert len(kept) == MOST_BROKEN + (more > 0)
    if more > 0:
        assert kept[-1].reason == f"{more} more parts of the file cannot be read either; they are not kept"
        counts = ImportCounts()
        counts.count(found, set())
        assert (counts.records, counts.broken, counts.not_kept) == (MOST_BROKEN + 3, MOST_BROKEN + 1, more)
        assert len({(each.found.source, each.found.place) for each in kept}) == len(kept)


# -- what one thing has ------------------------------------------------------------------------------------------------------


def tag(number: int) -> dict[str, Any]:
    return {"key": f"k{number}", "value": "v"}


MORE: dict[str, Callable[[int], dict[str, Any]]] = {
    "tags of a key": lambda n: kms("TagResource", tags=[{"tagKey": f"k{n}", "tagValue": "v"}]),
    "key materials": lambda n: kms("RotateKeyOnDemand"),
    "inline policies": lambda n: iam("PutUserPolicy", userName="u", policyName=f"p{n}", policyDocument=USE),
    "managed policies": lambda n: iam("AttachUserPolicy", userName="u", policyArn=f"arn:aws:iam::aws:policy/p{n}"),
    "tags of a user": lambda n: iam("TagUser", userName="u", tags=[tag(n)]),
    "tags of a policy": lambda n: iam("TagPolicy", policyArn=MANAGED, tags=[tag(n)]),
    "groups": lambda n: iam("AddUserToGroup", userName="u", groupName=f"g{n}"),
    "access keys": lambda n: iam("CreateAccessKey", userName="u", response={"accessKey": {"accessKeyId": f"AKIA{n}"}}),
    "versions": lambda n: iam("SetDefaultPolicyVersion", policyArn=MANAGED, versionId=f"v{n + 2}"),
    "new versions": lambda n: iam("CreatePolicyVersion", policyArn=MANAGED, policyDocument=USE, response={"policyVersion": {"versionId": f"v{n + 2}"}}),
}  # fmt: skip


@pytest.mark.parametrize("kind", MORE)
def test_one_thing_has_no_more_than_several_times_what_aws_allows(kind: str) -> None:
    """The history holds the whole thing at each change: 10,000 records, which are 200 kB compressed, would fill 10 GB."""
    begin = [created(1, T), iam("CreateUser", userName="u"), POLICY]
    changes = [MORE[kind](number) for number in range(MOST_OF_ONE + 2)]
    fold(*begin, *changes[: MOST_OF_ONE - 2])
    with pytest.raises(Broken, match="than AWS allows"):
        fold(*begin, *changes)


LONG = "x" * (MOST_TEXT + 1)
LONG_POLICY = document({"Sid": LONG, "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": "*"})
LONG_TAGS = [{"key": LONG, "value": "v"}]


@pytest.mark.parametrize(
    "change",
    [
        kms("PutKeyPolicy", policy=LONG_POLICY),
        kms("UpdateKeyDescription", description=LONG),
        created(2, T, policy=LONG_POLICY),
        created(2, T, description=LONG),
        created(2, T, tags=[{"tagKey": LONG, "tagValue": "v"}]),
        iam("CreateUser", userName="u", tags=LONG_TAGS),
        iam("CreateRole", roleName="r", assumeRolePolicyDocument=LONG_POLICY),
        iam("CreateRole", roleName="r", assumeRolePolicyDocument=TRUST, description=LONG),
        iam("CreatePolicy", policyName="m", policyDocument=USE, tags=LONG_TAGS),
        iam("CreatePolicy", policyName="m", policyDocument=USE, description=LONG),
        iam("PutUserPolicy", userName="u", policyName="p", policyDocument=LONG_POLICY),
    ],
    ids=lambda each: each["eventName"],
)
def test_a_text_that_each_change_would_repeat_has_a_limit(change: dict[str, Any]) -> None:
    with pytest.raises(Broken, match="than AWS allows"):
        fold(created(1, T), change)
