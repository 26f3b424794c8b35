"""Reads a CloudTrail record: who called, what the call was for, its result, and the values that conditions could read.

Source: CloudTrail user guide, record contents and the userIdentity element; KMS developer guide,
logging-using-cloudtrail. `names` gives parameters the API's own spelling of their members, since CloudTrail's spelling
differs by age: `aWSAccountId` and `AWSAccountId` are one member.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from domain.arn import ACCOUNT_ID, parse_arn, root_arn
from domain.authorization.context import RequestOrigin, Via, request_context
from domain.cloudtrail.denial import UNTOLD, Denial, denial_of
from domain.cloudtrail.keys_named import key_of, re_encrypted
from domain.log.codec import micros_of
from domain.log.record import Document
from domain.policy.compile import DELEGATED, DIRECT, ROLE
from domain.policy.variables import Context

SERVICES = {"kms.amazonaws.com": "kms", "iam.amazonaws.com": "iam", "sts.amazonaws.com": "sts"}
OWN = "keytrail"
"""The member of additionalEventData that only our own export has."""
UNKNOWN_CALLER = "not recorded"
"""The caller's name if a record does not say who called."""
ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation"})
ARN = re.compile(r"arn:[^:\s]*:[^:\s]*:[^:\s]*:[^:\s]*:\S+")
_DISPLAYED = ("%b %d, %Y %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %H:%M:%S", "%b %d, %Y %H:%M:%S %p",
              "%a %b %d %H:%M:%S UTC %Y")  # fmt: skip

CausedEvents = Iterator[object]
"""Events of our own catalogue that express what a trail tells."""
ResourceNames = Callable[[str, str, Document | None], dict[str, Any]]
"""(service, operation, members) -> the members in the spelling of the API's input shape."""


class Broken(Exception):
    """The document is not a CloudTrail record. The message says why."""


class NotOurService(Exception):
    """The record is of a service that nothing here reads."""


class PassedOver(Exception):
    """The record does not stand for a call of its own. The message says what it is."""


CALLS = frozenset({"", "Management", "Data"})
"""Categories of events that are calls (CloudTrail user guide, eventCategory)."""
NO_CALLS = {"Insight": "Insights event", "NetworkActivity": "network activity event"}
"""An Insights event counts calls. A network activity event is about a call through a VPC endpoint: either the call has
an event of its own, or the endpoint's policy kept it from the service."""


@dataclass(slots=True)
class TrailReading:
    """`at` is in microseconds. `order` and `seen` are positions of our own log if the record is an export of it, else
    -1. `sure`: a value that `context` lacks was not in the request either."""

    id: str
    at: int
    service: str
    operation: str
    region: str
    account: str
    principal: str
    unique: str
    access_key: str
    names: Mapping[str, int]
    source: str
    agent: str
    via: str
    parameters: dict[str, Any]
    response: dict[str, Any]
    extra: Document
    resources: tuple[str, ...]
    key: str
    error: str
    message: str
    context: Context
    pairs: Mapping[str, str]
    sure: bool = False
    order: int = -1
    seen: int = -1
    preferred: bool = True
    """A call between accounts has two records; this is the one that says who called."""
    role: str = ""
    """ARN of the role that the session is of."""
    role_id: str = ""
    policy: str = ""
    """The session's own policy, if the record has it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    denial: Denial = UNTOLD
    """What the message of a denied call tells."""

    @property
    def refused(self) -> bool:
        return bool(self.error)

    @property
    def denied(self) -> bool:
        return self.error in ACCESS_DENIED


def moment(value: Any) -> int:
    """Microseconds since the epoch for a time in one of CloudTrail's forms: RFC 3339, seconds, or the displayed form.
    Raises Broken."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(value * 1_000_000)
    if not isinstance(value, str):
        raise Broken("it has no time")
    try:
        if value[10:11] == "T":
            found = datetime.fromisoformat(value)
            return micros_of(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Broken(f"{value!r} is no time") from None
    for form in _DISPLAYED:
        try:
            return micros_of(datetime.strptime(value, form).replace(tzinfo=UTC))
        except ValueError:
            continue
    raise Broken(f"{value!r} is no time")


def _text(document: Document, name: str) -> str:
    found = document.get(name)
    return found if isinstance(found, str) else ""


def _object(document: Document, name: str) -> Document:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def read(record: Any, names: ResourceNames) -> TrailReading:
    """Raises Broken, NotOurService, PassedOver."""
    if not isinstance(record, dict):
        raise Broken("it is no JSON object")
    category = _text(record, "eventCategory")
    if category not in CALLS or _text(record, "eventType") == "AwsCloudTrailInsight":
        raise PassedOver(NO_CALLS.get(category or "Insight", f"{category} event"))
    operation = _text(record, "eventName")
    if not operation or "eventSource" not in record:
        raise Broken("it has no eventName or eventSource")
    service = SERVICES.get(_text(record, "eventSource"))
    if service is None:
        raise NotOurService(_text(record, "eventSource"))
    identifier = _text(record, "sharedEventID") or _text(record, "eventID")
    if not identifier:
        raise Broken("it has no eventID")
    extra = _object(record, "additionalEventData")
    own = _object(extra, OWN)
    at = moment(own["at"] if "at" in own else record.get("eventTime"))
    identity = _object(record, "userIdentity")
    request = record.get("requestParameters")
    parameters = names(service, operation, request if isinstance(request, dict) else None)
    response = record.get("responseElements")
    resources = tuple(
        arn
        for each in record.get("resources") or ()
        if isinstance(each, dict) and (arn := _text(each, "ARN") or _text(each, "arn"))
    )
    region = _text(record, "awsRegion") or "us-east-1"
    who = _who(identity, _text(record, "recipientAccountId"))
    error, message = _text(record, "errorCode"), _text(record, "errorMessage")
    denied = denial_of(message) if error in ACCESS_DENIED else UNTOLD
    if not resources and ARN.match(denied.resource):
        resources = (denied.resource,)
    if operation == "ReEncrypt" and error not in ACCESS_DENIED:
        resources = re_encrypted(resources, parameters, region, who.account)
    key = key_of(resources, parameters, region, who.account)
    via = _text(identity, "invokedBy")
    source = _text(record, "sourceIPAddress")
    _require_names(identifier, operation, region, who.principal, key, via, *resources)
    _require_parameters(parameters)
    reading = TrailReading(
        id=identifier,
        at=at,
        service=service,
        operation=operation,
        region=region,
        account=who.account,
        principal=who.principal,
        unique=who.unique,
        access_key=_text(identity, "accessKeyId"),
        names=who.names,
        source=source,
        agent=_text(record, "userAgent"),
        via=via,
        parameters=parameters,
        response=response if isinstance(response, dict) else {},
        extra=extra,
        resources=resources or ((key,) if key else ()),
        key=key,
        error=error,
        message=message,
        context={},
        pairs={},
        preferred=bool(_text(identity, "arn")) or "sharedEventID" not in record,
        role=who.role,
        role_id=who.role_id,
        denial=denied,
    )
    if own:
        _of_own(reading, own)
    else:
        reading.context = _context(reading, record, who)
    reading.pairs = _pairs(parameters)
    return reading


LONGEST_NAME = 1024
"""In characters; longer than any id, ARN or name of AWS."""
DOCUMENTS = frozenset({"Policy", "PolicyDocument", "AssumeRolePolicyDocument", "Description"})


def _require_names(*names: str) -> None:
    """Raises Broken for a name that is too long for an index."""
    if max(map(len, names), default=0) > LONGEST_NAME:
        raise Broken(f"a name in it has more than {LONGEST_NAME} characters")


def _require_parameters(parameters: Document) -> None:
    _require_names(*[each for name, each in parameters.items() if isinstance(each, str) and name not in DOCUMENTS])


HIGHEST_POSITION = 2**62
"""Twice as much still fits into a column of Postgres, and no log is as long."""


def _of_own(reading: TrailReading, own: Document) -> None:
    """Reads what only our own export has, since CloudTrail has no place for it."""
    session = own.get("session")
    for name in ("position", "seen"):
        if name in own and not (type(own[name]) is int and -1 <= own[name] <= HIGHEST_POSITION):
            raise Broken(f"{OWN}.{name} is no position")
    reading.order, reading.seen = own.get("position", -1), own.get("seen", -1)
    if isinstance(session, dict):
        reading.policy = _text(session, "policy")
        reading.tags = _object(session, "tags")
    context = own.get("context")
    if isinstance(context, dict):
        reading.sure = True
        reading.context = {name: tuple(values) for name, values in context.items() if isinstance(values, list)}


def _pairs(parameters: Document) -> Mapping[str, str]:
    found = parameters.get("EncryptionContext")
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


# -- who called --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Who:
    account: str
    principal: str
    unique: str
    names: Mapping[str, int]
    context: Context
    role: str = ""
    role_id: str = ""


def _who(identity: Document, recipient: str) -> _Who:
    kind, arn, unique = _text(identity, "type"), _text(identity, "arn"), _text(identity, "principalId")
    parsed = parse_arn(arn) if arn else None
    account = _text(identity, "accountId") or (parsed.account if parsed is not None else "") or recipient
    if not ACCOUNT_ID.fullmatch(account):
        account = recipient if ACCOUNT_ID.fullmatch(recipient) else ""
    root = root_arn(account)
    invoked = _text(identity, "invokedBy")
    if kind == "AWSService" or (not arn and not unique and invoked.endswith(".amazonaws.com")):
        of_service: Context = {"aws:principalisawsservice": ("true",), "aws:principalservicename": (invoked,)}
        return _Who(
            account, invoked or UNKNOWN_CALLER, "", {f"Service:{invoked}": DIRECT} if invoked else {}, of_service
        )
    context: dict[str, tuple[str, ...]] = {
        "aws:principalaccount": (account,),
        "kms:calleraccount": (account,),
        "aws:principalisawsservice": ("false",),
    }
    if unique:
        context["aws:userid"] = (unique,)
    if kind == "Root" or arn == root:
        names: dict[str, int] = {root: DIRECT}
        return _Who(account, root, account, names, context | _called(root, "Account"))
    if kind == "AssumedRole" or ":assumed-role/" in arn:
        return _session(identity, account, arn, unique, dict(context))
    if kind == "FederatedUser" and arn:
        return _Who(account, arn, unique, {arn: DIRECT, root: DELEGATED}, context | _called(arn, "FederatedUser"))
    name = _text(identity, "userName")
    if kind == "IAMUser" or ":user/" in arn:
        own = arn or f"arn:aws:iam::{account}:user/{name}"
        names = {own: DIRECT, root: DELEGATED} | ({unique: DIRECT} if unique else {})
        more = {"aws:username": (own.rpartition("/")[2],)}
        return _Who(account, own, unique, names, context | _called(own, "User") | more)
    if kind in ("WebIdentityUser", "SAMLUser"):
        provider = _text(identity, "identityProvider")
        return _Who(account, unique or provider, unique, {f"Federated:{provider}": DIRECT}, {})
    if not kind and not arn:
        return _Who(account, invoked or UNKNOWN_CALLER, "", {}, {})
    # A caller of another account; the record says no more about it.
    return _Who(
        account,
        arn or unique or account or UNKNOWN_CALLER,
        unique,
        {root: DELEGATED} | ({arn: DIRECT} if arn else {}),
        context,
    )


def _called(arn: str, kind: str) -> dict[str, tuple[str, ...]]:
    return {"aws:principalarn": (arn,), "aws:principaltype": (kind,)}


def _session(identity: Document, account: str, arn: str, unique: str, context: dict[str, tuple[str, ...]]) -> _Who:
    held = _object(identity, "sessionContext")
    issuer = _object(held, "sessionIssuer")
    _, _, rest = arn.partition(":assumed-role/")
    name, _, session = rest.partition("/")
    role = _text(issuer, "arn") or f"arn:aws:iam::{account}:role/{name}"
    role_id = _text(issuer, "principalId") or unique.partition(":")[0]
    own = (
        arn or f"arn:aws:sts::{account}:assumed-role/{_text(issuer, 'userName')}/{unique.partition(':')[2] or session}"
    )
    names = {own: DIRECT, role: ROLE, root_arn(account): DELEGATED} | ({role_id: ROLE} if role_id else {})
    attributes = _object(held, "attributes")
    more: dict[str, tuple[str, ...]] = {}
    if created := _text(attributes, "creationDate"):
        more["aws:tokenissuetime"] = (created,)
    if mfa := _text(attributes, "mfaAuthenticated"):
        more["aws:multifactorauthpresent"] = (mfa,)
    if source := _text(held, "sourceIdentity"):
        more["aws:sourceidentity"] = (source,)
    return _Who(account, own, unique, names, context | _called(role, "AssumedRole") | more, role, role_id)


# -- what conditions could read ------------------------------------------------------------------------------------------


def _context(reading: TrailReading, record: Document, who: _Who) -> Context:
    service = reading.via.endswith(".amazonaws.com") and reading.via != who.principal
    via = Via(reading.via, reading.via.removesuffix(".amazonaws.com"), who.principal) if service else None
    origin = RequestOrigin(
        _address(reading.source), reading.agent, bool(record.get("tlsDetails")), 0, reading.region, via=via
    )
    context: dict[str, tuple[str, ...]] = {
        **who.context,
        **request_context(origin, reading.operation, _whole(reading.parameters)),
    }
    if not record.get("tlsDetails"):
        del context["aws:securetransport"]  # the record does not say it
    if endpoint := _text(record, "vpcEndpointId"):
        context["aws:sourcevpce"] = (endpoint,)
    for name in ("aws:currenttime", "aws:epochtime"):
        del context[name]  # judging adds these from the call's time; here they would make every call a case of its own
    return context


@lru_cache(maxsize=10_000)
def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def _whole(parameters: Document) -> Document:
    """The parameters that have the expected types; all others are left out."""
    shaped = dict(parameters)
    for name, kind in _SHAPED.items():
        if name in shaped and not isinstance(shaped[name], kind):
            del shaped[name]
    if "Tags" in shaped and not all(
        isinstance(each, dict) and ("TagKey" in each or "Key" in each) for each in shaped["Tags"]
    ):
        del shaped["Tags"]
    return shaped


_SHAPED: dict[str, type] = {
    "Tags": list,
    "TagKeys": list,
    "EncryptionContext": dict,
    "Constraints": dict,
    "Operations": list,
    "TransitiveTagKeys": list,
}
# A record tells these keys completely: if a key is absent here, it was absent from the request.
TOLD = frozenset(
    {
        "aws:principalarn",
        "aws:principalaccount",
        "kms:calleraccount",
        "aws:principaltype",
        "aws:username",
        "aws:principalisawsservice",
        "aws:requestedregion",
        "aws:useragent",
        "aws:currenttime",
        "aws:epochtime",
        "aws:sourcevpce",
    }
)
