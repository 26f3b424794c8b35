"""Reads a CloudTrail record: who called, what the call was for, its result, and the values that conditions could read.

Source: CloudTrail user guide, record contents and the userIdentity element; KMS developer guide,
logging-using-cloudtrail. `names` gives parameters the API's own spelling of their members, since CloudTrail's spelling
differs by age: `aWSAccountId` and `AWSAccountId` are one member.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from domain.arn import PARTITION, parse_arn
from domain.authorization.context import RequestOrigin, Via, re_encrypt_context, request_context
from domain.cloudtrail.callers import CallerTold, told_object, told_text, who_called
from domain.cloudtrail.denial import UNTOLD, Denial, denial_of
from domain.cloudtrail.keys_named import key_of, re_encrypted
from domain.cloudtrail.vpc_endpoint import ENDPOINT, address_moved
from domain.errors import Refusal
from domain.log.codec import micros_of
from domain.log.record import Document
from domain.policy.parse import SESSION, parse_policy
from domain.policy.variables import Context

SERVICES = {"kms.amazonaws.com": "kms", "iam.amazonaws.com": "iam", "sts.amazonaws.com": "sts"}
OWN = "keytrail"
"""The member of additionalEventData that only our own export has."""
ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation"})
ARN = re.compile(r"arn:[^:\s]*:[^:\s]*:[^:\s]*:[^:\s]*:\S+")
_DISPLAYED = ("%b %d, %Y %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %H:%M:%S", "%b %d, %Y %H:%M:%S %p",
              "%a %b %d %H:%M:%S UTC %Y")  # fmt: skip

CausedEvents = Iterator[object]
"""Events of our own catalogue that express what a trail tells."""
RequestSide = tuple[Context, Mapping[str, str]]
"""What conditions can read of it, and the pairs of its encryption context."""
ResourceNames = Callable[[str, str, Document | None], dict[str, Any]]
"""(service, operation, members) -> the members in the spelling of the API's input shape."""


class Broken(Exception):
    """The document is not a CloudTrail record. The message says why."""


class NotOurService(Exception):
    """The record is of a service that nothing here reads."""


class PassedOver(Exception):
    """The record does not stand for a call of its own, or is of another partition. The message says what it is."""


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
    sides: tuple[RequestSide, ...] = ()
    """What ReEncrypt's request says of the key that it decrypts with, and of the one that it encrypts with."""

    @property
    def refused(self) -> bool:
        return bool(self.error)

    @property
    def denied(self) -> bool:
        return self.error in ACCESS_DENIED

    @property
    def service_untold(self) -> bool:
        """Whether a service called for the caller, and the record does not say which: invokedBy is then "AWS Internal"."""
        return bool(self.via) and not self.via.endswith(".amazonaws.com")


EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""The times that a record may have: CloudTrail is younger, and what is reckoned from a time has to stay within the calendar."""


def _within(at: int, value: Any) -> int:
    if not micros_of(EARLIEST) <= at <= micros_of(LATEST):
        raise Broken(f"{value!r} is no time")
    return at


_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]")


def moment(value: Any) -> int:
    """Microseconds since the epoch for a time in one of CloudTrail's forms: RFC 3339, seconds, the displayed form, or that of
    Athena and CloudTrail Lake, with a space for the T. Raises Broken."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _within(round(value * 1_000_000), value)
    if not isinstance(value, str):
        raise Broken("it has no time")
    try:
        if _ISO.match(value):
            found = datetime.fromisoformat(value)
            return _within(micros_of(found if found.tzinfo else found.replace(tzinfo=UTC)), value)
    except (ValueError, OverflowError):
        raise Broken(f"{value!r} is no time") from None
    for form in _DISPLAYED:
        try:
            return _within(micros_of(datetime.strptime(value, form).replace(tzinfo=UTC)), value)
        except ValueError:
            continue
    raise Broken(f"{value!r} is no time")


ELSEWHERE = f"record of another partition than {PARTITION}"
_REGIONS_ELSEWHERE = ("cn-", "us-gov-", "us-iso", "eu-iso")


def _is_of_another_partition(arns: Iterable[str], region: str) -> bool:
    """Whether a record comes from China, GovCloud or an isolated partition. Its ARNs say it, else its Region. An account of one
    partition has no part in another (AWS Fault Isolation Boundaries, Partitions), and the names that we make are of ours."""
    told = next((arn.partition for each in arns if (arn := parse_arn(each)) is not None), "")
    return told.startswith(f"{PARTITION}-") if told else region.startswith(_REGIONS_ELSEWHERE)


def read(record: Any, names: ResourceNames) -> TrailReading:
    """Raises Broken, NotOurService, PassedOver."""
    if not isinstance(record, dict):
        raise Broken("it is no JSON object")
    category = told_text(record, "eventCategory")
    if category not in CALLS or told_text(record, "eventType") == "AwsCloudTrailInsight":
        raise PassedOver(NO_CALLS.get(category or "Insight", f"{category} event"))
    operation = told_text(record, "eventName")
    if not operation or "eventSource" not in record:
        raise Broken("it has no eventName or eventSource")
    service = SERVICES.get(told_text(record, "eventSource"))
    if service is None:
        raise NotOurService(told_text(record, "eventSource"))
    identifier = told_text(record, "sharedEventID") or told_text(record, "eventID")
    if not identifier:
        raise Broken("it has no eventID")
    extra = told_object(record, "additionalEventData")
    own = told_object(extra, OWN)
    at = moment(own["at"] if "at" in own else record.get("eventTime"))
    identity = told_object(record, "userIdentity")
    request = record.get("requestParameters")
    parameters = names(service, operation, request if isinstance(request, dict) else None)
    response = record.get("responseElements")
    resources = tuple(
        arn
        for each in record.get("resources") or ()
        if isinstance(each, dict) and (arn := told_text(each, "ARN") or told_text(each, "arn"))
    )
    region = told_text(record, "awsRegion") or "us-east-1"
    if _is_of_another_partition((told_text(identity, "arn"), *resources), "" if own else region):
        raise PassedOver(ELSEWHERE)
    who = who_called(identity, told_text(record, "recipientAccountId"), region)
    error, message = told_text(record, "errorCode"), told_text(record, "errorMessage")
    denied = denial_of(message) if error in ACCESS_DENIED else UNTOLD
    if not resources and ARN.match(denied.resource):
        resources = (denied.resource,)
    if operation == "ReEncrypt" and error not in ACCESS_DENIED:
        resources = re_encrypted(resources, parameters, region, who.account)
    key = key_of(resources, parameters, region, who.account)
    via = told_text(identity, "invokedBy")
    source = told_text(record, "sourceIPAddress")
    access_key = told_text(identity, "accessKeyId")
    require_names(identifier, operation, region, who.principal, key, via, *resources, *who.names)
    require_names(who.unique, who.role, who.role_id, access_key)
    _require_parameters(parameters)
    _require_answer(response if isinstance(response, dict) else {})
    reading = TrailReading(
        id=identifier,
        at=at,
        service=service,
        operation=operation,
        region=region,
        account=who.account,
        principal=who.principal,
        unique=who.unique,
        access_key=access_key,
        names=who.names,
        source=source,
        agent=told_text(record, "userAgent"),
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
        preferred=bool(told_text(identity, "arn")) or "sharedEventID" not in record,
        role=who.role,
        role_id=who.role_id,
        denial=denied,
    )
    if own:
        _of_own(reading, own)
    else:
        reading.context = _context(reading, record, who)
    _require_texts(reading.context)
    reading.pairs = _pairs(parameters)
    if operation == "ReEncrypt":
        reading.sides = tuple(_side(_whole(parameters), which) for which in ("Source", "Destination"))
    return reading


SAME_KEY = "kms:reencryptonsamekey"
LONGEST_NAME = 1024
"""In bytes; longer than any id, ARN or name of AWS. An index of Postgres takes two of them together, and no more than 2,704
bytes: a longer name would end each import at the same place."""
NAMED = frozenset(
    {
        "AccessKeyId", "AliasName", "CustomerMasterKeySpec", "DestinationKeyId", "GrantId", "GranteePrincipal",
        "GranteeServicePrincipal", "GroupName", "KeyId", "KeySpec", "KeyUsage", "Name", "NewGroupName", "NewPath",
        "NewUserName", "Origin", "Path", "PermissionsBoundary", "PolicyArn", "PolicyName", "ReplicaRegion",
        "RetiringPrincipal", "RetiringServicePrincipal", "RoleName", "SourceKeyId", "Status", "TargetKeyId", "UserName",
        "VersionId",
    }
)  # fmt: skip
"""The parameters that name what a record is about or what it makes. Any other may be a text of any length: a certificate, a
provider's metadata, a policy that is only simulated."""


def require_names(*names: str) -> None:
    """Raises Broken for a name that is too long for an index."""
    for each in names:
        if 4 * len(each) > LONGEST_NAME < len(each.encode()):
            raise Broken(f"a name in it has more than {LONGEST_NAME} bytes")


def _require_parameters(parameters: Document) -> None:
    require_names(*[each for name, each in parameters.items() if isinstance(each, str) and name in NAMED])


def _require_answer(told: Document) -> None:
    """The answer tells ids of what was made, and nothing else of it is asked."""
    for name, each in told.items():
        if isinstance(each, dict):
            _require_answer(each)
        elif isinstance(each, str) and name.lower().endswith(("id", "arn", "name")):
            require_names(each)


def _require_texts(context: Context) -> None:
    """Raises Broken for a value that no condition can read. The API takes only text there."""
    for name, values in context.items():
        if not all(isinstance(each, str) for each in values):
            raise Broken(f"the value of {name} in it is no text")


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
        reading.policy = told_text(session, "policy")
        _require_session_policy(reading.policy)
        reading.tags = told_object(session, "tags")
    context = own.get("context")
    if isinstance(context, dict):
        reading.sure = True
        reading.context = {name: tuple(values) for name, values in context.items() if isinstance(values, list)}


def _require_session_policy(text: str) -> None:
    """Raises Broken for a policy that nothing could be judged by."""
    try:
        if text:
            parse_policy(text, SESSION)
    except Refusal as fault:
        raise Broken(f"its session policy cannot be read: {fault.message}") from None


def _pairs(parameters: Document) -> Mapping[str, str]:
    found = parameters.get("EncryptionContext")
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _side(parameters: Document, which: str) -> RequestSide:
    """Whether both keys are one is left out, since a request may name them in two ways."""
    context, pairs = re_encrypt_context(parameters, which, same_key=False)
    _require_texts(context)
    return {name: each for name, each in context.items() if name != SAME_KEY}, pairs


# -- what conditions could read ------------------------------------------------------------------------------------------


def _context(reading: TrailReading, record: Document, who: CallerTold) -> Context:
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
    if reading.service_untold:
        context.pop("kms:grantisforawsresource", None)
    if endpoint := told_text(record, "vpcEndpointId"):
        context[ENDPOINT] = (endpoint,)
    for name in ("aws:currenttime", "aws:epochtime"):
        del context[name]  # judging adds these from the call's time; here they would make every call a case of its own
    return address_moved(context)


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
    "SourceEncryptionContext": dict,
    "DestinationEncryptionContext": dict,
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
    }
)
