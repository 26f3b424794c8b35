/** Which operations a grant on a key of each usage may name (developer guide, grants, "Grant operations"). */

import type { GrantOperation } from "@aws-sdk/client-kms";

const EVERY: readonly GrantOperation[] = ["DescribeKey", "CreateGrant", "RetireGrant"];
const DATA_KEYS: readonly GrantOperation[] = [
  "GenerateDataKey",
  "GenerateDataKeyWithoutPlaintext",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
];
const BY_USAGE: Readonly<Record<string, readonly GrantOperation[]>> = {
  ENCRYPT_DECRYPT: ["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"],
  SIGN_VERIFY: ["Sign", "Verify"],
  GENERATE_VERIFY_MAC: ["GenerateMac", "VerifyMac"],
  KEY_AGREEMENT: ["DeriveSharedSecret"],
  ENCAPSULATE_DECAPSULATE: ["Encapsulate", "Decapsulate"],
};

export function grantOperations(spec: string, usage: string): readonly GrantOperation[] {
  const symmetric = spec === "SYMMETRIC_DEFAULT";
  const secret = symmetric || spec.startsWith("HMAC_");
  return [
    ...(BY_USAGE[usage] ?? Object.values(BY_USAGE).flat()),
    ...(symmetric || usage === "" ? DATA_KEYS : []),
    ...(secret ? [] : (["GetPublicKey"] as const)),
    ...EVERY,
  ];
}
