"""AWS Signature Version 4: verified for every caller, and made for our own command line. Pure: headers, body, secret and time
in, access key or refusal out.

Source: IAM user guide, reference_aws-signing and create-signed-request; the error messages are AWS's.
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from domain.crypto.keyed_hash import KeyedHash

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = 300.0
"""Seconds."""
UNRESERVED = "-_.~"
_STAMP = re.compile(r"\d{8}T\d{6}Z")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
MOST_SAID = 4096
"""The most characters of an Authorization header: some forty signed headers with long names. AWS's clients send 300."""
MOST_PAIRS = 256
"""The most members of a query: each is decoded and encoded again before the signature is known to be right."""
VERIFIED = 1024
"""How many Authorization headers are remembered; each only once a signature with it was right."""


class SignatureRefused(Exception):
    """`kind`: missing, incomplete, mismatch, unknown. The caller gets the message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


MISSING = "missing"
INCOMPLETE = "incomplete"
MISMATCH = "mismatch"
UNKNOWN = "unknown"

NO_MATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
UNKNOWN_KEY = "The security token included in the request is invalid."


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Signed:
    """The parts of a request that are signed: `path` and `query` as sent, headers as `joined` gives them."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Authorization:
    """The Authorization header without its signature, the only part that differs from call to call."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    scope: str
    names: frozenset[str]
    """The signed headers as a set."""
    said: str
    """The header's text up to the signature."""


def joined(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by their lower-case names. A header that comes twice has both values, as the signature requires."""
    result = {name.decode("latin-1"): value.decode("utf-8", "surrogateescape") for name, value in headers}
    if len(result) != len(headers):
        values: dict[str, list[str]] = {}
        for name, value in headers:
            values.setdefault(name.decode("latin-1"), []).append(_trimmed(value.decode("utf-8", "surrogateescape")))
        result = {name: ",".join(several) for name, several in values.items()}
    return result


def _trimmed(value: str) -> str:
    return value if " " not in value else _folded(value)


def _folded(value: str) -> str:
    return " ".join(value.split())


_verified: dict[str, Authorization] = {}
"""Headers that were parsed once and had a right signature. If headers were kept before that, the client that sends most of
them would fill the memory."""


def _remember(given: Authorization) -> None:
    if len(_verified) >= VERIFIED:
        del _verified[next(iter(_verified))]
    _verified[given.said] = given


def parse(header: str) -> Authorization:
    """Parse a header without its signature."""
    if not header.isascii():
        raise SignatureRefused(INCOMPLETE, "Authorization header has a character that is not ASCII.")
    algorithm, _, rest = header.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise SignatureRefused(INCOMPLETE, f"Unsupported authorization algorithm; use {ALGORITHM}.")
    parts: dict[str, str] = {}
    for part in rest.rstrip().removesuffix(",").split(","):
        name, _, value = part.strip().partition("=")
        if name in parts or name not in ("Credential", "SignedHeaders"):
            raise SignatureRefused(INCOMPLETE, f"Authorization header has '{name[:64]}' where it is not expected.")
        parts[name] = value
    for name in ("Credential", "SignedHeaders"):
        if not parts.get(name):
            raise SignatureRefused(INCOMPLETE, f"Authorization header requires '{name}' parameter.")
    credential = parts["Credential"].split("/")
    if len(credential) != 5 or credential[4] != "aws4_request":
        raise SignatureRefused(INCOMPLETE, "Credential must have the form access-key/date/region/service/aws4_request.")
    access_key, date, region, service, _ = credential
    signed = tuple(parts["SignedHeaders"].split(";"))
    scope = f"{date}/{region}/{service}/aws4_request"
    return Authorization(access_key, date, region, service, signed, scope, frozenset(signed), header)


def authorization(headers: Mapping[str, str]) -> tuple[Authorization, str]:
    """(the header without its signature, the signature). Raises SignatureRefused: missing, incomplete."""
    header = headers.get("authorization")
    if header is None:
        raise SignatureRefused(MISSING, "Missing Authentication Token")
    if len(header) > MOST_SAID:
        raise SignatureRefused(INCOMPLETE, f"Authorization header has more than {MOST_SAID} characters.")
    # The signature is new in every call, the rest is not: split off, the rest is parsed only once.
    before, named, signature = header.partition("Signature=")
    given = _verified.get(before) or parse(before)
    if not named or not signature:
        raise SignatureRefused(INCOMPLETE, "Authorization header requires 'Signature' parameter.")
    if len(signature) != 64:
        signature = signature.strip()
        if not _SIGNATURE.fullmatch(signature):
            # AWS writes the signature last; text after it would not be signed.
            raise SignatureRefused(INCOMPLETE, "The 'Signature' parameter is 64 hexadecimal digits, and the last one.")
    return given, signature


GLOBAL_REGIONS = frozenset({"us-east-1", "aws-global"})
GLOBAL = frozenset({"iam", "sts"})
"""Services that clients of every region sign for in one region; some clients name it by the partition."""


def require_scope(given: Authorization, region: str, services: frozenset[str]) -> None:
    """Raises SignatureRefused if the signature is for another region or service."""
    if given.region != region and not (given.service in GLOBAL and given.region in GLOBAL_REGIONS):
        raise SignatureRefused(MISMATCH, f"Credential should be scoped to a valid region, not '{given.region}'.")
    if given.service not in services:
        expected = "' or '".join(sorted(services))
        raise SignatureRefused(MISMATCH, f"Credential should be scoped to correct service: '{expected}'.")


def require_time(given: Authorization, headers: Mapping[str, str], now: float) -> str:
    """The request's time stamp. `now` is seconds since the epoch. Raises SignatureRefused if the stamp is missing or more
    than five minutes off."""
    stamp = headers.get("x-amz-date", "")
    moment = moment_of(stamp)
    if given.date != stamp[:8]:
        raise SignatureRefused(
            MISMATCH,
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {stamp}",
        )
    if not -SKEW <= now - moment <= SKEW:
        if moment < now:
            earliest = _stamp(now - SKEW)
            message = f"Signature expired: {stamp} is now earlier than {earliest} ({_stamp(now)} - 5 min.)"
        else:
            latest = _stamp(now + SKEW)
            message = f"Signature not yet current: {stamp} is still later than {latest} ({_stamp(now)} + 5 min.)"
        raise SignatureRefused(MISMATCH, message)
    return stamp


@lru_cache(maxsize=64)  # thousands of calls fall into one second; only stamps of 16 characters are kept
def moment_of(stamp: str) -> float:
    if not _STAMP.fullmatch(stamp):
        raise SignatureRefused(INCOMPLETE, "Authorization header requires existence of an 'X-Amz-Date' header.")
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise SignatureRefused(INCOMPLETE, "Date must be in ISO-8601 'basic format'.") from None


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%SZ")


@lru_cache(maxsize=1024)  # only for known secrets and checked scopes: none of it is a caller's text
def signing_key(secret: str, date: str, region: str, service: str) -> KeyedHash:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return KeyedHash(key)


def require_signature(request: Signed, given: Authorization, signature: str, stamp: str, secret: str) -> None:
    """Raises SignatureRefused unless the signature is right. Compared in constant time."""
    headers, names = request.headers, given.names
    if "host" not in headers:
        raise SignatureRefused(MISMATCH, "'Host' must be a header of the request, and a 'SignedHeader'.")
    # Anything that is not signed could be changed on the way, and host and every x-amz header are part of the request's
    # meaning.
    for name in headers:
        if name not in names and (name == "host" or name.startswith("x-amz-")):
            raise SignatureRefused(MISMATCH, f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    claimed = signature.encode("utf-8", "surrogateescape")
    for expected in signatures(request, given, stamp, secret):
        if hmac.compare_digest(expected.encode(), claimed):
            if given.said not in _verified:
                _remember(given)
            return
    raise SignatureRefused(MISMATCH, NO_MATCH)


def sign(request: Signed, access_key: str, secret: str, region: str, service: str, at: float) -> dict[str, str]:
    """The headers that the request is sent with; `host` and a session's token are among those that it has. `at`: seconds
    since the epoch. For the command line: loading botocore's signing would take a fifth of each command's time."""
    stamp = _stamp(at)
    headers = {**request.headers, "x-amz-date": stamp}
    names = tuple(sorted(headers))
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    given = Authorization(access_key, stamp[:8], region, service, names, scope, frozenset(names), "")
    signature = next(signatures(replace(request, headers=headers), given, stamp, secret))
    said = f"{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {**headers, "authorization": said}


def signatures(request: Signed, given: Authorization, stamp: str, secret: str) -> Iterator[str]:
    """The signature by each way in which clients write a path and a query; the first is the documented one."""
    body = hashlib.sha256(request.body).hexdigest()
    key = signing_key(secret, given.date, given.region, given.service)
    try:
        values = [request.headers[name] for name in given.signed_headers]
    except KeyError as fault:
        raise SignatureRefused(MISMATCH, f"The signed header '{fault.args[0][:64]}' is not in the request.") from None
    folded = [value if " " not in value else _folded(value) for value in values]
    fields = "".join([f"{name}:{value}\n" for name, value in zip(given.signed_headers, folded, strict=True)])
    signed = ";".join(given.signed_headers)
    queries = _canonical_queries(request.query)
    for path in _canonical_paths(request.path):
        for query in queries:
            canonical = f"{request.method}\n{path}\n{query}\n{fields}\n{signed}\n{body}"
            hashed = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
            to_sign = f"{ALGORITHM}\n{stamp}\n{given.scope}\n{hashed}"
            yield key.digest(to_sign.encode()).hex()


def _canonical_paths(path: str) -> Sequence[str]:
    if path in ("/", ""):
        return ("/",)
    # Clients encode the path once for the wire and once more for the signature; some (older curl) sign it as sent.
    collapsed = posixpath.normpath("/" + path.lstrip("/"))
    directory = collapsed if collapsed == "/" or not path.endswith(("/", "/.", "/..")) else f"{collapsed}/"
    as_sent = quote(directory.encode("utf-8", "surrogateescape"), safe="/%" + UNRESERVED)
    found = (quote(as_sent, safe="/" + UNRESERVED), as_sent, quote(path, safe="/%" + UNRESERVED))
    if directory == collapsed or path.endswith("/"):
        return found
    # RFC 3986 leaves a slash where a path ends in a dot segment; botocore leaves none.
    without = quote(collapsed.encode("utf-8", "surrogateescape"), safe="/%" + UNRESERVED)
    return (*found, quote(without, safe="/" + UNRESERVED))


def _canonical_queries(query: str) -> Sequence[str]:
    if not query:
        return ("",)
    if query.count("&") >= MOST_PAIRS:
        raise SignatureRefused(MISMATCH, f"A query has at most {MOST_PAIRS} parameters.")
    # botocore signs a query as it was written, only sorted; others encode what was left open (@ and : in a time).
    return (_canonical_query(query), "&".join(sorted(query.split("&"))))


def _canonical_query(query: str) -> str:
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_recoded(name), _recoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _recoded(text: str) -> str:
    return quote(unquote_to_bytes(text.encode("utf-8", "surrogateescape").replace(b"+", b" ")), safe=UNRESERVED)
