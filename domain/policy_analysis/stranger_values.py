"""The values that a stranger has for the condition keys by which a policy may limit whom it lets in.

A stranger is of an account, an organization and a network that nobody in particular has. Values that everybody chooses (an
encryption context, tags) are not here. Some keys have parts that a stranger chooses, and a policy may ask for these alone: a
session's name in `aws:userid`, the account of a provider, the owner of a source, the name of a bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from domain.policy.conditions import Test

ACCOUNT = "999999999999"
STRANGER: dict[str, tuple[str, ...]] = {
    "aws:principalorgid": ("o-stranger00",),
    "aws:principalorgpaths": ("o-stranger00/r-stra/ou-stra-stranger/",),
    "aws:sourceaccount": (ACCOUNT,),
    "aws:sourceorgid": ("o-stranger00",),
    "aws:sourcearn": ("arn:aws:s3:::strangers-bucket",),
    "aws:sourcevpc": ("vpc-0stranger0",),
    "aws:sourcevpce": ("vpce-0stranger0",),
    "aws:sourceip": ("8.8.8.8", "2001:4860:4860::8888"),
    "aws:vpcsourceip": ("8.8.8.8",),
    "aws:userid": ("AIDASTRANGERSTRANGER1", "AROASTRANGERSTRANGER1:stranger"),
    "aws:federatedprovider": (
        "stranger.example.com",
        f"arn:aws:iam::{ACCOUNT}:oidc-provider/stranger.example.com",
        f"arn:aws:iam::{ACCOUNT}:saml-provider/stranger",
    ),
}
MOST_PAIRS = 200
"""Beyond so many pairs of an id and a session's name, only those that stand together in a pattern are tried."""


def values_of(key: str, tests: Iterable[Test]) -> Iterator[str]:
    """A stranger's values for a key of `STRANGER`, with those that the patterns of these tests leave open to anybody."""
    yield from STRANGER[key]
    patterns = sorted({text for test in tests for text in test.wanted if "${" not in text and _is_open(text)})
    match key:
        case "aws:userid":
            yield from _callers(patterns)
        case "aws:federatedprovider":
            yield from _providers(patterns)
        case "aws:sourcearn":
            yield from (found for each in patterns if (found := _of_strangers(each)))


def _is_open(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _filled(pattern: str, by: str = "STRANGER") -> str:
    """A value that the pattern matches."""
    return pattern.replace("*", by).replace("?", "A")


def _callers(patterns: Iterable[str]) -> Iterator[str]:
    """`aws:userid` is a unique id, which is its owner's alone, and a session's name behind a colon."""
    ids, names = [each.partition(":")[0] for each in STRANGER["aws:userid"]], ["", ":stranger"]
    for each in patterns:
        unique, colon, name = each.partition(":")
        if colon:
            names.append(f":{_filled(name)}")
        if _is_open(unique):
            ids.append(ids[0] if unique == "*" else _filled(unique))
            yield f"{ids[-1]}{colon}{_filled(name)}"
    if len(ids) * len(names) <= MOST_PAIRS:
        yield from map("".join, product(ids, names))


def _providers(patterns: Iterable[str]) -> Iterator[str]:
    """Everybody may make a provider of any name in their own account."""
    for each in patterns:
        if found := _of_strangers(each):
            yield found
        elif each.startswith("*"):
            yield f"arn:aws:iam::{ACCOUNT}:oidc-provider/x{_filled(each[1:])}"


def _of_strangers(pattern: str) -> str:
    """A stranger's ARN that the pattern matches, "" if it has none: the account is open, or the name of a bucket, which has no
    account in its ARN."""
    parts = pattern.split(":", 5)
    if len(parts) < 6:
        return ""
    account, bucket = parts[4], parts[5].partition("/")[0]
    if _is_open(account):
        parts[4] = ACCOUNT if account == "*" else _filled(account, "9")
    elif account or not _is_open(bucket):
        return ""
    return ":".join(part if at == 4 else _filled(part, "stranger") for at, part in enumerate(parts))
