"""`keytrail verify --file` on files that are not an exported log, or only its beginning: an error, never "whole"."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from pathlib import Path

import pytest

from domain.log.chain import digest
from services.backup.sealed_file import MAGIC
from tests.cli.replay import typed
from tests.logs import a_log

LOG = a_log().numbered()
LINES = [json.dumps({"offset": at, "value": b64encode(value).decode()}).encode() + b"\n" for at, value in LOG]
CALL = {"at": "2026-11-27T11:04:24.637054Z", "call_id": "c7836531-38ad-44b8-b161-2b406e620727", "effect": "allowed"}
EMPTY = "holds no record"
NO_CHAIN = "it has no chain, so nothing of it can be checked. Ask the operator for a file of `keytrail export-log`"
NO_LINE = "is not a line of an exported log"
CUT = "ends in the middle of line"


def line(document: object) -> bytes:
    return json.dumps(document).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", EMPTY), (b"\n", EMPTY), (b"  \n\r\n\n", EMPTY),
        (line(CALL), NO_CHAIN), (line(CALL) * 3, NO_CHAIN), (line({"change": {}, "gained": []}), NO_CHAIN),
        (line({"eventVersion": "1.08"}), NO_CHAIN), (line({"class_uid": 6003}), NO_CHAIN),
        (MAGIC + b"{}\n\x00", "is a backup"),
        (gzip.compress(b"".join(LINES), mtime=0), NO_LINE), (b"\x00\xff\xfe\x80", NO_LINE), (b"at,call_id\n", NO_LINE), (b"[]\n", NO_LINE),
        (b"7\n", NO_LINE), (b"{}\n", NO_LINE), (b'{"offset":1e999,"value":""}\n', NO_LINE), (b"[" * 100_000 + b"\n", NO_LINE),
        (b'{"offset":0,"value":"%%%"}\n', NO_LINE), (LINES[0] + line(CALL), NO_CHAIN), (LINES[0] + b"x\n" + LINES[1], NO_LINE),
        (LINES[0][:-9], f"{CUT} 1"), (LINES[0] + LINES[1][:20], f"{CUT} 2"), (LINES[0] + LINES[1][:1], f"{CUT} 2"),
    ],
    ids=lambda each: repr(each[:24]) if isinstance(each, bytes) else "",
)  # fmt: skip
def test_a_file_that_is_no_exported_log_is_an_error(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "its.log"
    path.write_bytes(content)
    for more in ((), ("--json",), ("--expect", f"9:{'0' * 64}")):
        code, told = typed(["verify", "--file", str(path), *more], None)
        assert (code, told.count("\n"), "whole" in told) == (2, 1, False), told
        assert (json.loads(told)["error"]["message"] if more == ("--json",) else told).count(says) == 1


def test_an_exported_log_cut_at_every_byte_is_whole_only_where_a_record_ends(tmp_path: Path) -> None:
    path, text = tmp_path / "its.log", b"".join(LINES[:3])
    ends = {sum(map(len, LINES[: count + 1])) for count in range(3)}
    last = f"2:{digest(LOG[2][1])}"
    for size in range(0, len(text) + 1, 7):
        for at in {size, *(end for end in ends if size <= end < size + 7)}:
            path.write_bytes(text[:at])
            code, told = typed(["verify", "--file", str(path)], None)
            # the last newline is not part of the record
            assert (code == 0) is (at in ends or at + 1 in ends), (at, told)
            if code == 0 and at < len(text) - 1:
                assert "--expect" in told
                assert typed(["verify", "--file", str(path), "--expect", last], None)[0] == 1


@pytest.mark.parametrize("content", [b"", b"\n \n"])
@pytest.mark.parametrize(
    "command",
    [
        "diff alias/x --from 1 --to FILE", "diff alias/x --from FILE", "check-policy FILE --not-public",
        "check-policy FULL --no-new-access-than FILE", "what-if alias/x --policy FILE", "alerts check --policy FILE",
        "alerts check --policy FILE --key alias/x", "read-policy FILE", "change-policy FILE", "what-if alias/x --grant g --go-on FILE",
    ],
)  # fmt: skip
def test_an_empty_file_is_never_taken_for_a_missing_one(command: str, content: bytes, tmp_path: Path) -> None:
    """`diff --to` with an empty file compared with the version in force, and did not say so."""
    path, full = tmp_path / "empty.json", tmp_path / "full.json"
    path.write_bytes(content)
    full.write_text(json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}]}))  # fmt: skip
    code, told = typed([{"FILE": str(path), "FULL": str(full)}.get(each, each) for each in command.split()], None)
    assert (code, told) == (2, f"error: {path} is empty.\n")


def test_a_log_whose_beginning_was_cut_off_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "its.log"
    path.write_bytes(b"".join(LINES[2:]))
    code, told = typed(["verify", "--file", str(path)], None)
    assert (code, "2 records are missing before it" in told) == (1, True)
