//! AWS SDK for Rust: clients of KMS and STS as `keytrail env` sets them up.

use std::error::Error;
use std::future::Future;

use aws_sdk_kms::error::DisplayErrorContext;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{
    DataKeyPairSpec, DataKeySpec, EncryptionAlgorithmSpec, GrantOperation, KeyAgreementAlgorithmSpec, KeySpec, KeyUsageType,
    MacAlgorithmSpec, SigningAlgorithmSpec, Tag,
};

type Outcome = Result<(), Box<dyn Error>>;
const TEXT: &[u8] = b"a line that must come back";

async fn test(name: &str, body: impl Future<Output = Outcome>) {
    match body.await {
        Ok(()) => println!("ok - {name}"),
        Err(error) => println!("not ok - {name}: {}", format!("{}", DisplayErrorContext(error.as_ref())).replace('\n', " ")),
    }
}

fn holds(condition: bool, otherwise: &str) -> Outcome {
    if condition { Ok(()) } else { Err(otherwise.into()) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let loaded = aws_config::from_env().http_client(http).load().await;
    let kms = aws_sdk_kms::Client::new(&loaded);
    let sts = aws_sdk_sts::Client::new(&loaded);
    let account = sts.get_caller_identity().send().await.unwrap().account.unwrap();
    let create = |spec: KeySpec, usage: KeyUsageType| {
        let asked = kms.create_key().key_spec(spec).key_usage(usage);
        async move { asked.send().await.unwrap().key_metadata.unwrap().arn.unwrap() }
    };
    let key = create(KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt).await;
    let other = create(KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt).await;
    let encrypted = kms.encrypt().key_id(&key).plaintext(Blob::new(TEXT)).encryption_context("purpose", "conformance");
    let sealed = encrypted.send().await.unwrap().ciphertext_blob.unwrap();
    let decrypt = || kms.decrypt().ciphertext_blob(sealed.clone()).encryption_context("purpose", "conformance");

    test("identity", async {
        let me = sts.get_caller_identity().send().await?;
        holds(me.arn() == Some(&format!("arn:aws:iam::{account}:root")), "another caller")
    }).await;
    test("encrypt and decrypt", async {
        let opened = decrypt().send().await?;
        holds(opened.plaintext.unwrap().as_ref() == TEXT && opened.key_id.unwrap() == key, "another text came back")
    }).await;
    test("another context is refused", async {
        let error = kms.decrypt().ciphertext_blob(sealed.clone()).send().await.unwrap_err().into_service_error();
        holds(error.is_invalid_ciphertext_exception(), &format!("{error:?}"))
    }).await;
    test("an empty list of grant tokens", async {
        decrypt().set_grant_tokens(Some(vec![])).send().await?;
        Ok(())
    }).await;
    test("data key", async {
        let made = kms.generate_data_key().key_id(&key).key_spec(DataKeySpec::Aes256).send().await?;
        let opened = kms.decrypt().ciphertext_blob(made.ciphertext_blob.unwrap()).send().await?;
        holds(opened.plaintext == made.plaintext, "another data key came back")
    }).await;
    test("data key pair", async {
        let made = kms.generate_data_key_pair().key_id(&key).key_pair_spec(DataKeyPairSpec::EccNistP256).send().await?;
        let opened = kms.decrypt().ciphertext_blob(made.private_key_ciphertext_blob.unwrap()).send().await?;
        holds(opened.plaintext == made.private_key_plaintext, "another private key came back")
    }).await;
    test("re-encrypt", async {
        let asked = kms.re_encrypt().ciphertext_blob(sealed.clone()).destination_key_id(&other);
        let moved = asked.source_encryption_context("purpose", "conformance").send().await?;
        let opened = kms.decrypt().ciphertext_blob(moved.ciphertext_blob.unwrap()).key_id(&other).send().await?;
        holds(opened.plaintext.unwrap().as_ref() == TEXT, "another text came back")
    }).await;
    test("sign and verify", async {
        let arn = create(KeySpec::EccNistP384, KeyUsageType::SignVerify).await;
        let algorithm = SigningAlgorithmSpec::EcdsaSha384;
        let signing = kms.sign().key_id(&arn).message(Blob::new(TEXT)).signing_algorithm(algorithm.clone());
        let verifying = kms.verify().key_id(&arn).signing_algorithm(algorithm).signature(signing.send().await?.signature.unwrap());
        holds(verifying.clone().message(Blob::new(TEXT)).send().await?.signature_valid, "not valid")?;
        let error = verifying.message(Blob::new("else")).send().await.unwrap_err().into_service_error();
        holds(error.is_kms_invalid_signature_exception(), &format!("{error:?}"))
    }).await;
    test("RSA", async {
        let arn = create(KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await;
        let algorithm = EncryptionAlgorithmSpec::RsaesOaepSha256;
        let asked = kms.encrypt().key_id(&arn).plaintext(Blob::new(TEXT)).encryption_algorithm(algorithm.clone());
        let blob = asked.send().await?.ciphertext_blob.unwrap();
        let opened = kms.decrypt().key_id(&arn).ciphertext_blob(blob).encryption_algorithm(algorithm).send().await?;
        holds(opened.plaintext.unwrap().as_ref() == TEXT, "another text came back")
    }).await;
    test("MAC", async {
        let arn = create(KeySpec::Hmac256, KeyUsageType::GenerateVerifyMac).await;
        let algorithm = MacAlgorithmSpec::HmacSha256;
        let made = kms.generate_mac().key_id(&arn).message(Blob::new(TEXT)).mac_algorithm(algorithm.clone()).send().await?;
        let verifying = kms.verify_mac().key_id(&arn).message(Blob::new(TEXT)).mac_algorithm(algorithm);
        holds(verifying.clone().mac(made.mac.unwrap()).send().await?.mac_valid, "not valid")?;
        let error = verifying.mac(Blob::new([0; 32])).send().await.unwrap_err().into_service_error();
        holds(error.is_kms_invalid_mac_exception(), &format!("{error:?}"))
    }).await;
    test("shared secret", async {
        let one = create(KeySpec::EccNistP256, KeyUsageType::KeyAgreement).await;
        let two = create(KeySpec::EccNistP256, KeyUsageType::KeyAgreement).await;
        let mut secrets = vec![];
        for (mine, theirs) in [(&one, &two), (&two, &one)] {
            let public = kms.get_public_key().key_id(theirs).send().await?.public_key.unwrap();
            let asked = kms.derive_shared_secret().key_id(mine).public_key(public);
            secrets.push(asked.key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh).send().await?.shared_secret);
        }
        holds(secrets[0].is_some() && secrets[0] == secrets[1], "two secrets")
    }).await;
    test("alias, tags, rotation", async {
        kms.create_alias().alias_name("alias/rust").target_key_id(&key).send().await?;
        let error = kms.create_alias().alias_name("alias/rust").target_key_id(&other).send().await.unwrap_err();
        holds(error.into_service_error().is_already_exists_exception(), "another error")?;
        kms.tag_resource().key_id(&key).tags(Tag::builder().tag_key("team").tag_value("blue").build()?).send().await?;
        kms.enable_key_rotation().key_id(&key).rotation_period_in_days(90).send().await?;
        let status = kms.get_key_rotation_status().key_id(&key).send().await?;
        holds(status.rotation_period_in_days == Some(90) && status.next_rotation_date.is_some(), "another period")
    }).await;
    test("pages", async {
        let found = kms.list_keys().limit(2).into_paginator().items().send().collect::<Result<Vec<_>, _>>().await?;
        holds(found.len() > 4 && found.iter().any(|each| each.key_arn() == Some(&key)), "keys are missing")
    }).await;
    test("grant", async {
        let root = format!("arn:aws:iam::{account}:root");
        let made = kms.create_grant().key_id(&key).grantee_principal(root).operations(GrantOperation::Decrypt).send().await?;
        decrypt().grant_tokens(made.grant_token.unwrap()).send().await?;
        kms.revoke_grant().key_id(&key).grant_id(made.grant_id.unwrap()).send().await?;
        Ok(())
    }).await;
    test("disabled, pending deletion and not found", async {
        kms.disable_key().key_id(&other).send().await?;
        let encrypting = kms.encrypt().key_id(&other).plaintext(Blob::new(TEXT));
        let error = encrypting.clone().send().await.unwrap_err().into_service_error();
        holds(error.is_disabled_exception(), &format!("{error:?}"))?;
        kms.schedule_key_deletion().key_id(&other).pending_window_in_days(7).send().await?;
        let error = encrypting.send().await.unwrap_err().into_service_error();
        holds(error.is_kms_invalid_state_exception(), &format!("{error:?}"))?;
        let absent = kms.describe_key().key_id("00000000-0000-4000-8000-000000000000").send().await;
        holds(absent.unwrap_err().into_service_error().is_not_found_exception(), "another error")
    }).await;
}
