"""Which condition keys a trail's call had, which it lacked, and which nobody recorded."""

from __future__ import annotations

from typing import Any

import pytest

from domain.cloudtrail.judge import REFUSED, UNKNOWN, Judgement, judge
from services.trails.judged_calls import questions_of
from services.trails.rows import case_of
from tests.domain.test_cloudtrail import JANUARY, fold, reading
from tests.e2e.test_history import allow
from tests.e2e.test_trails import created, put, record, who

ENDPOINT = "vpce-1234abcdf5678c90a"
INSIDE, OUTSIDE = "10.0.0.0/8", "192.0.2.0/24"


def case_of_call(**more: Any) -> dict[str, Any]:
    found = case_of(reading(record("Decrypt", "2024-01-01T02:00:00Z", **more)))
    assert found is not None
    return found


def judged(case: dict[str, Any], **condition: Any) -> Judgement:
    """The answer of a key policy that allows the caller everything and denies everybody under the condition."""
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*", "Condition": condition}
    world = fold(created(1, "2024-01-01T00:00:00Z"), put(1, "2024-01-01T01:00:00Z", allow(who()["arn"], "kms:*"), deny))
    ((asked, resource, _, known),) = questions_of(case, world, JANUARY)
    return judge(asked, resource, "", known)


THROUGH = case_of_call(vpcEndpointId=ENDPOINT, sourceIPAddress="10.1.2.3")
BEFORE: dict[str, Any] = THROUGH | {"context": {**THROUGH["context"], "aws:sourceip": ("10.1.2.3",)}}
BEFORE["context"].pop("aws:vpcsourceip", None)


@pytest.mark.parametrize("case", [THROUGH, BEFORE], ids=["read now", "read by an earlier version"])
def test_a_call_through_a_vpc_endpoint_has_its_address_under_another_key(case: dict[str, Any]) -> None:
    """IAM user guide, reference_policies_condition-keys: aws:SourceIp is included "except when the requester uses a VPC
    endpoint". A draft that lets in private addresses alone refuses each such call."""
    assert judged(case, NotIpAddress={"aws:SourceIp": INSIDE}).answer == REFUSED
    spared = judged(case, IpAddress={"aws:SourceIp": INSIDE})
    assert (spared.answer, [each for each in spared.missing if "Ip" in each]) == (UNKNOWN, [])
    assert judged(case, NotIpAddress={"aws:VpcSourceIp": OUTSIDE}).answer == REFUSED
    assert judged(case, IpAddress={"aws:VpcSourceIp": INSIDE}).answer == REFUSED
    assert judged(case, StringEquals={"aws:SourceVpce": ENDPOINT}).answer == REFUSED
    # The record names the endpoint, but not its VPC.
    assert "aws:SourceVpc of the request" in judged(case, StringEquals={"aws:SourceVpc": "vpc-1"}).missing


def test_a_call_through_no_vpc_endpoint_lacks_the_keys_of_one() -> None:
    case = case_of_call(sourceIPAddress="10.1.2.3")
    assert judged(case, NotIpAddress={"aws:SourceIp": OUTSIDE}).answer == REFUSED
    for name in ("aws:SourceVpc", "aws:SourceVpce"):
        assert judged(case, StringNotEquals={name: "vpc-1"}).answer == REFUSED
    assert judged(case, NotIpAddress={"aws:VpcSourceIp": INSIDE}).answer == REFUSED


def test_an_address_that_a_record_hides_is_not_known_to_be_absent() -> None:
    hidden = case_of_call(vpcEndpointId=ENDPOINT, sourceIPAddress="AWS Internal")
    found = judged(hidden, IpAddress={"aws:VpcSourceIp": INSIDE})
    assert (found.answer, "aws:VpcSourceIp of the request" in found.missing) == (UNKNOWN, True)
    assert judged(case_of_call(sourceIPAddress="AWS Internal"), Null={"aws:SourceIp": "true"}).answer == UNKNOWN
