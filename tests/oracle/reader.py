"""A second evaluator: slow, written from the documentation's sentences, sharing no code with the evaluator under test.

It reads policies as JSON each time, matches globs with a table over both strings, and answers only allow or deny.
Beside each step stands the sentence that it follows (IAM user guide, unless another source is named).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

MULTIVALUED = {
    "aws:tagkeys",
    "aws:calledvia",
    "kms:encryptioncontextkeys",
    "kms:grantoperations",
    "kms:resourcealiases",
}
"""User guide, condition keys of several values: "you cannot use a multivalued context key as a policy variable"."""


@dataclass
class Asker:
    """`kind`: root, user or session. `policies`: the identity's own. `limits`: the boundary's and the session's, each a
    list of policy documents."""

    kind: str
    account: str
    arn: str
    role: str = ""
    policies: list[str] = field(default_factory=list)
    limits: list[list[str]] = field(default_factory=list)
    bounded: bool = False
    """Whether one of the limits is a permissions boundary."""


@dataclass
class Asked:
    action: str
    resource: str
    owner: str
    context: dict[str, list[str]]
    pairs: dict[str, str] = field(default_factory=dict)
    grants: list[dict[str, Any]] = field(default_factory=list)


def glob(pattern: list[tuple[str, bool]], text: str) -> bool:
    """`*` matches any characters, `?` exactly one. In the table, reachable[j] is true if the signs of the pattern so far match
    the first j characters."""
    reachable = [True] + [False] * len(text)
    for sign, wild in pattern:
        if wild and sign == "*":
            following = list(reachable)
            for j in range(len(text)):
                following[j + 1] = following[j + 1] or following[j]
        else:
            following = [False] * (len(text) + 1)
            for j in range(len(text)):
                following[j + 1] = reachable[j] and ((wild and sign == "?") or sign == text[j])
        reachable = following
    return reachable[len(text)]


def signs(text: str, version: str, context: dict[str, list[str]]) -> list[tuple[str, bool]] | None:
    """The pattern's signs with policy variables filled in; None if one is null.

    "Policy variables ... 2012-10-17"; "multivalued keys cannot be used"; "the value is effectively null".
    """
    result: list[tuple[str, bool]] = []
    at = 0
    while at < len(text):
        end = text.find("}", at)
        if version == "2012-10-17" and text.startswith("${", at) and end > 0:
            name, comma, default = text[at + 2 : end].partition(",")
            if name in ("*", "?", "$"):
                result.append((name, False))
            else:
                values = context.get(name.strip().lower(), [])
                if name.strip().lower() in MULTIVALUED:
                    return None
                if len(values) == 1:
                    value = values[0]
                elif not values and comma:
                    value = default.strip()[1:-1]
                else:
                    return None
                result += [(each, False) for each in value]
            at = end + 1
        else:
            result.append((text[at], True))
            at += 1
    return result


def by_component(pattern: list[tuple[str, bool]], text: str) -> bool:
    """Each of the six colon-delimited components of the ARN is checked separately. A last `*` also matches colons."""
    parts: list[list[tuple[str, bool]]] = [[]]
    for sign, wild in pattern:
        if sign == ":" and wild and len(parts) < 6:
            parts.append([])
        else:
            parts[-1].append((sign, wild))
    if len(parts) < 6 and not (parts[-1] and parts[-1][-1] == ("*", True)):
        return False
    found = text.split(":", len(parts) - 1)
    return len(found) == len(parts) and all(glob(part, each) for part, each in zip(parts, found, strict=True))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def moment(text: str) -> datetime | None:
    try:
        if text.isdigit() and len(text) > 4:
            return datetime.fromtimestamp(int(text), UTC)
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        return None


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


COMPARE = {
    "Equals": lambda a, b: a == b,
    "NotEquals": lambda a, b: a == b,
    "LessThan": lambda a, b: a < b,
    "LessThanEquals": lambda a, b: a <= b,
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanEquals": lambda a, b: a >= b,
}


def unmapped(address: Any) -> Any:
    """RFC 4291: ::ffff:192.0.2.1 is 192.0.2.1."""
    text = address.exploded
    if address.version == 4 or not text.startswith("0000:0000:0000:0000:0000:ffff:"):
        return address
    return ip_address(int(text[30:].replace(":", ""), 16))


def one_matches(name: str, value: str, wanted: str, version: str, context: dict[str, list[str]]) -> bool:
    """Whether a value of the request matches one wanted value, under the operator without its Not."""
    if name.startswith("String"):
        fold = name.endswith("IgnoreCase")
        pattern = signs(wanted, version, context)
        if pattern is None:
            return False
        if "Like" in name:
            return glob(pattern, value)
        text = "".join(sign for sign, _ in pattern)
        return text.lower() == value.lower() if fold else text == value
    if name.startswith("Arn"):
        pattern = signs(wanted, version, context)
        return pattern is not None and by_component(pattern, value)
    if name == "Bool":
        return value.lower() == wanted.lower()
    if name in ("IpAddress", "NotIpAddress"):
        try:
            network, address = ip_network(wanted, strict=False), unmapped(ip_address(value))
            if network.version == 6 and str(network.network_address).startswith("::ffff:") and network.prefixlen >= 96:
                network = ip_network(f"{unmapped(network.network_address)}/{network.prefixlen - 96}")
            return address in network
        except ValueError:
            return False
    read = moment if name.startswith("Date") else number
    left, right = read(value), read(wanted)
    return (
        left is not None
        and right is not None
        and COMPARE[name.removeprefix("Date").removeprefix("Numeric")](left, right)
    )


def test_holds(operator: str, key: str, wanted: list[str], version: str, context: dict[str, list[str]]) -> bool:
    values = context.get(key.lower(), [])
    # "if there are no context keys in the request, or if the context key value resolves to a null dataset, such as an empty string"
    null = all(value == "" for value in values)
    if operator == "Null":
        # "to check if the context key in the request exists and its value is not null"
        return any(null == (each.lower() == "true") for each in wanted)
    each, _, name = operator.rpartition(":")
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    inverted = "Not" in name

    def matches(value: str) -> bool:
        any_wanted = any(one_matches(name, value, one, version, context) for one in wanted)
        return not any_wanted if inverted else any_wanted

    if each == "ForAllValues":
        return null or all(matches(value) for value in values)
    if not values:
        if if_exists:
            return True  # "if the key is not present, evaluate the condition element as true"
        return inverted and not each  # "negated operators ... a missing key is a match"
    if each == "ForAnyValue":
        return not null and any(
            matches(value) for value in values
        )  # "for ... a null dataset, the condition returns false"
    # Without a set operator: one value as it is. With several values, any may match, and for a negated operator none
    # may.
    return all(matches(value) for value in values) if inverted else any(matches(value) for value in values)


def names_of(asker: Asker) -> list[str]:
    root = f"arn:aws:iam::{asker.account}:root"
    if asker.kind == "root":
        return [root]
    return [asker.arn, root] if asker.kind == "user" else [asker.arn, asker.role, root]


def closeness(statement: dict[str, Any], asker: Asker) -> int:
    """3: the principal is the caller itself; 2: its role; 1: its account; 0: not the caller."""
    root = f"arn:aws:iam::{asker.account}:root"
    principal: Any = statement.get("Principal", statement.get("NotPrincipal"))
    listed = ["*"] if principal == "*" else [each for held in principal.values() for each in as_list(held)]
    listed = [f"arn:aws:iam::{each}:root" if each.isdigit() else each for each in listed]
    if "NotPrincipal" in statement:
        if "*" in listed:
            return 0
        if statement["Effect"] == "Deny":
            # "will always deny any IAM principal that has a permissions boundary policy attached, regardless of the values"
            if asker.bounded:
                return 3
            # "you must also specify the account ARN of the not-denied principal"
            return 0 if all(name in listed for name in names_of(asker)) else 3
        return 0 if any(name in listed for name in names_of(asker)) else 3
    if "*" in listed or asker.arn in listed:
        return 3
    if asker.kind == "session" and asker.role in listed:
        return 2
    if root in listed:
        return 3 if asker.kind == "root" else 1
    return 0


def speaks(statement: dict[str, Any], version: str, asked: Asked) -> bool:
    """Action, Resource and Condition. The principal is checked elsewhere."""

    def action_in(patterns: Any) -> bool:
        return any(glob([(sign, True) for sign in each.lower()], asked.action.lower()) for each in as_list(patterns))

    def resource_in(patterns: Any) -> bool:
        found = (signs(each, version, asked.context) for each in as_list(patterns))
        return any(pattern is not None and by_component(pattern, asked.resource) for pattern in found)

    if "Action" in statement:
        if not action_in(statement["Action"]):
            return False
    elif "NotAction" not in statement or action_in(statement["NotAction"]):
        return False
    if "Resource" in statement:
        if not resource_in(statement["Resource"]):
            return False
    elif "NotResource" not in statement or resource_in(statement["NotResource"]):
        return False
    return all(
        test_holds(operator, key, [as_text(each) for each in as_list(wanted)], version, asked.context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def statements(text: str) -> list[tuple[dict[str, Any], str]]:
    document = json.loads(text)
    return [(each, document.get("Version", "2008-10-17")) for each in as_list(document["Statement"])]


def allows(asker: Asker, key_policy: str, asked: Asked) -> bool:
    layers = [asker.policies, *asker.limits]
    own = [[(each, version) for text in layer for each, version in statements(text)] for layer in layers]
    resource = statements(key_policy)
    # "An explicit deny in any of these policies overrides the allow."
    for each, version in resource:
        if each["Effect"] == "Deny" and closeness(each, asker) and speaks(each, version, asked):
            return False
    if asker.kind != "root":
        for layer in own:
            if any(each["Effect"] == "Deny" and speaks(each, version, asked) for each, version in layer):
                return False

    def layer_allows(layer: list[tuple[dict[str, Any], str]]) -> bool:
        return any(each["Effect"] == "Allow" and speaks(each, version, asked) for each, version in layer)

    within_limits = all(layer_allows(layer) for layer in own[1:])
    by_identity = asker.kind == "root" or (layer_allows(own[0]) and within_limits)
    means = [
        closeness(each, asker)
        for each, version in resource
        if each["Effect"] == "Allow" and speaks(each, version, asked)
    ]
    granted = [grant_means(grant, asker) for grant in asked.grants if grant_gives(grant, asked)]
    if 3 in granted or (2 in granted and within_limits) or (1 in granted and by_identity):
        return True
    if asker.account == asked.owner:
        if 3 in means or (2 in means and within_limits):
            return True
        return 1 in means and by_identity
    # "both the key policy in the other account and the IAM policy at home must allow" (KMS guide).
    return any(means) and by_identity


def grant_means(grant: dict[str, Any], asker: Asker) -> int:
    if grant["grantee"] == asker.arn:
        return 3
    if asker.kind == "session" and grant["grantee"] == asker.role:
        return 2
    return 1 if grant["grantee"] == f"arn:aws:iam::{asker.account}:root" and asker.kind != "root" else 0


def grant_gives(grant: dict[str, Any], asked: Asked) -> bool:
    """KMS API reference, GrantConstraints: exact, or a subset; "the key in each key-value pair is not case sensitive"."""
    if asked.action.removeprefix("kms:") not in grant["operations"]:
        return False
    if asked.action in ("kms:DescribeKey", "kms:RetireGrant", "kms:CreateGrant"):
        return True
    equals, subset = (
        grant["constraints"].get("EncryptionContextEquals"),
        grant["constraints"].get("EncryptionContextSubset"),
    )
    given = [(name.lower(), value) for name, value in asked.pairs.items()]
    if equals is not None and sorted(given) != sorted((name.lower(), value) for name, value in equals.items()):
        return False
    return subset is None or all((name.lower(), value) in given for name, value in subset.items())
