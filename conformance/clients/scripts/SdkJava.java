// AWS SDK for Java: version 2 over each of its HTTP clients, and version 1.

import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.kms.AWSKMS;
import com.amazonaws.services.kms.AWSKMSClientBuilder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.SdkHttpClient;
import software.amazon.awssdk.http.apache.ApacheHttpClient;
import software.amazon.awssdk.http.crt.AwsCrtAsyncHttpClient;
import software.amazon.awssdk.http.crt.AwsCrtHttpClient;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.iam.IamClient;
import software.amazon.awssdk.services.iam.model.EntityAlreadyExistsException;
import software.amazon.awssdk.services.kms.KmsAsyncClient;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.kms.model.*;
import software.amazon.awssdk.services.sts.StsClient;

public class SdkJava {
  interface Body { void run() throws Exception; }

  static final SdkBytes TEXT = SdkBytes.fromUtf8String("a line that must come back");
  static final Map<String, String> CONTEXT = Map.of("purpose", "conformance");
  static final String ABSENT = "00000000-0000-4000-8000-000000000000";

  static void test(String name, Body body) {
    try {
      body.run();
      System.out.println("ok - " + name);
    } catch (Throwable error) {
      String said = String.valueOf(error.getMessage()).replace("\n", " ");
      System.out.println("not ok - " + name + ": " + error.getClass().getSimpleName() + ": " + said);
    }
  }

  static void same(Object expected, Object actual) {
    if (!expected.equals(actual)) throw new AssertionError(actual + ", and not " + expected);
  }

  static void refused(Class<?> kind, Body body) {
    try {
      body.run();
    } catch (Exception error) {
      if (kind.isInstance(error)) return;
      throw new AssertionError(error + ", and not " + kind);
    }
    throw new AssertionError("it was answered, and not refused with " + kind);
  }

  static String key(KmsClient kms, KeySpec spec, KeyUsageType usage) {
    return kms.createKey(asked -> asked.keySpec(spec).keyUsage(usage)).keyMetadata().arn();
  }

  static String policy(String action, String rest) {
    String statement = "{\"Effect\": \"Allow\", \"Action\": \"" + action + "\", " + rest + "}";
    return "{\"Version\": \"2012-10-17\", \"Statement\": [" + statement + "]}";
  }

  static void two(String over, SdkHttpClient.Builder<?> http) {
    KmsClient kms = KmsClient.builder().httpClientBuilder(http).build();
    String arn = key(kms, KeySpec.SYMMETRIC_DEFAULT, KeyUsageType.ENCRYPT_DECRYPT);
    SdkBytes sealed = kms.encrypt(asked -> asked.keyId(arn).plaintext(TEXT).encryptionContext(CONTEXT)).ciphertextBlob();
    test("encrypt and decrypt, " + over, () -> same(TEXT,
        kms.decrypt(asked -> asked.ciphertextBlob(sealed).encryptionContext(CONTEXT).grantTokens(List.of())).plaintext()));
    test("data key, " + over, () -> {
      var made = kms.generateDataKey(asked -> asked.keyId(arn).keySpec(DataKeySpec.AES_256));
      same(made.plaintext(), kms.decrypt(asked -> asked.ciphertextBlob(made.ciphertextBlob())).plaintext());
    });
    test("errors have their classes, " + over, () -> {
      refused(InvalidCiphertextException.class, () -> kms.decrypt(asked -> asked.ciphertextBlob(sealed)));
      refused(NotFoundException.class, () -> kms.describeKey(asked -> asked.keyId(ABSENT)));
      kms.disableKey(asked -> asked.keyId(arn));
      refused(DisabledException.class, () -> kms.encrypt(asked -> asked.keyId(arn).plaintext(TEXT)));
    });
  }

  public static void main(String[] arguments) {
    two("Apache", ApacheHttpClient.builder());
    two("URL connection", UrlConnectionHttpClient.builder());
    two("CRT", AwsCrtHttpClient.builder());
    KmsClient kms = KmsClient.create();
    StsClient sts = StsClient.create();
    IamClient iam = IamClient.builder().region(Region.AWS_GLOBAL).build();
    for (var over : Map.of("Netty", KmsAsyncClient.create(),
        "CRT", KmsAsyncClient.builder().httpClientBuilder(AwsCrtAsyncHttpClient.builder()).build()).entrySet()) {
      test("asynchronously, " + over.getKey(), () -> {
        KmsAsyncClient keys = over.getValue();
        String arn = keys.createKey().join().keyMetadata().arn();
        SdkBytes sealed = keys.encrypt(asked -> asked.keyId(arn).plaintext(TEXT)).join().ciphertextBlob();
        same(TEXT, keys.decrypt(asked -> asked.ciphertextBlob(sealed)).join().plaintext());
      });
    }
    test("sign, and verify with the public key", () -> {
      String arn = key(kms, KeySpec.RSA_2048, KeyUsageType.SIGN_VERIFY);
      var algorithm = SigningAlgorithmSpec.RSASSA_PKCS1_V1_5_SHA_256;
      var made = kms.sign(asked -> asked.keyId(arn).message(TEXT).signingAlgorithm(algorithm));
      byte[] der = kms.getPublicKey(asked -> asked.keyId(arn)).publicKey().asByteArray();
      Signature check = Signature.getInstance("SHA256withRSA");
      check.initVerify(KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(der)));
      check.update(TEXT.asByteArray());
      same(true, check.verify(made.signature().asByteArray()));
      refused(KmsInvalidSignatureException.class, () -> kms.verify(asked -> asked.keyId(arn).signingAlgorithm(algorithm)
          .message(SdkBytes.fromUtf8String("else")).signature(made.signature())));
    });
    test("MAC", () -> {
      String arn = key(kms, KeySpec.HMAC_512, KeyUsageType.GENERATE_VERIFY_MAC);
      var algorithm = MacAlgorithmSpec.HMAC_SHA_512;
      var made = kms.generateMac(asked -> asked.keyId(arn).message(TEXT).macAlgorithm(algorithm));
      same(true, kms.verifyMac(asked -> asked.keyId(arn).message(TEXT).macAlgorithm(algorithm).mac(made.mac())).macValid());
    });
    test("pages", () -> same(true, kms.listKeysPaginator(asked -> asked.limit(2)).keys().stream().count() > 4));
    test("user, grant and role", () -> {
      var user = iam.createUser(asked -> asked.userName("java-user")).user();
      refused(EntityAlreadyExistsException.class, () -> iam.createUser(asked -> asked.userName("java-user")));
      var given = iam.createAccessKey(asked -> asked.userName("java-user")).accessKey();
      var theirs = StaticCredentialsProvider.create(AwsBasicCredentials.create(given.accessKeyId(), given.secretAccessKey()));
      String arn = key(kms, KeySpec.SYMMETRIC_DEFAULT, KeyUsageType.ENCRYPT_DECRYPT);
      KmsClient other = KmsClient.builder().credentialsProvider(theirs).build();
      try {
        other.encrypt(asked -> asked.keyId(arn).plaintext(TEXT));
        throw new AssertionError("it was answered");
      } catch (KmsException error) {
        same("AccessDeniedException", error.awsErrorDetails().errorCode());
      }
      var grant = kms.createGrant(asked -> asked.keyId(arn).granteePrincipal(user.arn()).operations(GrantOperation.ENCRYPT));
      SdkBytes sealed = other.encrypt(asked -> asked.keyId(arn).plaintext(TEXT).grantTokens(grant.grantToken())).ciphertextBlob();
      String trust = policy("sts:AssumeRole", "\"Principal\": {\"AWS\": \"" + user.arn() + "\"}");
      var role = iam.createRole(asked -> asked.roleName("java-role").assumeRolePolicyDocument(trust)).role();
      iam.putRolePolicy(asked -> asked.roleName("java-role").policyName("use")
          .policyDocument(policy("kms:Decrypt", "\"Resource\": \"*\"")));
      var assumed = StsClient.builder().credentialsProvider(theirs).build()
          .assumeRole(asked -> asked.roleArn(role.arn()).roleSessionName("java")).credentials();
      var session = StaticCredentialsProvider.create(AwsSessionCredentials.create(
          assumed.accessKeyId(), assumed.secretAccessKey(), assumed.sessionToken()));
      same(TEXT, KmsClient.builder().credentialsProvider(session).build()
          .decrypt(asked -> asked.ciphertextBlob(sealed)).plaintext());
    });
    test("version 1", () -> {
      var endpoint = new EndpointConfiguration(System.getenv("AWS_ENDPOINT_URL"), System.getenv("AWS_REGION"));
      AWSKMS old = AWSKMSClientBuilder.standard().withEndpointConfiguration(endpoint).build();
      String arn = old.createKey(new com.amazonaws.services.kms.model.CreateKeyRequest()).getKeyMetadata().getArn();
      ByteBuffer text = ByteBuffer.wrap("version 1".getBytes(StandardCharsets.UTF_8));
      var sealed = old.encrypt(new com.amazonaws.services.kms.model.EncryptRequest()
          .withKeyId(arn).withPlaintext(text.duplicate()).withEncryptionContext(CONTEXT)).getCiphertextBlob();
      var asked = new com.amazonaws.services.kms.model.DecryptRequest().withCiphertextBlob(sealed.duplicate());
      refused(com.amazonaws.services.kms.model.InvalidCiphertextException.class, () -> old.decrypt(asked));
      same(text, old.decrypt(asked.withCiphertextBlob(sealed).withEncryptionContext(CONTEXT)).getPlaintext());
    });
    System.exit(0); // the asynchronous clients' threads need not be waited for
  }
}
