"""Somebody who makes up tokens, or whose provider is not what it seems: it hangs, redirects, answers without end, or has the
address of something inside."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from domain.identities.oidc_providers import MOST_OF_ACCOUNT
from services.adapters.oidc_fetch import PATIENCE, NotFetched, OidcFetch, PublicOnly
from services.api.door import networks
from services.kms_api.provider_keys import FRESH, KEPT, MOST_WAITING, RETRY, ProviderKeys
from services.kms_api.refused_attempts import COUNTED_FOR
from services.outgoing_http import trusted_by
from tests.counts import with_all_in_soak
from tests.e2e.test_web_identity import arn_of, role, sts
from tests.installation import Installation
from tests.oidc import CONFIGURATION, KEYS, Provider, answer_json, unsigned


@pytest.fixture(scope="module")
def iam(installation: Installation) -> Any:
    return installation.client(service="iam")


@pytest.fixture
def provider(iam: Any, provider_certificate: tuple[Path, Path]) -> Iterator[Provider]:
    with Provider(provider_certificate) as running:
        iam.create_open_id_connect_provider(Url=running.issuer, ClientIDList=["keytrail"])
        yield running
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn_of(running))


def answer(installation: Installation, role: str, token: str, client: Any = None) -> str:
    """The code of the refusal, "" if the token was taken. A client that is given was made before, which takes long."""
    try:
        (client or sts(installation)).assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="web", WebIdentityToken=token
        )
    except ClientError as fault:
        return str(fault.response["Error"]["Code"])
    return ""


def by_public_key(provider: Provider) -> str:
    """Signed with HMAC, by the public key that everybody has: taken where the algorithm of the header is believed."""
    public = provider.keys["rsa"][1].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = unsigned({"alg": "HS256", "kid": "rsa"}, provider.claims())
    head = token.rpartition(".")[0]
    signature = hmac.digest(public, head.encode(), sha256)
    return f"{head}.{unsigned({}, {}, signature).rpartition('.')[2]}"


def bent(provider: Provider) -> str:
    head, _, signature = provider.token().split(".")
    return f"{head}.{unsigned({}, provider.claims(sub='root')).split('.')[1]}.{signature}"


WITHOUT_A_FETCH: dict[str, Callable[[Provider], str]] = {
    "alg none": lambda provider: unsigned({"alg": "none"}, provider.claims()),
    "alg that is no text": lambda provider: unsigned({"alg": ["RS256"]}, provider.claims()),
    "HMAC by the public key": by_public_key,
    "a critical header": lambda provider: provider.token(header={"crit": ["exp"]}),
    "wrong audience": lambda provider: provider.token(aud="somebody"),
    "several audiences and none that it is for": lambda provider: provider.token(aud=["keytrail", "somebody"]),
    "for another party": lambda provider: provider.token(azp="somebody"),
    "no audience": lambda provider: provider.token(aud=None),
    "future nbf": lambda provider: provider.token(nbf=int(time.time()) + 3600),
    "future iat": lambda provider: provider.token(iat=int(time.time()) + 3600),
    "no exp": lambda provider: provider.token(exp=None),
    "exp that is no number": lambda provider: unsigned({"alg": "RS256"}, provider.claims(exp="tomorrow")),
    "exp without end": lambda provider: unsigned({"alg": "RS256"}, provider.claims(exp=2**80)),
    "no subject": lambda provider: provider.token(sub=None),
    "a subject with a line break": lambda provider: provider.token(sub="a\nb"),
    "another issuer": lambda provider: provider.token(iss="https://example.com"),
    "an issuer that is no text": lambda provider: unsigned({"alg": "RS256"}, provider.claims() | {"iss": 7}),
    "no token": lambda provider: "not a token",
    "deep JSON": lambda provider: "a." + "W1tb" * 4000 + ".b",
}


def test_a_made_up_token_is_refused_without_asking_anybody(
    iam: Any, installation: Installation, provider: Provider
) -> None:
    arn = role(iam, provider)
    found = {name: answer(installation, arn, make(provider)) for name, make in WITHOUT_A_FETCH.items()}
    assert found == dict.fromkeys(WITHOUT_A_FETCH, "InvalidIdentityToken")
    assert answer(installation, arn, provider.token(exp=int(time.time()) - 60)) == "ExpiredTokenException"
    assert provider.asked == {}


def test_a_token_that_somebody_else_signed_is_refused(iam: Any, installation: Installation, provider: Provider) -> None:
    arn = role(iam, provider)
    assert answer(installation, arn, bent(provider)) == "InvalidIdentityToken"
    assert answer(installation, arn, provider.token("ec", {"kid": "rsa"})) == "InvalidIdentityToken"
    assert answer(installation, arn, provider.token("rsa")) == ""


def test_an_unknown_key_is_asked_for_once_a_minute(iam: Any, installation: Installation, provider: Provider) -> None:
    """Gained: requests to somebody's server, as many as the attacker likes; or a file of ours by a `kid` with a path."""
    arn = role(iam, provider)
    kids = ["../../etc/passwd", "' OR 1=1 --", "x" * 200, *(f"made-up-{each}" for each in range(20))]
    made = [provider.token(header={"kid": kid}) for kid in kids]
    assert {answer(installation, arn, each) for each in made} == {"InvalidIdentityToken"}
    assert provider.asked[KEYS] <= 2  # one for each of two workers


def test_nothing_is_fetched_for_an_issuer_that_is_not_registered(
    iam: Any, installation: Installation, provider: Provider, provider_certificate: tuple[Path, Path]
) -> None:
    arn = role(iam, provider)
    with Provider(provider_certificate) as stranger:
        assert answer(installation, arn, stranger.token()) == "InvalidIdentityToken"
        assert stranger.asked == {}


def hangs(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(6)


def redirects(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "https://localhost/keys")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def endless(handler: BaseHTTPRequestHandler) -> None:
    answer_json(handler, b'{"keys": [' + b" " * 10_000_000 + b"]}")


def drips(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(60):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


BROKEN = {
    "redirects": redirects,
    "answers 10 MB": endless,
    "is not JSON": lambda handler: answer_json(handler, b"<html>"),
    "is an error": lambda handler: answer_json(handler, {}, 500),
    "is compressed": lambda handler: answer_json(handler, b"\x1f\x8b\x08" + b"\0" * 100),
    "hangs": hangs,
    "drips": drips,
}


@pytest.mark.parametrize("path", with_all_in_soak((CONFIGURATION, KEYS), (KEYS,)))
def test_a_broken_provider_lets_nobody_in_and_delays_nobody_else(
    iam: Any, installation: Installation, provider: Provider, provider_certificate: tuple[Path, Path], path: str
) -> None:
    """All of them at once, while `provider` is whole."""
    good = role(iam, provider)
    with ExitStack() as opened, ThreadPoolExecutor(len(BROKEN)) as pool:
        broken = {how: opened.enter_context(Provider(provider_certificate, provider.keys)) for how in BROKEN}
        roles = {}
        for how, each in broken.items():
            each.answers[path] = BROKEN[how]
            iam.create_open_id_connect_provider(Url=each.issuer, ClientIDList=["keytrail"])
            roles[how] = role(iam, each)

        client = sts(installation)
        tokens = {how: each.token() for how, each in broken.items()}

        def answers() -> dict[str, str]:
            asked = {how: pool.submit(answer, installation, roles[how], tokens[how], client) for how in BROKEN}
            began = time.monotonic()
            assert answer(installation, good, provider.token(), client) == ""
            assert time.monotonic() - began < 2
            return {how: each.result() for how, each in asked.items()}

        for _ in range(2):
            began = time.monotonic()
            assert answers() == dict.fromkeys(BROKEN, "IDPCommunicationError")
            assert time.monotonic() - began < 6


def test_calls_that_wait_for_a_provider_are_few(iam: Any, installation: Installation, provider: Provider) -> None:
    arn = role(iam, provider)
    provider.answers[CONFIGURATION] = hangs
    client, token = sts(installation), provider.token()
    began = time.monotonic()

    def asked(_: int) -> str:
        with pytest.raises(ClientError) as fault:
            client.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="web", WebIdentityToken=token)
        return str(fault.value.response["Error"]["Code"])

    with ThreadPoolExecutor(3 * MOST_WAITING) as pool:
        assert set(pool.map(asked, range(3 * MOST_WAITING))) == {"IDPCommunicationError"}
        installation.client().list_keys()
    # Each of two workers asks once, waits, and then asks no more for a while.
    assert provider.asked[CONFIGURATION] <= 2 * (1 + (time.monotonic() - began) // (PATIENCE + RETRY))


def test_a_provider_that_changes_its_keys_is_asked_again(
    iam: Any, installation: Installation, provider: Provider
) -> None:
    """The tokens of the old key are then refused at every worker that asked."""
    arn, old = role(iam, provider), provider.token()
    provider.keys["new"] = ("RS256", provider.keys.pop("rsa")[1])
    for _ in range(4):
        assert answer(installation, arn, provider.token("new")) == ""
    assert answer(installation, arn, old) == "InvalidIdentityToken"


async def test_a_provider_is_asked_again_when_its_keys_are_old(provider_certificate: tuple[Path, Path]) -> None:
    """The first token after a quiet hour was refused, though the provider answered: its keys were too old to be believed, and
    were fetched behind the refusal."""
    fetch = OidcFetch(PublicOnly(networks("127.0.0.0/8")), trusted_by(str(provider_certificate[0])))
    with Provider(provider_certificate) as provider:
        keys = ProviderKeys(fetch)
        for later, asked in ((0.0, 1), (KEPT + 60.0, 2), (FRESH + 60.0, 2)):
            if held := keys._held.get(provider.issuer):
                held.fetched, held.asked = held.fetched - later, held.asked - later
            assert await keys.key(provider.issuer, "RS256", "rsa") is not None
            assert provider.asked[KEYS] == asked, "keys that are still believed are fetched behind the answer"
    await fetch.close()


def test_a_trust_policy_forbids_the_name_of_a_session(iam: Any, installation: Installation, provider: Provider) -> None:
    """Gained: records that name somebody else."""
    issuer, anyone = provider.name, {"Federated": arn_of(provider)}
    own = {"StringNotEquals": {"sts:RoleSessionName": f"${{{issuer}:sub}}"}}
    taken = {"StringLike": {"sts:RoleSessionName": "root*"}}
    for name, (condition, forbidden) in {"own": (own, "web"), "taken": (taken, "root-1")}.items():
        statements = [
            {"Effect": effect, "Principal": anyone, "Action": "sts:AssumeRoleWithWebIdentity", **more}
            for effect, more in (("Allow", {}), ("Deny", {"Condition": condition}))
        ]
        trust = json.dumps({"Version": "2012-10-17", "Statement": statements})
        made = iam.create_role(RoleName=f"names-{name}-{secrets.token_hex(4)}", AssumeRolePolicyDocument=trust)
        asked = {"RoleArn": made["Role"]["Arn"], "WebIdentityToken": provider.token()}
        with pytest.raises(ClientError, match="AccessDenied"):
            sts(installation).assume_role_with_web_identity(RoleSessionName=forbidden, **asked)
        sts(installation).assume_role_with_web_identity(RoleSessionName="pod-1", **asked)


def number(bits: int) -> str:
    """An odd number of so many bits, in base64url."""
    drawn = secrets.randbits(bits) | 1 << (bits - 1) | 1
    return urlsafe_b64encode(drawn.to_bytes(bits // 8, "big")).decode().rstrip("=")


def test_keys_that_take_long_to_read_or_to_try_are_left_out(
    iam: Any, installation: Installation, provider: Provider
) -> None:
    """Gained: a worker that answers nobody. The primes of a private key of 8,192 bits were looked for, for six seconds on the
    event loop; for a longer one, for hours."""
    arn = role(iam, provider)
    costly = {
        "private": {"kty": "RSA", "n": number(8192), "e": "AQAB", "d": number(8192)},
        "long": {"kty": "RSA", "n": number(16_384), "e": "AQAB"},
        "exponent": {"kty": "RSA", "n": number(2048), "e": number(2040)},
    }
    made = [each | {"kid": kid, "use": "sig"} for kid, each in costly.items()]
    keys = {"keys": [*made, *provider.public()["keys"]]}
    provider.answers[KEYS] = lambda handler: answer_json(handler, keys)
    client, began = sts(installation), time.monotonic()
    assert answer(installation, arn, provider.token(), client) == ""
    assert time.monotonic() - began < 3
    for kid in ("long", "exponent"):
        with pytest.raises(ClientError, match="it has no such key"):
            client.assume_role_with_web_identity(
                RoleArn=arn, RoleSessionName="web", WebIdentityToken=provider.token(header={"kid": kid})
            )


def test_of_a_provider_with_very_many_keys_the_first_count(
    iam: Any, installation: Installation, provider: Provider
) -> None:
    """Gained: a hundred providers with as many keys as fit into an answer took 20 MB of each worker."""
    arn, (first, *_) = role(iam, provider), provider.public()["keys"]
    many = [first | {"kid": f"key-{number}"} for number in range(65)]
    provider.answers[KEYS] = lambda handler: answer_json(handler, {"keys": many})
    client = sts(installation)
    assert answer(installation, arn, provider.token(header={"kid": "key-63"}), client) == ""
    with pytest.raises(ClientError, match="it has no such key"):
        client.assume_role_with_web_identity(
            RoleArn=arn, RoleSessionName="web", WebIdentityToken=provider.token(header={"kid": "key-64"})
        )


def test_a_provider_inside_is_not_asked(attacked: Installation, provider_certificate: tuple[Path, Path]) -> None:
    """`attacked` lists no private addresses. Gained: answers of servers that only Keytrail reaches, such as a cloud's
    metadata."""
    iam = attacked.client(service="iam")
    with Provider(provider_certificate) as inside:
        iam.create_open_id_connect_provider(Url=inside.issuer, ClientIDList=["keytrail"])
        assert answer(attacked, role(iam, inside), inside.token()) == "IDPCommunicationError"
        assert inside.asked == {}


PRIVATE = ("127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "::1", "fe80::1", "fd00::1", "::ffff:10.1.2.3",
           "0.0.0.0", "100.64.0.1", "224.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "64:ff9b:1::7f00:1", "::127.0.0.1",
           "::ffff:0:7f00:1", "fec0::1")  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_no_private_address_is_public(address: str) -> None:
    assert not PublicOnly().admits(address)
    for public in ("93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"):
        assert PublicOnly().admits(public)


def test_an_operator_may_list_what_is_never_public() -> None:
    assert PublicOnly(networks("64:ff9b:1::/48")).admits("64:ff9b:1::7f00:1")


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "127.1"])
async def test_an_address_in_the_place_of_a_name_is_checked(
    address: str, provider_certificate: tuple[Path, Path]
) -> None:
    with Provider(provider_certificate) as inside:
        fetch = OidcFetch(PublicOnly(), trusted_by(str(provider_certificate[0])))
        with pytest.raises(NotFetched):
            await fetch.keys_of(f"https://{address}:{inside.name.rpartition(':')[2]}")
        await fetch.close()
        assert inside.asked == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "１２７.0.0.1", "①②⑦.0.0.1", "127。0。0。1", "127.1", "localhost"])
async def test_a_key_set_inside_gets_no_connection(host: str) -> None:
    """Gained: which ports are open inside. A `jwks_uri` may have digits of any script, which become an address."""
    connected = []

    def connect(_: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        connected.append(host)
        to.close()

    async with await asyncio.start_server(connect, "127.0.0.1") as inside:
        port = inside.sockets[0].getsockname()[1]
        fetch = OidcFetch(PublicOnly(), trusted_by(""))
        with pytest.raises(NotFetched):
            await fetch.exchanged(f"https://{host}:{port}/keys", {})
        await fetch.close()
    assert connected == []


async def test_the_hanging_providers_of_an_account_keep_nobody_else_waiting(
    provider_certificate: tuple[Path, Path],
) -> None:
    """Gained: nobody else signs in with a provider."""
    left: list[asyncio.Event] = []

    async def hangs(asked: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        left.append(asyncio.Event())
        ended = left[-1]
        with contextlib.suppress(ConnectionError):
            await asked.read()  # it says nothing until the other side has left
        with contextlib.suppress(ConnectionError):
            to.close()
            await to.wait_closed()
        ended.set()

    silent = await asyncio.start_server(hangs, "127.0.0.1", backlog=MOST_OF_ACCOUNT)
    port = silent.sockets[0].getsockname()[1]
    fetch = OidcFetch(PublicOnly(networks("127.0.0.0/8")), trusted_by(str(provider_certificate[0])))
    with Provider(provider_certificate) as good:
        hanging = [
            asyncio.create_task(fetch.keys_of(f"https://localhost:{port}/{each}")) for each in range(MOST_OF_ACCOUNT)
        ]
        await asyncio.sleep(1)
        began = time.monotonic()
        assert await fetch.keys_of(good.issuer) == good.public()["keys"]
        assert time.monotonic() - began < 1.5
        found = await asyncio.gather(*hanging, return_exceptions=True)
    assert {type(each) for each in found} == {NotFetched}
    await fetch.close()
    silent.close()
    for each in left:
        await each.wait()


async def test_the_operator_is_told_which_setting_lets_a_provider_be_asked(
    provider_certificate: tuple[Path, Path],
) -> None:
    own = trusted_by(str(provider_certificate[0]))
    with Provider(provider_certificate) as inside:
        for allowed, trusted, setting in (
            (PublicOnly(), own, "KEYTRAIL_OIDC_ADDRESSES"),
            (PublicOnly(networks("127.0.0.0/8")), trusted_by(""), "KEYTRAIL_OIDC_CA"),
        ):
            fetch = OidcFetch(allowed, trusted)
            with pytest.raises(NotFetched, match=setting):
                await fetch.keys_of(inside.issuer)
            await fetch.close()


def test_refused_tokens_are_counted_on_record(iam: Any, installation: Installation, provider: Provider) -> None:
    """Gained: a full log."""
    arn = role(iam, provider)
    began = time.monotonic()
    for _ in range(30):
        answer(installation, arn, provider.token(aud="somebody"))
    windows = 1 + (time.monotonic() - began) // COUNTED_FOR
    installation.caught_up()
    asked = ("decisions", "--operation", "AssumeRoleWithWebIdentity", "--where", f"principal={arn_of(provider)}")
    found = installation.answers(*asked)
    assert 1 <= len(found) <= 4 * windows  # for each of two workers the first one, and the others
    assert {each["error"] for each in found} == {"invalid-identity-token"}
    assert "somebody" not in json.dumps(found)
