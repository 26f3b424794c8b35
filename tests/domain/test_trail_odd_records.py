"""Records that whoever writes to a bucket of CloudTrail files can shape. One that cannot be followed or judged is broken when it
is read: otherwise it would be on the trail's topic for good, and end each later import."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from domain.cloudtrail.answers import UnreadPart, parts_of
from domain.cloudtrail.judge import explained
from domain.cloudtrail.known import fact
from domain.cloudtrail.record import LONGEST_NAME, NAMED, Broken, read
from domain.cloudtrail.steps import step_of
from domain.policy import unseen
from services.trails.judged_calls import questions_of
from services.trails.prepared import Prepared, RecordPreparer
from services.trails.wrappers import FoundRecord
from tests.domain.test_cloudtrail import fold, iam, reading
from tests.domain.test_trail_known import DETAILS, GRANT, USE
from tests.e2e.test_history import allow, document
from tests.e2e.test_trails import A, key_arn, put, record, who

AT = "2024-01-01T00:00:00Z"
SESSION = {
    "type": "AssumedRole",
    "arn": f"arn:aws:sts::{A}:assumed-role/r/s",
    "accountId": A,
    "principalId": "AROAAAAAAAAAAAAAAAAAA:s",
    "sessionContext": {"sessionIssuer": {"arn": f"arn:aws:iam::{A}:role/r", "principalId": "AROAAAAAAAAAAAAAAAAAA"}},
}


def prepared(told: dict[str, Any], *, of_answer: bool = False) -> Prepared:
    return RecordPreparer().prepare(FoundRecord("file", "line 1", orjson.dumps(told), of_answer=of_answer))


def of_own(**own: Any) -> dict[str, Any]:
    return record("Decrypt", AT, 1, SESSION, additionalEventData={"keytrail": own})


def asked(operation: str, **told: Any) -> dict[str, Any]:
    return record(operation, AT, requestParameters={"keyId": key_arn(1), **told})


ODD = {
    "a session policy that is none": of_own(session={"policy": "garbage"}, context={}),
    "a condition value that is a number": of_own(context={"aws:useragent": [5]}),
    "a condition value that is null": of_own(context={"aws:sourceip": [None]}),
    "a condition value that is a list": of_own(context={"aws:useragent": [["a"]]}),
    "an encryption context with a number": asked("Decrypt", encryptionContext={"a": 5}),
    "a tag with a number": asked("TagResource", tags=[{"tagKey": "a", "tagValue": 5}]),
    "a number for a tag's name": asked("UntagResource", tagKeys=[5]),
    "a key spec that is a number": record("CreateKey", AT, requestParameters={"keySpec": 5}),
    "more than the topic can take": record("Decrypt", AT, userAgent="x" * (1 << 20)),
    "a time before the calendar": record("Decrypt", "0001-01-01T00:00:00+23:59"),
    "a time after the calendar": record("Decrypt", "9999-12-31T23:59:59-23:59"),
    "a number for a time, after the calendar": record("Decrypt", AT, eventTime=1e30),
    "the first time of the calendar": record("Decrypt", "0001-01-01T00:00:00Z"),
    "the last time of the calendar": record("Decrypt", "9999-12-31T23:59:59.999999Z"),
    "the last time of the calendar in words": record("Decrypt", "Dec 31, 9999 11:59:59 PM"),
}


@pytest.mark.parametrize("told", ODD.values(), ids=ODD.keys())
def test_a_record_that_could_not_be_judged_is_broken(told: dict[str, Any]) -> None:
    found = prepared(told)
    assert (found.kind, bool(found.reason)) == (None, True)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z"])
def test_a_time_beyond_the_calendar_is_broken_also_where_the_kind_is_known(at: str) -> None:
    """Postgres holds times in UTC: the record would be on the topic, and could never be written."""
    preparing = RecordPreparer()
    found = [
        preparing.prepare(FoundRecord("file", "line 1", orjson.dumps(record("Decrypt", time) | {"eventID": str(n)})))
        for n, time in enumerate((AT, AT, at))
    ]
    assert [bool(each.reason) for each in found] == [False, False, True]


def test_a_time_of_another_zone_is_the_same_moment_where_the_kind_is_known() -> None:
    preparing = RecordPreparer()
    times = (AT, AT, "2024-01-01T01:00:00+01:00")
    found = [preparing.prepare(FoundRecord("file", "line 1", orjson.dumps(record("Decrypt", time)))) for time in times]
    assert {each.at for each in found} == {datetime(2024, 1, 1, tzinfo=UTC)}


KNOWN: dict[str, dict[str, Any]] = {
    "identity": {"kind": "user", "id": "", "inline": {}, "attached": [], "boundary": "", "tags": {}, "groups": [], "trust": ""},
    "key-policy": {"text": document(allow(who()["arn"], "kms:*"))},
    "grants": {"grants": []},
    "managed-policy": {"id": "", "default": "v1", "versions": {"v1": json.dumps(USE)}},
}  # fmt: skip
SUBJECTS = {
    "identity": who()["arn"],
    "key-policy": key_arn(1),
    "grants": key_arn(1),
    "managed-policy": f"arn:aws:iam::{A}:policy/p",
}


def known(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    return fact((kind, SUBJECTS[kind], document), 5).record()


def test_only_an_answer_of_the_api_says_what_is_known_from_elsewhere() -> None:
    """Else whoever can write one file of CloudTrail could say what a key's policy was before the trail."""
    planted = known("key-policy", KNOWN["key-policy"])
    assert prepared(planted, of_answer=True).reason == ""
    assert "import policies" in prepared(planted).reason


def test_what_an_answer_says_is_taken() -> None:
    answers: list[Any] = [DETAILS, {"Grants": [GRANT]}, {"Grants": []}, {"Policy": KNOWN["key-policy"]["text"]}]
    parts = [part for answer in answers for part in parts_of(answer, key_arn(1)) if not isinstance(part, UnreadPart)]
    found = [prepared(fact(part, 5).record(), of_answer=True).reason for part in parts]
    assert found == [""] * 7


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("identity", {}),
        ("identity", KNOWN["identity"] | {"kind": "robot"}),
        ("identity", KNOWN["identity"] | {"tags": {"a": 5}}),
        ("identity", KNOWN["identity"] | {"attached": "arn"}),
        ("identity", KNOWN["identity"] | {"inline": {"p": "garbage"}}),
        ("identity", KNOWN["identity"] | {"kind": "role", "trust": "garbage"}),
        ("key-policy", {}),
        ("key-policy", {"text": "garbage"}),
        ("grants", {}),
        ("grants", {"grants": ["g1"]}),
        ("grants", {"grants": [{"GrantId": "g1", "Constraints": {"EncryptionContextSubset": "abc"}}]}),
        ("managed-policy", {}),
        ("managed-policy", KNOWN["managed-policy"] | {"default": "v2"}),
        ("managed-policy", KNOWN["managed-policy"] | {"versions": {"v1": "garbage"}}),
        ("managed-policy", {"id": "", "default": "v\u00b2", "versions": {"v\u00b2": "{}"}}),
    ],
)
def test_a_fact_of_another_shape_is_broken(kind: str, document: dict[str, Any]) -> None:
    assert prepared(known(kind, document), of_answer=True).reason


@pytest.mark.parametrize(
    "constraints",
    [
        {"encryptionContextSubset": "abc"},
        {"encryptionContextEquals": {"a": {"b": 1}}},
        {"sourceArn": {"a": "b"}},
        ["a"],
    ],
)
def test_a_grant_whose_constraints_cannot_be_read_lets_nobody_in(constraints: Any) -> None:
    """Without its constraints it would seem to let in every call."""
    given = asked("CreateGrant", granteePrincipal=who()["arn"], operations=["Decrypt"], constraints=constraints)
    given |= {"responseElements": {"grantId": "g1"}, "additionalEventData": {"keytrail": {"context": {}}}}
    with pytest.raises(Broken, match="constraint"):
        fold(put(1, AT, allow(who()["arn"], "kms:*")), given)


def test_a_high_version_of_a_managed_policy_costs_no_memory() -> None:
    told = reading(
        iam("CreatePolicyVersion", {"policyVersion": {"versionId": "v9999999"}}, policyArn=f"arn:aws:iam::{A}:policy/p")
    )
    tracemalloc.start()
    try:
        step = step_of(told)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(step.room), peak < 1 << 20) == (100, True)
    assert step.room[-1][-1] == "v9999998"


def test_a_case_that_an_earlier_version_took_is_judged() -> None:
    """0.1.0 took any text for a session policy, and any value for a condition's."""
    tested = {"Condition": {"StringLike": {"aws:UserAgent": "x*"}}}
    world = fold(put(1, AT, allow(f"arn:aws:iam::{A}:root", "kms:*", **tested)))
    found = prepared(of_own(context={"aws:useragent": ["x1"]}, session={"policy": json.dumps(USE)}))
    assert found.kind is not None
    assert found.kind.case is not None
    case = json.loads(found.kind.case[-1])
    assert case["policy"] == json.dumps(USE)
    case["policy"], case["context"]["aws:useragent"] = "garbage", [5]
    (question,) = questions_of(case, world, datetime(2024, 1, 1, tzinfo=UTC))
    assert explained(*question, refused=False, denied=False)[0] in ("open", "unexplained")
    assert question[3].session is not None
    assert unseen.is_unseen(question[3].session.statements[0])


LONG = "\U0001f511" * 257
"""More bytes than a name may have, and fewer characters."""
TOO_LONG = {
    "an id": record("Decrypt", AT, eventID=LONG),
    "a key": record("Decrypt", AT, resources=[{"ARN": f"arn:aws:kms:us-west-2:{A}:key/{LONG}"}]),
    "a caller's id": record("Decrypt", AT, 1, who() | {"principalId": LONG}),
    "a caller's access key": record("Decrypt", AT, 1, who() | {"accessKeyId": LONG}),
    "a user's id": iam("CreateUser", {"user": {"userId": LONG}}, userName="x"),
    "a policy's id": iam("CreatePolicy", {"policy": {"policyId": LONG}}, policyName="x"),
    "a grant": asked("CreateGrant", granteePrincipal=who()["arn"]) | {"responseElements": {"grantId": LONG}},
    "a key that was made": record("CreateKey", AT, responseElements={"keyMetadata": {"arn": LONG}}),
    "a request's name": iam("CreateUser", userName=LONG),
}


@pytest.mark.parametrize("told", TOO_LONG.values(), ids=TOO_LONG.keys())
def test_a_name_that_no_index_can_hold_is_broken(told: dict[str, Any]) -> None:
    """Postgres would refuse the row at each import, when the record is on the topic already."""
    assert f"{LONGEST_NAME} bytes" in prepared(told).reason


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("UpdateSAMLProvider", "sAMLMetadataDocument"),
        ("UploadServerCertificate", "certificateBody"),
        ("UploadSigningCertificate", "certificateBody"),
        ("UploadSSHPublicKey", "sSHPublicKeyBody"),
        ("SimulateCustomPolicy", "resourcePolicy"),
        ("ListPolicies", "marker"),
    ],
)
def test_a_long_text_that_names_nothing_breaks_no_record(operation: str, name: str) -> None:
    """A provider's metadata may have ten million characters (IAM API reference, UpdateSAMLProvider)."""
    assert prepared(iam(operation, **{name: "x" * 5_000})).reason == ""


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_parameter_that_names_something_is_one_that_an_index_can_hold(name: str) -> None:
    with pytest.raises(Broken, match=f"{LONGEST_NAME} bytes"):
        read(record("Any", AT), lambda service, operation, members: {name: LONG})


@pytest.mark.parametrize(
    ("partition", "region"), [("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1"), ("aws-iso", "us-iso-east-1")]
)
def test_a_record_of_another_partition_is_passed_over(partition: str, region: str) -> None:
    """An account answered to the root of partition aws alone there, and nothing explained its calls."""
    one = json.dumps(record("Decrypt", AT)).replace("arn:aws:", f"arn:{partition}:").replace("us-west-2", region)
    service: dict[str, Any] = {"userIdentity": {"type": "AWSService", "invokedBy": "s3.amazonaws.com"}, "resources": [], "requestParameters": None}  # fmt: skip
    for told in (json.loads(one), json.loads(one) | service):
        assert (prepared(told).passed, prepared(told).kind) == ("record of another partition than aws", None)
    # An installation of ours may have the name of any Region, and its ARNs are of partition aws.
    ours = json.dumps(record("Decrypt", AT)).replace("us-west-2", region)
    assert prepared(json.loads(ours)).kind is not None
    assert (
        prepared(json.loads(ours) | service | {"additionalEventData": {"keytrail": {"context": {}}}}).kind is not None
    )


def test_a_fact_with_a_name_that_no_index_can_hold_is_broken() -> None:
    told = known("identity", KNOWN["identity"])
    assert prepared(told | {"eventID": LONG}, of_answer=True).reason
    told["keytrailKnown"]["subject"] += LONG
    assert prepared(told, of_answer=True).reason


def test_a_long_id_is_broken_also_where_the_kind_is_known() -> None:
    preparing = RecordPreparer()
    found = [
        preparing.prepare(
            FoundRecord("file", "line 1", json.dumps(record("Decrypt", AT, eventID=each), ensure_ascii=False).encode())
        )
        for each in ("1", "2", "\U0001f511" * 256, LONG)
    ]
    assert [bool(each.reason) for each in found] == [False, False, False, True]


@pytest.mark.parametrize(
    "at",
    ["Jan 1, 2024 12:00:00 AM", "2024-01-01T00:00:00", "2024-01-01T01:00:00+01:00", "2024-1-1T00:00:00Z", "9999-12-31T23:59:59Z", ""],
)  # fmt: skip
def test_a_time_is_read_alike_whether_the_kind_is_known_or_not(at: str) -> None:
    """A record of a known kind is not read as a whole. With times as the console shows them, all but the first were broken."""
    text = json.dumps(record("Decrypt", AT, eventID="id", requestID="r"))
    preparing = RecordPreparer()
    for number in range(3):
        preparing.prepare(FoundRecord("file", "line 1", text.replace('"id"', f'"{number}"').encode()))
    found = FoundRecord("file", "line 2", text.replace(AT, at).encode())
    known, unknown = preparing.prepare(found), RecordPreparer().prepare(found)
    assert (known.id, known.at, known.reason) == (unknown.id, unknown.at, unknown.reason)
