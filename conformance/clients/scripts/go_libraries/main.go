// Go libraries that keep their keys in KMS: Tink, go-cloud's secrets, go-kms-wrapping, step's awskms, and sigstore's provider.
package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	wrapper "github.com/hashicorp/go-kms-wrapping/wrappers/awskms/v2"
	sigstore "github.com/sigstore/sigstore/pkg/signature/kms/aws"
	"github.com/tink-crypto/tink-go-awskms/v3/integration/awskms"
	"github.com/tink-crypto/tink-go/v2/aead"
	"go.step.sm/crypto/kms/apiv1"
	step "go.step.sm/crypto/kms/awskms"
	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms"
)

var (
	ctx  = context.Background()
	text = []byte("a line that must come back")
)

func test(name string, body func() error) {
	if err := body(); err != nil {
		fmt.Printf("not ok - %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Printf("ok - %s\n", name)
}

func same(one, other []byte) error {
	if !bytes.Equal(one, other) {
		return errors.New("other bytes came back")
	}
	return nil
}

func main() {
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		panic(err)
	}
	keys := kms.NewFromConfig(loaded)
	made, err := keys.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		panic(err)
	}
	arn := *made.KeyMetadata.Arn
	if _, err := keys.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/libraries"), TargetKeyId: &arn}); err != nil {
		panic(err)
	}

	test("Tink, envelope encryption", func() error {
		client, err := awskms.NewClientWithOptions(ctx, "aws-kms://"+arn)
		if err != nil {
			return err
		}
		remote, err := client.GetAEAD("aws-kms://" + arn)
		if err != nil {
			return err
		}
		sealed, err := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), remote).Encrypt(text, []byte("with this"))
		if err != nil {
			return err
		}
		opened, err := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), remote).Decrypt(sealed, []byte("with this"))
		if err != nil {
			return err
		}
		if _, err := remote.Decrypt(sealed, []byte("with that")); err == nil {
			return errors.New("other associated data was taken")
		}
		return same(opened, text)
	})
	test("go-cloud, secrets", func() error {
		keeper, err := secrets.OpenKeeper(ctx, "awskms://alias/libraries?region="+os.Getenv("AWS_REGION")+"&context_app=payroll")
		if err != nil {
			return err
		}
		defer keeper.Close()
		sealed, err := keeper.Encrypt(ctx, text)
		if err != nil {
			return err
		}
		opened, err := keeper.Decrypt(ctx, sealed)
		if err != nil {
			return err
		}
		return same(opened, text)
	})
	test("go-kms-wrapping", func() error {
		held := wrapper.NewWrapper()
		given := map[string]string{"kms_key_id": arn, "endpoint": os.Getenv("AWS_ENDPOINT_URL"), "region": os.Getenv("AWS_REGION")}
		if _, err := held.SetConfig(ctx, wrapping.WithConfigMap(given)); err != nil {
			return err
		}
		sealed, err := held.Encrypt(ctx, text)
		if err != nil {
			return err
		}
		opened, err := held.Decrypt(ctx, sealed)
		if err != nil {
			return err
		}
		return same(opened, text)
	})
	test("step, signing", func() error {
		service, err := step.New(ctx, apiv1.Options{Type: apiv1.AmazonKMS, URI: "awskms:region=" + os.Getenv("AWS_REGION")})
		if err != nil {
			return err
		}
		key, err := service.CreateKey(&apiv1.CreateKeyRequest{Name: "step", SignatureAlgorithm: apiv1.ECDSAWithSHA256})
		if err != nil {
			return err
		}
		signer, err := service.CreateSigner(&apiv1.CreateSignerRequest{SigningKey: key.Name})
		if err != nil {
			return err
		}
		digest := sha256.Sum256(text)
		signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return err
		}
		if !ecdsa.VerifyASN1(key.PublicKey.(*ecdsa.PublicKey), digest[:], signature) {
			return errors.New("the signature does not verify")
		}
		return nil
	})
	test("sigstore, signing", func() error {
		signer, err := sigstore.LoadSignerVerifier(ctx, "awskms:///alias/sigstore")
		if err != nil {
			return err
		}
		if _, err := signer.CreateKey(ctx, "ECC_NIST_P256"); err != nil {
			return err
		}
		signature, err := signer.SignMessage(bytes.NewReader(text))
		if err != nil {
			return err
		}
		if err := signer.VerifySignature(bytes.NewReader(signature), bytes.NewReader(text)); err != nil {
			return err
		}
		other := append([]byte("not "), text...)
		if err := signer.VerifySignature(bytes.NewReader(signature), bytes.NewReader(other)); err == nil {
			return errors.New("the signature of another text was taken")
		}
		return nil
	})
}
