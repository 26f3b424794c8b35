"""What the values of settings look like. Everything here is pure, and says yes or no: a value may be a secret, and what a library
says of one that it cannot read quotes it."""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from ipaddress import ip_address, ip_network
from urllib.parse import parse_qsl, urlsplit

from domain.http_address import is_http_address

TREE_BUCKET = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9!_.*'()/-]*))?")
KMS_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
KAFKA_SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_COLLECTOR = re.compile(r"(?!\S*/v1/(?:traces|logs)/?$)https?://[^\s/?#@]+(?:/[^\s?#@]*)?")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%[^\s\[\]]+)?\]|[^\s:/?#@\[\],]+)(?::(?P<port>[0-9]{1,5}))?")
"""A host's name or address, with a port or without one: [::1]:9092 for instance."""
_MAY_HAVE_AT = re.compile(
    "application_name|database|dbname|host|options|passfile|password|search_path|service|sslcert|sslcrl|sslkey|sslpassword"
    "|sslrootcert|user"
)
"""Parameters of a DSN that people write an "@" in: user=me@corp, or a file in a folder whose name has one."""


def is_collector(text: str) -> bool:
    """Whether it is the address of a collector of OpenTelemetry, which has no path of a signal, user, query and fragment."""
    return bool(_COLLECTOR.fullmatch(text)) and is_http_address(text)


def are_networks(text: str) -> bool:
    try:
        return all(ip_network(each.strip()) for each in text.split(",") if each.strip())
    except ValueError:
        return False


def is_everywhere(text: str) -> bool:
    """Whether who listens there does so at every address: 0.0.0.0 and ::."""
    try:
        return ip_address(text).is_unspecified
    except ValueError:
        return False


def are_brokers(text: str) -> bool:
    """Whether it is a list of HOST:PORT for Kafka, or of HOST alone, between commas. An IPv6 address has its brackets: without
    them the library of the alert workers takes its end for a port."""
    found = [each.strip() for each in text.split(",") if each.strip()]
    return found != [] and all(map(_is_host, found))


def is_dsn(text: str) -> bool:
    """Whether it is postgresql://USER:PASSWORD@HOST:PORT/DATABASE?…, which names one host or several, and which asyncpg reads as
    its author means it.

    A password with "/", "?", "#" or "@" that is not percent-encoded ends before its end: asyncpg takes what comes before for a
    host and its port, asks the resolver about it, and quotes it where it fails. What is left of such a password stands in the
    path or the query, with the "@" after it. So an "@" may stand in neither, but in the value of a parameter that is known to
    have one. To refuse each "@" refused folders of sockets and users of other realms, which asyncpg reads rightly.
    """
    try:
        parts = urlsplit(text)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)) if parts.query else {}
    except ValueError:
        return False
    if (
        parts.scheme not in ("postgresql", "postgres")
        or "#" in text
        or parts.netloc.count("@") > 1
        or "@" in parts.path
    ):
        return False
    if any("@" in each and not _MAY_HAVE_AT.fullmatch(each.partition("=")[0]) for each in parts.query.split("&")):
        return False
    hosts = parts.netloc.rpartition("@")[2]
    ports = query.get("port", "").split(",")
    return (hosts == "" or all(_is_host(each.removesuffix(":")) for each in hosts.split(","))) and all(
        each == "" or _is_port(each) for each in ports
    )


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and (found["port"] is None or _is_port(found["port"]))


def _is_port(text: str) -> bool:
    return bool(re.fullmatch("[0-9]{1,5}", text)) and 0 < int(text) < 65536


def zone_of(name: str) -> tzinfo | None:
    """The zone that KEYTRAIL_TIME_ZONE names; None for the machine's own. Raises ValueError."""
    if name in ("", "UTC"):
        return UTC
    if name == "local":
        return None
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # for whoever sets one: it reads files

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as fault:
        raise ValueError(f"{name} is not a time zone") from fault


def is_zone(name: str) -> bool:
    try:
        zone_of(name)
    except ValueError:
        return False
    return True
