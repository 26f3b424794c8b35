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
secret_file = "/etc/keytrail/siem.secret" # it signs the messages; mode 0600
least = "medium"                          # the mildest severity that is sent
format = "ocsf"                           # or "keytrail", which is the default
group_seconds = 300                       # alerts of one rule within this time are one message; 0: never
give_up_after = 86400                     # seconds; then a message that was tried is a dead letter

[[apprise]]
name = "chat"
url_file = "/etc/keytrail/chat.url"       # or url = "..."; see github.com/caronc/apprise
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from domain.alerts.allow import EVERY, Allow
from domain.alerts.rules.table import RULES
from domain.alerts.settings import AlertSettings, RuleSettings
from domain.alerts.severities import LOW, SEVERITIES
from domain.arn import ACCOUNT_ID
from domain.durations import DAY_SECONDS
from domain.http_address import FORM, is_http_address
from services.named_files import BadFile, text_of, toml_in
from services.settings import BadSetting, Settings
from services.settings_table import SettingsTable, WrongTable, require_known, require_own_names

WEBHOOK, APPRISE = "webhook", "apprise"
LONGEST = 2**31 - 1
"""Seconds."""
GROUP_SECONDS, GIVE_UP_AFTER = 300, DAY_SECONDS
STANDARD_PREFIX, STANDARD_LENGTHS = "whsec_", range(24, 65)
"""How a secret of Standard Webhooks begins, and how many bytes follow in base64 (its specification, "Signature scheme")."""
FORMATS = ("keytrail", "ocsf")
"""What a webhook's event holds: our own message, or an OCSF Detection Finding."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """`least` is the mildest severity that is sent. Alerts of one rule within `group_seconds` are one message. A message that
    waited for `give_up_after` seconds is a dead letter, once it was tried too (services/notifier/message_attempts.py)."""

    kind: str
    name: str
    url: str = field(repr=False)
    signing_key: bytes = field(default=b"", repr=False)
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
        return _file(toml_in(path, text_of(path)))
    except BadFile as fault:
        raise BadSetting(f"KEYTRAIL_ALERTS_FILE: {fault}") from None
    except WrongTable as fault:
        raise BadSetting(f"KEYTRAIL_ALERTS_FILE: {path}: {fault}") from None


def _file(document: dict[str, Any]) -> AlertsFile:
    require_known("the file", document, {"known_accounts", "rules", "allow", WEBHOOK, APPRISE})
    known = _list(document, "known_accounts")
    for account in known:
        if not isinstance(account, str) or not ACCOUNT_ID.fullmatch(account):
            raise WrongTable(f"known_accounts: {account!r} is not an account: write twelve digits in quotes")
    rules = document.get("rules", {})
    if not isinstance(rules, dict):
        raise WrongTable("each rule needs a table: [rules.NAME]")
    settings = AlertSettings(
        {name: _rule(name, given) for name, given in rules.items()},
        tuple(_allow(at, given) for at, given in enumerate(_list(document, "allow"), 1)),
        frozenset(known),
    )
    notifiers = [_webhook(each) for each in _list(document, WEBHOOK)]
    notifiers += [_apprise(each) for each in _list(document, APPRISE)]
    require_own_names("notifiers", [each.name for each in notifiers], "its messages are kept")
    return AlertsFile(settings, tuple(notifiers))


def _list(document: dict[str, Any], name: str) -> list[Any]:
    found = document.get(name, [])
    if not isinstance(found, list):
        raise WrongTable(f"{name} must be a list")
    return found


def _rule(name: str, given: Any) -> RuleSettings:
    rule = RULES.get(name)
    if rule is None:
        raise WrongTable(f"there is no rule {name!r}; `keytrail alerts rules` lists them")
    if not isinstance(given, dict):
        raise WrongTable(f"[rules.{name}] must be a table")
    require_known(f"[rules.{name}]", given, {"off", "severity", *(number.name for number in rule.numbers)})
    off, severity = given.get("off", False), given.get("severity", "")
    if not isinstance(off, bool):
        raise WrongTable(f"[rules.{name}] off must be true or false")
    if severity and severity not in SEVERITIES:
        raise WrongTable(f"[rules.{name}] severity must be one of {', '.join(SEVERITIES)}")
    numbers = {}
    for number in rule.numbers:
        if number.name in given:
            numbers[number.name] = value = given[number.name]
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
                raise WrongTable(f"[rules.{name}] {number.name} must be a whole number: {number.meaning}")
    return RuleSettings(off, severity, numbers)


def _allow(at: int, given: Any) -> Allow:
    where = f"[[allow]] number {at}"
    if not isinstance(given, dict):
        raise WrongTable(f"{where} must be a table")
    require_known(where, given, {"rule", "principal", "key", "tag", "reason", "expires"})
    rule, reason = given.get("rule"), given.get("reason")
    if rule != EVERY and rule not in RULES:
        raise WrongTable(f"{where}: rule must be one of `keytrail alerts rules`, or {EVERY!r} for all of them")
    if not isinstance(reason, str) or not reason.strip():
        raise WrongTable(f"{where} needs a reason")
    asked = {name: given.get(name, "") for name in ("principal", "key", "tag")}
    if not any(asked.values()) or not all(isinstance(each, str) for each in asked.values()):
        raise WrongTable(f"{where} needs a principal, a key or a tag; to allow everything, switch the rule off")
    return Allow(rule, reason, _moment(where, given.get("expires")), **asked)


def _moment(where: str, given: Any) -> int:
    if isinstance(given, datetime):
        moment = given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    elif isinstance(given, date):
        moment = datetime.combine(given, time(), UTC)
    else:
        raise WrongTable(f"{where} needs expires: a day such as 2027-01-31, or a time, without quotes")
    return round(moment.timestamp() * 1_000_000)


_COMMON = {"name", "url", "url_file", "least", "group_seconds", "give_up_after"}


def _webhook(given: Any) -> Notifier:
    found = _notifier(WEBHOOK, given, _COMMON | {"secret_file", "format"})
    if not is_http_address(found.url):
        raise WrongTable(f"[[webhook]] {found.name}: url must begin with {FORM}")
    return found


def _apprise(given: Any) -> Notifier:
    found = _notifier(APPRISE, given, _COMMON)
    import apprise  # takes a second to load, so only those who use it wait for it

    if not apprise.Apprise().add(found.url):
        raise WrongTable(f"[[apprise]] {found.name}: apprise does not know a url of this kind")
    return found


def _notifier(kind: str, given: Any, known: set[str]) -> Notifier:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str) or not given["name"]:
        raise WrongTable(f"[[{kind}]] needs a name")
    table = SettingsTable(f"[[{kind}]] {given['name']}", given)
    table.require_known(known)
    url = given.get("url") or _secret(table, "url_file")
    if not isinstance(url, str) or not url:
        raise WrongTable(f"{table.where} needs a url or a url_file")
    secret = _secret(table, "secret_file") if kind == WEBHOOK else ""
    if kind == WEBHOOK and len(secret) < 16:
        raise WrongTable(f"{table.where} needs a secret_file of 16 characters or more: it signs the messages")
    if (signing_key := _signing_key(secret)) is None:
        raise table.wrong(
            f"secret_file: after {STANDARD_PREFIX} there must be base64 of 24 to 64 random bytes, as in Standard Webhooks"
        )
    return Notifier(
        kind,
        given["name"],
        url,
        signing_key,
        table.one_of("least", SEVERITIES, LOW),
        table.one_of("format", FORMATS),
        table.number("group_seconds", GROUP_SECONDS, most=LONGEST),
        table.number("give_up_after", GIVE_UP_AFTER, most=LONGEST),
    )


def _secret(table: SettingsTable, name: str) -> str:
    """ "" if no file is named."""
    return table.secret(name, table.file(name)) if table.has(name) else ""


def _signing_key(secret: str) -> bytes | None:
    """The key of a webhook's signature; None if its secret is none of Standard Webhooks, though its beginning says so. A secret
    without that beginning is the key itself: receivers have had it so since before the other form was read."""
    if not secret.startswith(STANDARD_PREFIX):
        return secret.encode()
    text = secret.removeprefix(STANDARD_PREFIX)
    padding = "" if text.endswith("=") else "=" * (-len(text) % 4)
    try:
        key = b64decode(text + padding, validate=True)
    except ValueError:
        return None
    return key if len(key) in STANDARD_LENGTHS else None
