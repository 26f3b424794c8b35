"""What passwords have to be (IAM user guide, id_credentials_passwords_account-policy)."""

from __future__ import annotations

import pytest

from domain.identities.password_policy import PasswordPolicy, faults_of

STRICT = PasswordPolicy(minimum_length=14, symbols=True, numbers=True, uppercase=True, lowercase=True)


@pytest.mark.parametrize("password", ["correct-Horse", "CORRECT-h0rse", "abcdef1!", "ABCDEF1!", "Abcdefg1"])
def test_without_a_policy_eight_characters_of_three_kinds_do(password: str) -> None:
    assert list(faults_of(password, None, "ada")) == []


@pytest.mark.parametrize("password", ["", "Ab1!", "abcdefgh", "abcdefg1", "ABCDEFG1", "abcdefg!", "ADA-LOVELACE"])
def test_without_a_policy_a_short_or_simple_one_does_not(password: str) -> None:
    assert list(faults_of(password, None, "ada"))


def test_a_users_name_is_no_password() -> None:
    assert list(faults_of("Ada-Lovelace1", None, "ada-lovelace1")) == ["Password should not be the user's name"]


@pytest.mark.parametrize(
    ("password", "lacks"),
    [
        ("correct-Horse-7", []),
        ("correct-horse-7", ["uppercase letter"]),
        ("CORRECT-HORSE-7", ["lowercase letter"]),
        ("correct-Horse-battery", ["number"]),
        ("correctHorse7battery", ["symbol"]),
    ],
)
def test_a_policy_names_each_kind_that_is_missing(password: str, lacks: list[str]) -> None:
    assert list(faults_of(password, STRICT, "ada")) == [f"Password should have at least one {each}" for each in lacks]


def test_a_policy_says_how_long() -> None:
    assert list(faults_of("Correct-7", STRICT, "ada")) == ["Password should have a minimum length of 14"]
    assert list(faults_of("abc", PasswordPolicy(), "ada")) == ["Password should have a minimum length of 6"]
    assert list(faults_of("abcdef", PasswordPolicy(), "ada")) == []


@pytest.mark.parametrize("policy", [None, STRICT])
def test_a_password_has_at_most_128_characters_that_the_service_knows(policy: PasswordPolicy | None) -> None:
    """The service's model says so for its operations; at sign-in nothing else looks at a new password."""
    known = "Grüße \t aus Köln 7!"
    assert list(faults_of(known.ljust(128, "x"), policy, "ada")) == []
    assert list(faults_of(known.ljust(129, "x"), policy, "ada")) == ["Password should have at most 128 characters"]
    for unknown in ("Пароль", "\a", "\u0100"):
        (fault,) = faults_of(known + unknown, policy, "ada")
        assert "no characters beyond U+00FF" in fault
