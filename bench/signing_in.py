"""Signing in: a provider's token beside an access key, a password, and what a stranger who guesses costs others."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench import load
from bench.installed import Installed
from tests import certificates
from tests.oidc import Provider

ACCOUNT, PASSWORD = "111122223333", "correct Horse 1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GUESSES = 200
"""A second."""
ROUNDS = 4


def measure(installed: Installed, seconds: float) -> list[tuple[str, str, str]]:
    """On an installation of its own, which trusts the provider's certificate."""
    installed.stop()
    try:
        with tempfile.TemporaryDirectory() as folder:
            certificate = certificates.make(Path(folder))
            trusts = {"KEYTRAIL_OIDC_CA": str(certificate[0]), "KEYTRAIL_OIDC_ADDRESSES": "127.0.0.0/8"}
            with Installed(Path(folder) / "data", None, None, **trusts) as own, Provider(certificate) as provider:
                return [*_tokens(own, provider, seconds), *_passwords(own, seconds)]
    finally:
        installed.start()


def _document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def _tokens(own: Installed, provider: Provider, seconds: float) -> Iterator[tuple[str, str, str]]:
    iam = own.client("iam")
    user = iam.create_user(UserName="bench")["User"]["Arn"]
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    arn = iam.create_open_id_connect_provider(Url=provider.issuer, ClientIDList=["keytrail"])
    trusted = arn["OpenIDConnectProviderArn"]
    only = {"StringEquals": {f"{provider.name}:sub": "pod-1"}}
    trusts = {
        "key": _document(Principal={"AWS": user}, Action="sts:AssumeRole"),
        "web": _document(Principal={"Federated": trusted}, Action="sts:AssumeRoleWithWebIdentity", Condition=only),
    }
    roles = {
        name: iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        for name, trust in trusts.items()
    }
    asked = {"Version": "2011-06-15", "RoleSessionName": "bench"}
    web = asked | {
        "Action": "AssumeRoleWithWebIdentity",
        "RoleArn": roles["web"],
        "WebIdentityToken": provider.token(exp=int(time.time()) + 3600),
    }
    body = urlencode(asked | {"Action": "AssumeRole", "RoleArn": roles["key"]}).encode()
    request = AWSRequest("POST", f"{own.url}/", data=body, headers=FORM)
    SigV4Auth(Credentials(key["AccessKeyId"], key["SecretAccessKey"]), "sts", "us-east-1").add_auth(request)
    requests = {
        "key": load.raw("POST", own.url, "/", dict(request.headers), body),
        "web": load.raw("POST", own.url, "/", FORM, urlencode(web).encode()),
    }
    rates: dict[str, list[float]] = {name: [] for name in requests}
    for raw in requests.values():
        warm = load.run(own.url, raw, 16, 1)
        assert warm.latencies, "it is answered"
        assert not warm.errors, "nothing is refused"
    for _ in range(ROUNDS):
        for name, raw in requests.items():
            rates[name].append(load.run(own.url, raw, 16, seconds / ROUNDS).rate)
    by_key, by_token = (sum(rates[name]) / ROUNDS for name in ("key", "web"))
    yield "AssumeRoleWithWebIdentity, 16 connections", f"{by_token:,.0f}/s", ""
    yield "  yardstick: AssumeRole in the same run", f"{by_key:,.0f}/s", ""
    yield "  share of the yardstick", f"{by_token / by_key:.2f}", "at least 0.5"


def _sign_in(own: Installed, password: str) -> bytes:
    body = json.dumps({"account": ACCOUNT, "user": "ada", "password": password}).encode()
    return load.raw("POST", own.url, "/v1/console/sign-ins", {"Content-Type": "application/json"}, body)


def _passwords(own: Installed, seconds: float) -> Iterator[tuple[str, str, str]]:
    iam = own.client("iam")
    iam.create_user(UserName="ada")
    iam.create_login_profile(UserName="ada", Password=PASSWORD)
    alone = load.run(own.url, _sign_in(own, PASSWORD), 1, seconds)
    slowest = f"p50 {alone.percentile(0.5) * 1e3:.0f} ms, p99 {alone.percentile(0.99) * 1e3:.0f} ms"
    yield "sign-in with a password, 1 connection", f"{slowest}, {alone.errors} errors", "at most 400 ms"
    key = own.client().create_key()["KeyMetadata"]["KeyId"]
    body = json.dumps({"KeyId": key, "Plaintext": "QUFB" * 20}).encode()
    encrypt = load.signed(own.url, own.credentials, "Encrypt", body)
    load.run(own.url, encrypt, 8, 1)
    yield "Encrypt, 8 connections", load.run(own.url, encrypt, 8, seconds).summary(), ""
    with _beside(own, PASSWORD, 1e9):
        signed = load.run(own.url, encrypt, 8, seconds)
    yield "  beside sign-ins at one connection", signed.summary(), ""
    with _beside(own, "a guess", GUESSES) as sent:
        guessed = load.run(own.url, encrypt, 8, seconds)
    yield (
        f"  beside {len(sent) / seconds:,.0f} guesses a second from one address",
        guessed.summary(),
        "p99 under 100 ms",
    )


@contextmanager
def _beside(own: Installed, password: str, rate: float) -> Iterator[list[float]]:
    """Sends sign-ins meanwhile, at most so many a second."""
    stop, sent, raw = Event(), list[float](), _sign_in(own, password)

    def send() -> None:
        began = time.monotonic()
        with _connection(own) as connection:
            while not stop.is_set():
                if len(sent) < (time.monotonic() - began) * rate:
                    connection.sendall(raw)
                    _read_answer(connection)
                    sent.append(time.monotonic())
                else:
                    time.sleep(0.001)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        try:
            yield sent
        finally:
            stop.set()
            sending.result()


def _connection(own: Installed) -> Any:
    parts = urlsplit(own.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def _read_answer(connection: Any) -> None:
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(65_536)
    head, _, rest = found.partition(b"\r\n\r\n")
    length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))[15:])
    while len(rest) < length:
        rest += connection.recv(65_536)
