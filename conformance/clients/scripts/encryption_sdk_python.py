"""The AWS Encryption SDK for Python, with the keyrings of the material providers library and the older master key
providers."""

from __future__ import annotations

import os
from typing import Any

import aws_encryption_sdk
import boto3
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    CreateAwsKmsDiscoveryKeyringInput,
    CreateAwsKmsDiscoveryMultiKeyringInput,
    CreateAwsKmsEcdhKeyringInput,
    CreateAwsKmsKeyringInput,
    CreateAwsKmsMrkDiscoveryKeyringInput,
    CreateAwsKmsMrkKeyringInput,
    CreateAwsKmsMrkMultiKeyringInput,
    CreateAwsKmsMultiKeyringInput,
    CreateAwsKmsRsaKeyringInput,
    DiscoveryFilter,
    KmsEcdhStaticConfigurationsKmsPrivateKeyToStaticPublicKey,
    KmsEcdhStaticConfigurationsKmsPublicKeyDiscovery,
    KmsPrivateKeyToStaticPublicKeyInput,
    KmsPublicKeyDiscoveryInput,
)
from aws_cryptography_primitives.smithygenerated.aws_cryptography_primitives.models import ECDHCurveSpec
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.identifiers import Algorithm
from aws_encryption_sdk.key_providers import kms as providers
from cases import case
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

REGION = os.environ["AWS_REGION"]
TEXT = b"a line that must come back"
CONTEXT = {"purpose": "conformance", "tenant": "blue"}
kms = boto3.client("kms")
account = boto3.client("sts").get_caller_identity()["Account"]
sdk = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
unsigned = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
library = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())


def key(**given: Any) -> str:
    return str(kms.create_key(**given)["KeyMetadata"]["Arn"])


def there_and_back(seal: Any, open_: Any, **given: Any) -> None:
    sealed, _ = sdk.encrypt(source=TEXT, keyring=seal, encryption_context=CONTEXT, **given)
    opened, header = sdk.decrypt(source=sealed, keyring=open_, encryption_context=CONTEXT)
    assert opened == TEXT, opened
    assert CONTEXT.items() <= header.encryption_context.items(), header.encryption_context


def refused(body: Any) -> None:
    try:
        body()
    except Exception:  # each keyring raises an error of its own
        return
    raise AssertionError("it was decrypted")


ONE, OTHER = key(), key()
strict = library.create_aws_kms_keyring(CreateAwsKmsKeyringInput(kms_key_id=ONE, kms_client=kms))
strict_other = library.create_aws_kms_keyring(CreateAwsKmsKeyringInput(kms_key_id=OTHER, kms_client=kms))


@case("strict keyring")
def _() -> None:
    there_and_back(strict, strict)


@case("strict keyring without a signature")
def _() -> None:
    there_and_back(strict, strict, algorithm=unsigned)


@case("strict keyring of another key does not decrypt")
def _() -> None:
    sealed, _ = sdk.encrypt(source=TEXT, keyring=strict, encryption_context=CONTEXT)
    refused(lambda: sdk.decrypt(source=sealed, keyring=strict_other))


@case("strict keyring with a grant token")
def _() -> None:
    role = f"arn:aws:iam::{account}:root"
    token = kms.create_grant(KeyId=ONE, GranteePrincipal=role, Operations=["Decrypt"])["GrantToken"]
    given = CreateAwsKmsKeyringInput(kms_key_id=ONE, kms_client=kms, grant_tokens=[token])
    keyring = library.create_aws_kms_keyring(given)
    there_and_back(keyring, keyring)


@case("strict keyring by an alias")
def _() -> None:
    kms.create_alias(AliasName="alias/esdk", TargetKeyId=ONE)
    arn = kms.describe_key(KeyId="alias/esdk")["KeyMetadata"]["Arn"].rsplit(":", 1)[0] + ":alias/esdk"
    by_alias = library.create_aws_kms_keyring(CreateAwsKmsKeyringInput(kms_key_id=arn, kms_client=kms))
    there_and_back(by_alias, strict)


@case("discovery keyring")
def _() -> None:
    there_and_back(strict, library.create_aws_kms_discovery_keyring(CreateAwsKmsDiscoveryKeyringInput(kms_client=kms)))


@case("discovery keyring with a filter")
def _() -> None:
    ours = DiscoveryFilter(account_ids=[account], partition="aws")
    given = CreateAwsKmsDiscoveryKeyringInput(kms_client=kms, discovery_filter=ours)
    there_and_back(strict, library.create_aws_kms_discovery_keyring(given))


@case("discovery keyring that filters the account out")
def _() -> None:
    theirs = DiscoveryFilter(account_ids=["000000000000"], partition="aws")
    given = CreateAwsKmsDiscoveryKeyringInput(kms_client=kms, discovery_filter=theirs)
    keyring = library.create_aws_kms_discovery_keyring(given)
    sealed, _ = sdk.encrypt(source=TEXT, keyring=strict, encryption_context=CONTEXT)
    refused(lambda: sdk.decrypt(source=sealed, keyring=keyring))


@case("discovery multi keyring, with clients that it makes itself")
def _() -> None:
    given = CreateAwsKmsDiscoveryMultiKeyringInput(regions=[REGION])
    there_and_back(strict, library.create_aws_kms_discovery_multi_keyring(given))


@case("multi keyring: either key decrypts")
def _() -> None:
    given = CreateAwsKmsMultiKeyringInput(generator=ONE, kms_key_ids=[OTHER])
    multi = library.create_aws_kms_multi_keyring(given)
    there_and_back(multi, multi)
    there_and_back(multi, strict)
    there_and_back(multi, strict_other)


@case("MRK-aware keyring on a single-Region key")
def _() -> None:
    keyring = library.create_aws_kms_mrk_keyring(CreateAwsKmsMrkKeyringInput(kms_key_id=ONE, kms_client=kms))
    there_and_back(keyring, keyring)
    there_and_back(keyring, strict)


@case("MRK-aware discovery keyring")
def _() -> None:
    given = CreateAwsKmsMrkDiscoveryKeyringInput(kms_client=kms, region=REGION)
    there_and_back(strict, library.create_aws_kms_mrk_discovery_keyring(given))


@case("MRK-aware multi keyring")
def _() -> None:
    given = CreateAwsKmsMrkMultiKeyringInput(generator=ONE, kms_key_ids=[OTHER])
    multi = library.create_aws_kms_mrk_multi_keyring(given)
    there_and_back(multi, strict_other)


for spec in ("RSA_2048", "RSA_3072", "RSA_4096"):
    for algorithm in ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"):

        @case(f"RSA keyring {spec} {algorithm}")
        def _(spec: str = spec, algorithm: str = algorithm) -> None:
            arn = key(KeySpec=spec, KeyUsage="ENCRYPT_DECRYPT")
            der = load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
            pem = der.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            given = CreateAwsKmsRsaKeyringInput(
                kms_key_id=arn, public_key=pem, encryption_algorithm=algorithm, kms_client=kms
            )
            keyring = library.create_aws_kms_rsa_keyring(given)
            there_and_back(keyring, keyring, algorithm=unsigned)


for spec in ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"):
    curve = getattr(ECDHCurveSpec, spec)

    @case(f"ECDH keyring {spec}: a static public key, then discovery")
    def _(spec: str = spec, curve: str = curve) -> None:
        sender, recipient = (key(KeySpec=spec, KeyUsage="KEY_AGREEMENT") for _ in range(2))
        public = {arn: kms.get_public_key(KeyId=arn)["PublicKey"] for arn in (sender, recipient)}
        static = KmsPrivateKeyToStaticPublicKeyInput(
            sender_kms_identifier=sender, sender_public_key=public[sender], recipient_public_key=public[recipient]
        )
        seal = library.create_aws_kms_ecdh_keyring(
            CreateAwsKmsEcdhKeyringInput(
                curve_spec=curve,
                kms_client=kms,
                key_agreement_scheme=KmsEcdhStaticConfigurationsKmsPrivateKeyToStaticPublicKey(static),
            )
        )
        found = KmsPublicKeyDiscoveryInput(recipient_kms_identifier=recipient)
        open_ = library.create_aws_kms_ecdh_keyring(
            CreateAwsKmsEcdhKeyringInput(
                curve_spec=curve,
                kms_client=kms,
                key_agreement_scheme=KmsEcdhStaticConfigurationsKmsPublicKeyDiscovery(found),
            )
        )
        there_and_back(seal, seal)
        there_and_back(seal, open_)


def provider_there_and_back(seal: Any, open_: Any) -> None:
    sealed, _ = sdk.encrypt(source=TEXT, key_provider=seal, encryption_context=CONTEXT)
    opened, header = sdk.decrypt(source=sealed, key_provider=open_)
    assert opened == TEXT, opened
    assert CONTEXT.items() <= header.encryption_context.items(), header.encryption_context


@case("strict master key provider")
def _() -> None:
    provider = aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=[ONE, OTHER])
    provider_there_and_back(provider, provider)
    provider_there_and_back(provider, aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=[OTHER]))


@case("discovery master key provider")
def _() -> None:
    strict_ = aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=[ONE])
    ours = providers.DiscoveryFilter(account_ids=[account], partition="aws")
    provider_there_and_back(strict_, aws_encryption_sdk.DiscoveryAwsKmsMasterKeyProvider())
    provider_there_and_back(strict_, aws_encryption_sdk.DiscoveryAwsKmsMasterKeyProvider(discovery_filter=ours))


@case("MRK-aware master key providers on a single-Region key")
def _() -> None:
    strict_ = providers.MRKAwareStrictAwsKmsMasterKeyProvider(key_ids=[ONE])
    provider_there_and_back(strict_, strict_)
    found = providers.MRKAwareDiscoveryAwsKmsMasterKeyProvider(discovery_region=REGION)
    provider_there_and_back(strict_, found)


@case("a keyring reads what a master key provider wrote")
def _() -> None:
    provider = aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=[ONE])
    sealed, _ = sdk.encrypt(source=TEXT, key_provider=provider, encryption_context=CONTEXT)
    opened, _ = sdk.decrypt(source=sealed, keyring=strict, encryption_context=CONTEXT)
    assert opened == TEXT, opened
