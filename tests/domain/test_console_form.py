"""The key policy that the AWS KMS console makes: made, read back and changed. Source: KMS developer guide,
key-policy-default, key-policy-overview, key-policy-modifying."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.crypto.specs import SPECS, SYMMETRIC_DEFAULT
from domain.crypto.uses import DATA_KEYS, USES_BY_USAGE
from domain.errors import InvalidRequest, LimitExceeded, MalformedPolicy
from domain.policy.check import check_policy
from domain.policy.console_changes import changed
from domain.policy.console_form import (
    ATTACHMENT,
    ConsoleForm,
    FoundForm,
    KeyKind,
    OtherForm,
    StatementBeside,
    kind_of,
    make,
    read,
)
from domain.policy.default import default_key_policy
from domain.policy.parse import KEY

OURS, THEIRS, THIRD = "111122223333", "444455556666", "777788889999"
ADMIN_USER, ADMIN_ROLE = f"arn:aws:iam::{OURS}:user/KMSAdminUser", f"arn:aws:iam::{OURS}:role/KMSAdminRole"
USER, ROLE = f"arn:aws:iam::{OURS}:user/ExampleUser", f"arn:aws:iam::{OURS}:role/path/ExampleRole"
SYMMETRIC = kind_of(SYMMETRIC_DEFAULT)
FORM = ConsoleForm(OURS, (ADMIN_USER, ADMIN_ROLE), (USER, ROLE), (THEIRS,), may_delete=True)
KINDS = [
    KeyKind(spec, usage, imported, multi_region)
    for spec in SPECS.values()
    for usage in spec.usages
    for imported in (False, True)
    for multi_region in (False, True)
]

# -- made -------------------------------------------------------------------------------------------------------------

MANAGES = [
    f"kms:{each}*"
    for each in ("Create", "Describe", "Enable", "List", "Put", "Update", "Revoke", "Disable", "Get", "Delete")
]
MANAGES += ["kms:TagResource", "kms:UntagResource"]


def statements(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["Statement"]
    return found


def test_a_symmetric_keys_policy_is_that_of_the_guides_overview() -> None:
    """key-policy-overview, with the later page's RotateKeyOnDemand, and the console's Sid and id."""
    using = [USER, ROLE, f"arn:aws:iam::{THEIRS}:root"]
    expected: dict[str, Any] = {
        "Version": "2012-10-17",
        "Id": "key-consolepolicy-3",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{OURS}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "Allow access for Key Administrators",
                "Effect": "Allow",
                "Principal": {"AWS": [ADMIN_USER, ADMIN_ROLE]},
                "Action": [*MANAGES, "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:RotateKeyOnDemand"],
                "Resource": "*",
            },
            {
                "Sid": "Allow use of the key",
                "Effect": "Allow",
                "Principal": {"AWS": using},
                "Action": [f"kms:{each}" for each in ("Encrypt", "Decrypt", "ReEncrypt*", "GenerateDataKey*", "DescribeKey")],
                "Resource": "*",
            },
            {
                "Sid": "Allow attachment of persistent resources",
                "Effect": "Allow",
                "Principal": {"AWS": using},
                "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
                "Resource": "*",
                "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
            },
        ],
    }  # fmt: skip
    made = make(SYMMETRIC, FORM)
    assert made == json.dumps(expected, indent=2), "members in the order of the guide, two spaces a level"
    assert default_key_policy(OURS).count(f'"Sid" : "{expected["Statement"][0]["Sid"]}"') == 1


@pytest.mark.parametrize(
    ("spec", "usage", "actions"),
    [
        ("RSA_2048", "ENCRYPT_DECRYPT", ["Encrypt", "Decrypt", "ReEncrypt*", "DescribeKey", "GetPublicKey"]),
        ("RSA_4096", "SIGN_VERIFY", ["DescribeKey", "GetPublicKey", "Sign", "Verify"]),
        ("ECC_NIST_P256", "SIGN_VERIFY", ["DescribeKey", "GetPublicKey", "Sign", "Verify"]),
        ("ECC_SECG_P256K1", "", ["DescribeKey", "GetPublicKey", "Sign", "Verify"]),
        ("ECC_NIST_EDWARDS25519", "", ["DescribeKey", "GetPublicKey", "Sign", "Verify"]),
        ("ML_DSA_65", "", ["DescribeKey", "GetPublicKey", "Sign", "Verify"]),
        ("ECC_NIST_P384", "KEY_AGREEMENT", ["DescribeKey", "GetPublicKey", "DeriveSharedSecret"]),
        ("HMAC_256", "", ["DescribeKey", "GenerateMac", "VerifyMac"]),
        ("ML_KEM_768", "", ["DescribeKey", "GetPublicKey", "Encapsulate", "Decapsulate"]),
    ],
)
def test_the_users_of_every_kind_of_key_may_do_what_the_guide_lists(spec: str, usage: str, actions: list[str]) -> None:
    _, administrators, use, attachment = statements(make(kind_of(spec, usage), FORM))
    assert use["Action"] == [f"kms:{each}" for each in actions]
    assert attachment["Sid"] == ATTACHMENT
    assert administrators["Action"] == [*MANAGES, "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.spec.name}-{kind.usage}")
def test_a_list_for_users_has_every_use_of_the_key_and_no_other(kind: KeyKind) -> None:
    """key-policy-default: "all cryptographic operations supported on the KMS key", DescribeKey, and for key pairs
    GetPublicKey."""
    uses = {each for each in USES_BY_USAGE[kind.usage] if kind.spec.symmetric or each not in DATA_KEYS}
    looks = {"DescribeKey", "GetPublicKey"} if kind.spec.pair else {"DescribeKey"}
    allowed = [re.compile(each.removeprefix("kms:").replace("*", ".*")) for each in kind.use]
    every = {each for group in USES_BY_USAGE.values() for each in group} | {"DescribeKey", "GetPublicKey"}
    assert {each for each in every if any(one.fullmatch(each) for one in allowed)} == uses | looks


def test_imported_and_multi_region_keys_have_their_own_actions() -> None:
    def managing(kind: KeyKind) -> list[str]:
        found: list[str] = statements(make(kind, FORM))[1]["Action"]
        return found[14:]

    assert managing(kind_of(SYMMETRIC_DEFAULT, imported=True)) == ["kms:ImportKeyMaterial", "kms:RotateKeyOnDemand"]
    more = ["kms:ReplicateKey", "kms:UpdatePrimaryRegion"]
    assert managing(kind_of(SYMMETRIC_DEFAULT, multi_region=True)) == [*more, "kms:RotateKeyOnDemand"]
    assert managing(kind_of("HMAC_256", multi_region=True)) == more


def test_a_statement_without_principals_is_left_out() -> None:
    assert [each["Sid"] for each in statements(make(SYMMETRIC, ConsoleForm(OURS)))] == ["Enable IAM User Permissions"]
    one = statements(make(SYMMETRIC, ConsoleForm(OURS, administrators=(ADMIN_ROLE,))))
    assert one[1]["Principal"] == {"AWS": ADMIN_ROLE}, "one principal is a text, as in the guide's examples"
    assert len(one) == 2
    alone = statements(make(SYMMETRIC, ConsoleForm(OURS, accounts=(THEIRS,))))
    assert [each["Principal"] for each in alone[1:]] == [{"AWS": f"arn:aws:iam::{THEIRS}:root"}] * 2


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (replace(FORM, account="1111"), "write twelve digits"),
        (replace(FORM, administrators=("bob",)), "it is not the ARN of a user or role"),
        (replace(FORM, administrators=(f"arn:aws:iam::{OURS}:root",)), "it is not the ARN of a user or role"),
        (replace(FORM, administrators=(f"arn:aws:iam::{OURS}:group/staff",)), "it is not the ARN of a user or role"),
        (replace(FORM, users=(f"arn:aws:iam::{OURS}:role/*",)), "it is not the ARN of a user or role"),
        (replace(FORM, users=(f"arn:aws-cn:iam::{OURS}:role/a",)), "it is not the ARN of a user or role"),
        (replace(FORM, users=(f"arn:aws:iam::{OURS}:user/\u202ebob",)), "it is not the ARN of a user or role"),
        (replace(FORM, users=(f"arn:aws:iam::{THEIRS}:role/a",)), "names another account by its number"),
        (replace(FORM, users=(USER, USER)), "named twice"),
        (replace(FORM, accounts=("44445555666",)), "write twelve digits"),
        (replace(FORM, accounts=(OURS,)), "the key's own account"),
    ],
)
def test_what_the_console_cannot_put_into_a_policy_is_refused(form: ConsoleForm, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        make(SYMMETRIC, form)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("DES_56",), "There is no key spec DES_56"),
        (("RSA_2048",), "ENCRYPT_DECRYPT or SIGN_VERIFY"),
        (("HMAC_256", "SIGN_VERIFY"), "GENERATE_VERIFY_MAC, not SIGN_VERIFY"),
    ],
)
def test_a_kind_of_key_that_there_is_not_is_refused(given: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        kind_of(*given)


def test_a_policy_that_would_be_too_long_is_refused() -> None:
    many = tuple(f"arn:aws:iam::{OURS}:role/{'r' * 50}{number}" for number in range(200))
    with pytest.raises(LimitExceeded):
        make(SYMMETRIC, ConsoleForm(OURS, users=many))


# -- read -------------------------------------------------------------------------------------------------------------


def names(kind: str) -> st.SearchStrategy[str]:
    name = st.text("abcXYZ09+=,.@_-", min_size=1, max_size=12)
    path = st.sampled_from(["", "app/", "aws-service-role/s3.amazonaws.com/"])
    return st.builds(lambda path, name: f"arn:aws:iam::{OURS}:{kind}/{path}{name}", path, name)


people = st.lists(st.one_of(names("user"), names("role")), max_size=4, unique=True).map(tuple)
numbers = st.lists(st.sampled_from([THEIRS, THIRD, "000000000001"]), max_size=3, unique=True).map(tuple)


@st.composite
def forms(draw: st.DrawFn) -> ConsoleForm:
    administrators = draw(people)
    may_delete = bool(administrators) and draw(st.booleans())
    return ConsoleForm(OURS, administrators, draw(people), draw(numbers), may_delete)


kinds = st.sampled_from(KINDS)


@given(kinds, forms())
def test_what_was_made_is_read_back(kind: KeyKind, form: ConsoleForm) -> None:
    made = make(kind, form)
    check_policy(made, KEY)
    assert read(made) == FoundForm(form)


def policy(*more: dict[str, Any], **changes: dict[str, Any]) -> str:
    """The policy of FORM, with members of its statements changed: `delegation`, `administration`, `use`, `attachment`. A
    member that becomes None is left out."""
    found = statements(make(SYMMETRIC, FORM))
    for name, each in zip(("delegation", "administration", "use", "attachment"), found, strict=True):
        each |= changes.get(name, {})
    kept = [{name: value for name, value in each.items() if value is not None} for each in found if each.get("Sid")]
    return json.dumps({"Version": "2012-10-17", "Statement": [*kept, *more]})


OLDER = [*MANAGES, "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"]


@pytest.mark.parametrize(
    "text",
    [
        policy(delegation={"Sid": "Enable IAM policies"}),
        policy(delegation={"Sid": "EnableIAMUserPermissions", "Action": ["kms:*"], "Principal": {"AWS": [OURS]}}),
        policy(administration={"Action": OLDER}),
        policy(administration={"Action": sorted([*OLDER, "kms:ReplicateKey", "kms:UpdatePrimaryRegion"])}),
        policy(use={"Action": sorted(statements(make(SYMMETRIC, FORM))[2]["Action"])}),
        policy(attachment={"Condition": {"Bool": {"kms:GrantIsForAWSResource": True}}}),
        policy(use={"Principal": {"AWS": [THEIRS, USER, ROLE]}}),
    ],
)
def test_what_the_console_wrote_in_other_years_is_read(text: str) -> None:
    assert read(text) == FoundForm(FORM)


OTHER_STATEMENT = {
    "Sid": "Nobody from outside", "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*",
    "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
}  # fmt: skip


def test_statements_beside_the_form_are_counted() -> None:
    assert read(policy(OTHER_STATEMENT, {**OTHER_STATEMENT, "Sid": ""})) == FoundForm(
        FORM, (StatementBeside(4, "Nobody from outside"), StatementBeside(5, ""))
    )


def test_a_policy_of_one_statement_without_a_list_is_read() -> None:
    single = {"Version": "2012-10-17", "Statement": statements(make(SYMMETRIC, FORM))[0]}
    assert read(json.dumps(single)) == FoundForm(ConsoleForm(OURS))
    assert read(default_key_policy(OURS)) == FoundForm(ConsoleForm(OURS)), "and so is the policy of a key without one"


@pytest.mark.parametrize(
    ("text", "index", "why"),
    [
        (policy(delegation={"Sid": "Root"}), None, 'no statement "Enable IAM User Permissions"'),
        (policy(delegation={"Action": ["kms:*", "kms:Decrypt"]}), 0, "it has kms:Decrypt"),
        (policy(delegation={"Principal": {"AWS": USER}}), 0, "its principal is not one account"),
        (policy(delegation={"Principal": {"AWS": [OURS, THEIRS]}}), 0, "its principal is not one account"),
        (policy(delegation={"Principal": "*"}), 0, "accounts, users and roles alone"),
        (policy(administration={"Effect": "Deny"}), 1, "its effect is Deny"),
        (policy(administration={"Action": MANAGES[1:]}), 1, r"it lacks kms:Create\*"),
        (policy(administration={"Action": [*MANAGES, "kms:CancelKeyDeletion"]}), 1, "it has kms:CancelKeyDeletion"),
        (policy(administration={"Action": [*OLDER, "kms:Decrypt"]}), 1, "it has kms:Decrypt"),
        (policy(administration={"Action": None, "NotAction": "kms:Decrypt"}), 1, "it has no Action"),
        (policy(administration={"Principal": {"AWS": OURS}}), 1, "it is not the ARN of a user or role"),
        (policy(administration={"Principal": {"AWS": ADMIN_USER, "Service": "s3.amazonaws.com"}}), 1, "alone"),
        (policy(administration={"Resource": None}), 1, 'its resource is not "\\*"'),
        (policy(administration={"Condition": OTHER_STATEMENT["Condition"]}), 1, "it has a condition"),
        (policy(use={"Action": ["kms:Decrypt"]}), 2, "it lacks "),
        (policy(use={"Principal": {"AWS": f"arn:aws:iam::{THEIRS}:user/a"}}), 3, "its principals are not those of"),
        (policy(use={"Sid": None}), None, 'no statement "Allow use of the key"'),
        (policy(attachment={"Sid": None}), None, 'no statement "Allow attachment of persistent resources"'),
        (policy(attachment={"Principal": {"AWS": USER}}), 3, 'its principals are not those of "Allow use of the key"'),
        (policy(attachment={"Condition": None}), 3, "its condition is not"),
        (policy(attachment={"Condition": {"Bool": {"kms:GrantIsForAWSResource": "false"}}}), 3, "its condition is not"),
    ],
)  # fmt: skip
def test_a_policy_in_another_form_says_which_statement_differs(text: str, index: int | None, why: str) -> None:
    found = read(text)
    assert isinstance(found, OtherForm)
    assert found.index == index
    assert re.search(why, found.why)


def test_another_accounts_user_is_not_shown() -> None:
    """The console names another account as a whole (key-policy-modifying-external-accounts)."""
    both = {"Principal": {"AWS": f"arn:aws:iam::{THEIRS}:user/a"}}
    found = read(policy(use=both, attachment=both))
    assert isinstance(found, OtherForm)
    assert (found.sid, "belongs to account" in found.why) == ("Allow use of the key", True)


ODD = st.one_of(
    st.none(),
    st.sampled_from(["*", "Deny", "Allow", "kms:*", USER, OURS, THEIRS, f"arn:aws:iam::{THEIRS}:root", "AIDA0123456789ABCDEF0", ""]),
    st.lists(st.sampled_from([USER, ROLE, OURS, "kms:Decrypt", "kms:Create*", 5, True]), max_size=3),
    st.sampled_from([{}, {"AWS": []}, {"AWS": "*"}, {"Service": "s3.amazonaws.com"}, {"Bool": {}}, {"AWS": [USER, THEIRS]}]),
)  # fmt: skip
MEMBERS = ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "Condition")


@given(
    st.dictionaries(
        st.sampled_from(["delegation", "administration", "use", "attachment"]),
        st.dictionaries(st.sampled_from(MEMBERS), ODD, max_size=2),
        min_size=1,
    ),
    forms(),
)
def test_whatever_a_statement_says_it_is_shown_as_it_is_or_not_at_all(changes: Any, wanted: ConsoleForm) -> None:
    """What is shown is what the policy says: a change to it is read back. Nothing else than a refusal is ever raised."""
    text = policy(**changes)
    try:
        found = read(text)
    except (MalformedPolicy, LimitExceeded):
        return
    if isinstance(found, FoundForm):
        wanted = replace(wanted, account=found.form.account)
        try:
            wanted.require()
        except InvalidRequest:
            return
        again = read(changed(text, SYMMETRIC, wanted))
        assert isinstance(again, FoundForm)
        assert set(again.form.using) == set(wanted.using)
        assert set(again.form.administrators) == set(wanted.administrators)
        assert [each.sid for each in again.beside] == [each.sid for each in found.beside]


def test_text_that_is_no_policy_is_refused() -> None:
    with pytest.raises(MalformedPolicy):
        read("{}")


# -- changed ----------------------------------------------------------------------------------------------------------


def after(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([each for each in old if each in new] + [each for each in new if each not in old])


@given(kinds, forms(), forms())
def test_a_changed_policy_is_read_back_and_is_what_the_console_would_have_made(
    kind: KeyKind, old: ConsoleForm, new: ConsoleForm
) -> None:
    done = changed(make(kind, old), kind, new)
    ordered = replace(
        new,
        administrators=after(old.administrators, new.administrators),
        users=after(old.users, new.users),
        accounts=after(old.accounts, new.accounts),
    )
    found = read(done)
    assert isinstance(found, FoundForm)
    assert found.form == ordered
    assert done == make(kind, ordered)


LAYOUTS = (
    lambda document: json.dumps(document, indent=4),
    lambda document: json.dumps(document, indent="\t"),
    lambda document: json.dumps(document, indent=2, separators=(",", " : ")),
    lambda document: json.dumps(document),
    lambda document: json.dumps(document, separators=(",", ":")),
    lambda document: json.dumps(document, indent=0),
)


@given(st.sampled_from(LAYOUTS), st.integers(0, 4), forms(), forms())
def test_a_change_leaves_everything_else_byte_for_byte(
    laid_out: Any, where: int, old: ConsoleForm, new: ConsoleForm
) -> None:
    """In every layout, with a foreign statement before, between or behind those of the form. A change and the change back
    leave the same lists."""
    document = json.loads(make(SYMMETRIC, old))
    where = min(where, len(document["Statement"]))
    document["Statement"].insert(where, OTHER_STATEMENT)
    text = laid_out(document)
    assert changed(text, SYMMETRIC, old) == text
    done = changed(text, SYMMETRIC, new)
    found, back = read(done), read(changed(done, SYMMETRIC, old))
    assert isinstance(found, FoundForm)
    assert isinstance(back, FoundForm)
    assert len(found.beside) == 1
    assert statements(done)[found.beside[0].index] == OTHER_STATEMENT
    assert {*found.form.users, *found.form.accounts} == {*new.users, *new.accounts}
    assert (set(found.form.administrators), found.form.may_delete) == (set(new.administrators), new.may_delete)
    assert (set(back.form.administrators), set(back.form.using)) == (set(old.administrators), set(old.using))
    sids = [each.get("Sid") for each in statements(done) if each != OTHER_STATEMENT]
    assert sids == [each["Sid"] for each in statements(make(SYMMETRIC, new))]
    assert done == laid_out(json.loads(done)), "what is new is laid out like the rest"


BY_HAND = r"""{ "Statement": [
    { "Effect":"Allow", "Sid":"Enable IAM policies", "Resource":"*", "Action":"kms:*", "Principal":{"AWS":"111122223333"} },
    { "Sid":"Audit \u2014 \"read\"", "Effect":"Allow","Principal":{"AWS":"arn:aws:iam::777788889999:root"},
      "Action":"kms:Describe*" ,"Resource":"*"},
    {"Sid":"Allow use of the key","Effect":"Allow","Resource":"*",
     "Principal":{"AWS":["arn:aws:iam::111122223333:user\/ada", "444455556666"]},
     "Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:DescribeKey"]},
    {"Sid":"Allow attachment of persistent resources","Effect":"Allow","Resource":"*",
     "Principal":{"AWS":["444455556666","arn:aws:iam::111122223333:user\/ada"]},
     "Action":["kms:CreateGrant","kms:ListGrants","kms:RevokeGrant"],
     "Condition":{"Bool":{"kms:GrantIsForAWSResource":true}}}
  ],   "Version":"2012-10-17" }
"""


def test_a_policy_that_people_wrote_keeps_how_they_wrote_it() -> None:
    ada, bea = f"arn:aws:iam::{OURS}:user/ada", f"arn:aws:iam::{OURS}:user/bea"
    assert read(BY_HAND) == FoundForm(
        ConsoleForm(OURS, users=(ada,), accounts=(THEIRS,)), (StatementBeside(1, 'Audit \u2014 "read"'),)
    )
    more = changed(BY_HAND, SYMMETRIC, ConsoleForm(OURS, users=(ada, bea), accounts=(THEIRS,)))
    first = BY_HAND.replace(r'user\/ada", "444455556666"]', rf'user\/ada", "{bea}", "444455556666"]')
    assert more == first.replace(r'user\/ada"]', rf'user\/ada","{bea}"]')
    alone = changed(BY_HAND, SYMMETRIC, ConsoleForm(OURS, users=(ada,)))
    escaped = r'"arn:aws:iam::111122223333:user\/ada"'
    expected = BY_HAND.replace(rf'[{escaped}, "444455556666"]', escaped).replace(
        rf'["444455556666",{escaped}]', escaped
    )
    assert alone == expected


def test_a_list_that_does_not_change_stays_as_it_was() -> None:
    text = BY_HAND.replace(
        r'["arn:aws:iam::111122223333:user\/ada", "444455556666"]', r'[ "arn:aws:iam::111122223333:user\/ada" ]'
    )
    text = text.replace(
        r'["444455556666","arn:aws:iam::111122223333:user\/ada"]', r'[ "arn:aws:iam::111122223333:user\/ada" ]'
    )
    found = read(text)
    assert isinstance(found, FoundForm)
    assert changed(text, SYMMETRIC, found.form) == text


def test_a_policy_of_one_statement_without_a_list_gets_a_list() -> None:
    (only,) = statements(default_key_policy(OURS))
    text = json.dumps({"Version": "2012-10-17", "Statement": only})
    found = read(changed(text, SYMMETRIC, FORM))
    assert found == FoundForm(FORM)


def test_deletion_is_allowed_and_forbidden_where_the_console_has_it() -> None:
    older = policy(administration={"Action": [*MANAGES, "kms:ReplicateKey", "kms:UpdatePrimaryRegion"]})
    allowed = changed(older, SYMMETRIC, FORM)
    expected = [*OLDER, "kms:ReplicateKey", "kms:UpdatePrimaryRegion"]
    assert statements(allowed)[1]["Action"] == expected, "the older list gets no RotateKeyOnDemand by this"
    assert changed(allowed, SYMMETRIC, replace(FORM, may_delete=False)) == older


def test_a_new_statement_is_for_the_kind_of_key() -> None:
    signing = kind_of("RSA_2048", "SIGN_VERIFY")
    text = changed(default_key_policy(OURS), signing, ConsoleForm(OURS, users=(USER,)))
    assert statements(text)[1]["Action"] == list(signing.use)
    assert text.startswith(default_key_policy(OURS)[:-6]), "what was there stays as it was"


@pytest.mark.parametrize(
    ("text", "wanted", "fault", "words"),
    [
        (policy(use={"Action": ["kms:Decrypt"]}), FORM, InvalidRequest, 'statement 3, "Allow use of the key"'),
        (policy(delegation={"Sid": "Root"}), FORM, InvalidRequest, "has no statement"),
        (policy(), replace(FORM, account=THEIRS), InvalidRequest, f"of account {OURS}, not {THEIRS}"),
        (policy(), replace(FORM, users=("bob",)), InvalidRequest, "cannot be a key user"),
        ("nonsense", FORM, MalformedPolicy, "not valid JSON"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(
    text: str, wanted: ConsoleForm, fault: type[Exception], words: str
) -> None:
    with pytest.raises(fault, match=words):
        changed(text, SYMMETRIC, wanted)


def test_a_change_cannot_make_a_policy_longer_than_a_policy_may_be() -> None:
    many = tuple(f"arn:aws:iam::{OURS}:role/{'r' * 50}{number}" for number in range(200))
    with pytest.raises(LimitExceeded):
        changed(policy(), SYMMETRIC, replace(FORM, users=many))
