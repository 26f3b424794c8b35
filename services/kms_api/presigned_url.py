"""A signature in a URL. It is accepted only for GetCallerIdentity, with which clients prove to others who they are
(tokens of EKS clusters are such URLs).

Unlike headers, a URL is copied, kept and logged. So nothing else may be asked with one: it gets no credential, uses no
key and changes nothing. It is valid for as long as it says, and never for more than fifteen minutes.
Source: IAM user guide, create-signed-request and reference_sigv (query parameters); STS API reference,
GetCallerIdentity.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, unquote_plus

from services import signing
from services.signing import INCOMPLETE, MISMATCH, MISSING, Authorization, SignatureRefused, Signed

OPERATION = "GetCallerIdentity"
SERVICES = frozenset({"sts"})
LONGEST = 900
"""Seconds."""
SIGNATURE, TOKEN = "X-Amz-Signature", "X-Amz-Security-Token"  # names of parameters
_WANTED = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", SIGNATURE)


def is_presigned(request: Signed) -> bool:
    return "authorization" not in request.headers and SIGNATURE in request.query


class Presigned:
    """What a URL says about its signature. Raises SignatureRefused if that is incomplete or for another operation."""

    __slots__ = ("given", "request", "signature", "stamp", "token")

    def __init__(self, request: Signed, region: str, now: float) -> None:
        said = _said(request.query)
        if said.get("Action") != OPERATION:
            raise SignatureRefused(MISSING, f"A signature in the query is for {OPERATION} alone.")
        for name in _WANTED:
            if not said.get(name):
                raise SignatureRefused(INCOMPLETE, f"The query requires the parameter '{name}'.")
        named = f"{said['X-Amz-Algorithm']} Credential={said['X-Amz-Credential']}, SignedHeaders={said['X-Amz-SignedHeaders']},"
        self.given: Authorization = signing.parse(named)
        signing.require_scope(self.given, region, SERVICES)
        self.stamp = _require_time(self.given, said, now)
        self.signature = said[SIGNATURE]
        self.token = said.get(TOKEN)
        kept = [part for part in request.query.split("&") if unquote_plus(part.partition("=")[0]) != SIGNATURE]
        self.request = replace(request, query="&".join(kept))

    def require_right(self, secret: str) -> None:
        """Raises SignatureRefused unless the signature is right. The comparison takes constant time."""
        if "host" not in self.given.names or "host" not in self.request.headers:
            raise SignatureRefused(MISMATCH, "'Host' must be a header of the request, and a 'SignedHeader'.")
        for name in self.request.headers:
            if name.startswith("x-amz-") and name not in self.given.names:
                raise SignatureRefused(MISMATCH, f"'{name}' must be a 'SignedHeader' in the query.")
        claimed = self.signature.encode("utf-8", "surrogateescape")
        for expected in signing.signatures(self.request, self.given, self.stamp, secret):
            if hmac.compare_digest(expected.encode(), claimed):
                return
        raise SignatureRefused(MISMATCH, signing.NO_MATCH)


def _said(query: str) -> Mapping[str, str]:
    """The parameters. Raises SignatureRefused if a parameter comes twice: nobody knows which of the two was meant."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=signing.MOST_PAIRS)
    except ValueError:
        raise SignatureRefused(MISMATCH, f"A query has at most {signing.MOST_PAIRS} parameters.") from None
    said = dict(pairs)
    if len(said) != len(pairs):
        raise SignatureRefused(INCOMPLETE, "A parameter stands in the query twice.")
    return said


def _require_time(given: Authorization, said: Mapping[str, str], now: float) -> str:
    stamp, expires = said["X-Amz-Date"], said["X-Amz-Expires"]
    moment = signing.moment_of(stamp)
    if given.date != stamp[:8]:
        raise SignatureRefused(
            MISMATCH, f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {stamp[:16]}"
        )
    # Length comes first: leading zeros would hide how long a number is, and a long number is costly to read.
    if not expires.isascii() or not expires.isdigit() or len(expires) > 6 or not 1 <= int(expires) <= LONGEST:
        raise SignatureRefused(INCOMPLETE, f"X-Amz-Expires is a number of seconds from 1 to {LONGEST}.")
    if now > moment + int(expires):
        raise SignatureRefused(MISMATCH, f"Signature expired: {stamp} is more than {expires} seconds ago.")
    if moment > now + signing.SKEW:
        raise SignatureRefused(MISMATCH, f"Signature not yet current: {stamp} is still later than now + 5 min.")
    return stamp
