"""Root of account B, with every right in its own account and no right in A, reads nothing of A and blocks nothing of
A's.

One real installation with three accounts. A has things worth knowing. Each test is an attack by B, and names what B
would have gained.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from domain.arn import alias_arn, iam_arn, key_arn, root_arn
from tests.e2e.test_authorisation import asked as asked_as
from tests.installation import Installation

A, B = "444455556666", "777788889999"
REGION = "us-east-1"
SECRET = "Covert"
"""Part of every text that A wrote."""
NOBODYS = "00000000-0000-4000-8000-000000000000"
SENTENCE = "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy"


@dataclass
class Account:
    installation: Installation
    id: str
    credentials: dict[str, str]

    def client(self, service: str = "kms") -> Any:
        return self.installation.client(self.credentials, service)

    def asks(self, path: str, body: Any = None) -> tuple[int, str]:
        """(status, text) of a question to the audit API, once the projections have everything."""
        self.installation.caught_up()
        return asked_as(self, self.credentials, path, body)


@dataclass
class House:
    a: Account
    b: Account
    key: str
    """A's key, by id."""
    alice: str
    mine: str
    """B's key, which names A's alice and a user of A who does not exist."""


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(**elements: Any) -> dict[str, Any]:
    return {"Sid": SECRET, "Effect": "Allow", "Action": "kms:*", "Resource": "*"} | elements


def who_may_assume_roles(account: Account, name: str) -> Any:
    """A new user of an account, as a client of STS."""
    iam = account.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(allow(Action="sts:*")))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    key = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    return account.installation.client(key, "sts")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with Installation(tmp_path_factory.mktemp("accounts") / "data") as installation:
        a, b = (_account(installation, id) for id in (A, B))
        kms, iam = a.client(), a.client("iam")
        key = kms.create_key(Description=SECRET)["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/covert", TargetKeyId=key)
        alice = iam.create_user(UserName="alice", Tags=[{"Key": SECRET, "Value": "x"}])["User"]["Arn"]
        iam.put_user_policy(UserName="alice", PolicyName=f"{SECRET}Inline", PolicyDocument=document(allow()))
        iam.create_access_key(UserName="alice")
        iam.create_policy(PolicyName="limits", PolicyDocument=document(allow()))
        own = allow(Sid="own", Principal={"AWS": B})
        names = [alice, iam_arn(A, "user", "/", "nobody"), iam_arn(A, "role", "/", "nobody")]
        policy = document(own, allow(Sid="abroad", Principal={"AWS": names}, Action="kms:Encrypt"))
        mine = b.client().create_key(Policy=policy)["KeyMetadata"]["KeyId"]
        b.client().create_grant(KeyId=mine, GranteePrincipal=alice, Operations=["Decrypt"])
        yield House(a, b, key, alice, mine)


def _account(installation: Installation, id: str) -> Account:
    made = installation.answers("account", "create", id)[0]
    keys = {"AWS_ACCESS_KEY_ID": made["access_key_id"], "AWS_SECRET_ACCESS_KEY": made["secret_access_key"]}
    return Account(installation, id, keys)


def refused(work: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as fault:
        work()
    answer = fault.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_as_of_the_own_key_does_not_show_whom_its_policy_names(house: House) -> None:
    """A's user with inline policies, tags and access-key ids, by naming it in a policy or a grant."""
    status, text = house.b.asks(f"/v1/as-of/keys/{house.mine}")
    assert status == 200
    assert json.loads(text)["identities"] == []
    for secret in (SECRET, "AKIA", "AIDA"):
        assert secret not in text


def test_a_policy_of_another_account_is_no_boundary(house: House) -> None:
    """A's policy document, as the boundary of B's own user; and A could not delete the policy."""
    iam = house.b.client("iam")
    arns = [iam_arn(A, "policy", "/", name) for name in ("limits", "none")]
    iam.create_user(UserName="bob")
    for attempt in (
        lambda arn: iam.create_user(UserName="limited", PermissionsBoundary=arn),
        lambda arn: iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=arn),
        lambda arn: iam.attach_user_policy(UserName="bob", PolicyArn=arn),
        lambda arn: iam.get_policy(PolicyArn=arn),
        lambda arn: iam.create_role(
            RoleName="limited", PermissionsBoundary=arn,
            AssumeRolePolicyDocument=document({"Effect": "Allow", "Principal": {"AWS": B}, "Action": "sts:AssumeRole"}),
        ),
    ):  # fmt: skip
        there, absent = (refused(lambda arn=arn, attempt=attempt: attempt(arn)) for arn in arns)
        assert [each.replace(arns[0], "") for each in there[1:]] == [each.replace(arns[1], "") for each in absent[1:]]
        assert there[0] == absent[0]
    made = house.a.client("iam").create_policy(PolicyName="short", PolicyDocument=document(allow()))["Policy"]["Arn"]
    refused(lambda: iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=made))
    house.a.client("iam").delete_policy(PolicyArn=made)


def test_a_policy_of_another_account_limits_no_session(house: House) -> None:
    """A's policy document, from the reasons of calls of a session that had it as a session policy. B assumes its own role, and
    one of a third account that trusts B."""
    iam, first = house.b.client("iam"), house.a.installation.client(service="iam")
    sts = who_may_assume_roles(house.b, "assumer")
    trust = document({"Effect": "Allow", "Principal": {"AWS": B}, "Action": "sts:AssumeRole"})
    own, foreign = (
        each.create_role(RoleName="guest", AssumeRolePolicyDocument=trust)["Role"]["Arn"] for each in (iam, first)
    )

    def assumed(role: str, arn: str) -> Any:
        return sts.assume_role(RoleArn=role, RoleSessionName="guest", PolicyArns=[{"arn": arn}])

    def answer(role: str, arn: str) -> tuple[int, str, str]:
        status, code, message = refused(lambda: assumed(role, arn))
        return status, code, message.replace(arn, "ARN")

    theirs = [iam_arn(A, "policy", "/", name) for name in ("limits", "none")]
    not_said = {(404, "NoSuchEntity", "Policy ARN does not exist or is not attachable.")}
    for arns in (theirs, ["no-arn-of-any-policy", "arn:aws:iam:::policy/limits"]):
        assert {answer(role, arn) for role in (own, foreign) for arn in arns} == not_said
    # What the role's own account has is not told to a caller of another one.
    assert assumed(foreign, iam_arn("111122223333", "policy", "/", "none"))["Credentials"]
    for role in (own, foreign):
        assert assumed(role, "arn:aws:iam::aws:policy/AdministratorAccess")["Credentials"]


def test_who_can_says_that_another_account_may_delegate_and_no_more(house: House) -> None:
    """A's users and roles, and what their policies say."""
    status, text = house.b.asks(f"/v1/who-can/{house.mine}?action=kms:Encrypt")
    rows = {row["principal"]: row["kind"] for row in json.loads(text)["items"]}
    assert status == 200
    assert {house.alice, iam_arn(A, "user", "/", "nobody")} <= {
        name for name, kind in rows.items() if kind == "foreign"
    }
    assert SECRET not in text
    open_to_all = house.b.client().create_key(
        Policy=document(allow(Sid="own", Principal={"AWS": B}), allow(Sid="abroad", Principal={"AWS": A}))
    )["KeyMetadata"]["KeyId"]
    found = json.loads(house.b.asks(f"/v1/who-can/{open_to_all}?action=kms:Encrypt")[1])["items"]
    assert {(row["principal"], row["kind"]) for row in found if A in row["principal"]} == {(root_arn(A), "account")}


@pytest.mark.parametrize("path", ["/v1/can-what/{}", "/v1/could-what/{}?from=@1", "/v1/as-of/principals/{}"])
def test_what_a_foreign_principal_can_is_answered_whether_or_not_it_is_there(house: House, path: str) -> None:
    """Whether an ARN of A exists."""
    answers = []
    for name in ("alice", "nobody"):
        status, text = house.b.asks(path.format(iam_arn(A, "user", "/", name)))
        plain = re.sub(r"@\d+", "@", text.replace(f"user/{name}", "user/X"))
        lines = [json.loads(line) for line in plain.splitlines()]
        for line in lines:  # the grant of the fixture names alice alone
            for item in line.get("items", ()):
                item["operations"] = item["under_conditions"] = None
        answers.append((status, [line for line in lines if "items" in line or "error" in line]))
        assert SECRET not in text
    assert answers[0][0] == answers[1][0]
    assert answers[0][1] == answers[1][1]


@pytest.mark.parametrize("path", ["/v1/changes?principal={}", "/v1/changes?key=arn:aws:kms:us-east-1:" + A + ":key/{}"])
def test_changes_of_another_accounts_resource_are_refused_whether_or_not_it_exists(house: House, path: str) -> None:
    """Whether an ARN of A exists, or ever did."""
    there, absent = (house.alice, iam_arn(A, "user", "/", "nobody")) if "principal" in path else (house.key, NOBODYS)
    answers = [house.b.asks(path.format(name)) for name in (there, absent)]
    plain = [(status, text.replace(there, "X").replace(absent, "X")) for status, text in answers]
    assert plain[0] == plain[1]
    assert plain[0][0] in (403, 404), plain


def test_who_could_does_not_follow_what_another_accounts_admin_does(house: House) -> None:
    """The operations of A's admin and their times."""
    begin = json.loads(house.b.asks("/v1/status")[1])["position"]
    iam = house.a.client("iam")
    iam.put_user_policy(UserName="alice", PolicyName="more", PolicyDocument=document(allow(Action="kms:Encrypt")))
    iam.delete_user_policy(UserName="alice", PolicyName="more")
    _, text = house.b.asks(f"/v1/who-could/{house.mine}?action=kms:Encrypt&from=@{begin}")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line for line in lines if "change" in line] == []
    assert lines[-1] == {"result": {"changes": 0, "gained": [], "lost": []}}


def test_explain_tells_one_side_and_never_whether_an_arn_is_there(house: House) -> None:
    """A's identity policies, and whether an ARN of A exists."""

    def explained(principal: str, key: str) -> dict[str, Any]:
        question = {"principal": principal, "operation": "Encrypt", "key": key}
        status, text = house.b.asks("/v1/explain", question)
        assert status == 200, text
        assert SECRET not in text
        told = json.loads(text.replace(principal, "PRINCIPAL").replace(key, "KEY"))
        return {name: told[name] for name in ("effect", "kind", "layers")} | {"by": told["by"].get("kind")}

    there, absent = (explained(iam_arn(A, "user", "/", name), house.mine) for name in ("alice", "nobody"))
    assert there == absent
    assert there["effect"] == "left"
    keys = [key_arn(REGION, A, id) for id in (house.key, NOBODYS)]
    mine = [explained(root_arn(B), key) for key in (*keys, alias_arn(REGION, A, "alias/covert"))]
    assert mine[0] == mine[1] == mine[2]


def test_status_shows_the_callers_own_account(house: House) -> None:
    """How many keys every account has, and the log's head."""
    told = json.loads(house.b.asks("/v1/status")[1])
    own = house.b.client().list_keys(Limit=1000)["Keys"]
    assert set(told) == {"log", "position", "keys", "accounts"}
    assert (told["keys"], told["accounts"]) == (len(own), [B])
    assert house.a.installation.answers("status")[0]["head"]


def test_grants_and_policies_name_foreign_principals_whether_or_not_they_are_there(house: House) -> None:
    """Whether an ARN of A exists; and later, whether it was deleted."""
    kms, iam = house.b.client(), house.a.client("iam")
    guest = iam.create_user(UserName="guest")["User"]["Arn"]
    nobody = iam_arn(A, "user", "/", "nobody2")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    shown = []
    for deleted in (False, True):
        if deleted:
            iam.delete_user(UserName="guest")
        for arn in (guest, nobody):
            text = document(allow(Sid="own", Principal={"AWS": B}), allow(Sid="abroad", Principal={"AWS": arn}))
            if not deleted:
                kms.put_key_policy(KeyId=key, Policy=text)
                kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Decrypt"])
            shown.append(arn in kms.get_key_policy(KeyId=key)["Policy"] or arn == guest)
    assert shown == [True] * 4
    grants = kms.list_grants(KeyId=key)["Grants"]
    assert {each["GranteePrincipal"] for each in grants} == {guest, nobody}
    assert refused(lambda: kms.create_grant(KeyId=key, GranteePrincipal=iam_arn(B, "user", "/", "nobody"), Operations=["Decrypt"]))[1] == "InvalidArnException"  # fmt: skip
    _, text = house.b.asks(f"/v1/keys/{key}/history")
    assert "AIDA" not in text
    assert "absent:" not in text


def test_list_aliases_has_one_answer_for_a_foreign_key(house: House) -> None:
    """Whether A's key exists and has an alias: the answer was a 500, the caller's own alias, or nothing."""
    kms = house.b.client()
    kms.create_alias(AliasName="alias/covert", TargetKeyId=house.mine)
    answers = [refused(lambda id=id: kms.list_aliases(KeyId=key_arn(REGION, A, id))) for id in (house.key, NOBODYS)]
    assert answers[0][:2] == answers[1][:2] == (400, "AccessDeniedException")
    assert answers[0][2].replace(house.key, "") == answers[1][2].replace(NOBODYS, "")


def test_a_foreign_key_that_is_absent_is_answered_as_one_that_does_not_admit(house: House) -> None:
    """Which keys, aliases, grants and roles A has."""
    kms, sts = house.b.client(), who_may_assume_roles(house.b, "eve")
    trust = document({"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"})
    house.a.client("iam").create_role(RoleName="ops", AssumeRolePolicyDocument=trust)
    sealed = house.a.client().encrypt(KeyId=house.key, Plaintext=b"x")["CiphertextBlob"]
    grant = house.a.client().create_grant(KeyId=house.key, GranteePrincipal=house.alice, Operations=["Encrypt"])[
        "GrantId"
    ]
    keys = key_arn(REGION, A, house.key), key_arn(REGION, A, NOBODYS)
    aliases = alias_arn(REGION, A, "alias/covert"), alias_arn(REGION, A, "alias/none")
    roles = iam_arn(A, "role", "/", "ops"), iam_arn(A, "role", "/", "none")
    for (there, absent), ask in (
        *(((keys, ask)) for ask in (
            lambda each: kms.describe_key(KeyId=each),
            lambda each: kms.encrypt(KeyId=each, Plaintext=b"x"),
            lambda each: kms.decrypt(KeyId=each, CiphertextBlob=sealed),
            lambda each: kms.get_key_policy(KeyId=each),
            lambda each: kms.put_key_policy(KeyId=each, Policy=document(allow(Principal={"AWS": B}))),
            lambda each: kms.list_grants(KeyId=each),
            lambda each: kms.retire_grant(KeyId=each, GrantId=grant),
            lambda each: kms.schedule_key_deletion(KeyId=each),
        )),
        (aliases, lambda each: kms.describe_key(KeyId=each)),
        (aliases, lambda each: kms.decrypt(KeyId=each, CiphertextBlob=sealed)),
        (roles, lambda each: sts.assume_role(RoleArn=each, RoleSessionName="session")),
        ((grant, "f" * 64), lambda each: kms.retire_grant(KeyId=keys[0], GrantId=each)),
        ((grant, "f" * 64), lambda each: kms.revoke_grant(KeyId=keys[0], GrantId=each)),
    ):  # fmt: skip
        answers = [refused(lambda each=each, ask=ask: ask(each)) for each in (there, absent)]
        assert answers[0][:2] == answers[1][:2]
        assert answers[0][1] in ("AccessDeniedException", "AccessDenied")
        assert answers[0][2].replace(there, "") == answers[1][2].replace(absent, "")
        assert SENTENCE in answers[0][2]
    # Nor does the part of the log that shows B its own calls.
    _, text = house.b.asks("/v1/decisions?operation=DescribeKey")
    told = [{name: item[name] for name in ("kind", "rule", "key_id", "reasons", "resources", "error", "decided_by")} for item in json.loads(text)["items"] if A in json.dumps(item["parameters"])]  # fmt: skip
    assert len(told) == 4
    assert told[0] == told[1] == told[2] == told[3]


def test_each_side_of_a_call_across_accounts_sees_its_own_part(house: House) -> None:
    """Who in A uses B's key, with which credential and from where; and to B, what A's policies say about a refused
    call."""
    iam = house.a.client("iam")
    made = iam.create_access_key(UserName="alice")["AccessKey"]
    alice = house.a.installation.client(
        {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    )
    arn = key_arn(REGION, B, house.mine)
    alice.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"app": "pay"})
    refused(lambda: alice.get_public_key(KeyId=arn))
    _, text = house.b.asks(f"/v1/decisions?key={house.mine}&operation=Encrypt")
    (used,) = json.loads(text)["items"]
    assert (used["principal"], used["account"], used["sid"], used["encryption_context"]) == (
        A,
        A,
        "abroad",
        {"app": "pay"},
    )
    for secret in ("alice", made["AccessKeyId"], SECRET, "boto", "127.0.0.1"):
        assert secret not in text
    assert json.loads(house.b.asks("/v1/decisions?operation=GetPublicKey")[1])["items"] == []
    assert len(json.loads(house.a.asks("/v1/decisions?operation=GetPublicKey")[1])["items"]) == 1
    for hidden in ("source=127.*", "message=*alice*"):
        assert json.loads(house.b.asks(f"/v1/decisions?key={house.mine}&operation=Encrypt&{hidden}")[1])["items"] == []
    nobodys = (house.alice + "q", "AKIA" + "Q" * 16)
    for field, hidden, nobody in zip(
        ("principal", "access_key"), (house.alice, made["AccessKeyId"]), nobodys, strict=True
    ):
        there, absent = (house.b.asks(f"/v1/decisions?key={house.mine}&{field}={each}") for each in (hidden, nobody))
        assert "items" not in json.loads(there[1]) or json.loads(there[1])["items"] == []
        # Neither reveals whether such a user or access key exists.
        assert (there[0], there[1].replace(nobody, "?").replace(hidden, "?")) == (absent[0], absent[1].replace(nobody, "?").replace(hidden, "?"))  # fmt: skip
    assert len(json.loads(house.b.asks(f"/v1/decisions?key={house.mine}&principal={A}")[1])["items"]) == 1
    counts = json.loads(house.b.asks("/v1/decisions/counts?by=principal,source,agent&operation=Encrypt")[1])["items"]
    assert {(each["principal"], each["source"], each["agent"]) for each in counts if each["principal"] == A} == {
        (A, None, None)
    }
    # For a key of B's, A gets its own calls. If it has none, the answer names the key's account from its ARN, whether
    # the key exists or not.
    assert len(json.loads(house.a.asks(f"/v1/decisions?key={quote(arn, safe='')}&operation=Encrypt")[1])["items"]) == 1
    unused = house.b.client("kms").create_key()["KeyMetadata"]["KeyId"]
    answers = []
    for key in (unused, "12345678-1234-1234-1234-123456789012", "alias/payroll"):
        named = key_arn(REGION, B, key) if "/" not in key else f"arn:aws:kms:{REGION}:{B}:{key}"
        for path in ("/v1/decisions?", "/v1/decisions/counts?by=operation&"):
            status, text = house.a.asks(f"{path}key={quote(named, safe='')}")
            answers.append((status, text.replace(named, "?")))
    assert len(set(answers)) == 1
    assert answers[0][0] == 404
    assert "No call of this account names ?. It belongs to another account" in answers[0][1]
    status, text = house.b.asks(f"/v1/decisions?principal={quote(house.alice, safe='')}")
    assert (status, f"--principal {A}" in text) == (400, True)
    last = json.loads(house.b.asks(f"/v1/keys/{house.mine}/last-use")[1])
    assert last["last"]["principal"] == A
    (row,) = [each for each in json.loads(house.b.asks(f"/v1/unused?key={house.mine}")[1])["items"] if each["by"].get("sid") == "abroad"]  # fmt: skip
    assert list(row["used"]) == ["kms:Encrypt"]
    draft = {"key": house.mine, "policy": document(allow(Sid="own", Principal={"AWS": B}))}
    *_, end = [json.loads(line) for line in house.b.asks("/v1/what-if", draft)[1].splitlines()]
    assert [(each["principal"], each["effect"]) for each in end["result"]["groups"]] == [(A, "refused")]
    assert "alice" not in json.dumps(end)


def test_an_auditor_takes_the_accounts_own_part_of_the_log(house: House, tmp_path: Path) -> None:
    """With `export-log`, which is for the operator, everybody's records."""
    house.b.installation.caught_up()
    environment = house.b.credentials | {"AWS_ENDPOINT_URL": house.b.installation.url}
    file = tmp_path / "own.jsonl"
    done = house.b.installation.keytrail_as(environment, "log", str(file))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) > 5
    assert f"{len(lines)} records" in done.stderr
    assert {line["account"] for line in lines} <= {A, B, "111122223333"}
    text = json.dumps([line for line in lines if line["account"] != B])
    for secret in (SECRET, "alice", "111122223333:root"):
        assert secret not in text
    helped = house.b.installation.keytrail("export-log", "--help").stdout
    assert "operator's" in helped


def test_another_accounts_policy_draws_no_alert_that_tells_of_whom_it_names(house: House) -> None:
    """Whether A's user exists, by what the rules say about a draft that names it."""
    found = []
    for name in ("alice", "nobody"):
        arn = iam_arn(A, "user", "/", name)
        draft = {"policy": document(allow(Sid="own", Principal={"AWS": B}), allow(Principal={"AWS": arn}, Sid="x"))}
        status, text = house.b.asks(f"/v1/keys/{house.mine}/alerts", draft)
        assert status == 200, text
        found.append([{name: each[name] for name in ("rule", "severity", "summary")} for each in json.loads(text.replace(f"user/{name}", "user/X"))["items"]])  # fmt: skip
        assert "AIDA" not in text
    assert found[0] == found[1]


def test_the_hosts_own_screens_are_not_for_other_accounts(house: House) -> None:
    """Everybody's decisions and records, the installation's settings, its notifiers and trails."""
    for path in (
        "/v1/recheck",
        "/v1/verify",
        "/v1/settings",
        "/v1/alerts/notifiers",
        "/v1/alerts/dead-letters",
        "/v1/audit-devices",
        "/v1/keys/x/history?trail=aws",
    ):
        assert house.b.asks(path)[0] == 403, path
    assert house.b.asks("/v1/audit-devices/archive/forget", {})[0] == 403
