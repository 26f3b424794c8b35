"""A ciphertext opens again, and nothing else does; signatures verify; message keys are derived as documented."""

from __future__ import annotations

import hmac
import os
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from time import process_time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from hypothesis import given
from hypothesis import strategies as st

from domain.crypto import asymmetric, mac, symmetric
from domain.crypto.keyed_hash import KeyedHash
from domain.crypto.material import generate, imported, load_private, private_der
from domain.crypto.specs import RSA_OAEP, SPECS
from domain.crypto.wrapping import RSA_AES, unwrap
from domain.errors import IncorrectKeyMaterial, InvalidCiphertext, InvalidMac, InvalidRequest, InvalidSignature
from tests.given import key_id

SECRET = os.urandom(32)
MATERIAL = "ab" * 32
CONTEXTS = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4)
FAST = [name for name in SPECS if name not in ("RSA_3072", "RSA_4096")]


@given(st.binary(max_size=4096), CONTEXTS)
def test_an_encrypted_message_is_decrypted(plaintext: bytes, context: dict[str, str]) -> None:
    sealed = symmetric.encrypt(SECRET, key_id(), MATERIAL, plaintext, context)
    assert symmetric.name_of(sealed).key == key_id()
    assert symmetric.decrypt(SECRET, sealed, context) == plaintext


@given(CONTEXTS, CONTEXTS)
def test_another_encryption_context_does_not_open_it(one: dict[str, str], other: dict[str, str]) -> None:
    sealed = symmetric.encrypt(SECRET, key_id(), MATERIAL, b"x", one)
    if one == other:
        assert symmetric.decrypt(SECRET, sealed, other) == b"x"
    else:
        with pytest.raises(InvalidCiphertext):
            symmetric.decrypt(SECRET, sealed, other)


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_ciphertext_does_not_open(place: int, change: int) -> None:
    sealed = bytearray(symmetric.encrypt(SECRET, key_id(), MATERIAL, b"x" * 120, {}))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(InvalidCiphertext):
        symmetric.name_of(bytes(sealed))
        symmetric.decrypt(SECRET, bytes(sealed), {})


@given(st.binary(max_size=300))
def test_a_ciphertext_that_encrypt_never_made_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidCiphertext):
        symmetric.name_of(text)
        symmetric.decrypt(SECRET, text, {})


def test_the_message_key_is_that_of_the_librarys_kdf() -> None:
    """NIST SP 800-108, KDF in counter mode with HMAC-SHA-256."""
    nonce = os.urandom(16)
    kdf = KBKDFHMAC(
        SHA256(), Mode.CounterMode, 32, 4, 4, CounterLocation.BeforeFixed, b"keytrail encrypt v1", nonce, None
    )
    header = b"\x01" + os.urandom(24)
    iv = os.urandom(12)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = header + nonce + iv + AESGCM(kdf.derive(SECRET)).encrypt(iv, b"text", header)
    assert symmetric.decrypt(SECRET, sealed, {}) == b"text"


PAIRS = [name for name in FAST if SPECS[name].pair]
SECRETS = [name for name in SPECS if not SPECS[name].pair]


@pytest.mark.parametrize("spec", SECRETS)
def test_a_secret_key_has_its_length(spec: str) -> None:
    row, made = SPECS[spec], generate(SPECS[spec])
    assert len(made.secret) == row.secret_bytes
    assert made.secret.hex() not in repr(made)
    assert made.public_key == ""


@pytest.mark.parametrize("spec", [name for name in SECRETS if name.startswith("HMAC")])
def test_a_mac_is_that_of_rfc_2104(spec: str) -> None:
    (algorithm,) = SPECS[spec].algorithms["GENERATE_VERIFY_MAC"]
    digest = {"224": SHA224(), "256": SHA256(), "384": SHA384(), "512": SHA512()}[spec[5:]]
    made = HMAC(SECRET, digest)
    made.update(b"message")
    code = mac.generate(SECRET, algorithm, b"message")
    assert code == made.finalize()
    mac.verify(SECRET, algorithm, b"message", code)
    with pytest.raises(InvalidMac):
        mac.verify(SECRET, algorithm, b"massage", code)
    with pytest.raises(InvalidMac):
        mac.verify(SECRET, algorithm, b"message", code[:-1])


@pytest.mark.parametrize("spec", PAIRS)
def test_every_signing_algorithm_of_every_spec(spec: str) -> None:
    made = generate(SPECS[spec])
    private, public = load_private(made.secret), b64decode(made.public_key)
    for algorithm in SPECS[spec].signing:
        for kind in asymmetric.MESSAGE_TYPES.get(algorithm, (asymmetric.RAW, asymmetric.DIGEST)):
            message = b"m" * {"RAW": 7, "EXTERNAL_MU": 64}.get(kind, int(algorithm[-3:]) // 8)
            data = asymmetric.signable(message, kind, algorithm, spec)
            signature = asymmetric.sign(private, algorithm, kind, data)
            asymmetric.verify(public, algorithm, kind, data, signature)
            for other in (signature[:-1], bytes(len(signature)), b"x"):
                with pytest.raises(InvalidSignature):
                    asymmetric.verify(public, algorithm, kind, data, other)
            with pytest.raises(InvalidSignature):
                asymmetric.verify(public, algorithm, kind, bytes(len(data)), signature)
            if kind != asymmetric.RAW:
                with pytest.raises(InvalidRequest):
                    asymmetric.signable(message[1:], kind, algorithm, spec)
        for kind in {"RAW", "DIGEST", "EXTERNAL_MU"} - set(asymmetric.MESSAGE_TYPES.get(algorithm, ("RAW", "DIGEST"))):
            with pytest.raises(InvalidRequest):
                asymmetric.signable(b"m" * 64, kind, algorithm, spec)


@pytest.mark.parametrize("spec", [name for name in PAIRS if "KEY_AGREEMENT" in SPECS[name].usages])
def test_two_peers_agree_on_a_secret(spec: str) -> None:
    """SP 800-56A: each side's private key with the other's public key."""
    one, other = generate(SPECS[spec]), generate(SPECS[spec])
    shared = asymmetric.agree(load_private(one.secret), SPECS[spec], b64decode(other.public_key))
    assert shared == asymmetric.agree(load_private(other.secret), SPECS[spec], b64decode(one.public_key))
    for wrong in (b"", b"no key", b64decode(generate(SPECS["ECC_SECG_P256K1"]).public_key)):
        with pytest.raises(InvalidRequest):
            asymmetric.agree(load_private(one.secret), SPECS[spec], wrong)


@pytest.mark.parametrize("spec", [name for name in PAIRS if name.startswith("ML_KEM")])
def test_an_encapsulated_secret_is_decapsulated(spec: str) -> None:
    """FIPS 203: a ciphertext of the right length always opens to something (implicit rejection)."""
    made = generate(SPECS[spec])
    shared, sealed = asymmetric.encapsulate(b64decode(made.public_key))
    private = load_private(made.secret)
    assert asymmetric.decapsulate(private, sealed) == shared
    assert asymmetric.decapsulate(private, bytes(len(sealed))) != shared
    with pytest.raises(InvalidCiphertext):
        asymmetric.decapsulate(private, sealed[1:])


@pytest.mark.parametrize("spec", list(SPECS))
def test_material_of_every_spec_can_be_imported_and_only_of_its_own(spec: str) -> None:
    made = generate(SPECS[spec])
    one = imported(SPECS[spec], key_id(1), made.secret)
    assert (one.secret, one.fingerprint, one.public_key) == (made.secret, made.fingerprint, made.public_key)
    assert one.id == imported(SPECS[spec], key_id(1), made.secret).id
    assert one.id != imported(SPECS[spec], key_id(2), made.secret).id
    same_secret = [name for name in SPECS if SPECS[name].secret_bytes == len(made.secret)]
    for other in set(SPECS) - {spec} - set(same_secret):
        with pytest.raises(IncorrectKeyMaterial):
            imported(SPECS[other], key_id(1), made.secret)
    for wrong in (b"", made.secret[:-1], made.secret + b"x"):
        with pytest.raises(IncorrectKeyMaterial):
            imported(SPECS[spec], key_id(1), wrong)


def test_an_rsa_key_whose_numbers_do_not_belong_together_is_refused() -> None:
    """RFC 8017, 3.2. Of the right kind and length, it would sign what its own public key does not verify."""
    made = load_private(generate(SPECS["RSA_2048"]).secret)
    assert isinstance(made, rsa.RSAPrivateKey)
    numbers = made.private_numbers()
    spoilt = rsa.RSAPrivateNumbers(
        p=numbers.p,
        q=numbers.q,
        d=numbers.d + 2,
        dmp1=numbers.dmp1,
        dmq1=numbers.dmq1,
        iqmp=numbers.iqmp,
        public_numbers=numbers.public_numbers,
    ).private_key(unsafe_skip_rsa_key_validation=True)
    with pytest.raises(IncorrectKeyMaterial):
        imported(SPECS["RSA_2048"], key_id(1), private_der(spoilt))


def test_an_rsa_key_whose_primes_are_not_of_half_its_length_is_refused() -> None:
    """FIPS 186-5, A.1.1. Its numbers belong together, and to check so long a prime takes many times as long."""
    long = load_private(generate(SPECS["RSA_4096"]).secret)
    assert isinstance(long, rsa.RSAPrivateKey)
    p, q, e = 3, long.private_numbers().p, 65537
    d = pow(e, -1, q - 1)
    public = rsa.RSAPublicNumbers(e, p * q)
    numbers = rsa.RSAPrivateNumbers(p=p, q=q, d=d, dmp1=d % 2, dmq1=d, iqmp=pow(q, -1, p), public_numbers=public)
    uneven = private_der(numbers.private_key())
    name = f"RSA_{public.n.bit_length()}"
    with pytest.raises(IncorrectKeyMaterial):
        imported(replace(SPECS["RSA_2048"], name=name), key_id(1), uneven)


def _of_a_finite_field(identifier: str, numbers: int, private: bytes) -> bytes:
    """A private key in DER of PKCS #8 (RFC 5958), with so many parameters of 12,000 bits."""
    parameters = b"".join(b"\x02\x82\x05\xdd" + bytes([0, 255]) + b"\xff" * 1499 for _ in range(numbers))
    algorithm = bytes.fromhex(identifier) + b"\x30\x82" + len(parameters).to_bytes(2) + parameters
    inner = b"\x02\x01\x00" + b"\x30\x82" + len(algorithm).to_bytes(2) + algorithm
    inner += b"\x04\x82" + len(private).to_bytes(2) + private
    return b"\x30\x82" + len(inner).to_bytes(2) + inner


@pytest.mark.parametrize("spec", PAIRS)
def test_a_key_that_openssl_cannot_read_is_refused(spec: str) -> None:
    """Of Diffie-Hellman, with a prime of more than 10,000 bits: OpenSSL gives an error that cryptography has no name for."""
    with pytest.raises(IncorrectKeyMaterial):
        imported(SPECS[spec], key_id(1), _of_a_finite_field("06092a864886f70d010301", 2, b"\x02\x01\x05"))


def test_a_key_of_a_finite_field_is_refused_before_it_is_read() -> None:
    """A DSA key with numbers of 12,000 bits took a second to read, in a thread that all calls of an account share."""
    long = _of_a_finite_field("06072a8648ce380401", 3, b"\x02\x82\x05\xdc\x7f" + b"\xff" * 1499)
    refused, read = _seconds(lambda: imported(SPECS["RSA_2048"], key_id(1), long)), _seconds(lambda: load_private(long))
    assert refused < read / 10


def _seconds(refuses: Callable[[], object]) -> float:
    """The processor time that a refusal takes."""
    began = process_time()
    with pytest.raises((IncorrectKeyMaterial, AssertionError)):
        refuses()
    return process_time() - began


@pytest.mark.parametrize("algorithm", [*RSA_OAEP, *RSA_AES])
def test_wrapped_material_is_unwrapped(algorithm: str) -> None:
    """RFC 8017 (OAEP) and RFC 5649, combined as in PKCS #11's CKM_RSA_AES_KEY_WRAP."""
    wrapping = generate(SPECS["RSA_2048"])
    public, private = b64decode(wrapping.public_key), load_private(wrapping.secret)
    secret, key = os.urandom(32), os.urandom(32)
    if algorithm in RSA_OAEP:
        wrapped = asymmetric.encrypt(public, algorithm, secret)
    else:
        wrapped = asymmetric.encrypt(public, algorithm, key) + aes_key_wrap_with_padding(key, secret)
    assert unwrap(private, algorithm, wrapped) == secret
    for wrong in (b"", wrapped[:-1], wrapped[1:], bytes(len(wrapped)), wrapped[:256]):
        if wrong != wrapped:
            with pytest.raises(InvalidCiphertext):
                unwrap(private, algorithm, wrong)


@pytest.mark.parametrize("spec", PAIRS)
def test_every_encryption_algorithm_of_every_spec(spec: str) -> None:
    row, made = SPECS[spec], generate(SPECS[spec])
    private, public = load_private(made.secret), b64decode(made.public_key)
    for algorithm in row.encryption:
        longest = b"x" * row.plaintext_limit[algorithm]
        assert asymmetric.decrypt(private, algorithm, asymmetric.encrypt(public, algorithm, longest)) == longest
        with pytest.raises(ValueError, match=r"[Ee]ncryption|[Dd]ata"):
            asymmetric.encrypt(public, algorithm, longest + b"x")
        with pytest.raises(InvalidCiphertext):
            asymmetric.decrypt(private, algorithm, b"x" * 256)


@given(st.binary(max_size=64), st.binary(max_size=100), st.binary(max_size=300))
def test_a_keyed_hash_is_the_standard_librarys_hmac(key: bytes, begins: bytes, message: bytes) -> None:
    """RFC 2104."""
    assert KeyedHash(key, begins).digest(message) == hmac.digest(key, begins + message, "sha256")
