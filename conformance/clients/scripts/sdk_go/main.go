// AWS SDK for Go v2: clients of KMS, IAM and STS as `keytrail env` sets them up.
package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

var (
	ctx  = context.Background()
	text = []byte("a line that must come back")
	pair = map[string]string{"purpose": "conformance"}
)

func test(name string, body func() error) {
	if err := body(); err != nil {
		fmt.Printf("not ok - %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Printf("ok - %s\n", name)
}

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

func same(one, other []byte) error {
	if !bytes.Equal(one, other) {
		return errors.New("other bytes came back")
	}
	return nil
}

// refused wants an error of the type T.
func refused[T error](err error) error {
	var wanted T
	if !errors.As(err, &wanted) {
		return fmt.Errorf("wanted %T, got %v", wanted, err)
	}
	return nil
}

func denied(err error) error {
	var found smithy.APIError
	if !errors.As(err, &found) || found.ErrorCode() != "AccessDeniedException" {
		return fmt.Errorf("wanted AccessDeniedException, got %v", err)
	}
	return nil
}

func main() {
	loaded := must(config.LoadDefaultConfig(ctx))
	keys, people, tokens := kms.NewFromConfig(loaded), iam.NewFromConfig(loaded), sts.NewFromConfig(loaded)
	with := func(provider aws.CredentialsProvider) aws.Config {
		changed := loaded.Copy()
		changed.Credentials = aws.NewCredentialsCache(provider)
		return changed
	}
	create := func(spec types.KeySpec, usage types.KeyUsageType) *string {
		return must(keys.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})).KeyMetadata.Arn
	}
	plain := func() *string { return create("", "") }
	one, other := plain(), plain()
	sealed := must(keys.Encrypt(ctx, &kms.EncryptInput{KeyId: one, Plaintext: text, EncryptionContext: pair})).CiphertextBlob

	test("identity", func() error {
		me := must(tokens.GetCallerIdentity(ctx, nil))
		if *me.Arn != "arn:aws:iam::"+*me.Account+":root" {
			return errors.New(*me.Arn)
		}
		return nil
	})
	test("encrypt and decrypt", func() error {
		opened, err := keys.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed, EncryptionContext: pair})
		if err != nil {
			return err
		}
		return same(opened.Plaintext, text)
	})
	test("another context is refused", func() error {
		_, err := keys.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed})
		return refused[*types.InvalidCiphertextException](err)
	})
	test("an empty list of grant tokens", func() error {
		_, err := keys.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed, EncryptionContext: pair, GrantTokens: []string{}})
		return err
	})
	test("data key", func() error {
		made, err := keys.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: one, KeySpec: types.DataKeySpecAes256})
		if err != nil {
			return err
		}
		opened, err := keys.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: made.CiphertextBlob})
		if err != nil {
			return err
		}
		return same(opened.Plaintext, made.Plaintext)
	})
	test("data key pair", func() error {
		made, err := keys.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: one, KeyPairSpec: types.DataKeyPairSpecEccNistP256})
		if err != nil {
			return err
		}
		_, err = x509.ParsePKCS8PrivateKey(made.PrivateKeyPlaintext)
		return err
	})
	test("re-encrypt", func() error {
		moved, err := keys.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed, SourceEncryptionContext: pair, DestinationKeyId: other})
		if err != nil {
			return err
		}
		opened, err := keys.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: moved.CiphertextBlob, KeyId: other})
		if err != nil {
			return err
		}
		return same(opened.Plaintext, text)
	})
	test("sign, and verify with the public key", func() error {
		arn := create(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
		made, err := keys.Sign(ctx, &kms.SignInput{KeyId: arn, Message: text, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
		if err != nil {
			return err
		}
		public := must(x509.ParsePKIXPublicKey(must(keys.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: arn})).PublicKey))
		digest := sha256.Sum256(text)
		if !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], made.Signature) {
			return errors.New("the signature does not verify")
		}
		_, err = keys.Verify(ctx, &kms.VerifyInput{KeyId: arn, Message: []byte("else"), Signature: made.Signature, SigningAlgorithm: made.SigningAlgorithm})
		return refused[*types.KMSInvalidSignatureException](err)
	})
	test("RSA", func() error {
		arn := create(types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt)
		public := must(x509.ParsePKIXPublicKey(must(keys.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: arn})).PublicKey))
		blob := must(rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), text, nil))
		opened, err := keys.Decrypt(ctx, &kms.DecryptInput{KeyId: arn, CiphertextBlob: blob, EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256})
		if err != nil {
			return err
		}
		return same(opened.Plaintext, text)
	})
	test("MAC", func() error {
		arn := create(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac)
		made, err := keys.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: arn, Message: text, MacAlgorithm: types.MacAlgorithmSpecHmacSha256})
		if err != nil {
			return err
		}
		if _, err = keys.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: arn, Message: text, Mac: made.Mac, MacAlgorithm: made.MacAlgorithm}); err != nil {
			return err
		}
		_, err = keys.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: arn, Message: text, Mac: make([]byte, 32), MacAlgorithm: made.MacAlgorithm})
		return refused[*types.KMSInvalidMacException](err)
	})
	test("import of key material", func() error {
		made := must(keys.CreateKey(ctx, &kms.CreateKeyInput{Origin: types.OriginTypeExternal, KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac}))
		arn := made.KeyMetadata.Arn
		given, err := keys.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: arn, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048})
		if err != nil {
			return err
		}
		material := make([]byte, 32)
		must(rand.Read(material))
		wrapped := must(rsa.EncryptOAEP(sha256.New(), rand.Reader, must(x509.ParsePKIXPublicKey(given.PublicKey)).(*rsa.PublicKey), material, nil))
		_, err = keys.ImportKeyMaterial(ctx, &kms.ImportKeyMaterialInput{KeyId: arn, ImportToken: given.ImportToken, EncryptedKeyMaterial: wrapped, ExpirationModel: types.ExpirationModelTypeKeyMaterialExpires, ValidTo: aws.Time(time.Now().Add(time.Hour))})
		if err != nil {
			return err
		}
		code := must(keys.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: arn, Message: text, MacAlgorithm: types.MacAlgorithmSpecHmacSha256}))
		own := hmac.New(sha256.New, material)
		own.Write(text)
		return same(code.Mac, own.Sum(nil))
	})
	test("alias, tags, rotation", func() error {
		if _, err := keys.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/go"), TargetKeyId: one}); err != nil {
			return err
		}
		_, err := keys.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/go"), TargetKeyId: other})
		if err := refused[*types.AlreadyExistsException](err); err != nil {
			return err
		}
		if _, err := keys.TagResource(ctx, &kms.TagResourceInput{KeyId: one, Tags: []types.Tag{{TagKey: aws.String("team"), TagValue: aws.String("blue")}}}); err != nil {
			return err
		}
		if _, err := keys.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: one, RotationPeriodInDays: aws.Int32(90)}); err != nil {
			return err
		}
		status, err := keys.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: one})
		if err == nil && (*status.RotationPeriodInDays != 90 || status.NextRotationDate.Before(time.Now())) {
			return fmt.Errorf("%+v", status)
		}
		return err
	})
	test("pages", func() error {
		found, pages := 0, kms.NewListKeysPaginator(keys, &kms.ListKeysInput{Limit: aws.Int32(2)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			found += len(page.Keys)
		}
		if found < 5 {
			return fmt.Errorf("%d keys", found)
		}
		return nil
	})
	test("disabled, pending deletion and not found", func() error {
		arn := plain()
		must(keys.DisableKey(ctx, &kms.DisableKeyInput{KeyId: arn}))
		_, err := keys.Encrypt(ctx, &kms.EncryptInput{KeyId: arn, Plaintext: text})
		if err := refused[*types.DisabledException](err); err != nil {
			return err
		}
		must(keys.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: arn, PendingWindowInDays: aws.Int32(7)}))
		_, err = keys.Encrypt(ctx, &kms.EncryptInput{KeyId: arn, Plaintext: text})
		if err := refused[*types.KMSInvalidStateException](err); err != nil {
			return err
		}
		_, err = keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("00000000-0000-4000-8000-000000000000")})
		return refused[*types.NotFoundException](err)
	})
	test("user, grant and role", func() error {
		user := must(people.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("go-user")})).User
		key := must(people.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user.UserName})).AccessKey
		theirs := with(credentials.NewStaticCredentialsProvider(*key.AccessKeyId, *key.SecretAccessKey, ""))
		_, err := kms.NewFromConfig(theirs).Encrypt(ctx, &kms.EncryptInput{KeyId: one, Plaintext: text})
		if err := denied(err); err != nil {
			return err
		}
		grant := must(keys.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: one, GranteePrincipal: user.Arn, Operations: []types.GrantOperation{types.GrantOperationEncrypt}}))
		if _, err := kms.NewFromConfig(theirs).Encrypt(ctx, &kms.EncryptInput{KeyId: one, Plaintext: text, GrantTokens: []string{*grant.GrantToken}}); err != nil {
			return err
		}
		trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":%q}}]}`, *user.Arn)
		role := must(people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("go-role"), AssumeRolePolicyDocument: &trust})).Role
		use := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}]}`
		must(people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role.RoleName, PolicyName: aws.String("use"), PolicyDocument: &use}))
		assumed := with(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(theirs), *role.Arn))
		_, err = kms.NewFromConfig(assumed).Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed, EncryptionContext: pair})
		return err
	})
}
