// AWS SDK for JavaScript v3: clients of KMS, IAM and STS as `keytrail env` sets them up.
import assert from "node:assert/strict";
import { constants, createHmac, createPublicKey, publicEncrypt, randomBytes, verify } from "node:crypto";
import * as iam from "@aws-sdk/client-iam";
import * as kms from "@aws-sdk/client-kms";
import * as sts from "@aws-sdk/client-sts";
import { refused, run } from "./cases.mjs";

const keys = new kms.KMS({});
const people = new iam.IAM({});
const tokens = new sts.STS({});
const text = new TextEncoder().encode("a line that must come back");
const EncryptionContext = { purpose: "conformance" };
const policy = (Statement) => JSON.stringify({ Version: "2012-10-17", Statement });
const create = async (given = {}) => (await keys.createKey(given)).KeyMetadata.Arn;
const signed = { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" };
const { Account } = await tokens.getCallerIdentity({});
const KeyId = await create({ Description: "of the JavaScript SDK", Tags: [{ TagKey: "team", TagValue: "blue" }] });
const other = await create();
const { CiphertextBlob } = await keys.encrypt({ KeyId, Plaintext: text, EncryptionContext });

await run("identity", async () => {
  assert.equal((await tokens.getCallerIdentity({})).Arn, `arn:aws:iam::${Account}:root`);
});
await run("encrypt and decrypt", async () => {
  const opened = await keys.decrypt({ CiphertextBlob, EncryptionContext });
  assert.deepEqual([Buffer.from(opened.Plaintext), opened.KeyId], [Buffer.from(text), KeyId]);
});
await run("another context is refused", async () => {
  await refused(kms.InvalidCiphertextException, keys.decrypt({ CiphertextBlob }));
});
await run("an empty list of grant tokens", async () => {
  await keys.decrypt({ CiphertextBlob, EncryptionContext, GrantTokens: [] });
});
await run("data key", async () => {
  const made = await keys.generateDataKey({ KeyId, KeySpec: "AES_256" });
  const opened = await keys.decrypt({ CiphertextBlob: made.CiphertextBlob });
  assert.deepEqual(Buffer.from(opened.Plaintext), Buffer.from(made.Plaintext));
  assert.equal((await keys.generateDataKeyWithoutPlaintext({ KeyId, NumberOfBytes: 64 })).Plaintext, undefined);
});
await run("data key pair", async () => {
  const made = await keys.generateDataKeyPair({ KeyId, KeyPairSpec: "ECC_NIST_P256" });
  const opened = await keys.decrypt({ CiphertextBlob: made.PrivateKeyCiphertextBlob });
  assert.deepEqual(Buffer.from(opened.Plaintext), Buffer.from(made.PrivateKeyPlaintext));
});
await run("re-encrypt", async () => {
  const moved = await keys.reEncrypt({
    CiphertextBlob, SourceEncryptionContext: EncryptionContext, DestinationKeyId: other,
  });
  assert.deepEqual(Buffer.from((await keys.decrypt({ CiphertextBlob: moved.CiphertextBlob })).Plaintext), Buffer.from(text));
});
await run("sign, and verify with the public key", async () => {
  const arn = await create(signed);
  const made = await keys.sign({ KeyId: arn, Message: text, SigningAlgorithm: "ECDSA_SHA_256" });
  const { PublicKey } = await keys.getPublicKey({ KeyId: arn });
  const key = createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
  assert.ok(verify("sha256", text, key, made.Signature));
  const asked = { KeyId: arn, SigningAlgorithm: "ECDSA_SHA_256", Signature: made.Signature };
  assert.ok((await keys.verify({ ...asked, Message: text })).SignatureValid);
  await refused(kms.KMSInvalidSignatureException, keys.verify({ ...asked, Message: new Uint8Array([1]) }));
});
await run("RSA", async () => {
  const arn = await create({ KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT" });
  const { PublicKey } = await keys.getPublicKey({ KeyId: arn });
  const key = createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
  const sealed = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, text);
  const opened = await keys.decrypt({ KeyId: arn, CiphertextBlob: sealed, EncryptionAlgorithm: "RSAES_OAEP_SHA_256" });
  assert.deepEqual(Buffer.from(opened.Plaintext), Buffer.from(text));
});
await run("MAC", async () => {
  const arn = await create({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
  const asked = { KeyId: arn, Message: text, MacAlgorithm: "HMAC_SHA_256" };
  const { Mac } = await keys.generateMac(asked);
  assert.ok((await keys.verifyMac({ ...asked, Mac })).MacValid);
  await refused(kms.KMSInvalidMacException, keys.verifyMac({ ...asked, Mac: new Uint8Array(32) }));
});
await run("shared secret", async () => {
  const [one, two] = await Promise.all([0, 1].map(() => create({ KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT" })));
  const secret = async (mine, theirs) => (await keys.deriveSharedSecret({
    KeyId: mine, KeyAgreementAlgorithm: "ECDH", PublicKey: (await keys.getPublicKey({ KeyId: theirs })).PublicKey,
  })).SharedSecret;
  assert.deepEqual(await secret(one, two), await secret(two, one));
});
await run("import of key material", async () => {
  const arn = await create({ Origin: "EXTERNAL", KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
  const given = await keys.getParametersForImport({
    KeyId: arn, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_4096",
  });
  const key = createPublicKey({ key: Buffer.from(given.PublicKey), format: "der", type: "spki" });
  const material = randomBytes(32);
  await keys.importKeyMaterial({
    KeyId: arn, ImportToken: given.ImportToken, ExpirationModel: "KEY_MATERIAL_EXPIRES",
    ValidTo: new Date(Date.now() + 3_600_000),
    EncryptedKeyMaterial: publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, material),
  });
  const { Mac } = await keys.generateMac({ KeyId: arn, Message: text, MacAlgorithm: "HMAC_SHA_256" });
  assert.deepEqual(Buffer.from(Mac), createHmac("sha256", material).update(text).digest());
});
await run("alias", async () => {
  await keys.createAlias({ AliasName: "alias/js", TargetKeyId: KeyId });
  assert.equal((await keys.describeKey({ KeyId: "alias/js" })).KeyMetadata.Arn, KeyId);
  await refused(kms.AlreadyExistsException, keys.createAlias({ AliasName: "alias/js", TargetKeyId: other }));
});
await run("tags", async () => {
  await keys.tagResource({ KeyId, Tags: [{ TagKey: "stage", TagValue: "test" }] });
  const { Tags } = await keys.listResourceTags({ KeyId });
  assert.deepEqual(Object.fromEntries(Tags.map((tag) => [tag.TagKey, tag.TagValue])), { team: "blue", stage: "test" });
});
await run("rotation", async () => {
  await keys.enableKeyRotation({ KeyId, RotationPeriodInDays: 90 });
  await keys.rotateKeyOnDemand({ KeyId });
  const status = await keys.getKeyRotationStatus({ KeyId });
  assert.equal(status.RotationPeriodInDays, 90);
  assert.ok(status.NextRotationDate instanceof Date);
  await keys.decrypt({ CiphertextBlob, EncryptionContext });
});
await run("pages", async () => {
  const found = [];
  for await (const page of kms.paginateListKeys({ client: keys, pageSize: 2 }, {})) found.push(...page.Keys);
  assert.ok(found.length > 4 && found.some((key) => key.KeyArn === KeyId), `${found.length} keys`);
});
await run("disabled, pending deletion and not found", async () => {
  const arn = await create();
  await keys.disableKey({ KeyId: arn });
  await refused(kms.DisabledException, keys.encrypt({ KeyId: arn, Plaintext: text }));
  const { DeletionDate } = await keys.scheduleKeyDeletion({ KeyId: arn, PendingWindowInDays: 7 });
  assert.ok(DeletionDate instanceof Date);
  await refused(kms.KMSInvalidStateException, keys.encrypt({ KeyId: arn, Plaintext: text }));
  await keys.cancelKeyDeletion({ KeyId: arn });
  await refused(kms.NotFoundException, keys.describeKey({ KeyId: "00000000-0000-4000-8000-000000000000" }));
});
await run("user, policy and grant", async () => {
  const UserName = "js-user";
  const { User } = await people.createUser({ UserName, Tags: [{ Key: "team", Value: "blue" }] });
  const { AccessKey } = await people.createAccessKey({ UserName });
  const credentials = { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey };
  const theirs = new kms.KMS({ credentials });
  await assert.rejects(theirs.encrypt({ KeyId, Plaintext: text }), { name: "AccessDeniedException" });
  const granted = await keys.createGrant({ KeyId, GranteePrincipal: User.Arn, Operations: ["Encrypt"] });
  await theirs.encrypt({ KeyId, Plaintext: text, GrantTokens: [granted.GrantToken] });
  await keys.revokeGrant({ KeyId, GrantId: granted.GrantId });
  const PolicyDocument = policy([{ Effect: "Allow", Action: "kms:Encrypt", Resource: KeyId }]);
  await people.putUserPolicy({ UserName, PolicyName: "use", PolicyDocument });
  await theirs.encrypt({ KeyId, Plaintext: text });
  await refused(iam.EntityAlreadyExistsException, people.createUser({ UserName }));
  await refused(iam.DeleteConflictException, people.deleteUser({ UserName }));
});
await run("assume role", async () => {
  const { User } = await people.createUser({ UserName: "js-assumes" });
  const { AccessKey } = await people.createAccessKey({ UserName: "js-assumes" });
  const { Role } = await people.createRole({
    RoleName: "js-role",
    AssumeRolePolicyDocument: policy([{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { AWS: User.Arn } }]),
  });
  await people.putRolePolicy({
    RoleName: "js-role", PolicyName: "use",
    PolicyDocument: policy([{ Effect: "Allow", Action: "kms:Decrypt", Resource: "*" }]),
  });
  const credentials = { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey };
  const assumed = await new sts.STS({ credentials }).assumeRole({ RoleArn: Role.Arn, RoleSessionName: "conformance" });
  assert.ok(assumed.Credentials.Expiration > new Date());
  const session = {
    accessKeyId: assumed.Credentials.AccessKeyId, secretAccessKey: assumed.Credentials.SecretAccessKey,
    sessionToken: assumed.Credentials.SessionToken,
  };
  await new kms.KMS({ credentials: session }).decrypt({ CiphertextBlob, EncryptionContext });
});
await run("random bytes", async () => {
  assert.equal((await keys.generateRandom({ NumberOfBytes: 32 })).Plaintext.length, 32);
});
