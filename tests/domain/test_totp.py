"""RFC 6238, appendix B, with the six last digits of its codes of eight; RFC 4226, appendix D."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.crypto.totp import code_of, step_at, step_of

SEED = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_the_codes_of_rfc_6238(seconds: int, code: str) -> None:
    assert code_of(SEED, step_at(seconds * 1_000_000)) == code


def test_the_codes_of_rfc_4226() -> None:
    codes = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
    assert codes == [code_of(SEED, step) for step in range(10)]


@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**40), st.integers(-10, 10))
def test_two_codes_in_a_row_say_at_which_step_a_device_is(seed: bytes, now: int, drift: int) -> None:
    start = max(now + drift, 0)
    shown = [code_of(seed, start), code_of(seed, start + 1)]
    found = step_of(seed, shown, range(max(now - 10, 0), now + 11))
    assert found is not None
    assert shown == [code_of(seed, found), code_of(seed, found + 1)]
    if shown[0] != shown[1]:
        assert step_of(seed, reversed(shown), [start]) is None


@pytest.mark.parametrize("code", ["", "28708", "287082 ", "２８７０８２", "٢٨٧٠٨٢", "-87082", "2" * 500])
def test_another_text_than_the_code_is_not_the_code(code: str) -> None:
    assert step_of(SEED, ["287082"], range(3)) == 1
    assert step_of(SEED, [code], range(3)) is None
