"""Every setting there is: environment variables named KEYTRAIL_*, read in one place.

`python -m services.settings` prints the table; README and compose.yaml are held to it by tests/house.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any

from domain.http_address import FORM, is_http_address
from services.inherited import FROM_FILE
from services.named_files import BadFile, secret_text_of
from services.setting_forms import (
    KAFKA_SECURITY,
    KMS_KEY,
    SASL_MECHANISMS,
    TREE_BUCKET,
    are_brokers,
    are_networks,
    is_collector,
    is_dsn,
    is_everywhere,
    is_zone,
)

PREFIX = "KEYTRAIL_"


SECRETIVE = re.compile("password|passphrase|secret|token|credential|private|dsn")
"""A setting with such a word in its name is never shown, even if nobody marked it as a secret."""
LOGIN = re.compile(r"//[^/@\s]*@")
"""The user and password in an address."""


class BadSetting(Exception):
    """A setting that cannot be used; the message names it and says what it takes."""


def _setting(help: str, default: Any, secret: bool = False) -> Any:
    return field(default=default, metadata={"help": help, "secret": secret}, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One field a variable: `port` is KEYTRAIL_PORT."""

    data: Path = _setting("the data folder", Path(".keytrail"))
    port: int = _setting("the port of the API", 8600)
    host: str = _setting("the address that the API listens on; unset: loopback, or every address if TLS is on", "")
    workers: int = _setting("API worker processes", 1)
    writers: int = _setting("writer processes: one leads, the others stand by", 2)
    alert_workers: int = _setting("alert worker processes, which share the decisions between them", 1)
    alerts_file: str = _setting(
        "TOML file with the settings of rules, the allow-list and the notifiers of alerts; unset: the defaults of docs/alerts.md",
        "",
    )
    audit_devices_file: str = _setting(
        "TOML file (mode 0600) of the audit devices, which get every decision: files, syslog and OpenTelemetry; unset: none",
        "",
    )
    console: str = _setting("on: the web console is built where that is not done yet, and served; off: neither", "on")
    kafka: str = _setting("bootstrap servers; unset: the bundled broker", "")
    kafka_security: str = _setting("PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", "PLAINTEXT")
    kafka_sasl_mechanism: str = _setting("PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", "SCRAM-SHA-512")
    kafka_username: str = _setting("the SASL user", "")
    kafka_password: str = _setting("the SASL password", "", secret=True)
    kafka_ca: str = _setting("file with the broker's CA certificates; unset: the system's", "")
    kafka_cert: str = _setting("file with the client certificate, for mutual TLS", "")
    kafka_key: str = _setting("file with the client certificate's key", "")
    postgres: str = _setting("DSN of the database; unset: the bundled server", "", secret=True)
    postgres_ca: str = _setting(
        "file with the certificates that vouch for the database, which is then asked over TLS alone and has to prove the name in "
        "the DSN; unset: as the DSN says",
        "",
    )
    pager: str = _setting("the pager for long answers on a terminal, cat for none; unset: PAGER, or less", "")
    notaries: int = _setting("notary processes: one notarises, the others stand by; 0: there is no transparency log", 1)
    tree: str = _setting(
        "the folder of the transparency log, or a bucket: s3://BUCKET/PREFIX; unset: tree in the data folder", ""
    )
    tree_endpoint: str = _setting("address of the S3-compatible server that has this bucket; unset: AWS's", "")
    tree_region: str = _setting("the region of the bucket; unset: that of KEYTRAIL_REGION", "")
    tree_access_key_id: str = _setting(
        "the access key for the bucket; unset: the role of the machine or container, as AWS's SDKs find it", ""
    )
    tree_secret_access_key: str = _setting("the secret of that key", "", secret=True)
    tree_origin: str = _setting(
        "how the transparency log's name in its checkpoints begins: an address without https, such as keys.example.com/log. Each "
        "new log adds a part of its own (keys.example.com/log/1a2b3c4d), also one that a restore begins. It is read at the first "
        "start alone; unset: made of the log's id",
        "",
    )
    tree_key: str = _setting(
        "ARN of a key (ECC_NIST_EDWARDS25519) of AWS KMS, or of another Keytrail, that signs the transparency log's checkpoints. "
        "It is read at the first start and by `keytrail log rotate-key`; unset: a key that is sealed in the vault",
        "",
    )
    tree_key_endpoint: str = _setting("address of the Keytrail that has this key; unset: AWS's", "")
    tree_key_access_key_id: str = _setting(
        "the access key that signs with it; unset: the role of the machine or container, as AWS's SDKs find it", ""
    )
    tree_key_secret_access_key: str = _setting("the secret of that key", "", secret=True)
    tree_key_overlap: float = _setting(
        "days for which the former key of the transparency log signs its checkpoints too, after `keytrail log rotate-key`; 0: it "
        "stops at once",
        30.0,
    )
    witness_policy_file: str = _setting(
        "file (C2SP tlog-policy) of the witnesses that cosign checkpoints and of how many are needed; unset: none", ""
    )
    timestamp_url: str = _setting(
        "a time-stamping authority (RFC 3161) that confirms the time of checkpoints; unset: none", ""
    )
    timestamp_ca: str = _setting("file with the certificates (PEM) of the root of that authority", "")
    timestamp_every: int = _setting("seconds between two time stamps", 3600)
    tree_served: str = _setting(
        "on: API workers serve the transparency log to everybody under /log/, and its sizes tell how many calls there are; off: "
        "they do not",
        "on",
    )
    region: str = _setting("the region in ARNs and signatures", "us-east-1")
    account_id: str = _setting("the first account, which hosts others", "111122223333")
    services_file: str = _setting("TOML file (mode 0600) of the service principals that may call; unset: none", "")
    org_id: str = _setting("aws:PrincipalOrgID of every hosted root, user and role; unset: absent", "")
    root_access_key_id: str = _setting(
        "the access key of the first account's root user; unset: made at the first start", ""
    )
    root_secret_access_key: str = _setting("the secret of that key", "", secret=True)
    master_key_file: str = _setting("file that holds the master key; unset: master.key in the data folder", "")
    topic_prefix: str = _setting("prefix of the topics", "keytrail")
    decision_partitions: int = _setting("partitions of the decisions topic, used when the topic is created", 6)
    tls_cert: str = _setting("file with the API's certificate chain, which is read again when it changes", "")
    tls_key: str = _setting("file with the certificate's key, which is read again when it changes", "")
    trusted_proxies: str = _setting(
        "addresses and networks, between commas, of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: a call "
        "then comes from the rightmost address that is not theirs, and over TLS if they say https; unset: none",
        "",
    )
    oidc_ca: str = _setting(
        "file with certificates that vouch for OpenID Connect providers, besides the system's; unset: none", ""
    )
    oidc_addresses: str = _setting(
        "addresses and networks, between commas, from which the keys of OpenID Connect providers may be fetched though they are "
        "private; unset: none",
        "",
    )
    sign_in_providers_file: str = _setting(
        "TOML file (mode 0600) of the OpenID Connect providers that the console's sign-in page offers; unset: none", ""
    )
    connections: int = _setting(
        "connections of an API worker; half of them are kept for clients that have signed a call", 2000
    )
    connections_per_address: int = _setting(
        "connections from one address (IPv6: one /64); half of them are kept for clients that have signed a call", 1000
    )
    change_rate: float = _setting("changing calls a second for each principal, sustained; 0: no limit", 2000.0)
    change_burst: int = _setting("changing calls at once for each principal", 2000)
    command_deadline: float = _setting("seconds after which a command that is still undecided has no effect", 10.0)
    clock_offset: int = _setting("seconds that the clock is ahead; only for `keytrail up --test-clock`", 0)
    keys_per_account: int = _setting("keys that an account may manage", 100_000)
    aliases_per_key: int = _setting("aliases that a key may have", 50)
    grants_per_key: int = _setting("grants that a key may have", 50_000)
    on_demand_rotations: int = _setting("how often a key may be rotated on demand", 25)
    time_zone: str = _setting(
        "the time zone that the command line reads and shows times in: Europe/Berlin for instance, or local; unset: UTC",
        "",
    )
    log_bytes: int = _setting(
        "size in bytes at which a process begins a new log file; three older files are kept", 10_000_000
    )
    heartbeat_file: str = _setting(
        "file that a process touches every five seconds while it works or stands by (API workers have /healthz); unset: none",
        "",
    )
    metrics_port: int = _setting(
        "the port on which a process that was not started by `keytrail up` answers GET /metrics, without TLS; 0: none (an API "
        "worker answers it on its own port in any case)",
        0,
    )
    metrics_host: str = _setting("the address that this port is on; unset: loopback", "")
    traces_endpoint: str = _setting(
        "address of the OpenTelemetry collector that gets traces (OTLP over HTTP, in JSON), http://localhost:4318 for instance; "
        "unset: there are none",
        "",
    )
    traces_ratio: float = _setting("the part of all calls that is traced, from 0 to 1", 0.01)
    traces_headers: str = _setting(
        "headers that authorise at the collector: NAME=VALUE, between commas, with values percent-encoded",
        "",
        secret=True,
    )
    traces_ca: str = _setting(
        "file with certificates that vouch for the collector, besides the system's; unset: none", ""
    )
    fresh_for: float = _setting("seconds for which an API worker may decide on the state that it read last", 5.0)

    @property
    def master_key_path(self) -> Path:
        return Path(self.master_key_file) if self.master_key_file else self.data / "master.key"

    @property
    def tree_path(self) -> Path:
        return Path(self.tree) if self.tree else self.data / "tree"

    @property
    def serves_tree(self) -> bool:
        return self.notaries > 0 and self.tree_served == "on"

    @property
    def has_console(self) -> bool:
        return self.console == "on"

    @property
    def tls(self) -> bool:
        return bool(self.tls_cert)

    @property
    def bind(self) -> str:
        return self.host.strip("[]") or ("0.0.0.0" if self.tls else "127.0.0.1")  # noqa: S104  # with TLS the API is meant to be reached

    @property
    def near(self) -> str:
        """The address at which this machine reaches what listens on `bind`."""
        return "127.0.0.1" if is_everywhere(self.bind) else self.bind

    @property
    def url(self) -> str:
        host = f"[{self.near}]" if ":" in self.near else self.near
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """The variables that make these settings again in a child process, but for the secrets."""
        return self._variables(secret=False)

    def secrets(self) -> dict[str, str]:
        """The variables of `environment` that nobody else may read."""
        return self._variables(secret=True)

    def _variables(self, *, secret: bool) -> dict[str, str]:
        return {
            f"{PREFIX}{each.name.upper()}": str(getattr(self, each.name))
            for each in fields(self)
            if each.metadata["secret"] == secret and getattr(self, each.name) != each.default
        }


def secret_settings() -> list[str]:
    """The variables that hold a secret. Each may be given as a file, which NAME_FILE names."""
    return [f"{PREFIX}{each.name.upper()}" for each in fields(Settings) if each.metadata["secret"]]


def shown(settings: Settings) -> list[dict[str, Any]]:
    """Every setting for people to read, in the order of the class. Of a secret it says only whether it is set. `set` covers what
    `keytrail up` fills in: its own servers, and the root user's access key."""
    rows = []
    for each in fields(Settings):
        value, secret = getattr(settings, each.name), each.metadata["secret"] or bool(SECRETIVE.search(each.name))
        rows.append(
            {
                "name": f"{PREFIX}{each.name.upper()}",
                "value": None if secret else LOGIN.sub("//***@", str(value)),
                "default": None if secret else str(each.default),
                "source": "default" if value == each.default else "set",
                "secret": secret,
                "meaning": each.metadata["help"],
            }
        )
    return rows


def load(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings from the environment, with options of the command line on top. Raises BadSetting."""
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for each in fields(Settings):
        name = f"{PREFIX}{each.name.upper()}"
        text = environment.get(name)
        if each.metadata["secret"] and environment.get(name + FROM_FILE):
            text = _from_file(name, text, Path(environment[name + FROM_FILE]))
        if text is not None and text != "":
            values[each.name] = _converted(name, text, type(each.default))
    values.update({name: value for name, value in given.items() if value is not None})
    settings = Settings(**values)
    _require_valid(settings)
    return settings


def _from_file(name: str, text: str | None, path: Path) -> str:
    """A secret that stands in a file. Raises BadSetting."""
    if text:
        raise BadSetting(f"{name} and {name}{FROM_FILE} are both set: which is meant?")
    try:
        found = secret_text_of(path).strip()
    except BadFile as fault:
        raise BadSetting(f"{name}{FROM_FILE}: {fault}") from None
    if not found:
        raise BadSetting(f"{name}{FROM_FILE}: {path} is empty.")
    return found


def _converted(name: str, text: str, kind: type) -> Any:
    if kind is Path:
        return Path(text)
    try:
        return kind(text)
    except ValueError:
        raise BadSetting(f"{name} is {text!r}, and takes {'a number' if kind in (int, float) else kind}.") from None


def _require_valid(settings: Settings) -> None:
    checks = {
        "KEYTRAIL_ACCOUNT_ID takes twelve digits": bool(re.fullmatch(r"\d{12}", settings.account_id)),
        "KEYTRAIL_REGION takes a region's name, us-east-1 for instance": bool(
            re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", settings.region)
        ),
        "KEYTRAIL_PORT takes 1 to 65535": 0 < settings.port < 65536,
        "KEYTRAIL_METRICS_PORT takes 0 to 65535": 0 <= settings.metrics_port < 65536,
        "KEYTRAIL_TRUSTED_PROXIES takes addresses and networks such as 10.0.0.0/8, between commas": are_networks(
            settings.trusted_proxies
        ),
        "KEYTRAIL_OIDC_ADDRESSES takes addresses and networks such as 10.0.0.0/8, between commas": are_networks(
            settings.oidc_addresses
        ),
        "KEYTRAIL_CONNECTIONS takes at least 16": settings.connections >= 16,
        "KEYTRAIL_CONNECTIONS_PER_ADDRESS takes at least 4": settings.connections_per_address >= 4,
        "KEYTRAIL_TIME_ZONE takes the name of a time zone, Europe/Berlin for instance, or local": is_zone(
            settings.time_zone
        ),
        "KEYTRAIL_CONSOLE takes on or off": settings.console in ("on", "off"),
        "KEYTRAIL_TREE takes a folder, or s3://BUCKET/PREFIX": "://" not in settings.tree
        or bool(TREE_BUCKET.fullmatch(settings.tree)),
        f"KEYTRAIL_TREE_ENDPOINT takes an address that begins with {FORM}": settings.tree_endpoint == ""
        or is_http_address(settings.tree_endpoint),
        "KEYTRAIL_TREE_ACCESS_KEY_ID and KEYTRAIL_TREE_SECRET_ACCESS_KEY are set together": bool(
            settings.tree_access_key_id
        )
        == bool(settings.tree_secret_access_key),
        "KEYTRAIL_TREE_KEY takes the ARN of a key: arn:aws:kms:REGION:ACCOUNT:key/ID": settings.tree_key == ""
        or bool(KMS_KEY.fullmatch(settings.tree_key)),
        f"KEYTRAIL_TREE_KEY_ENDPOINT takes an address that begins with {FORM}": settings.tree_key_endpoint == ""
        or is_http_address(settings.tree_key_endpoint),
        "KEYTRAIL_TREE_KEY_ACCESS_KEY_ID and KEYTRAIL_TREE_KEY_SECRET_ACCESS_KEY are set together": bool(
            settings.tree_key_access_key_id
        )
        == bool(settings.tree_key_secret_access_key),
        "KEYTRAIL_TREE_KEY_OVERLAP takes 0 to 36500 days": 0 <= settings.tree_key_overlap <= 36500,
        "KEYTRAIL_TREE_SERVED takes on or off": settings.tree_served in ("on", "off"),
        "KEYTRAIL_TIMESTAMP_URL and KEYTRAIL_TIMESTAMP_CA go together": bool(settings.timestamp_url)
        == bool(settings.timestamp_ca),
        f"KEYTRAIL_TIMESTAMP_URL takes an address that begins with {FORM}": not settings.timestamp_url
        or is_http_address(settings.timestamp_url),
        "KEYTRAIL_TIMESTAMP_EVERY takes at least 60": settings.timestamp_every >= 60,
        f"KEYTRAIL_TRACES_ENDPOINT takes an address without /v1/traces, user, query and fragment; it begins with {FORM}": (
            not settings.traces_endpoint or is_collector(settings.traces_endpoint)
        ),
        "KEYTRAIL_TRACES_RATIO takes 0 to 1": 0 <= settings.traces_ratio <= 1,
        "KEYTRAIL_LOG_BYTES takes at least 1000": settings.log_bytes >= 1000,
        "KEYTRAIL_WORKERS takes at least 1": settings.workers >= 1,
        "KEYTRAIL_WRITERS takes at least 1": settings.writers >= 1,
        "KEYTRAIL_ALERT_WORKERS takes 0 or more": settings.alert_workers >= 0,
        "KEYTRAIL_NOTARIES takes 0 or more": settings.notaries >= 0,
        "KEYTRAIL_DECISION_PARTITIONS takes at least 1": settings.decision_partitions >= 1,
        "KEYTRAIL_CHANGE_RATE takes 0 or more": 0 <= settings.change_rate < inf,
        "KEYTRAIL_CHANGE_BURST takes at least 1": settings.change_burst >= 1,
        "KEYTRAIL_COMMAND_DEADLINE takes more than 0 and at most 3600 seconds": 0 < settings.command_deadline <= 3600,
        "KEYTRAIL_FRESH_FOR takes more than 0 and at most 3600 seconds": 0 < settings.fresh_for <= 3600,
        "KEYTRAIL_KEYS_PER_ACCOUNT takes 0 or more": settings.keys_per_account >= 0,
        "KEYTRAIL_ALIASES_PER_KEY takes 0 or more": settings.aliases_per_key >= 0,
        "KEYTRAIL_GRANTS_PER_KEY takes 0 or more": settings.grants_per_key >= 0,
        "KEYTRAIL_ON_DEMAND_ROTATIONS takes 0 or more": settings.on_demand_rotations >= 0,
        "KEYTRAIL_TLS_CERT and KEYTRAIL_TLS_KEY go together": bool(settings.tls_cert) == bool(settings.tls_key),
        "KEYTRAIL_ROOT_ACCESS_KEY_ID and KEYTRAIL_ROOT_SECRET_ACCESS_KEY go together": bool(settings.root_access_key_id)
        == bool(settings.root_secret_access_key),
        "KEYTRAIL_TOPIC_PREFIX takes letters, digits, dot, dash and underscore": bool(
            re.fullmatch(r"[A-Za-z0-9._-]{1,100}", settings.topic_prefix)
        ),
        "KEYTRAIL_KAFKA_SECURITY takes PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL": settings.kafka_security
        in KAFKA_SECURITY,
        "KEYTRAIL_KAFKA_SASL_MECHANISM takes PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512": settings.kafka_sasl_mechanism
        in SASL_MECHANISMS,
        "KEYTRAIL_KAFKA takes HOST:PORT, several between commas": settings.kafka == "" or are_brokers(settings.kafka),
        "KEYTRAIL_POSTGRES takes postgresql://USER:PASSWORD@HOST:PORT/DATABASE. In the user and password, percent-encode "
        "what is not a letter or digit (/ is %2F, ? is %3F, # is %23, @ is %40)": settings.postgres == ""
        or is_dsn(settings.postgres),
    }
    wrong = [message for message, right in checks.items() if not right]
    if wrong:
        raise BadSetting("; ".join(wrong) + ".")


def table() -> list[tuple[str, str, str]]:
    """(variable, default, meaning) of every setting, in the order of the class; a secret may stand in a file, too."""
    rows = []
    for each in fields(Settings):
        name = f"{PREFIX}{each.name.upper()}"
        rows.append((name, str(each.default), each.metadata["help"]))
        if each.metadata["secret"]:
            rows.append((name + FROM_FILE, "", f"file (mode 0600) that holds {name}, instead of that variable"))
    return rows
