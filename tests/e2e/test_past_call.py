"""A past call, explained by its request id, as things were then. Across accounts, the explanation is AWS's sentence
alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.test_authorisation import House, asked, document, may, second_account, to
from tests.installation import Installation

ROOT = "arn:aws:iam::111122223333:root"


@pytest.fixture(scope="module")
def house(installation: Installation) -> House:
    return House(installation, *(installation.client(service=service) for service in ("iam", "sts", "kms")))


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    """(request id, AWS's sentence) of a call that is refused."""
    with pytest.raises(ClientError) as fault:
        call(**parameters)
    answer = fault.value.response
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"] == answer["ResponseMetadata"]["RequestId"]
    return answer["ResponseMetadata"]["RequestId"], answer["Error"].get("Message", "")


def explained(house: House, call: str) -> dict[str, Any]:
    """At once, since a reader of an error asks within the same second."""
    (found,) = house.installation.answers("explain", call)
    return dict(found)


def test_a_refused_call_is_explained_as_it_was_then(house: House) -> None:
    name, arn, who = house.user("bob")
    key = house.key()
    only = may("kms:Decrypt", Condition={"StringEquals": {"kms:EncryptionContext:app": "pay"}})
    house.iam.put_user_policy(UserName=name, PolicyName="use", PolicyDocument=document(only))
    sealed = house.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    call, sentence = refused(house.client(who).decrypt, CiphertextBlob=sealed)
    house.iam.put_user_policy(UserName=name, PolicyName="use", PolicyDocument=document(may("kms:*")))

    found = explained(house, call)
    assert (found["call_id"], found["principal"], found["operation"]) == (call, arn, "Decrypt")
    assert (found["effect"], found["message"]) == ("refused", sentence)
    (permission,) = found["permissions"]
    assert permission["by"] == {"kind": "implicit-deny", "rule": "no-identity-policy-allows"}
    assert permission["near"]["condition"]["key"] == "kms:EncryptionContext:app"
    layers = {layer["layer"]: layer["statements"] for layer in permission["layers"]}
    assert set(layers) == {"key-policy", "identity-policy"}
    (statement,) = layers["identity-policy"]
    assert [check["element"] for check in statement["checks"] if not check["holds"]] == ["Condition"]
    told = house.installation.keytrail("explain", call).stdout
    assert sentence in told
    assert "no identity policy allows it" in told
    assert "there is nothing" in told


def test_an_error_after_the_permission_is_shown_but_never_the_inner_cause_of_a_failed_decryption(house: House) -> None:
    key = house.key()
    sealed = house.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"app": "pay"})["CiphertextBlob"]
    answered = house.kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"app": "pay"})["ResponseMetadata"]
    found = explained(house, answered["RequestId"])
    assert (found["effect"], found["encryption_context"]) == ("allowed", {"app": "pay"})
    assert found["permissions"][0]["by"]["kind"] == "key-policy"
    told = set()
    for blob, pairs in ((sealed, {}), (sealed[:-1] + b"\0", {"app": "pay"}), (sealed, {"app": "pay", "more": "x"})):
        found = explained(house, refused(house.kms.decrypt, CiphertextBlob=blob, EncryptionContext=pairs)[0])
        assert found["permissions"][0]["effect"] == "allow"
        told.add((found["kind"], found["error"], found["message"]))
    assert len(told) == 1
    house.kms.disable_key(KeyId=key)
    found = explained(house, refused(house.kms.encrypt, KeyId=key, Plaintext=b"x")[0])
    assert (found["kind"], found["error"]) == ("key-state", "key-disabled")


def test_changes_identities_and_questions_are_calls_as_well(house: House) -> None:
    name, _, who = house.user("carol")
    calls = [
        refused(house.client(who).create_key)[0],
        refused(house.client(who, "iam").create_user, UserName="x")[0],
        house.iam.get_user(UserName=name)["ResponseMetadata"]["RequestId"],
        house.kms.create_key()["ResponseMetadata"]["RequestId"],
    ]
    assert [explained(house, call)["permissions"][0]["action"] for call in calls] == [
        "kms:CreateKey",
        "iam:CreateUser",
        "iam:GetUser",
        "kms:CreateKey",
    ]


def test_another_account_reads_its_sentence_and_the_owner_does_not_hear_of_it(house: House) -> None:
    other = second_account(house)
    key = house.key(to(ROOT) | {"Sid": "OurSecret"})
    call, sentence = refused(house.client(other).encrypt, KeyId=key, Plaintext=b"x")
    status, text = asked(house, other, f"/v1/calls/{call}")
    found = json.loads(text)
    assert (status, found["message"], found["kind"]) == (200, sentence, "cross-account")
    assert "OurSecret" not in text
    assert "permissions" not in found
    absent = call[:-12] + "0" * 12
    answers = [asked(house, house.installation.credentials(), f"/v1/calls/{each}") for each in (call, absent)]
    assert [(status, text.replace(absent, call)) for status, text in answers] == [answers[0]] * 2
    assert answers[0][0] == 404


def test_it_asks_for_permission_to_explain_and_to_read_decisions(house: House) -> None:
    name, _, who = house.user("dora")
    call = house.kms.create_key()["ResponseMetadata"]["RequestId"]
    given: list[str] = []
    for more, status in (("keytrail:ReadStatus", 403), ("keytrail:Explain", 403), ("keytrail:ReadDecisions", 200)):
        given.append(more)
        house.iam.put_user_policy(UserName=name, PolicyName="audit", PolicyDocument=document(*map(may, given)))
        assert asked(house, who, f"/v1/calls/{call}")[0] == status


def test_our_own_command_line_prints_the_command_that_explains_a_refusal(house: House) -> None:
    _, _, who = house.user("erin")
    done = house.installation.keytrail_as(who | {"AWS_ENDPOINT_URL": house.installation.url}, "decisions")
    assert done.returncode == 1
    (command,) = [line.partition("keytrail explain ")[2] for line in done.stderr.splitlines() if "explain" in line]
    found = explained(house, command)
    assert found["permissions"][0]["action"] == "keytrail:ReadDecisions"
    assert found["message"] in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("explain",), 2, "Name a past call by its CALL_ID"),
        (("explain", "x", "--key", "y"), 2, "only --json and --data can be given"),
        (("explain", "../status"), 2, "../status is not the id of a call"),
        (("explain", "keytrail-0"), 1, "No call of this account"),
    ],
)
def test_a_word_that_names_no_call_is_reported(house: House, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = house.installation.keytrail(*arguments, check=False)
    assert done.returncode == code
    assert says in " ".join(done.stderr.split())
