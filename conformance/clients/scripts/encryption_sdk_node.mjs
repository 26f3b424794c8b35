// AWS Encryption SDK for Node.js: strict, discovery, multi and MRK-aware keyrings.
import assert from "node:assert/strict";
import * as esdk from "@aws-crypto/client-node";
import { KMS } from "@aws-sdk/client-kms";
import { STS } from "@aws-sdk/client-sts";
import { run } from "./cases.mjs";

const { encrypt, decrypt } = esdk.buildClient(esdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
const keys = new KMS({});
const region = process.env.AWS_REGION;
const text = "a line that must come back";
const context = { purpose: "conformance", tenant: "blue" };
const { Account } = await new STS({}).getCallerIdentity({});
const [one, two] = await Promise.all([0, 1].map(async () => (await keys.createKey({})).KeyMetadata.Arn));
const strict = new esdk.KmsKeyringNode({ generatorKeyId: one });

async function thereAndBack(seal, open, given = {}) {
  const { result } = await encrypt(seal, text, { encryptionContext: context, ...given });
  const { plaintext, messageHeader } = await decrypt(open, result);
  assert.equal(plaintext.toString(), text);
  for (const [name, value] of Object.entries(context)) assert.equal(messageHeader.encryptionContext[name], value);
}

await run("strict keyring", () => thereAndBack(strict, strict));
await run("strict keyring without a signature", () =>
  thereAndBack(strict, strict, { suiteId: esdk.AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY }));
await run("strict keyring of another key does not decrypt", () =>
  assert.rejects(thereAndBack(strict, new esdk.KmsKeyringNode({ keyIds: [two] }))));
await run("strict keyring by an alias", async () => {
  await keys.createAlias({ AliasName: "alias/esdk-node", TargetKeyId: one });
  const alias = one.replace(/:key\/.*/, ":alias/esdk-node");
  await thereAndBack(new esdk.KmsKeyringNode({ generatorKeyId: alias }), strict);
});
await run("multi keyring: either key decrypts", async () => {
  const both = new esdk.KmsKeyringNode({ generatorKeyId: one, keyIds: [two] });
  await thereAndBack(both, both);
  await thereAndBack(both, strict);
  await thereAndBack(both, new esdk.KmsKeyringNode({ keyIds: [two] }));
});
await run("discovery keyring", () => thereAndBack(strict, new esdk.KmsKeyringNode({ discovery: true })));
await run("discovery keyring with a filter", () =>
  thereAndBack(strict, new esdk.KmsKeyringNode({
    discovery: true, discoveryFilter: { accountIDs: [Account], partition: "aws" },
  })));
await run("discovery keyring that filters the account out", () =>
  assert.rejects(thereAndBack(strict, new esdk.KmsKeyringNode({
    discovery: true, discoveryFilter: { accountIDs: ["000000000000"], partition: "aws" },
  }))));
await run("MRK-aware keyring on a single-Region key", async () => {
  const aware = new esdk.AwsKmsMrkAwareSymmetricKeyringNode({ keyId: one, client: keys });
  await thereAndBack(aware, aware);
  await thereAndBack(aware, strict);
});
await run("MRK-aware multi keyring", async () => {
  const both = esdk.buildAwsKmsMrkAwareStrictMultiKeyringNode({ generatorKeyId: one, keyIds: [two] });
  await thereAndBack(both, both);
});
await run("MRK-aware discovery keyrings", async () => {
  await thereAndBack(strict, new esdk.AwsKmsMrkAwareSymmetricDiscoveryKeyringNode({ client: keys }));
  await thereAndBack(strict, esdk.buildAwsKmsMrkAwareDiscoveryMultiKeyringNode({ regions: [region] }));
});
await run("caching of materials", async () => {
  const cache = esdk.getLocalCryptographicMaterialsCache(10);
  const cached = new esdk.NodeCachingMaterialsManager({ backingMaterials: strict, cache, maxAge: 60_000 });
  await thereAndBack(cached, cached);
  await thereAndBack(cached, cached);
});
