// AWS Encryption SDK for Java with the keyrings of the material providers library, and its older master key provider.

import com.amazonaws.encryptionsdk.AwsCrypto;
import com.amazonaws.encryptionsdk.CommitmentPolicy;
import com.amazonaws.encryptionsdk.CryptoAlgorithm;
import com.amazonaws.encryptionsdk.kmssdkv2.KmsMasterKeyProvider;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.kms.model.EncryptionAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.KeySpec;
import software.amazon.awssdk.services.kms.model.KeyUsageType;
import software.amazon.awssdk.services.sts.StsClient;
import software.amazon.cryptography.materialproviders.IKeyring;
import software.amazon.cryptography.materialproviders.MaterialProviders;
import software.amazon.cryptography.materialproviders.model.*;
import software.amazon.cryptography.primitives.model.ECDHCurveSpec;

public class EncryptionSdkJava {
  interface Body { void run() throws Exception; }

  static final byte[] TEXT = "a line that must come back".getBytes(StandardCharsets.UTF_8);
  static final Map<String, String> CONTEXT = Map.of("purpose", "conformance", "tenant", "blue");
  static final KmsClient KMS = KmsClient.create();
  static final MaterialProviders LIBRARY =
      MaterialProviders.builder().MaterialProvidersConfig(MaterialProvidersConfig.builder().build()).build();
  static final AwsCrypto SDK =
      AwsCrypto.builder().withCommitmentPolicy(CommitmentPolicy.RequireEncryptRequireDecrypt).build();
  static final AwsCrypto UNSIGNED =
      AwsCrypto.builder()
          .withCommitmentPolicy(CommitmentPolicy.RequireEncryptRequireDecrypt)
          .withEncryptionAlgorithm(CryptoAlgorithm.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY)
          .build();

  static void test(String name, Body body) {
    try {
      body.run();
      System.out.println("ok - " + name);
    } catch (Throwable error) {
      String said = String.valueOf(error.getMessage()).replace("\n", " ");
      System.out.println("not ok - " + name + ": " + error.getClass().getSimpleName() + ": " + said);
    }
  }

  static String key(KeySpec spec, KeyUsageType usage) {
    return KMS.createKey(asked -> asked.keySpec(spec).keyUsage(usage)).keyMetadata().arn();
  }

  static void thereAndBack(AwsCrypto sdk, IKeyring seal, IKeyring open) {
    byte[] sealed = sdk.encryptData(seal, TEXT, CONTEXT).getResult();
    var opened = sdk.decryptData(open, sealed, CONTEXT);
    if (!Arrays.equals(opened.getResult(), TEXT)) throw new AssertionError("another text came back");
    if (!opened.getEncryptionContext().entrySet().containsAll(CONTEXT.entrySet())) throw new AssertionError("context");
  }

  static IKeyring strict(String arn, String... tokens) {
    var given = CreateAwsKmsKeyringInput.builder().kmsKeyId(arn).kmsClient(KMS).grantTokens(List.of(tokens)).build();
    return LIBRARY.CreateAwsKmsKeyring(given);
  }

  static IKeyring discovery(String account) {
    var filter = DiscoveryFilter.builder().accountIds(List.of(account)).partition("aws").build();
    return LIBRARY.CreateAwsKmsDiscoveryKeyring(
        CreateAwsKmsDiscoveryKeyringInput.builder().kmsClient(KMS).discoveryFilter(filter).build());
  }

  static ByteBuffer publicKey(String arn) {
    return KMS.getPublicKey(asked -> asked.keyId(arn)).publicKey().asByteBuffer();
  }

  static void refused(byte[] sealed, IKeyring open) {
    try {
      SDK.decryptData(open, sealed, CONTEXT);
    } catch (RuntimeException expected) {
      return;
    }
    throw new AssertionError("it was decrypted");
  }

  public static void main(String[] arguments) {
    String account = StsClient.create().getCallerIdentity().account();
    String region = System.getenv("AWS_REGION");
    String one = key(KeySpec.SYMMETRIC_DEFAULT, KeyUsageType.ENCRYPT_DECRYPT);
    String two = key(KeySpec.SYMMETRIC_DEFAULT, KeyUsageType.ENCRYPT_DECRYPT);
    IKeyring strict = strict(one);
    byte[] sealed = SDK.encryptData(strict, TEXT, CONTEXT).getResult();

    test("strict keyring", () -> thereAndBack(SDK, strict, strict));
    test("strict keyring without a signature", () -> thereAndBack(UNSIGNED, strict, strict));
    test("strict keyring of another key does not decrypt", () -> refused(sealed, strict(two)));
    test("strict keyring with a grant token", () -> {
      String root = "arn:aws:iam::" + account + ":root";
      var granted = KMS.createGrant(asked -> asked.keyId(one).granteePrincipal(root).operationsWithStrings("Decrypt"));
      thereAndBack(SDK, strict(one, granted.grantToken()), strict(one, granted.grantToken()));
    });
    test("discovery keyring", () -> thereAndBack(SDK, strict, LIBRARY.CreateAwsKmsDiscoveryKeyring(
        CreateAwsKmsDiscoveryKeyringInput.builder().kmsClient(KMS).build())));
    test("discovery keyring with a filter", () -> thereAndBack(SDK, strict, discovery(account)));
    test("discovery keyring that filters the account out", () -> refused(sealed, discovery("000000000000")));
    test("discovery multi keyring, with clients that it makes itself", () -> thereAndBack(SDK, strict,
        LIBRARY.CreateAwsKmsDiscoveryMultiKeyring(
            CreateAwsKmsDiscoveryMultiKeyringInput.builder().regions(List.of(region)).build())));
    test("multi keyring: either key decrypts", () -> {
      IKeyring multi = LIBRARY.CreateAwsKmsMultiKeyring(
          CreateAwsKmsMultiKeyringInput.builder().generator(one).kmsKeyIds(List.of(two)).build());
      thereAndBack(SDK, multi, multi);
      thereAndBack(SDK, multi, strict);
      thereAndBack(SDK, multi, strict(two));
    });
    test("MRK-aware keyring on a single-Region key", () -> {
      IKeyring aware = LIBRARY.CreateAwsKmsMrkKeyring(
          CreateAwsKmsMrkKeyringInput.builder().kmsKeyId(one).kmsClient(KMS).build());
      thereAndBack(SDK, aware, strict);
      thereAndBack(SDK, strict, aware);
    });
    test("MRK-aware discovery keyring", () -> thereAndBack(SDK, strict, LIBRARY.CreateAwsKmsMrkDiscoveryKeyring(
        CreateAwsKmsMrkDiscoveryKeyringInput.builder().kmsClient(KMS).region(region).build())));
    for (EncryptionAlgorithmSpec algorithm : new EncryptionAlgorithmSpec[] {
          EncryptionAlgorithmSpec.RSAES_OAEP_SHA_1, EncryptionAlgorithmSpec.RSAES_OAEP_SHA_256}) {
      test("RSA keyring " + algorithm, () -> {
        String arn = key(KeySpec.RSA_2048, KeyUsageType.ENCRYPT_DECRYPT);
        byte[] der = SdkBytes.fromByteBuffer(publicKey(arn)).asByteArray();
        String body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
        String pem = "-----BEGIN PUBLIC KEY-----\n" + body + "\n-----END PUBLIC KEY-----\n";
        IKeyring rsa = LIBRARY.CreateAwsKmsRsaKeyring(CreateAwsKmsRsaKeyringInput.builder()
            .kmsKeyId(arn).publicKey(ByteBuffer.wrap(pem.getBytes(StandardCharsets.UTF_8)))
            .encryptionAlgorithm(algorithm).kmsClient(KMS).build());
        thereAndBack(UNSIGNED, rsa, rsa);
      });
    }
    Map.of(KeySpec.ECC_NIST_P256, ECDHCurveSpec.ECC_NIST_P256, KeySpec.ECC_NIST_P384, ECDHCurveSpec.ECC_NIST_P384,
        KeySpec.ECC_NIST_P521, ECDHCurveSpec.ECC_NIST_P521).forEach((spec, curve) ->
        test("ECDH keyring " + spec + ", a static public key and then discovery", () -> {
          String sender = key(spec, KeyUsageType.KEY_AGREEMENT);
          String recipient = key(spec, KeyUsageType.KEY_AGREEMENT);
          var fixed = KmsPrivateKeyToStaticPublicKeyInput.builder().senderKmsIdentifier(sender)
              .senderPublicKey(publicKey(sender)).recipientPublicKey(publicKey(recipient)).build();
          var found = KmsPublicKeyDiscoveryInput.builder().recipientKmsIdentifier(recipient).build();
          var builder = CreateAwsKmsEcdhKeyringInput.builder().curveSpec(curve).kmsClient(KMS);
          IKeyring seal = LIBRARY.CreateAwsKmsEcdhKeyring(builder.KeyAgreementScheme(
              KmsEcdhStaticConfigurations.builder().KmsPrivateKeyToStaticPublicKey(fixed).build()).build());
          IKeyring open = LIBRARY.CreateAwsKmsEcdhKeyring(builder.KeyAgreementScheme(
              KmsEcdhStaticConfigurations.builder().KmsPublicKeyDiscovery(found).build()).build());
          thereAndBack(SDK, seal, seal);
          thereAndBack(SDK, seal, open);
        }));
    test("strict and discovery master key providers", () -> {
      byte[] old = SDK.encryptData(KmsMasterKeyProvider.builder().buildStrict(one, two), TEXT, CONTEXT).getResult();
      SDK.decryptData(KmsMasterKeyProvider.builder().buildStrict(two), old);
      SDK.decryptData(KmsMasterKeyProvider.builder().buildDiscovery(), old);
      SDK.decryptData(strict, old, CONTEXT);
    });
  }
}
