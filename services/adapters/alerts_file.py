"""The alerts' settings, from a file (TOML):

known_accounts = ["444455556666"]         # accounts that keys may be shared with, beside those hosted here

[rules.denied-burst]                      # of any rule of docs/alerts.md
threshold = 50                            # numbers of that rule
severity = "high"

[rules.root-used]
off = true

[[allow]]                                 # an allowed finding is recorded as suppressed and not sent
rule = "grant-unconstrained"              # or "*"
principal = "arn:aws:iam::*:role/ci-*"    # at least one of principal, key (ARN or id) and tag (NAME or NAME=VALUE)
reason = "the build reads what it wrote"
expires = 2027-01-31                      # a day or a time

[[webhook]]
name = "siem"
url = "https://siem.example.com/keytrail"
secret_file = "/etc/keytrail/siem.secret" # its signature's key; mode 0600
least = "medium"                          # the mildest severity that is sent
format = "ocsf"                           # or "keytrail", which is the default
group_seconds = 300                       # alerts of one rule within this time are one message; 0: never
give_up_after = 86400                     # seconds after which a message is a dead letter

[[apprise]]
name = "chat"
url_file = "/etc/keytrail/chat.url"       # or url = "..."; see github.com/caronc/apprise
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from domain.alerts.rules.table import RULES
from domain.alerts.settings import EVERY, AlertSettings, Allow, RuleSettings
from domain.alerts.severities import LOW, SEVERITIES
from domain.arn import ACCOUNT_ID
from domain.durations import DAY_SECONDS
from services.ownership import NotOurs, read_private
from services.settings import BadSetting, Settings

WEBHOOK, APPRISE = "webhook", "apprise"
GROUP_SECONDS, GIVE_UP_AFTER = 300, DAY_SECONDS
FORMATS = ("keytrail", "ocsf")
"""What a webhook's event holds: our own message, or an OCSF Detection Finding."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """`least` is the mildest severity that is sent. Alerts of one rule within `group_seconds` are one message. A message that
    cannot be delivered for `give_up_after` seconds is a dead letter."""

    kind: str
    name: str
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    least: str = LOW
    form: str = "keytrail"
    group_seconds: int = GROUP_SECONDS
    give_up_after: int = GIVE_UP_AFTER


@dataclass(frozen=True, slots=True)
class AlertsFile:
    settings: AlertSettings = field(default_factory=AlertSettings)
    notifiers: tuple[Notifier, ...] = ()


def load(settings: Settings) -> AlertsFile:
    """Raises BadSetting, which says what the file takes."""
    if not settings.alerts_file:
        return AlertsFile()
    path = Path(settings.alerts_file)
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise BadSetting(f"KEYTRAIL_ALERTS_FILE: {path} cannot be read: {fault}") from None
    try:
        return _file(document)
    except _WrongSetting as fault:
        raise BadSetting(f"KEYTRAIL_ALERTS_FILE: {path}: {fault}") from None


class _WrongSetting(Exception):
    """The message says what is wrong, and what would be right."""


def _file(document: dict[str, Any]) -> AlertsFile:
    _only("the file", document, {"known_accounts", "rules", "allow", WEBHOOK, APPRISE})
    known = _list(document, "known_accounts")
    for account in known:
        if not isinstance(account, str) or not ACCOUNT_ID.fullmatch(account):
            raise _WrongSetting(f"known_accounts: {account!r} is not an account: write twelve digits in quotes")
    rules = document.get("rules", {})
    if not isinstance(rules, dict):
        raise _WrongSetting("each rule needs a table: [rules.NAME]")
    settings = AlertSettings(
        {name: _rule(name, given) for name, given in rules.items()},
        tuple(_allow(at, given) for at, given in enumerate(_list(document, "allow"), 1)),
        frozenset(known),
    )
    notifiers = [_webhook(each) for each in _list(document, WEBHOOK)]
    notifiers += [_apprise(each) for each in _list(document, APPRISE)]
    names = [each.name for each in notifiers]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise _WrongSetting(
            f"two notifiers are named {min(twice)!r}: each needs its own name, because its messages are kept under it"
        )
    return AlertsFile(settings, tuple(notifiers))


def _list(document: dict[str, Any], name: str) -> list[Any]:
    found = document.get(name, [])
    if not isinstance(found, list):
        raise _WrongSetting(f"{name} must be a list")
    return found


def _only(where: str, given: dict[str, Any], known: set[str]) -> None:
    strange = sorted(set(given) - known)
    if strange:
        raise _WrongSetting(f"{where} has {strange[0]!r}, and takes {', '.join(sorted(known))}")


def _rule(name: str, given: Any) -> RuleSettings:
    rule = RULES.get(name)
    if rule is None:
        raise _WrongSetting(f"there is no rule {name!r}; `keytrail alerts rules` lists them")
    if not isinstance(given, dict):
        raise _WrongSetting(f"[rules.{name}] must be a table")
    _only(f"[rules.{name}]", given, {"off", "severity", *(number.name for number in rule.numbers)})
    off, severity = given.get("off", False), given.get("severity", "")
    if not isinstance(off, bool):
        raise _WrongSetting(f"[rules.{name}] off must be true or false")
    if severity and severity not in SEVERITIES:
        raise _WrongSetting(f"[rules.{name}] severity must be one of {', '.join(SEVERITIES)}")
    numbers = {}
    for number in rule.numbers:
        if number.name in given:
            numbers[number.name] = value = given[number.name]
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
                raise _WrongSetting(f"[rules.{name}] {number.name} must be a whole number: {number.meaning}")
    return RuleSettings(off, severity, numbers)


def _allow(at: int, given: Any) -> Allow:
    where = f"[[allow]] number {at}"
    if not isinstance(given, dict):
        raise _WrongSetting(f"{where} must be a table")
    _only(where, given, {"rule", "principal", "key", "tag", "reason", "expires"})
    rule, reason = given.get("rule"), given.get("reason")
    if rule != EVERY and rule not in RULES:
        raise _WrongSetting(f"{where}: rule must be one of `keytrail alerts rules`, or {EVERY!r} for all of them")
    if not isinstance(reason, str) or not reason.strip():
        raise _WrongSetting(f"{where} needs a reason")
    asked = {name: given.get(name, "") for name in ("principal", "key", "tag")}
    if not any(asked.values()) or not all(isinstance(each, str) for each in asked.values()):
        raise _WrongSetting(f"{where} needs a principal, a key or a tag; to allow everything, switch the rule off")
    return Allow(rule, reason, _moment(where, given.get("expires")), **asked)


def _moment(where: str, given: Any) -> int:
    if isinstance(given, datetime):
        moment = given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    elif isinstance(given, date):
        moment = datetime.combine(given, time(), UTC)
    else:
        raise _WrongSetting(f"{where} needs expires: a day such as 2027-01-31, or a time, without quotes")
    return round(moment.timestamp() * 1_000_000)


_COMMON = {"name", "url", "url_file", "least", "group_seconds", "give_up_after"}


def _webhook(given: Any) -> Notifier:
    found = _notifier(WEBHOOK, given, _COMMON | {"secret_file", "format"})
    if not found.url.startswith(("https://", "http://")):
        raise _WrongSetting(f"[[webhook]] {found.name}: url must begin with https:// or http://")
    return found


def _apprise(given: Any) -> Notifier:
    found = _notifier(APPRISE, given, _COMMON)
    import apprise  # takes a second to load, so only those who use it wait for it

    if not apprise.Apprise().add(found.url):
        raise _WrongSetting(f"[[apprise]] {found.name}: apprise does not know a url of this kind")
    return found


def _notifier(kind: str, given: Any, known: set[str]) -> Notifier:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str) or not given["name"]:
        raise _WrongSetting(f"[[{kind}]] needs a name")
    where = f"[[{kind}]] {given['name']}"
    _only(where, given, known)
    url = given.get("url") or _secret(where, given, "url_file")
    if not isinstance(url, str) or not url:
        raise _WrongSetting(f"{where} needs a url or a url_file")
    secret = _secret(where, given, "secret_file") if kind == WEBHOOK else ""
    if kind == WEBHOOK and len(secret) < 16:
        raise _WrongSetting(f"{where} needs a secret_file of 16 characters or more: it signs the messages")
    least = given.get("least", LOW)
    if least not in SEVERITIES:
        raise _WrongSetting(f"{where}: least must be one of {', '.join(SEVERITIES)}")
    seconds = [given.get("group_seconds", GROUP_SECONDS), given.get("give_up_after", GIVE_UP_AFTER)]
    if not all(isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 2**31 for each in seconds):
        raise _WrongSetting(f"{where}: group_seconds and give_up_after must be whole numbers of seconds")
    form = given.get("format", FORMATS[0])
    if form not in FORMATS:
        raise _WrongSetting(f"{where}: format must be one of {', '.join(FORMATS)}")
    return Notifier(kind, given["name"], url, secret, least, form, *seconds)


def _secret(where: str, given: dict[str, Any], name: str) -> str:
    """The content of a file that only its owner may read; "" if no file is named."""
    text = given.get(name)
    if text is None:
        return ""
    path = Path(text)
    try:
        return read_private(path).decode().strip()
    except NotOurs as fault:
        raise _WrongSetting(f"{where}: {fault}") from None
    except (OSError, UnicodeDecodeError, TypeError) as fault:
        raise _WrongSetting(f"{where}: {name} cannot be read: {fault}") from None
