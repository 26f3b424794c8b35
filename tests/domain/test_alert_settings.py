"""The alerts' settings: what an allow-list covers, and what is said about a faulty file."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from domain.alerts.allow import Allow
from domain.alerts.engine.judge import Judge
from domain.alerts.finding import Finding
from domain.alerts.observed_call import call_of_case
from domain.alerts.rules.table import RULES
from services.adapters import alerts_file
from services.adapters.alerts_file import Notifier
from services.notifier.delivery import signature
from services.settings import BadSetting, Settings
from tests.given import ACCOUNT, arn

NOW = 1_800_000_000_000_000
USERS = tuple(f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("ben", "cleo"))


def finding(*about: str, key: str = "", **tags: str) -> Finding:
    return Finding("it", "it happened", ACCOUNT, key, about, tags=tags)


def covers(given: Finding, rule: str = "root-used", at: int = NOW, **asked: str) -> bool:
    return Allow(asked.pop("of", "*"), "for a test", NOW + 1, **asked).covers(rule, given, at)


def test_everyone_whom_a_finding_is_about_has_to_match() -> None:
    assert covers(finding(USERS[0]), principal="*:user/ben")
    assert not covers(finding(*USERS), principal="*:user/ben")
    assert covers(finding(*USERS), principal=f"arn:aws:iam::{ACCOUNT}:*")
    assert not covers(finding(), principal="*"), "a finding about nobody is not allowed by a principal"


def test_a_key_is_named_by_arn_or_id_and_a_tag_by_name_or_value() -> None:
    assert covers(finding(key=arn()), key=arn())
    assert covers(finding(key=arn()), key=arn().rpartition("/")[2])
    assert not covers(finding(key=arn(2)), key=arn())
    assert not covers(finding(), key="*"), "a finding on no key is not allowed by a key"
    assert covers(finding(key=arn(), env="dev"), tag="ENV")
    assert covers(finding(key=arn(), env="dev"), tag="env=dev")
    assert not covers(finding(key=arn(), env="prod"), tag="env=dev")
    assert not covers(finding(key=arn()), tag="env")


def test_tags_that_differ_in_case_alone_have_to_agree() -> None:
    """Else whoever may tag keys adds the tag of an entry to a key that has another value of it."""
    assert not covers(finding(key=arn(), env="prod", Env="dev"), tag="env=dev")
    assert not covers(finding(key=arn(), env="dev", Env="prod"), tag="env=dev")
    assert not covers(finding(key=arn(), env="dev", Env="prod"), tag="env")
    assert covers(finding(key=arn(), env="dev", Env="dev"), tag="env=dev")
    context = {"aws:resourcetag/env": ["dev", "prod"], "aws:resourcetag/team": ["a"], "aws:resourceaccount": [ACCOUNT]}
    case = {
        "account": ACCOUNT, "principal": USERS[0], "access_key": "", "operation": "Decrypt", "effect": "allowed",
        "resources": [arn()], "error": None, "inputs": {"resources": {arn(): context}},
    }  # fmt: skip
    call = call_of_case(case)
    assert call is not None
    assert call.tags == {"team": "a"}


def test_all_that_is_asked_has_to_hold() -> None:
    assert covers(finding(USERS[0], key=arn(), env="dev"), principal="*", key=arn(), tag="env")
    assert not covers(finding(USERS[0], key=arn()), principal="*", key=arn(), tag="env")


def test_of_its_rule_and_until_its_end() -> None:
    assert covers(finding(USERS[0]), of="root-used", principal="*")
    assert not covers(finding(USERS[0]), of="first-use", principal="*")
    assert not covers(finding(USERS[0]), at=NOW + 1, principal="*")


def read(folder: Path, text: str) -> alerts_file.AlertsFile:
    path = folder / "alerts.toml"
    path.write_text(text)
    return alerts_file.load(Settings(alerts_file=str(path)))


def test_a_file_sets_severities_and_numbers_and_switches_rules_off(tmp_path: Path) -> None:
    found = read(tmp_path, '[rules.denied-burst]\nthreshold = 3\nseverity = "high"\n[rules.root-used]\noff = true\n')
    judge = Judge("the-log", found.settings)
    numbers = {number.name: value for number, value in found.settings.numbers_of(RULES["denied-burst"]).items()}
    assert numbers == {"threshold": 3, "window": 60}
    assert judge.alert(RULES["denied-burst"], finding(), "", NOW, {}).severity == "high"
    assert found.settings.of(RULES["root-used"]).off


ALLOW = '[[allow]]\nrule = "*"\nprincipal = "*"\nreason = "x"\nexpires = 2999-01-01\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules = 3", "each rule needs a table"),
        ("[rules.nothing]", "there is no rule 'nothing'"),
        ("[rules.root-used]\nthreshold = 3", "takes off, severity"),
        ('[rules.root-used]\nseverity = "bad"', "severity must be one of info"),
        ('[rules.denied-burst]\nthreshold = "3"', "threshold must be a whole number: refused calls"),
        ("[rules.denied-burst]\nthreshold = -1", "whole number"),
        ("[rules.root-used]\noff = 1", "off must be true or false"),
        ("known_accounts = [444455556666]", "write twelve digits in quotes"),
        (ALLOW.replace('reason = "x"\n', ""), "needs a reason"),
        (ALLOW.replace("expires = 2999-01-01\n", ""), "needs expires"),
        (ALLOW.replace('principal = "*"\n', ""), "needs a principal, a key or a tag"),
        (ALLOW.replace('"*"\nprincipal', '"all"\nprincipal'), "rule must be one of"),
        (ALLOW.replace("2999-01-01", '"2999-01-01"'), "without quotes"),
        ('[[webhook]]\nname = "a"\nurl = "ftp://x"\nsecret_file = "SECRET"', "url must begin with https"),
        ('[[webhook]]\nname = "a"\nurl = "https://x"', "secret_file of 16 characters"),
        ('[[webhook]]\nname = "a"\nurl = "https://x"\nsecret_file = "/nowhere"', "cannot be read"),
        ('[[webhook]]\nname = "a"\nurl = "https://x"\nsecret_file = "SECRET"\nleast = "x"', "least must be one of"),
        ('[[webhook]]\nname = "a"\nurl = "https://x"\nsecret_file = "SECRET"\nformat = "x"', "format must be one of"),
        ('[[apprise]]\nname = "a"\nurl = "nonsense"', "apprise does not know a url of this kind"),
        ('[[apprise]]\nurl = "json://x"', "needs a name"),
        ('[[apprise]]\nname = "a"\nurl = "json://x"\n[[apprise]]\nname = "a"\nurl = "json://y"', "two notifiers"),
        ("this is not TOML", "cannot be read"),
        ("strange = 1", "the file has 'strange'"),
    ],
)
def test_a_file_that_is_wrong_says_what_would_be_right(text: str, said: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("a secret that is long enough")
    with pytest.raises(BadSetting, match="KEYTRAIL_ALERTS_FILE") as fault:
        read(tmp_path, text.replace("SECRET", str(secret)))
    assert said in str(fault.value)


STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhook_of(folder: Path, secret: str) -> Notifier:
    file = folder / "secret"
    file.touch(0o600)
    file.write_text(f"{secret}\n")
    (found,) = read(folder, f'[[webhook]]\nname = "a"\nurl = "https://x"\nsecret_file = "{file}"').notifiers
    return found


def test_a_secret_of_standard_webhooks_signs_as_its_libraries_do(tmp_path: Path) -> None:
    """Their own example (libraries/javascript/src/webhook.test.ts, and the same in the others). The text itself was the key, so
    that none of them took a message for ours."""
    key = webhook_of(tmp_path, STANDARD).signing_key
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("length", [24, 25, 64])
def test_a_secret_of_standard_webhooks_may_lack_its_padding(length: int, tmp_path: Path) -> None:
    """Some of its libraries write it so, and all read both."""
    key = bytes(range(length))
    text = f"whsec_{b64encode(key).decode()}"
    assert [webhook_of(tmp_path, each).signing_key for each in (text, text.rstrip("="))] == [key, key]


def test_any_other_secret_is_the_key_itself(tmp_path: Path) -> None:
    """Receivers have it so, also where it happens to be base64."""
    for secret in ("a secret that is long enough", STANDARD.removeprefix("whsec_")):
        assert webhook_of(tmp_path, secret).signing_key == secret.encode()


@pytest.mark.parametrize(
    "rest", ["a secret that is long enough", "MfKQ9r8GKYqrTwjUPD8ILPZIo2L-LaSw", "c2l4dGVlbiBjaGFyYWN0ZXJz"]
)
def test_a_secret_that_only_looks_like_one_of_standard_webhooks_is_refused(rest: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting) as fault:
        webhook_of(tmp_path, f"whsec_{rest}")
    assert str(fault.value) == (
        f"KEYTRAIL_ALERTS_FILE: {tmp_path}/alerts.toml: [[webhook]] a: secret_file: after whsec_ there must be base64 of 24 to 64 "
        "random bytes, as in Standard Webhooks"
    )


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret that is long enough")
    secret.chmod(0o644)
    with pytest.raises(BadSetting, match="chmod 600"):
        read(tmp_path, f'[[webhook]]\nname = "a"\nurl = "https://x"\nsecret_file = "{secret}"')


def test_no_secret_is_shown_with_a_notifier(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("a secret that is long enough")
    found = read(tmp_path, f'[[webhook]]\nname = "a"\nurl = "https://user:pass@x"\nsecret_file = "{secret}"')
    assert "long enough" not in repr(found)
    assert "pass" not in repr(found)
