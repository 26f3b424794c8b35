"""Answers of AWS's API as the beginning of a trail."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from domain.cloudtrail.answers import UnreadPart, parts_of
from domain.cloudtrail.kms_changes import changes_of
from domain.cloudtrail.known import Fact, beginning, changed_by, fact, fact_of
from domain.cloudtrail.record import Broken
from domain.cloudtrail.steps import step_of, told_by
from domain.policy import unseen
from domain.state.world import World
from services.trails.answers import known_in
from services.trails.prepared import RecordPreparer
from tests.domain.test_cloudtrail import iam, reading
from tests.e2e.test_history import allow, document
from tests.e2e.test_trails import A, created, key_arn, put, record, who

KEY = key_arn(1)
T = "2024-01-01T00:00:00Z"
USE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"}],
}
MANAGED, OF_AWS = f"arn:aws:iam::{A}:policy/m", "arn:aws:iam::aws:policy/ReadOnlyAccess"
GRANT = {"KeyId": KEY, "GrantId": "g1", "GranteePrincipal": who("bob")["arn"], "IssuingAccount": f"arn:aws:iam::{A}:root", "Operations": ["Decrypt"]}  # fmt: skip
DETAILS = {
    "UserDetailList": [
        {"Arn": who()["arn"], "UserId": "AIDAALICEXXXXXXXXXXXX", "UserName": "alice", "Path": "/", "GroupList": ["g"],
         "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": USE}], "AttachedManagedPolicies": [{"PolicyArn": MANAGED}],
         "Tags": [{"Key": "team", "Value": "a"}]}
    ],
    "GroupDetailList": [{"Arn": f"arn:aws:iam::{A}:group/g", "GroupId": "AGPAXXXXXXXXXXXXXXXXX", "GroupName": "g", "GroupPolicyList": []}],
    "RoleDetailList": [
        {"Arn": f"arn:aws:iam::{A}:role/x/r", "RoleId": "AROAXXXXXXXXXXXXXXXXX", "AssumeRolePolicyDocument": "%7B" + json.dumps(TRUST)[1:],
         "RolePolicyList": [], "AttachedManagedPolicies": [],
         "PermissionsBoundary": {"PermissionsBoundaryArn": "arn:aws:iam::aws:policy/PowerUserAccess"}}
    ],
    "Policies": [
        {"Arn": MANAGED, "PolicyId": "ANPAXXXXXXXXXXXXXXXXX", "DefaultVersionId": "v3",
         "PolicyVersionList": [{"VersionId": "v3", "Document": USE}, {"VersionId": "v2", "Document": USE}]}
    ],
}  # fmt: skip


def managed(arn: str, default: str, **versions: Any) -> dict[str, Any]:
    told = [{"VersionId": name, "Document": text} for name, text in versions.items()]
    return {"Arn": arn, "PolicyId": "ANPAXXXXXXXXXXXXXXXX2", "DefaultVersionId": default, "PolicyVersionList": told}


def facts(answer: Any, key: str = "", at: int = 5) -> dict[str, dict[str, Fact]]:
    found: dict[str, dict[str, Fact]] = {}
    for part in parts_of(answer, key):
        assert not isinstance(part, UnreadPart)
        each = fact(part, at)
        assert fact_of(json.loads(json.dumps(each.record()))) == each
        found.setdefault(each.kind, {})[each.subject] = each
    return found


def begun(known: dict[str, dict[str, Fact]]) -> World:
    world = World(region="us-west-2")
    for _, made in beginning(known, world):
        for _, event in made:
            world.position += 1
            world.apply(event)
    return world


def test_a_key_policy_and_grants_are_known_and_the_rest_of_the_key_is_not() -> None:
    text = document(allow(who()["arn"], "kms:*"))
    policy, grants = facts({"Policy": text, "PolicyName": "default"}, KEY), facts({"Grants": [GRANT]})
    key = begun(policy | grants).keys[KEY.rpartition("/")[2]]
    assert (key.policy_text, unseen.unseen_of(key.tags)) == (text, "aliases, tags and specification")
    assert not unseen.may_let_in(unseen.unseen_of(key.tags))
    world = begun(grants)
    assert unseen.unseen_of(world.keys[key.id].tags) == "key policy, aliases, tags and specification"
    assert list(world.grants[key.id]) == ["g1"]
    assert unseen.unseen_of(begun(policy).keys[key.id].tags) == unseen.REST
    # that there are no grants is known too
    assert not unseen.may_let_in(unseen.unseen_of(begun(policy | facts({"Grants": []}, KEY)).keys[key.id].tags))


def test_identities_are_known_with_everything_that_decides() -> None:
    directory = begun(facts(DETAILS)).directory
    alice, role = directory.find("user", A, "alice"), directory.find("role", A, "r")
    assert alice is not None
    assert role is not None
    assert (list(alice.inline), list(alice.attached), len(alice.groups)) == (["p"], [MANAGED], 1)
    assert (alice.tags["team"], unseen.NAME in alice.inline) == ("a", False)
    policy = directory.policies[MANAGED]
    assert (policy.default, sorted(policy.versions)) == ("v3", ["v2", "v3"])
    # An AWS managed policy that the answer does not hold is not guessed.
    assert unseen.is_document(directory.policies[role.boundary].document)
    assert (role.path, json.loads(role.role.trust if role.role else "")) == ("/x/", TRUST)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([], "no JSON object"),
        ({"a": 1}, "no answer of get-key-policy"),
        ({"Grants": [], "Truncated": True}, "one page of several"),
        ({"UserDetailList": [], "IsTruncated": True}, "one page of several"),
        ({"Grants": []}, "--key"),
        ({"Policy": document(allow("*", "kms:*"))}, "--key"),
    ],
)
def test_a_failed_answer_says_why(answer: Any, why: str) -> None:
    with pytest.raises(Broken, match=why):
        list(parts_of(answer, ""))


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"Policies": [{"Arn": MANAGED, "DefaultVersionId": "v2", "PolicyVersionList": []}]}, f"{MANAGED}: it does not say what version v2 is"),
        ({"UserDetailList": [{}]}, "somebody in it: it has no Arn"),
        ({"UserDetailList": [5]}, "somebody in it is not shaped as in an answer"),
        ({"GroupDetailList": [{"Arn": "arn:aws:iam::1:group/g", "GroupPolicyList": [{"PolicyDocument": "{"}]}]}, "arn:aws:iam::1:group/g: a policy in it cannot be read"),
        ({"Policies": [managed(OF_AWS, "v1", v1={**USE, "Id": "x" * 131_072})]}, f"{OF_AWS}: a policy in it cannot be read: The AWS managed policy is longer"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_read_leaves_the_rest_of_the_answer(
    part: dict[str, Any], why: str, tmp_path: Path
) -> None:
    """One long policy among a thousand identities made the whole answer useless."""
    path = tmp_path / "people.json"
    ((name, parts),) = part.items()
    path.write_text(json.dumps({**DETAILS, name: [*parts, *DETAILS[name]]}))
    (broken,), told = (
        [each for each in known_in(path, 0, "") if bool(each.reason) is unread] for unread in (True, False)
    )
    assert (why in broken.reason, broken.of_answer) == (True, False)
    expected = [each.record() for held in facts(DETAILS, at=0).values() for each in held.values()]
    assert [json.loads(each.raw) for each in told] == expected


def test_an_aws_managed_policy_may_be_longer_than_a_customers() -> None:
    """ReadOnlyAccess has 47,000 characters, and AWSSupportServiceRolePolicy 81,000."""
    long = {"Effect": "Allow", "Action": [f"service{n}:Describe*" for n in range(4_000)], "Resource": "*"}
    text = {"Version": "2012-10-17", "Statement": [long, {"Effect": "Allow", "Action": "kms:List*", "Resource": "*"}]}
    (alice,) = DETAILS["UserDetailList"]
    attached = {**alice, "AttachedManagedPolicies": [{"PolicyArn": OF_AWS}]}
    world = begun(facts({"Policies": [managed(OF_AWS, "v9", v8=USE, v9=text)], "UserDetailList": [attached]}))
    directory = world.directory
    assert {name: json.loads(each.document) for name, each in directory.policies[OF_AWS].versions.items()} == {
        "v9": text
    }
    assert len(directory.permissions(directory.get("user", A, "alice")).statements) > len(text["Statement"])
    # A customer's policy of that length is none that IAM has taken.
    (unread,) = parts_of({"Policies": [managed(MANAGED, "v9", v9=text)]}, "")
    assert isinstance(unread, UnreadPart)
    assert "longer than 6144" in unread.reason


def test_a_group_that_an_answer_only_names_has_policies_that_were_never_seen() -> None:
    """As with `--filter User`. They may let its members in: a member's call is open, and no call that nothing explains."""
    directory = begun(facts({"UserDetailList": DETAILS["UserDetailList"]})).directory
    alice, group = directory.get("user", A, "alice"), directory.get("group", A, "g")
    assert (alice.groups, list(group.inline)) == ((group.id,), [unseen.NAME])
    assert unseen.is_document(group.inline[unseen.NAME].document)


def test_a_group_that_changed_before_the_answer_is_still_the_members_group() -> None:
    """What the answer says of the group holds no more for the beginning. That alice was in it does."""
    known = facts(DETAILS)
    change = reading(iam("PutGroupPolicy", groupName="g", policyName="q", policyDocument=json.dumps(USE)))
    told = set(told_by(change, step_of(change)))
    kept = {subject: each for subject, each in known["identity"].items() if changed_by(each) not in told}
    world = begun(known | {"identity": kept})
    for event in changes_of(change, world):
        world.apply(event)
    group = world.directory.get("group", A, "g")
    assert (sorted(group.inline), world.directory.get("user", A, "alice").groups) == ([unseen.NAME, "q"], (group.id,))


GRANT_MADE = record("CreateGrant", T, requestParameters={"keyId": KEY, "granteePrincipal": who("bob")["arn"], "operations": ["Decrypt"]}, responseElements={"grantId": "g1"})  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("key-policy", put(1, T, allow("*", "kms:*"))),
        ("key-policy", created(1, T)),
        ("identity", iam("PutUserPolicy", userName="alice", policyName="q", policyDocument=json.dumps(USE))),
        ("managed-policy", iam("SetDefaultPolicyVersion", policyArn=MANAGED, versionId="v2")),
        ("grants", GRANT_MADE),
        ("grants", record("RevokeGrant", T, requestParameters={"keyId": KEY, "grantId": "g1"})),
        ("grants", record("RetireGrant", T, requestParameters=None, additionalEventData={"grantId": "g1"})),
        ("grants", created(1, T)),
    ],
    ids=lambda each: each if isinstance(each, str) else each["eventName"],
)
def test_a_change_before_an_answer_was_taken_is_known_by_its_content(kind: str, change: dict[str, Any]) -> None:
    """The answer has what was made since the trail began. It would seem to have been there before."""
    known = facts(DETAILS) | facts({"Policy": document(allow("*", "kms:*"))}, KEY) | facts({"Grants": [GRANT]})
    told = set(told_by(reading(change), step_of(reading(change))))
    assert [each.subject for each in known[kind].values() if changed_by(each) in told] != []


def test_a_change_says_nothing_against_an_answer_about_something_else() -> None:
    (grants,) = facts({"Grants": [GRANT]})["grants"].values()
    (policy,) = facts({"Policy": document(allow("*", "kms:*"))}, KEY)["key-policy"].values()
    other = GRANT_MADE | {"resources": [{"ARN": key_arn(2)}], "requestParameters": {"keyId": key_arn(2)}}
    for change, fact_of_it in ((put(1, T, allow("*", "kms:*")), grants), (GRANT_MADE, policy), (other, grants)):
        assert changed_by(fact_of_it) not in set(told_by(reading(change), step_of(reading(change))))


def test_a_policy_that_cannot_be_read_is_no_answer() -> None:
    with pytest.raises(Broken, match="cannot be read"):
        list(parts_of({"Policy": "{}x"}, KEY))


POLICY = document(allow(who()["arn"], "kms:Decrypt"))
SECOND = {**GRANT, "GrantId": "g2"}
PAGES: list[dict[str, Any]] = [
    {"Grants": [GRANT], "Truncated": True, "NextMarker": "m"},
    {"Grants": [SECOND], "Truncated": False},
]
ASKED = json.dumps({"Policy": POLICY, "PolicyName": "default"})
FILES: dict[str, tuple[bytes, list[str]]] = {
    "as the command line gives it": (ASKED.encode(), ["key-policy"]),
    "--output text": (POLICY.encode(), ["key-policy"]),
    "--query Policy": (json.dumps(POLICY).encode(), []),
    "the policy as an object": (json.dumps({"Policy": json.loads(POLICY)}).encode(), ["key-policy"]),
    "with boto3's metadata": (json.dumps({"Policy": POLICY, "ResponseMetadata": {"HTTPStatusCode": 200}}).encode(), ["key-policy"]),
    "UTF-16": (ASKED.encode("utf-16"), ["key-policy"]),
    "a byte order mark": (b"\xef\xbb\xbf" + ASKED.encode(), ["key-policy"]),
    "compressed": (gzip.compress(ASKED.encode(), mtime=0), ["key-policy"]),
    "several in a file": ((ASKED + "\n" + json.dumps({"Grants": [GRANT]}) + json.dumps(DETAILS)).encode(), ["key-policy", "grants", "managed-policy", "identity", "identity", "identity"]),
    "pages after one another": ("\n".join(map(json.dumps, PAGES)).encode(), ["grants"]),
    "pages as a list": (json.dumps(PAGES).encode(), ["grants"]),
    "pages of details": (json.dumps([{**DETAILS, "IsTruncated": True}, {"UserDetailList": [], "IsTruncated": False}]).encode(), ["managed-policy", "identity", "identity", "identity"]),
    "a page that is not the last": (json.dumps(PAGES[0]).encode(), []),
    "a page between two answers": ((json.dumps(PAGES[0]) + ASKED).encode(), ["key-policy"]),
    "nothing": (b" \n", []),
    "cut": (ASKED[:-9].encode(), []),
}  # fmt: skip


@pytest.mark.parametrize("form", FILES)
def test_answers_are_read_in_every_form_that_tools_write(form: str, tmp_path: Path) -> None:
    text, kinds = FILES[form]
    path = tmp_path / "answer.json"
    path.write_bytes(text)
    found = list(known_in(path, 0, KEY))
    told = [fact_of(json.loads(each.raw)) for each in found if not each.reason]
    assert [each.kind for each in told] == kinds
    assert bool([each for each in found if each.reason]) == (not kinds or form == "a page between two answers")
    assert len({each.place for each in found}) == len(found)
    if form.startswith("pages") and kinds == ["grants"]:
        assert [each["GrantId"] for each in told[0].document["grants"]] == ["g1", "g2"]


@pytest.mark.parametrize(
    "text",
    [
        b'{"Grants":5,"Truncated":true}{"Grants":5}',
        b'{"Grants":[{"GrantId":"\\ud800"}]}',
        b'{"Grants":[{"GrantId":"g","CreationDate":%d}]}' % 10**30,
        b'{"UserDetailList":[5]}',
        b'{"Policies":[{"Arn":"\\ud800","DefaultVersionId":"v2","PolicyVersionList":[]}]}',
        b'{"Grants":[{"GrantId":"g","Constraints":{"\\ud800":5}}]}',
    ],
)
def test_an_odd_answer_is_broken_and_ends_no_import(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_bytes(text)
    (found,) = known_in(path, 0, KEY)
    # Postgres has to hold the reason, and refuses half a character.
    assert RecordPreparer().prepare(found).reason.encode()
