"""Tables as people see them, at every width: snapshots, and rules for every table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from services.cli.tables import Column, lines_of, member
from services.cli.text_lines import folded
from services.wording import names

ACCOUNT = "111122223333"
KEY = "67d282f2-5281-4192-87d1-611cba182205"
COLUMNS = (
    member("at", leads=True),
    Column("who", lambda row: names.short(row["principal"], ACCOUNT), leads=True),
    member("operation", heading="what", leads=True),
    member("effect", leads=True),
    Column("key", names.key_of, lambda row: names.key_of(row, whole=False)),
    Column("why", lambda row: names.decider(row, ACCOUNT), wraps=True),
    member("error"),
)
ROWS: tuple[dict[str, Any], ...] = (
    {
        "at": "2026-11-20 10:00:00Z", "principal": f"arn:aws:iam::{ACCOUNT}:user/bob", "operation": "Decrypt",
        "effect": "refused", "key_id": KEY, "key_aliases": ["alias/payroll"], "rule": "no-identity-policy-allows",
        "error": "access-refused",
    },
    {
        "at": "2026-11-20 10:00:01Z", "principal": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/i-0abc", "operation": "Encrypt",
        "effect": "allowed", "key_id": KEY, "key_aliases": ["alias/payroll"], "kind": "key-policy",
        "decided_by": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY}", "policy_version": "3", "statement": 1, "sid": "Payroll",
    },
)  # fmt: skip


def drawn(rows: Any, columns: Any, width: int | None) -> str:
    return "\n".join(line.plain for line in lines_of(rows, (), columns, width)) + "\n"


SNAPSHOTS = {
    80: """\
2026-11-20 10:00:00Z  user/bob  Decrypt  refused
    key alias/payroll 67d282f2-5281-4192-87d1-611cba182205
    why no identity policy allows   error access-refused
2026-11-20 10:00:01Z  assumed-role/app/i-0abc  Encrypt  allowed
    key alias/payroll 67d282f2-5281-4192-87d1-611cba182205
    why v3 "Payroll"
""",
    140: """\
at                    who                      what     effect   key                      why                        error
2026-11-20 10:00:00Z  user/bob                 Decrypt  refused  alias/payroll 67d282f2…  no identity policy allows  access-refused
2026-11-20 10:00:01Z  assumed-role/app/i-0abc  Encrypt  allowed  alias/payroll 67d282f2…  v3 "Payroll"
""",
}


@pytest.mark.parametrize("width", SNAPSHOTS)
def test_a_table_at_a_width(width: int) -> None:
    assert drawn(ROWS, COLUMNS, width) == SNAPSHOTS[width]


def test_a_column_that_may_be_left_out_is_the_first_to_go_and_never_without_a_sign() -> None:
    rows = [row | {"call_id": f"c7836531-38ad-44b8-b161-{place:012}"} for place, row in enumerate(ROWS)]
    columns = (*COLUMNS, member("call_id", heading="call", spare=True))
    sign = "(no room here for: call)"
    for width in (60, 80, 100, 110, 120, 130, 140, 150, 160, 180, 200, None):
        text = drawn(rows, columns, width)
        shown = [row["call_id"] in text for row in rows]
        assert shown == [sign not in text] * len(rows), width
        assert text.count(sign) <= 1
        if sign in text:  # and for nothing else
            assert text.replace(f"{sign}\n", "") == drawn(rows, COLUMNS, width)
    assert sign in drawn(rows, columns, 140)
    assert sign not in drawn(ROWS, columns, 140), "no row has one"


def test_in_a_pipe_every_row_is_one_line_and_whole() -> None:
    heading, *lines = drawn(ROWS, COLUMNS, None).splitlines()
    assert heading.split() == ["at", "who", "what", "effect", "key", "why", "error"]
    assert len(lines) == 2
    assert all(f"alias/payroll {KEY}" in line for line in lines)


texts = st.text(min_size=0, max_size=60)


@given(
    st.lists(st.fixed_dictionaries({"a": texts, "b": texts, "c": texts}), min_size=1, max_size=5),
    st.integers(min_value=40, max_value=160),
)
def test_nothing_is_lost_and_nothing_is_wider_than_the_screen(rows: list[dict[str, str]], width: int) -> None:
    from domain.characters import visible

    columns = (member("a", leads=True), member("b", wraps=True), member("c"))
    lines = drawn(rows, columns, width).splitlines()
    assert all(cell_len(line) <= width for line in lines)
    flat = "".join("".join(lines).split())
    for row in rows:
        for cell in row.values():
            # Wherever lines were broken, every character is still there, in order.
            left = iter(flat)
            assert all(character in left for character in "".join(visible(cell).split()))


@given(st.text(max_size=80), st.integers(min_value=2, max_value=30))
def test_folding_keeps_every_word(text: str, width: int) -> None:
    lines = folded(text, width)
    assert "".join("".join(lines).split(" ")) == "".join(text.split(" "))
    assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/bob", "user/bob"),
        (f"arn:aws:iam::{ACCOUNT}:user/team/bob", "user/team/bob"),
        (f"arn:aws:iam::{ACCOUNT}:root", "root"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/app/s1", "assumed-role/app/s1"),
        ("arn:aws:iam::444455556666:user/bob", "444455556666:user/bob"),
        ("arn:aws:iam::aws:policy/AdministratorAccess", "policy/AdministratorAccess"),
        (f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY}", KEY),
        (f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/payroll", "alias/payroll"),
        ("444455556666", "account 444455556666"),
        ("rds.amazonaws.com", "rds.amazonaws.com"),
        ("*", "*"),
        (None, ""),
    ],
)
def test_short_names(name: str | None, shown: str) -> None:
    assert names.short(name, ACCOUNT) == shown


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"rule": "account-root", "kind": "account-root"}, "account root"),
        ({"kind": "request", "error": "question-refused"}, "the question itself"),
        ({"kind": "request", "error": "invalid-ciphertext"}, "the request itself"),
        ({"kind": "key-state", "error": "key-disabled"}, "the key's state"),
        ({"kind": "authentication", "error": "credential-expired"}, "the credential"),
        ({"kind": "not-found", "error": "key-not-found"}, "it is not there"),
        ({"kind": "request", "rule": "no-identity-policy-allows"}, "no identity policy allows"),
        (
            {"kind": "identity-policy", "decided_by": f"arn:aws:iam::{ACCOUNT}:user/alice#use", "policy_version": "7",
             "sid": "Crypt", "statement": 0},
            'user/alice#use "Crypt"',
        ),
        (
            {"kind": "key-policy", "decided_by": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY}", "policy_version": "2",
             "sid": None, "statement": 4},
            "v2 statement 4",
        ),
        ({"kind": "grant", "decided_by": "42651cdf36636cfdae585ea484e266ca", "statement": None}, "grant 42651cdf3663…"),
        ({"kind": "cross-account", "decided_by": None, "rule": None}, "cross account"),
    ],
)  # fmt: skip
def test_what_decided_in_few_words(row: dict[str, Any], shown: str) -> None:
    assert names.decider(row, ACCOUNT) == shown


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("grant 1a for bob: ['Decrypt', 'DescribeKey']", "grant 1a for bob: Decrypt, DescribeKey"),
        ("tagged {'partner': 'acme', 'team': 'b2b'}", "tagged partner=acme, team=b2b"),
        ("tagged {'a': \"it's\"}", "tagged {'a': \"it's\"}"),
    ],
)
def test_a_summary_shows_lists_and_tags_as_people_write_them(recorded: str, shown: str) -> None:
    assert names.summary({"summary": recorded}) == shown
