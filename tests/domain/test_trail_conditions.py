"""Which condition keys a trail's call had, which it lacked, and which nobody recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.cloudtrail.judge import ALLOWED, REFUSED, UNKNOWN, Judgement, SeenPolicies, explained, judge
from domain.cloudtrail.record import Broken
from domain.policy import unseen
from services.trails.judged_calls import questions_of
from services.trails.rows import case_of
from tests.domain.test_cloudtrail import DELEGATING, JANUARY, NONE, OWN, asked, fold, reading
from tests.e2e.test_history import allow, document
from tests.e2e.test_trails import created, key_arn, put, record, who
from tests.given import ACCOUNT
from tests.policies import key, named, permissions, policy, statement, to_identity, user_arn

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


# -- Resource with policy variables ----------------------------------------------------------------------------------------

MINE = "arn:aws:kms:*:*:key/${aws:PrincipalTag/Keys}"
TEAM = ("aws:PrincipalTag/Keys of the request",)


@pytest.mark.parametrize("version", ["2012-10-17", "2008-10-17"])
def test_a_resource_that_reads_what_nobody_recorded_may_cover_the_key(version: str) -> None:
    """The Deny may be what refused the call. Under the earlier version of the language the text is no variable."""
    deny = policy(statement(Effect="Deny", Resource=MINE), named(user_arn()), version=version)
    found = explained(asked(), key(deny), "", NONE, refused=True, denied=True)
    if version == "2012-10-17":
        assert (found[0], found[1].missing) == ("open", TEAM)
        assert judge(asked(), key(deny), "", NONE).answer == UNKNOWN
    else:
        assert (found[0], found[1].answer) == ("unexplained", ALLOWED)


def test_a_resource_whose_variables_are_recorded_is_known() -> None:
    deny = policy(statement(Effect="Deny", Resource="arn:aws:kms:*:*:key/${aws:username}"), named(user_arn()))
    assert judge(asked(aws__username="alice"), key(deny), "", NONE).answer == ALLOWED
    own = key(deny).arn.rpartition("/")[2]
    assert judge(asked(aws__username=own), key(deny), "", NONE).answer == REFUSED
    # A record that names no user tells that there was none. Whoever exports our own log tells everything.
    assert judge(asked(), key(deny), "", NONE).answer == ALLOWED
    untagged = policy(statement(Effect="Deny", Resource=MINE), named(user_arn()))
    assert judge(asked(sure=True), key(untagged), "", NONE).answer == ALLOWED


ELSEWHERE, EVERYWHERE = MINE.replace("kms:*:*", "kms:eu-north-1:*"), "arn:aws:kms:*:*:key/*"
OPEN_RESOURCES: dict[str, tuple[dict[str, Any], str]] = {
    "it may be the key": ({"Resource": MINE}, UNKNOWN),
    "it may be the key, and has a default": ({"Resource": MINE.replace("}", ", 'none'}")}, UNKNOWN),
    "it is no key of this Region": ({"Resource": ELSEWHERE}, ALLOWED),
    "another pattern covers the key": ({"Resource": [MINE, EVERYWHERE]}, REFUSED),
    "all but what may be the key": ({"NotResource": MINE}, UNKNOWN),
    "all but what another pattern covers": ({"NotResource": [MINE, EVERYWHERE]}, ALLOWED),
    "all but no key of this Region": ({"NotResource": ELSEWHERE}, REFUSED),
    "the condition does not hold": ({"Resource": MINE, "Condition": {"Bool": {"aws:PrincipalIsAWSService": "true"}}}, ALLOWED),
}  # fmt: skip


@pytest.mark.parametrize("case", OPEN_RESOURCES)
def test_an_open_resource_says_no_more_than_it_must(case: str) -> None:
    elements, answer = OPEN_RESOURCES[case]
    found = judge(asked(), key(OWN), "", SeenPolicies(permissions({"Effect": "Deny", "Action": "kms:*"} | elements)))
    assert (found.answer, found.missing) == (answer, TEAM if answer == UNKNOWN else ())


def test_an_open_resource_may_allow_too() -> None:
    held = SeenPolicies(permissions(to_identity(Resource=MINE)))
    assert judge(asked(), key(DELEGATING), "", held).missing == TEAM
    assert judge(asked(), key(DELEGATING), "", held).answer == UNKNOWN


def test_a_condition_with_a_policy_variable_names_the_value_that_is_missing() -> None:
    held = SeenPolicies(
        permissions(to_identity(Condition={"StringEquals": {"aws:username": "${aws:PrincipalTag/Keys}"}}))
    )
    assert judge(asked(aws__username="alice"), key(DELEGATING), "", held).missing == TEAM


# -- what was never seen of the key -----------------------------------------------------------------------------------------


def test_an_identity_policy_that_reads_a_key_from_before_the_trail_is_not_known_to_say_nothing() -> None:
    """Its tags were never seen, so an identity policy's Deny for a tag may deny the call, as a key policy's may."""
    of_tag = {"Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}}
    denying = SeenPolicies(permissions(to_identity(Effect="Deny", **of_tag)))
    found = judge(asked(), key(OWN), unseen.REST, denying)
    assert (found.answer, found.missing) == (UNKNOWN, ("aws:ResourceTag/team of the request",))
    assert judge(asked(), key(OWN), "", denying).answer == ALLOWED
    limited = SeenPolicies(permissions(to_identity()), boundary=permissions(to_identity(**of_tag)))
    assert judge(asked(), key(DELEGATING), unseen.REST, limited).missing == ("aws:ResourceTag/team of the request",)
    # Its account is in its ARN.
    other = to_identity(Effect="Deny", Condition={"StringNotEquals": {"aws:ResourceAccount": ACCOUNT}})
    known = replace(key(OWN), context={"aws:resourceaccount": (ACCOUNT,)})
    assert judge(asked(), known, unseen.REST, SeenPolicies(permissions(other))).answer == ALLOWED


MULTI_REGION = "arn:aws:kms:us-west-2:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"


@pytest.mark.parametrize(("arn", "several"), [(MULTI_REGION, "true"), (key_arn(1), "false")])
@pytest.mark.parametrize("before", [False, True], ids=["made in the trail", "from before the trail"])
def test_whether_a_key_is_of_several_regions_is_told_by_its_id(arn: str, several: str, *, before: bool) -> None:
    """ "Multi-Region keys have a distinctive key ID that begins with mrk-" (KMS developer guide, multi-region-keys-overview)."""
    text = document(allow(who()["arn"], "kms:*", Condition={"Bool": {"kms:MultiRegion": several}}))
    resources = [{"ARN": arn}]
    made = record("CreateKey", "2024-01-01T00:00:00Z", resources=resources, responseElements={"keyMetadata": {"arn": arn}}, requestParameters={"policy": text})  # fmt: skip
    put_later = record("PutKeyPolicy", "2024-01-01T00:00:00Z", resources=resources, requestParameters={"keyId": arn, "policy": text})  # fmt: skip
    case = case_of_call(resources=resources, requestParameters={"keyId": arn})
    (question,) = questions_of(case, fold(put_later if before else made), JANUARY)
    assert explained(*question, refused=False, denied=False)[0] == "explained"


# -- the request's parameters ------------------------------------------------------------------------------------------------

ASKS_FOR_APP = {"StringEquals": {"kms:EncryptionContext:app": "x"}}
APP = "kms:EncryptionContext:app of the request"


def answers(case: dict[str, Any], *statements: dict[str, Any], changes: Any = ()) -> list[tuple[str, tuple[str, ...]]]:
    """(outcome, missing) for each key of the call, under a policy of these statements."""
    texts = [put(number, "2024-01-01T01:00:00Z", *statements) for number in (1, 2)]
    world = fold(*(created(number, "2024-01-01T00:00:00Z") for number in (1, 2)), *texts, *changes)
    denied = bool(case["error"])
    found = [
        explained(*each, refused=denied, denied=denied, denial=case.get("denial"))
        for each in questions_of(case, world, JANUARY)
    ]
    return [(outcome, judgement.missing) for outcome, judgement in found]


def denied_call(**more: Any) -> dict[str, Any]:
    message = f"User: {who()['arn']} is not authorized to perform: kms:Decrypt on resource: {key_arn(1)}"
    left_out: dict[str, Any] = {"requestParameters": None, "resources": []}
    return case_of_call(**left_out | {"errorCode": "AccessDenied", "errorMessage": message} | more)


@pytest.mark.parametrize("earlier", [False, True], ids=["read now", "read by an earlier version"])
def test_a_denied_call_did_not_lack_the_parameters_that_its_record_lacks(*, earlier: bool) -> None:
    """KMS leaves them out of the record. An earlier version did not note that."""

    def read(**more: Any) -> dict[str, Any]:
        return {name: each for name, each in denied_call(**more).items() if not earlier or name != "parameters"}

    allowing = allow(who()["arn"], "kms:*", Condition=ASKS_FOR_APP)
    denying = allow("*", "kms:*", Effect="Deny", Condition={"StringNotEquals": {"kms:EncryptionContext:app": "x"}})
    for statements in ([allowing], [allow(who()["arn"], "kms:*"), denying]):
        ((outcome, missing),) = answers(read(), *statements)
        assert (outcome, APP in missing) == ("open", True)
        told = {"requestParameters": {"keyId": key_arn(1), "encryptionContext": {"app": "y"}}}
        assert answers(read(**told), *statements) == [("explained", ())]
    # A default is no more than what the request may have said.
    of_default = allow("*", "kms:*", Effect="Deny", Condition={"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}})  # fmt: skip
    ((outcome, missing),) = answers(read(), allow(who()["arn"], "kms:*"), of_default)
    assert (outcome, "kms:EncryptionAlgorithm of the request" in missing) == ("open", True)


def re_encrypted(source: dict[str, str], destination: dict[str, str], keys: tuple[int, int] = (1, 2)) -> dict[str, Any]:
    told = {
        "sourceKeyId": key_arn(keys[0]),
        "destinationKeyId": key_arn(keys[1]),
        "sourceEncryptionContext": source,
        "destinationEncryptionContext": destination,
    }
    two = [{"ARN": key_arn(number), "type": "AWS::KMS::Key"} for number in dict.fromkeys(keys)]
    found = case_of(reading(record("ReEncrypt", "2024-01-01T02:00:00Z", requestParameters=told, resources=two)))
    assert found is not None
    return found


def test_re_encrypt_has_an_encryption_context_for_each_key() -> None:
    allowing = allow(who()["arn"], "kms:*", Condition=ASKS_FOR_APP)
    for source, destination in (({"app": "x"}, {"app": "x"}), ({"app": "x"}, {"app": "y"}), ({}, {"app": "x"})):
        expected = ["explained" if each == {"app": "x"} else "unexplained" for each in (source, destination)]
        assert [outcome for outcome, _ in answers(re_encrypted(source, destination), allowing)] == expected
    earlier = re_encrypted({"app": "x"}, {"app": "x"})
    del earlier["sides"]
    assert [(outcome, APP in missing) for outcome, missing in answers(earlier, allowing)] == [("open", True)] * 2


@pytest.mark.parametrize(("keys", "same"), [((1, 1), "true"), ((1, 2), "false")])
def test_re_encrypt_on_the_same_key_is_told_by_its_keys(keys: tuple[int, int], same: str) -> None:
    allowing = allow(who()["arn"], "kms:*", Condition={"Bool": {"kms:ReEncryptOnSameKey": same}})
    assert answers(re_encrypted({}, {}, keys), allowing) == [("explained", ())] * 2


def test_a_side_of_re_encrypt_that_no_condition_can_read_is_broken() -> None:
    with pytest.raises(Broken, match="no text"):
        re_encrypted({"app": 5}, {})  # type: ignore[dict-item]


def test_a_grant_whose_constraint_reads_what_nobody_recorded_may_let_the_call_in() -> None:
    def granting(**constraints: Any) -> dict[str, Any]:
        told = {"keyId": key_arn(1), "granteePrincipal": who()["arn"], "operations": ["Decrypt"]}
        return record("CreateGrant", "2024-01-01T01:30:00Z", 1, who("admin"), requestParameters=told | {"constraints": constraints}, responseElements={"grantId": "g1"})  # fmt: skip

    nobody = allow(who("admin")["arn"], "kms:*")
    from_bucket = granting(sourceArn="arn:aws:s3:::bucket")
    assert answers(case_of_call(), nobody, changes=[from_bucket]) == [("open", ("aws:SourceArn of the request",))]
    pairs = granting(encryptionContextSubset={"app": "x"})
    assert answers(case_of_call(), nobody, changes=[pairs]) == [("unexplained", ())]
    ((outcome, missing),) = answers(denied_call(), nobody, changes=[pairs])
    assert (outcome, "the encryption context of the request" in missing) == ("open", True)
    # What is known already keeps it out.
    both = granting(sourceArn="arn:aws:s3:::bucket", encryptionContextSubset={"app": "x"})
    assert answers(case_of_call(), nobody, changes=[both]) == [("unexplained", ())]
