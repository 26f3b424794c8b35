"""Cryptographic operations over HTTP beside the bare operation, and how one client's RSA work affects another's
Encrypt."""

from __future__ import annotations

import json
import multiprocessing
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import partial

from bench import load
from bench.installed import Installed
from domain.crypto import asymmetric, symmetric
from domain.crypto.material import generate, load_private
from domain.crypto.specs import SPECS

MESSAGE = b"m" * 64
CONNECTIONS = 16
Figure = tuple[str, str, str]


def bare(work: Callable[[], object], seconds: float) -> float:
    """How many times a second one thread does the operation."""
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        work()
        count += 1
    return count / (time.perf_counter() - began)


def _works() -> dict[str, Callable[[], object]]:
    """The bare operations, each with a key of its own."""
    ec, rsa = generate(SPECS["ECC_NIST_P256"]), generate(SPECS["RSA_2048"])
    ec_private, rsa_private = load_private(ec.secret), load_private(rsa.secret)
    ec_public, rsa_public = b64decode(ec.public_key), b64decode(rsa.public_key)
    digest = asymmetric.signable(MESSAGE, "RAW", "ECDSA_SHA_256", "ECC_NIST_P256")
    signature = asymmetric.sign(ec_private, "ECDSA_SHA_256", "RAW", digest)
    sealed = asymmetric.encrypt(rsa_public, "RSAES_OAEP_SHA_256", MESSAGE)
    secret, key = b"s" * 32, "00000000-0000-4000-8000-000000000001"
    return {
        "Sign, ECC_NIST_P256": lambda: asymmetric.sign(ec_private, "ECDSA_SHA_256", "RAW", digest),
        "Verify, ECC_NIST_P256": lambda: asymmetric.verify(ec_public, "ECDSA_SHA_256", "RAW", digest, signature),
        "Sign, RSA_2048": lambda: asymmetric.sign(rsa_private, "RSASSA_PSS_SHA_256", "RAW", digest),
        "Decrypt, RSA_2048": lambda: asymmetric.decrypt(rsa_private, "RSAES_OAEP_SHA_256", sealed),
        "GenerateDataKey": lambda: symmetric.encrypt(secret, key, "ab" * 32, secret, {}),
    }


def _calls(installed: Installed) -> dict[str, tuple[str, bytes]]:
    """(operation, body) of the same operations over HTTP."""
    kms = installed.client()

    def key(spec: str, usage: str) -> str:
        return str(kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"])

    ec, rsa = key("ECC_NIST_P256", "SIGN_VERIFY"), key("RSA_2048", "SIGN_VERIFY")
    opening, symmetric_key = key("RSA_2048", "ENCRYPT_DECRYPT"), key("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    signature = kms.sign(KeyId=ec, Message=MESSAGE, SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    algorithm = {"EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    sealed = kms.encrypt(KeyId=opening, Plaintext=MESSAGE, **algorithm)["CiphertextBlob"]
    message, text = {"Message": b64encode(MESSAGE).decode()}, b64encode(signature).decode()
    blob = b64encode(sealed).decode()
    bodies: dict[str, tuple[str, dict[str, object]]] = {
        "Sign, ECC_NIST_P256": ("Sign", {"KeyId": ec, "SigningAlgorithm": "ECDSA_SHA_256", **message}),
        "Verify, ECC_NIST_P256": (
            "Verify",
            {"KeyId": ec, "SigningAlgorithm": "ECDSA_SHA_256", "Signature": text, **message},
        ),
        "Sign, RSA_2048": ("Sign", {"KeyId": rsa, "SigningAlgorithm": "RSASSA_PSS_SHA_256", **message}),
        "Decrypt, RSA_2048": ("Decrypt", {"KeyId": opening, "CiphertextBlob": blob, **algorithm}),
        "GenerateDataKey": ("GenerateDataKey", {"KeyId": symmetric_key, "KeySpec": "AES_256"}),
    }
    return {name: (operation, json.dumps(body).encode()) for name, (operation, body) in bodies.items()}


def operations(installed: Installed, seconds: float) -> list[Figure]:
    figures: list[Figure] = []
    works = _works()
    for name, (operation, body) in _calls(installed).items():
        request = load.signed(installed.url, installed.credentials, operation, body)
        load.run(installed.url, request, CONNECTIONS, 0.5)
        found = load.run(installed.url, request, CONNECTIONS, seconds / 2)
        alone = bare(works[name], 0.5)
        figures.append((f"{name}, {CONNECTIONS} connections", found.summary(), ""))
        figures.append(("  yardstick: the bare operation, one thread", f"{alone:,.0f}/s", ""))
        figures.append(("  share of the yardstick", f"{found.rate / alone:.2f}", ""))
    return figures


def creation(installed: Installed, seconds: float) -> list[Figure]:
    figures: list[Figure] = []
    for spec in SPECS.values():
        body = json.dumps({"KeySpec": spec.name, "KeyUsage": spec.usages[0]}).encode()
        request = load.signed(installed.url, installed.credentials, "CreateKey", body)
        found = load.run(installed.url, request, 4, seconds / 4)
        alone = bare(partial(generate, spec), 0.4)
        share = found.rate / alone
        figures.append((f"CreateKey, {spec.name}", f"{found.rate:,.1f}/s, {share:.3f} of bare {alone:,.0f}/s", ""))
    return figures


def _rsa_load(url: str, request: bytes, seconds: float) -> None:
    load.run(url, request, CONNECTIONS, seconds)


def beside_rsa(installed: Installed, seconds: float) -> list[Figure]:
    """Another client's Encrypt while one client signs with RSA, and while one makes RSA keys."""
    key = installed.client().create_key()["KeyMetadata"]["KeyId"]
    encrypt = json.dumps({"KeyId": key, "Plaintext": b64encode(MESSAGE).decode()}).encode()
    request = load.signed(installed.url, installed.credentials, "Encrypt", encrypt)
    alone = load.run(installed.url, request, 1, seconds / 2)
    figures: list[Figure] = [("Encrypt, 1 connection, nothing beside it", _p99(alone), "")]
    pair = json.dumps({"KeyId": key, "KeyPairSpec": "RSA_4096"}).encode()
    for what, (operation, body) in {
        "RSA_2048 signatures": _calls(installed)["Sign, RSA_2048"],
        "RSA_4096 key pairs": ("GenerateDataKeyPair", pair),
    }.items():
        work = load.signed(installed.url, installed.credentials, operation, body)
        beside = multiprocessing.get_context("spawn").Process(
            target=_rsa_load, args=(installed.url, work, seconds / 2 + 1)
        )
        beside.start()
        time.sleep(1)  # until its connections are busy
        found = load.run(installed.url, request, 1, seconds / 2)
        beside.join()
        figures.append((f"Encrypt, 1 connection, beside {what}", _p99(found), "p99 under 20 ms"))
    return figures


def _p99(result: load.Result) -> str:
    return f"p50 {result.percentile(0.5) * 1e3:.2f} ms, p99 {result.percentile(0.99) * 1e3:.2f} ms"
