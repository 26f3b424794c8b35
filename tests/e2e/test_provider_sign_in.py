"""Somebody signs in to the console with an OpenID Connect provider: the browser's part is played here, the provider is real
https (the console's own part is tested in a browser, tests/console)."""

from __future__ import annotations

import json
import re
import signal
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import psutil
import pytest

from services.adapters.sign_in_providers import load_providers
from services.settings import BadSetting, Settings
from tests.attacks.test_console_sessions import post
from tests.e2e.test_web_identity import arn_of, role
from tests.installation import Installation
from tests.oidc import Provider, answer_json
from tests.sign_in import ACCOUNT, let_in, refused_as

CODES, SIGN_INS = "/v1/console/provider-codes", "/v1/console/provider-sign-ins"
VERIFIER, NONCE, REDIRECT = "v" * 43, "a nonce", "https://console.example/console/"


class Company(Provider):
    """A provider with a token endpoint: each code is good once, for the verifier that it was asked for with."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        super().__init__(certificate)
        self.codes: dict[str, dict[str, Any]] = {}
        self.posts["/token"] = self._token

    def configuration(self) -> dict[str, Any]:
        endpoints = {"authorization_endpoint": f"{self.issuer}/authorize", "token_endpoint": f"{self.issuer}/token"}
        return super().configuration() | endpoints

    def signed_in(self, code: str, **claims: Any) -> None:
        """What the provider remembers of a person who has signed in there."""
        self.codes[code] = {"nonce": NONCE, "sub": "ada", "email": "ada@example.com", "email_verified": True, **claims}

    def _token(self, handler: BaseHTTPRequestHandler) -> None:
        form = {name: values[0] for name, values in parse_qs(self.body_of(handler)).items()}
        claims = self.codes.pop(form["code"], None)
        right = form["code_verifier"] == VERIFIER and form["redirect_uri"] == REDIRECT
        if claims is None or not right or form["client_secret"] != "a secret":
            answer_json(handler, {"error": "invalid_grant"}, 400)
        else:
            answer_json(handler, {"id_token": self.token(**claims), "token_type": "Bearer"})


@pytest.fixture(scope="module")
def company(provider_certificate: tuple[Path, Path]) -> Iterator[Company]:
    with Company(provider_certificate) as running:
        yield running


@pytest.fixture(scope="module")
def offering(
    company: Company, provider_certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("offering")
    file = folder / "providers.toml"
    file.touch(0o600)
    file.write_text(f'["Company"]\nissuer = "{company.issuer}"\nclient_id = "keytrail"\nclient_secret = "a secret"\n')
    settings = {
        "KEYTRAIL_SIGN_IN_PROVIDERS_FILE": str(file),
        "KEYTRAIL_OIDC_CA": str(provider_certificate[0]),
        "KEYTRAIL_OIDC_ADDRESSES": "127.0.0.0/8",
    }
    with Installation(folder / "data", workers=2, variables=settings) as running:
        running.client(service="iam").create_open_id_connect_provider(Url=company.issuer, ClientIDList=["keytrail"])
        yield running
        running.caught_up()
        found = json.loads(running.keytrail("recheck", "--json", check=False).stdout)
        assert found["mismatches"] == 0, found["explained"]


@pytest.fixture(scope="module")
def iam(offering: Installation) -> Any:
    return offering.client(service="iam")


def given(code: str, **other: str) -> dict[str, str]:
    usual = {"provider": "Company", "code": code, "code_verifier": VERIFIER, "nonce": NONCE, "redirect_uri": REDIRECT}
    return usual | other


def test_the_page_is_told_where_to_go(offering: Installation, company: Company) -> None:
    import urllib.request

    with urllib.request.urlopen(f"{offering.url}/v1/console/providers") as answer:
        (offered,) = json.loads(answer.read())["items"]
    assert offered == {
        "name": "Company",
        "issuer": company.issuer,
        "client_id": "keytrail",
        "scope": "openid",
        "authorization_endpoint": f"{company.issuer}/authorize",
    }


def test_a_code_becomes_a_session_of_the_chosen_role(offering: Installation, company: Company, iam: Any) -> None:
    only = {"StringEquals": {f"{company.name}:sub": "ada"}}
    mine = role(iam, company, only, "kms:ListKeys")
    others = role(iam, company, {"StringEquals": {f"{company.name}:sub": "bob"}})
    company.signed_in("code-1")
    status, found = post(offering, CODES, given("code-1"))
    assert status == 200, found
    arns = [each["arn"] for each in found["roles"]]
    assert (found["subject"], found["account"]) == ("ada", ACCOUNT)
    assert mine in arns
    assert others not in arns
    assert refused_as(post(offering, SIGN_INS, {"proof": found["proof"], "role": others})) == "AccessDeniedException"
    credentials = let_in(post(offering, SIGN_INS, {"proof": found["proof"], "role": mine}))
    assert offering.client(credentials, "sts").get_caller_identity()["Arn"].endswith("/ada@example.com")
    offering.client(credentials).list_keys()
    offering.caught_up()
    (decided,) = offering.answers("decisions", "--operation", "ConsoleLoginWithProvider", "--effect", "allowed")
    assert decided["principal"] == f"{arn_of(company)}:keytrail:ada"
    assert (decided["kind"], decided["decided_by"]) == ("trust-policy", mine)


def test_a_code_and_its_proof_are_good_once_over_two_workers(
    offering: Installation, company: Company, iam: Any
) -> None:
    mine = role(iam, company)
    company.signed_in("code-2")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(offering, CODES, given("code-2")), range(8)))
        proofs = [found["proof"] for status, found in answers if status == 200]
        assert len(proofs) == 1
        signed = pool.map(lambda _: post(offering, SIGN_INS, {"proof": proofs[0], "role": mine})[0], range(8))
        assert sorted(signed) == [200, *[403] * 7]


@pytest.mark.parametrize(
    ("other", "claims"),
    [
        ({"nonce": "of another sign-in"}, {}),
        ({"code_verifier": "w" * 43}, {}),
        ({"redirect_uri": "https://evil.example/"}, {}),
        ({"provider": "Nobody"}, {}),
        ({"code": "made up"}, {}),
        ({}, {"aud": "somebody"}),
        ({}, {"exp": 1}),
        ({}, {"nonce": None}),
        ({}, {"nonce": "\ud800"}),
    ],
)
def test_another_code_nonce_verifier_or_token_lets_nobody_in(
    offering: Installation, company: Company, other: dict[str, str], claims: dict[str, Any]
) -> None:
    company.signed_in("code-3", **claims)
    assert refused_as(post(offering, CODES, given(**{"code": "code-3"} | other))) == "AccessDeniedException"


@pytest.mark.parametrize("checked", [False, "false", None])
def test_nobody_signs_in_under_an_address_that_the_provider_did_not_check(
    offering: Installation, company: Company, iam: Any, checked: Any
) -> None:
    """Gained: records that name somebody else, and what a condition on the address gives. None: the token does not say it."""
    mine = role(iam, company)
    theirs = role(iam, company, {"StringEquals": {f"{company.name}:email": "boss@example.com"}})
    code = f"code-5-{checked}"
    company.signed_in(code, email="boss@example.com", email_verified=checked)
    _, found = post(offering, CODES, given(code))
    arns = [each["arn"] for each in found["roles"]]
    assert mine in arns
    assert theirs not in arns
    credentials = let_in(post(offering, SIGN_INS, {"proof": found["proof"], "role": mine}))
    assert offering.client(credentials, "sts").get_caller_identity()["Arn"].endswith("/ada")


def test_people_whose_names_differ_have_sessions_whose_names_differ(
    offering: Installation, company: Company, iam: Any
) -> None:
    """Of two people whose addresses differ in a character that a session's name cannot have, records named one."""
    mine, seen = role(iam, company), set()
    long = "a" * 70
    for number, email in enumerate(
        ["zo\u00e9@example.com", "zo\u00eb@example.com", f"{long}b@x.org", f"{long}c@x.org", "z"]
    ):
        company.signed_in(f"code-named-{number}", email=email)
        _, found = post(offering, CODES, given(f"code-named-{number}"))
        credentials = let_in(post(offering, SIGN_INS, {"proof": found["proof"], "role": mine}))
        seen.add(offering.client(credentials, "sts").get_caller_identity()["Arn"].rpartition("/")[2])
    assert len(seen) == 5
    assert all(2 <= len(each) <= 64 for each in seen)


def test_a_condition_reads_the_name_of_the_session(offering: Installation, company: Company, iam: Any) -> None:
    mine, theirs = (
        role(iam, company, {"StringEquals": {"sts:RoleSessionName": name}}) for name in ("ada@example.com", "bob")
    )
    company.signed_in("code-6")
    _, found = post(offering, CODES, given("code-6"))
    arns = [each["arn"] for each in found["roles"]]
    assert mine in arns
    assert theirs not in arns
    assert refused_as(post(offering, SIGN_INS, {"proof": found["proof"], "role": theirs})) == "AccessDeniedException"
    let_in(post(offering, SIGN_INS, {"proof": found["proof"], "role": mine}))


def test_a_role_whose_trust_changes_meanwhile_is_decided_as_recorded(
    offering: Installation, company: Company, iam: Any
) -> None:
    """The recheck at the end of this file's installation found such sign-ins decided otherwise, and an alert said so."""
    mine = role(iam, company)
    name = mine.rpartition("/")[2]
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    nobody = json.dumps(trust | {"Statement": [trust["Statement"][0] | {"Effect": "Deny"}]})
    proofs = []
    for each in range(30):
        company.signed_in(f"code-7-{each}")
        proofs.append(post(offering, CODES, given(f"code-7-{each}"))[1]["proof"])

    def change() -> None:
        for each in range(60):
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust) if each % 2 else nobody)

    with ThreadPoolExecutor(4) as pool:
        changing = pool.submit(change)
        found = set(pool.map(lambda proof: post(offering, SIGN_INS, {"proof": proof, "role": mine})[0], proofs))
        changing.result()
    assert found <= {200, 403}


def test_a_made_up_proof_lets_nobody_in(offering: Installation, company: Company, iam: Any) -> None:
    challenge = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode()
    proof = {"proof": challenge, "role": role(iam, company)}
    assert refused_as(post(offering, SIGN_INS, proof)) == "AccessDeniedException"


def test_a_proof_stays_used_whatever_is_killed(offering: Installation, company: Company, iam: Any) -> None:
    mine = role(iam, company)
    company.signed_in("code-4")
    status, found = post(offering, CODES, given("code-4"))
    assert status == 200, found
    asked = {"proof": found["proof"], "role": mine}
    let_in(post(offering, SIGN_INS, asked))
    assert offering.up is not None
    whole = psutil.Process(offering.up.pid)
    for each in (whole, *whole.children(recursive=True)):
        each.send_signal(signal.SIGKILL)
    offering.up.wait(30)
    offering.start()
    assert refused_as(post(offering, SIGN_INS, asked)) == "AccessDeniedException"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('["Company"]\nissuer = "https://a.example"\n', "takes issuer, client_id"),
        ('["Company"]\nissuer = "http://a.example"\nclient_id = "k"\n', "must begin with https://"),
        (
            '["Company"]\nissuer = "https://a.example"\nclient_id = "k"\nrole = "admin"\n',
            "the ARN of a role in account",
        ),
        (
            '["Company"]\nissuer = "https://a.example"\nclient_id = "k"\nscope = "email"\n',
            "a scope that has openid in it",
        ),
        ('["Company"]\nissuer = "https://a.example"\nclient_id = 7\n', "each value is a text"),
        ("nonsense", "cannot be read"),
    ],
)
def test_a_file_of_providers_with_a_mistake_says_which(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "providers.toml"
    file.touch(0o600)
    file.write_text(text)
    with pytest.raises(BadSetting, match=re.escape(says)):
        load_providers(Settings(sign_in_providers_file=str(file)))
    file.chmod(0o644)
    with pytest.raises(BadSetting, match=r"KEYTRAIL_SIGN_IN_PROVIDERS_FILE"):
        load_providers(Settings(sign_in_providers_file=str(file)))
