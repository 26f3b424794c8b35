"""Which keys a record concerns: those among its resources, or those that the request names."""

from __future__ import annotations

from domain.arn import MULTI_REGION
from domain.log.record import Document


def id_of(arn: str) -> str:
    """The name that a trail gives a key: its id. A multi-Region key exists under one id in several Regions; its name
    has the Region too."""
    name = arn.rpartition("/")[2]
    parts = arn.split(":")
    return f"{name}@{parts[3]}" if name.startswith(MULTI_REGION) and len(parts) > 5 and "@" not in name else name


def re_encrypted(resources: tuple[str, ...], told: Document, region: str, account: str) -> tuple[str, ...]:
    """The key that the call decrypts with, then the key that it encrypts with, as the request names them."""
    keys = [arn for arn in resources if ":key/" in arn]
    source, destination = (
        key_of((), {"KeyId": told.get(f"{which}KeyId")}, region, account) for which in ("Source", "Destination")
    )
    by_id = {arn.rpartition("/")[2]: arn for arn in reversed((*keys, source, destination)) if arn}
    first, last = (by_id.get(each.rpartition("/")[2], "") for each in (source, destination))
    first = first or next((arn for arn in keys if arn != last), last)
    last = last or next((arn for arn in keys if arn != first), "")
    return tuple(arn for arn in (first, last) if arn) or resources


def key_of(resources: tuple[str, ...], parameters: Document, region: str, account: str) -> str:
    """The ARN of the key concerned, from the resources or from the request; "" if the request names only an alias."""
    for arn in resources:
        if ":key/" in arn:
            return arn
    named = parameters.get("KeyId") or parameters.get("TargetKeyId")
    if not isinstance(named, str):
        return ""
    if ":key/" in named:
        return named
    if "alias/" in named or named.startswith("arn:"):
        return ""
    return f"arn:aws:kms:{region}:{account}:key/{named}"
