"""Witness policies (C2SP tlog-policy): what a file says, and when enough witnesses have cosigned."""

from __future__ import annotations

from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.transparency.checkpoints import WitnessSigner
from domain.transparency.notes import NoteSigner
from domain.transparency.policies import PolicyRefused, witness_policy


def private(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


KEYS = [WitnessSigner(f"witness.example/{each}", private(each)).verifier.text for each in range(1, 7)]
LOG = NoteSigner("keys.example.com/log", private(9)).verifier.text
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
WITNESSES = "\n".join(f"witness {name} {key} https://{name}.example/" for name, key in zip(NAMES, KEYS, strict=True))
GROUPED = f"""# the example of the specification, with spaces and tabs
log {LOG}
{WITNESSES}
\tgroup X-witnesses  2 X1 X2\tX3

group Y-witnesses any Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def test_a_quorum_of_two_levels_is_met_by_two_of_one_group_and_one_of_the_other() -> None:
    policy = witness_policy(GROUPED)
    assert policy.witnesses["X1"].url == "https://X1.example"
    for count in range(7):
        for cosigned in combinations(NAMES, count):
            of_x, of_y = (sum(each.startswith(group) for each in cosigned) for group in "XY")
            assert policy.is_met(cosigned) is (of_x >= 2 and of_y >= 1)


def test_a_quorum_may_be_one_witness_or_none() -> None:
    one = witness_policy(f"{WITNESSES}\nquorum X2")
    assert (one.is_met({"X1"}), one.is_met({"X2"})) == (False, True)
    assert witness_policy("quorum none").is_met(())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no line with a quorum"),
        ("quorum X1", "line 1: no witness or group above is named X1"),
        ("quorum none\nquorum none", "line 2: there is a second quorum"),
        ("witness none x", "line 1: there is something named none already"),
        (f"witness A {KEYS[0]}\nwitness A {KEYS[1]}", "line 2: there is something named A already"),
        (f"witness A {KEYS[0]}\nwitness B {KEYS[0]}", "line 2: the key of B is there twice"),
        (f"witness A {LOG}", "line 1: the key of A is a log's"),
        (f"witness A {KEYS[0]}x", "line 1: it is not base64"),
        (f"witness A {KEYS[0]} ftp://a", "line 1: the address of A begins with https://"),
        (f"witness A {KEYS[0]} https://a b", "line 1: a line is"),
        ("witness A", "line 1: a line is"),
        ("else", "line 1: a line is"),
        (f"{WITNESSES}\ngroup G 0 X1\nquorum G", "line 7: of the group G, any, all or 1 to 1"),
        (f"{WITNESSES}\ngroup G 3 X1 X2\nquorum G", "line 7: of the group G, any, all or 1 to 2"),
        (f"{WITNESSES}\ngroup G 1 X1 X1\nquorum G", "line 7: X1 is in two groups"),
        (f"{WITNESSES}\ngroup G 1 X1\ngroup H any X1\nquorum G", "line 8: X1 is in two groups"),
        (f"{WITNESSES}\ngroup G any G\nquorum G", "line 7: no witness or group above is named G"),
        (f"{WITNESSES}\ngroup G any\nquorum G", "line 7: a line is"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(PolicyRefused, match=why):
        witness_policy(text)
