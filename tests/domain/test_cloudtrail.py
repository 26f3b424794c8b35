"""What a CloudTrail record says, what it changed, and what it leaves unknown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.cloudtrail.judge import (
    ALLOWED,
    REFUSED,
    UNKNOWN,
    Evidence,
    SeenPolicies,
    evidence_of,
    explained,
    judge,
    let_in,
)
from domain.cloudtrail.kms_changes import changes_of, is_own
from domain.cloudtrail.record import Broken, NotOurService, TrailReading, moment, read
from domain.cloudtrail.slots import before
from domain.cloudtrail.trail_call import TrailCall
from domain.identities.directory import Directory
from domain.log import events
from domain.policy import unseen
from domain.policy.compile import (
    DELEGATED,
    DIRECT,
    IDENTITY_POLICY,
    ROLE,
    Permissions,
    compile_identity_policy,
)
from domain.policy.parse import MANAGED
from domain.state.world import World
from services.exports.cloudtrail import record_of
from services.trails.judged_calls import questions_of
from services.trails.rows import case_of, names
from tests.e2e.test_history import allow, document
from tests.e2e.test_trails import A, created, key_arn, put, record, who
from tests.given import ACCOUNT
from tests.policies import delegating, key, named, permissions, policy, statement, to_identity, user_arn

JANUARY = datetime(2024, 1, 1, tzinfo=UTC)


def reading(document: dict[str, Any]) -> TrailReading:
    return read(document, names)


def fold(*records: dict[str, Any]) -> World:
    world = World(region="us-west-2", directory=Directory(ended=set()))
    for each in records:
        one = reading(each)
        world.at = one.at
        if one.region != world.region:
            world.apply(events.LogCreated("trail", one.region))
        for event in changes_of(one, world):
            world.position += 1
            world.apply(event)
    return world


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00",
        "2024-01-01T01:00:00+01:00",
        "Jan 1, 2024 12:00:00 AM",
        1704067200,
        "2024-01-01 00:00:00",
        "2024-01-01 00:00:00.000000000",
    ],
)
def test_times_are_read_in_every_form(text: Any) -> None:
    assert moment(text) == round(JANUARY.timestamp() * 1_000_000)


@pytest.mark.parametrize(
    "text", ["yesterday", "", None, True, "2024-13-01T00:00:00Z", "2024-13-01 00:00:00", [], "Jan 1"]
)
def test_an_invalid_time_makes_a_record_broken(text: Any) -> None:
    with pytest.raises(Broken):
        moment(text)


def test_a_caller_is_known_by_every_name_that_a_policy_can_mean_it_by() -> None:
    role = {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLEEXAMPLE123:i-1",
        "arn": f"arn:aws:sts::{A}:assumed-role/app/i-1",
        "accountId": A,
        "sessionContext": {
            "sessionIssuer": {"principalId": "AROAEXAMPLEEXAMPLE123", "arn": f"arn:aws:iam::{A}:role/x/app"}
        },
    }
    found = reading(record("Decrypt", "2024-01-01T00:00:00Z", 1, role))
    assert found.names == {
        f"arn:aws:sts::{A}:assumed-role/app/i-1": DIRECT,
        f"arn:aws:iam::{A}:role/x/app": ROLE,
        "AROAEXAMPLEEXAMPLE123": ROLE,
        f"arn:aws:iam::{A}:root": DELEGATED,
    }
    service = reading(
        record("Decrypt", "2024-01-01T00:00:00Z", 1, {"type": "AWSService", "invokedBy": "s3.amazonaws.com"})
    )
    assert service.names == {"Service:s3.amazonaws.com": DIRECT, "Service:s3.us-west-2.amazonaws.com": DIRECT}
    through = who() | {"invokedBy": "secretsmanager.amazonaws.com"}
    found = reading(record("Decrypt", "2024-01-01T00:00:00Z", 1, through))
    assert found.context["kms:viaservice"] == ("secretsmanager.us-west-2.amazonaws.com",)


def test_another_services_record_is_elsewhere_and_a_record_without_id_is_broken() -> None:
    with pytest.raises(NotOurService):
        reading(record("RunInstances", "2024-01-01T00:00:00Z", eventSource="ec2.amazonaws.com"))
    with pytest.raises(Broken):
        reading(record("Decrypt", "2024-01-01T00:00:00Z", eventID=None))


def test_a_key_made_without_a_policy_has_the_default_one_and_one_met_later_an_unseen_one() -> None:
    world = fold(created(1, "2024-01-01T00:00:00Z"), record("Decrypt", "2024-01-01T01:00:00Z", 2))
    made, met = (world.keys[key_arn(number).rpartition("/")[2]] for number in (1, 2))
    assert json.loads(made.policy_text)["Id"] == "key-default-1"
    assert unseen.unseen_of(made.tags) == ""
    assert json.loads(met.policy_text)["Id"] == unseen.NAME
    assert "key policy" in unseen.unseen_of(met.tags)


def test_a_policy_that_is_put_is_known_and_the_rest_of_the_key_is_not() -> None:
    world = fold(record("Decrypt", "2024-01-01T01:00:00Z", 2), put(2, "2024-01-01T02:00:00Z", statement()))
    held = world.keys[key_arn(2).rpartition("/")[2]]
    assert (held.policy_version, unseen.unseen_of(held.tags)) == (2, unseen.REST)


def test_a_refused_change_changed_nothing() -> None:
    refused = put(1, "2024-01-01T02:00:00Z", statement()) | {"errorCode": "AccessDenied"}
    world = fold(created(1, "2024-01-01T00:00:00Z"), refused)
    assert world.keys[key_arn(1).rpartition("/")[2]].policy_version == 1


def test_a_deleted_key_does_not_come_back() -> None:
    gone = record("DeleteKey", "2024-01-02T00:00:00Z", 1, {"accountId": A, "invokedBy": "AWS Internal"})
    late = record("Decrypt", "2024-01-03T00:00:00Z", 1)
    world = fold(created(1, "2024-01-01T00:00:00Z"), gone, late)
    assert world.keys == {}
    with pytest.raises(Broken):
        list(changes_of(reading(put(1, "2024-01-04T00:00:00Z", statement())), world))


def test_who_was_named_before_a_unique_id_was_seen_is_the_same() -> None:
    world = fold(
        created(1, "2024-01-01T00:00:00Z"),
        put(1, "2024-01-01T01:00:00Z", statement(Principal={"AWS": who("bob")["arn"]})),
        record("Decrypt", "2024-01-01T02:00:00Z", 1, who("bob")),
    )
    assert [each.arn for each in world.directory.identities.values()].count(who("bob")["arn"]) == 1


def test_a_grant_is_retired_by_the_id_beside_null_parameters() -> None:
    made = record(
        "CreateGrant",
        "2024-01-01T01:00:00Z",
        requestParameters={"keyId": key_arn(1), "granteePrincipal": who()["arn"], "operations": ["Decrypt"]},
        responseElements={"grantId": "g1"},
    )
    retired = record(
        "RetireGrant", "2024-01-01T02:00:00Z", requestParameters=None, additionalEventData={"grantId": "g1"}
    )
    key_id = key_arn(1).rpartition("/")[2]
    assert list(fold(created(1, "2024-01-01T00:00:00Z"), made).grants[key_id]) == ["g1"]
    assert fold(created(1, "2024-01-01T00:00:00Z"), made, retired).grants.get(key_id, {}) == {}


def test_a_managed_policy_that_was_never_seen_says_so() -> None:
    attached = record(
        "AttachUserPolicy",
        "2024-01-01T01:00:00Z",
        eventSource="iam.amazonaws.com",
        resources=[],
        requestParameters={"userName": "alice", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
    )
    world = fold(attached)
    text = world.directory.policies["arn:aws:iam::aws:policy/AdministratorAccess"].document
    assert json.loads(text)["Id"] == unseen.NAME


def test_a_key_event_is_of_our_catalogue() -> None:
    (account, key_made) = list(changes_of(reading(created(1, "2024-01-01T00:00:00Z")), World()))[-2:]
    del account
    assert isinstance(key_made, events.KeyCreated)


# -- three answers ------------------------------------------------------------------------------------------------------


def asked(action: str = "kms:Decrypt", sure: bool = False, **context: str) -> TrailCall:
    names = {user_arn(): DIRECT, f"arn:aws:iam::{ACCOUNT}:root": DELEGATED}
    given = {name.replace("__", ":"): (value,) for name, value in context.items()}
    return TrailCall(action, ACCOUNT, names, given, {}, sure, root=False)


UNSEEN = SeenPolicies(
    Permissions(compile_identity_policy(unseen.policies_of("alice"), IDENTITY_POLICY, "u", 0, MANAGED))
)
NONE = SeenPolicies(Permissions(()))
ALLOWING = SeenPolicies(permissions(to_identity()))
OWN, DELEGATING = policy(named(user_arn())), policy(delegating())


def test_known_cases_are_answered_as_by_the_evaluator() -> None:
    assert judge(asked(), key(OWN), "", NONE).answer == ALLOWED
    assert judge(asked(), key(DELEGATING), "", NONE).answer == REFUSED
    assert judge(asked(), key(DELEGATING), "", ALLOWING).answer == ALLOWED


def test_identity_policies_that_were_never_seen_leave_it_unknown() -> None:
    for text in (OWN, DELEGATING):
        found = judge(asked(), key(text), "", UNSEEN)
        assert (found.answer, found.missing) == (UNKNOWN, ("the identity policies of alice",))
    # If nothing could let the call in, it is refused, whatever the policies say.
    assert judge(asked(), key(policy(statement(Action="kms:Encrypt"))), "", UNSEEN).answer == REFUSED
    assert judge(asked(), key(policy(statement(), statement(Effect="Deny"))), "", UNSEEN).answer == REFUSED


def test_a_call_that_was_let_in_shows_that_nothing_denied_it() -> None:
    assert judge(asked(), key(OWN), "", UNSEEN, Evidence(False, False)).answer == ALLOWED
    # ... and if only a delegation could let it in, an identity policy allowed it.
    evidence = evidence_of(asked(), key(DELEGATING), "", UNSEEN)
    assert evidence == Evidence(identity=True, limits=True)
    assert judge(asked(), key(DELEGATING), "", UNSEEN, evidence).answer == ALLOWED
    # If her own statement could let it in, nothing is known of her policies: a draft that only delegates is unknown.
    evidence = evidence_of(asked(), key(policy(delegating(), named(user_arn()))), "", UNSEEN)
    assert judge(asked(), key(DELEGATING), "", UNSEEN, evidence).answer == UNKNOWN


@pytest.mark.parametrize("held", [NONE, ALLOWING, UNSEEN], ids=["none", "allowing", "unseen"])
@pytest.mark.parametrize("of_key", ["", unseen.POLICY, unseen.REST])
def test_what_was_let_in_is_judged_with_what_follows_from_that(held: SeenPolicies, of_key: str) -> None:
    """If nothing depends on the call, the ways in are computed once. The answer is the same."""
    denied = policy(delegating(), statement(Effect="Deny"))
    both = policy(delegating(), named(user_arn()))
    nothing = policy(statement(Action="kms:Encrypt"))
    for text in (OWN, DELEGATING, denied, both, nothing, unseen.document("of the key", of_key=True)):
        evidence = evidence_of(asked(), key(text), of_key, held)
        assert let_in(asked(), key(text), of_key, held) == judge(asked(), key(text), of_key, held, evidence)


def test_a_condition_that_nobody_recorded_leaves_it_unknown() -> None:
    text = policy(named(user_arn(), Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}))
    found = judge(asked(), key(text), "", NONE)
    assert (found.answer, found.missing) == (UNKNOWN, ("aws:PrincipalOrgID of the request",))
    assert judge(asked(sure=True), key(text), "", NONE).answer == REFUSED
    assert judge(asked(aws__principalorgid="o-1"), key(text), "", NONE).answer == ALLOWED
    # The request did not have a parameter that the record does not have.
    text = policy(named(user_arn(), Condition={"StringEquals": {"kms:EncryptionContext:app": "x"}}))
    assert judge(asked(), key(text), "", NONE).answer == REFUSED


def test_a_key_from_before_the_trail_is_never_refused_for_what_was_not_seen() -> None:
    before = key(unseen.policy_before("key"))
    assert judge(asked(), before, unseen.POLICY, NONE).answer == UNKNOWN
    nothing = key(policy(statement(Action="kms:Encrypt")))
    assert judge(asked(), nothing, unseen.REST, NONE).answer == UNKNOWN  # a grant may have allowed it
    assert judge(asked(), nothing, "", NONE).answer == REFUSED


def test_calls_that_the_policies_do_not_explain_are_reported() -> None:
    assert explained(asked(), key(OWN), "", NONE, refused=False, denied=False)[0] == "explained"
    assert (
        explained(asked(), key(policy(statement(Action="kms:Encrypt"))), "", NONE, refused=False, denied=False)[0]
        == "unexplained"
    )
    assert explained(asked(), key(OWN), "", NONE, refused=True, denied=True)[0] == "unexplained"
    assert explained(asked(), key(OWN), "", NONE, refused=True, denied=False)[0] == "other error"
    assert explained(asked(), key(OWN), "", UNSEEN, refused=True, denied=True)[0] == "open"


def iam(operation: str, response: Any = None, identity: Any = None, **parameters: Any) -> dict[str, Any]:
    return record(
        operation, "2024-01-01T01:00:00Z", 1, identity, eventSource="iam.amazonaws.com", resources=[],
        requestParameters=parameters or None, responseElements=response,
    )  # fmt: skip


def made(access_key: str, **more: Any) -> dict[str, Any]:
    return {"accessKey": {"accessKeyId": access_key, "status": "Active", **more}}


ROOT_USER = {"type": "Root", "principalId": A, "arn": f"arn:aws:iam::{A}:root", "accountId": A}


def test_access_keys_are_made_changed_and_deleted() -> None:
    def keys(*records: dict[str, Any]) -> dict[str, str]:
        world = fold(*records)
        return {
            f"{each.name} {name}": held.status
            for each in world.directory.identities.values()
            for name, held in each.access_keys.items()
        }

    named, own = iam("CreateAccessKey", made("AKIA1"), userName="bob"), iam("CreateAccessKey", made("AKIA2"))
    assert keys(named, own) == {"bob AKIA1": "Active", "alice AKIA2": "Active"}
    # By a role's session, for the user whom the answer names.
    assert keys(iam("CreateAccessKey", made("AKIA3", userName="carol"))) == {"carol AKIA3": "Active"}
    off = iam("UpdateAccessKey", userName="bob", accessKeyId="AKIA1", status="Inactive")
    assert keys(named, off) == keys(off) == {"bob AKIA1": "Inactive"}
    gone = iam("DeleteAccessKey", userName="bob", accessKeyId="AKIA1")
    assert keys(named, gone) == keys(gone) == {}
    # The access key of a user who got another name, which the trail did not see.
    assert keys(named, iam("UpdateAccessKey", userName="robert", accessKeyId="AKIA1", status="Active")) == {
        "robert AKIA1": "Active"
    }
    assert keys(named, gone | {"requestParameters": {"userName": "robert", "accessKeyId": "AKIA1"}}) == {}
    world = fold(iam("CreateAccessKey", made("AKIA9"), ROOT_USER))
    assert world.accounts[A].access_keys["AKIA9"] == "Active"
    world = fold(iam("DeleteAccessKey", None, ROOT_USER, accessKeyId="AKIA9"))
    assert world.accounts[A].access_keys["AKIA9"] == "Inactive"


def test_a_services_own_role_and_the_tags_of_a_policy_are_changes() -> None:
    arn = f"arn:aws:iam::{A}:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX"
    told = {"role": {"roleName": "AWSServiceRoleForX", "roleId": "AROAXXXXXXXXXXXXXXXXX", "arn": arn}}
    world = fold(iam("CreateServiceLinkedRole", told, aWSServiceName="x.amazonaws.com"))
    assert world.directory.identities["AROAXXXXXXXXXXXXXXXXX"].arn == arn
    policy = iam("CreatePolicy", policyName="m", policyDocument=unseen.document("x", of_key=False))
    tag = iam("TagPolicy", policyArn=f"arn:aws:iam::{A}:policy/m", tags=[{"key": "a", "value": "b"}])
    assert fold(policy, tag).directory.policies[f"arn:aws:iam::{A}:policy/m"].tags == {"a": "b"}


KEY = key_arn(1)
USER = f"User: {who()['arn']} is not authorized to perform: kms:Decrypt"
FORMS: dict[str, tuple[str, str, str, str]] = {
    f"{USER} on resource: {KEY} because no identity-based policy allows the kms:Decrypt action": (KEY, "identity-policy", "nothing-allows", ""),
    f"{USER} on resource: {KEY} because no resource-based policy allows the kms:Decrypt action": (KEY, "key-policy", "nothing-allows", ""),
    f"{USER} on resource: {KEY} because no session policy allows the kms:Decrypt action": (KEY, "session-policy", "nothing-allows", ""),
    f"{USER} on resource: {KEY} because no permissions boundary allows the kms:Decrypt action": (KEY, "boundary", "nothing-allows", ""),
    f"{USER} on resource: {KEY} because no service control policy allows the kms:Decrypt action": (KEY, "service-control-policy", "nothing-allows", ""),
    f"{USER} on resource: {KEY} because no resource control policy allows the kms:Decrypt action": (KEY, "resource-control-policy", "nothing-allows", ""),
    f"{USER} on resource: {KEY} because no VPC endpoint policy allows the kms:Decrypt action": (KEY, "vpc-endpoint-policy", "nothing-allows", ""),
    f"{USER} on resource: {KEY} with an explicit deny in an identity-based policy": (KEY, "identity-policy", "explicit-deny", ""),
    f"{USER} on resource: {KEY} with an explicit deny in an identity-based policy: arn:aws:iam::{A}:policy/no": (KEY, "identity-policy", "explicit-deny", f"arn:aws:iam::{A}:policy/no"),
    f"{USER} on resource: {KEY} with an explicit deny in a resource-based policy": (KEY, "key-policy", "explicit-deny", ""),
    f"{USER} on resource: {KEY} with an explicit deny in a service control policy": (KEY, "service-control-policy", "explicit-deny", ""),
    f"{USER} on resource: {KEY} with an explicit deny in a VPC endpoint policy": (KEY, "vpc-endpoint-policy", "explicit-deny", ""),
    f"{USER} on resource: {KEY} with an explicit deny in a permissions boundary": (KEY, "boundary", "explicit-deny", ""),
    f"{USER} on resource: {KEY} with an explicit deny": (KEY, "", "explicit-deny", ""),
    f"{USER} on resource: {KEY} because no VPC endpoint policies allow the kms:Decrypt action": (KEY, "vpc-endpoint-policy", "nothing-allows", ""),
    **{f"{USER} on resource: {opens}{KEY}{closes} with an explicit deny in a session policy": (KEY, "session-policy", "explicit-deny", "") for opens, closes in ("\u201c\u201d", "\u201e\u201c", "\u00ab\u00bb", "''", '""')},
    f"{USER} on resource: {KEY[:-20]}": ("", "", "", ""),
    f"{USER} on resource: {KEY.partition('key/')[0]}key/* because no identity-based policy allows the kms:Decrypt action": ("", "identity-policy", "nothing-allows", ""),
    f"{USER} on resource: {KEY} because no resource-ba": (KEY, "", "", ""),
    f"{USER} on resource: {key_arn(1, '444455556666')} because no resource-based policy allows the kms:Decrypt action": (key_arn(1, "444455556666"), "key-policy", "nothing-allows", ""),
    f"{USER} on resource: {KEY}": (KEY, "", "", ""),
    f"{USER} on resource: \"{KEY}\" because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access": (KEY, "", "", ""),
    f"{USER} on the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access": ("", "", "", ""),
    f"{USER} on the resource associated with this ciphertext because no identity-based policy allows the kms:Decrypt action": ("", "identity-policy", "nothing-allows", ""),
    "User: x is not authorized to perform: kms:CreateKey on resource: * because no identity-based policy allows the kms:CreateKey action": ("", "identity-policy", "nothing-allows", ""),
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.": ("", "", "", ""),
    "": ("", "", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("message", FORMS)
def test_a_denied_call_belongs_to_the_key_of_its_message_and_tells_which_policy_refused(message: str) -> None:
    """KMS leaves resources and parameters out of such records."""
    found = reading(
        record("Decrypt", "2024-01-01T00:00:00Z", requestParameters=None, resources=[], errorCode="AccessDenied", errorMessage=message)
    )  # fmt: skip
    assert (found.key, found.denial.kind, found.denial.rule, found.denial.policy) == FORMS[message]
    assert found.resources == ((found.key,) if found.key else ())


def test_the_key_that_a_denied_re_encrypt_names_is_asked_for_what_the_message_says() -> None:
    message = f"User: x is not authorized to perform: kms:ReEncryptTo on resource: {KEY} because no resource-based policy allows the kms:ReEncryptTo action"  # fmt: skip
    denied = record("ReEncrypt", "2024-01-01T01:00:00Z", requestParameters=None, resources=[], errorCode="AccessDenied", errorMessage=message)  # fmt: skip
    case = case_of(reading(denied))
    assert case is not None
    ((question, *_),) = questions_of(case, fold(created(1, "2024-01-01T00:00:00Z"), denied), JANUARY)
    assert question.action == "kms:ReEncryptTo"


def test_a_denial_that_the_trail_cannot_explain_names_the_policy_that_aws_named() -> None:
    def found(kind: str, known: SeenPolicies = UNSEEN) -> tuple[str, Any, tuple[str, ...]]:
        told = {"kind": kind, "rule": "nothing-allows"}
        outcome, by = explained(asked(), key(OWN), "", known, refused=True, denied=True, denial=told)
        return outcome, by.by.get("kind"), by.missing

    assert found("identity-policy")[:2] == ("open", "identity-policy")
    # Something that no trail shows may have refused a call that everything shown would allow.
    assert found("service-control-policy", NONE) == (
        "open",
        "service-control-policy",
        ("the service control policy that refused it",),
    )
    assert found("key-policy", NONE)[0] == "unexplained"


@pytest.mark.parametrize("identity", [{}, {"accountId": A}, {"type": "AWSAccount"}, {"type": "AWSService"}])
def test_a_caller_whom_a_record_does_not_name_is_nobody_else(identity: dict[str, Any]) -> None:
    more = {"recipientAccountId": ""} if identity.get("type") == "AWSAccount" else {}
    found = reading(record("Decrypt", "2024-01-01T00:00:00Z", 1, identity, **more))
    assert found.principal == "not recorded"
    internal = reading(record("DeleteKey", "2024-01-01T00:00:00Z", 1, {"accountId": A, "invokedBy": "AWS Internal"}))
    assert internal.principal == "AWS Internal"
    other = reading(record("Decrypt", "2024-01-01T00:00:00Z", 1, {"type": "AWSAccount", "accountId": "444455556666"}))
    assert other.principal == "444455556666"


def test_a_policy_put_on_a_key_from_before_is_its_own_event_and_no_tag() -> None:
    world = fold(record("Decrypt", "2024-01-01T01:00:00Z", 2))
    one = reading(put(2, "2024-01-01T02:00:00Z", statement()))
    own = [event for event in changes_of(one, world) if is_own("PutKeyPolicy", event)]
    assert [type(each) for each in own] == [events.PolicyReplaced]


ONE, TWO = key_arn(1), key_arn(2)


@pytest.mark.parametrize(
    ("listed", "told", "expected"),
    [
        ([ONE, TWO], {"sourceKeyId": ONE, "destinationKeyId": TWO}, (ONE, TWO)),
        ([TWO, ONE], {"sourceKeyId": ONE, "destinationKeyId": TWO}, (ONE, TWO)),
        ([TWO, ONE], {"destinationKeyId": TWO.rpartition("/")[2]}, (ONE, TWO)),
        ([TWO, ONE], {"sourceKeyId": ONE, "destinationKeyId": "alias/two"}, (ONE, TWO)),
        ([ONE, TWO], {"destinationKeyId": "alias/two"}, (ONE, TWO)),
        ([ONE], {"destinationKeyId": TWO}, (ONE, TWO)),
        ([ONE], {"sourceKeyId": ONE, "destinationKeyId": ONE}, (ONE, ONE)),
        ([], {"sourceKeyId": ONE, "destinationKeyId": TWO}, (ONE, TWO)),
        ([], {"destinationKeyId": TWO}, (TWO, TWO)),
        ([], {}, ()),
    ],
)
def test_re_encrypt_uses_two_keys_as_the_request_names_them(
    listed: list[str], told: dict[str, str], expected: tuple[str, ...]
) -> None:
    resources = [{"ARN": arn, "type": "AWS::KMS::Key"} for arn in listed]
    found = reading(record("ReEncrypt", "2024-01-01T00:00:00Z", requestParameters=told, resources=resources))
    assert found.resources == expected


def test_a_key_of_a_trail_whose_record_names_no_resource_is_exported() -> None:
    event = {"key": "k", "account": A, "origin": "AWS_KMS", "description": "", "usage": "ENCRYPT_DECRYPT", "spec": "SYMMETRIC_DEFAULT"}  # fmt: skip
    item = {
        "operation": "CreateKey", "event_type": "key.created.v1", "kind": None, "inputs": None, "at": "2024-01-01T00:00:00.000000Z",
        "principal": who()["arn"], "account": A, "access_key": "", "source": "", "agent": "", "via": None, "parameters": {},
        "event": event, "effect": "allowed", "resources": [], "call_id": "c",
    }  # fmt: skip
    found = record_of(item, "us-west-2")
    assert (found["responseElements"]["keyMetadata"]["aWSAccountId"], found["resources"]) == (A, [])
    assert reading(found).operation == "CreateKey"


def test_a_key_of_several_regions_is_a_key_in_each() -> None:
    def of(region: str, operation: str, at: str, **request: Any) -> dict[str, Any]:
        arn = f"arn:aws:kms:{region}:{A}:key/mrk-1234abcd12ab34cd56ef1234567890ab"
        return record(
            operation, at, awsRegion=region, resources=[{"ARN": arn}], requestParameters={"keyId": arn, **request}
        )

    policies = {region: document(allow(who(name)["arn"], "kms:*")) for region, name in (("us-west-2", "alice"), ("eu-west-1", "bob"))}  # fmt: skip
    world = fold(
        *(of(region, "PutKeyPolicy", "2024-01-01T00:00:00Z", policy=text) for region, text in policies.items()),
        of("eu-west-1", "UpdateAlias", "2024-01-01T01:00:00Z", aliasName="alias/a", targetKeyId="mrk-1234abcd12ab34cd56ef1234567890ab"),
    )  # fmt: skip
    assert {each.arn.split(":")[3]: each.policy_text for each in world.keys.values()} == policies
    assert [each.arn.rpartition("/")[2] for each in world.keys.values()] == ["mrk-1234abcd12ab34cd56ef1234567890ab"] * 2
    (alias,) = world.aliases.values()
    assert world.keys[alias.key].arn.split(":")[3] == "eu-west-1"


def test_an_alias_of_one_name_is_another_alias_in_each_region() -> None:
    """An alias belongs to one Region (developer guide, alias-about)."""
    near, far = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"

    def of(region: str, operation: str, at: str, key: str) -> dict[str, Any]:
        arn = f"arn:aws:kms:{region}:{A}:key/{key}"
        told = {"aliasName": "alias/payroll", "targetKeyId": key}
        return record(operation, at, awsRegion=region, resources=[{"ARN": arn}], requestParameters=told)

    both = (
        of("us-west-2", "CreateAlias", "2024-01-01T00:00:00Z", near),
        of("eu-west-1", "CreateAlias", "2024-01-02T00:00:00Z", far),
    )
    world = fold(*both)
    assert [list(world.aliases_of(key)) for key in (near, far)] == [["alias/payroll"]] * 2
    assert list(world.alias_names(A)) == ["alias/payroll"]
    assert before(("alias", "us-west-2", A, "alias/payroll"), world) == near
    world = fold(*both, of("us-west-2", "DeleteAlias", "2024-01-03T00:00:00Z", near))
    assert [list(world.aliases_of(key)) for key in (near, far)] == [[], ["alias/payroll"]]
    assert list(world.alias_names(A)) == ["alias/payroll"]


@pytest.mark.parametrize("number", [2**63, 2**62 + 1, -2, True, 1.5, "1"])
def test_a_position_that_no_log_has_makes_a_record_broken(number: Any) -> None:
    """Postgres refused the whole batch, and every later import of the file."""
    for name in ("position", "seen"):
        with pytest.raises(Broken, match=f"keytrail.{name} is no position"):
            reading(record("Decrypt", "2024-01-01T00:00:00Z", additionalEventData={"keytrail": {name: number}}))
