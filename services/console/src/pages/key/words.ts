/** The API's names for kinds of keys, in words. */

export const USAGES: Readonly<Record<string, string>> = {
  ENCRYPT_DECRYPT: "Encrypt and decrypt",
  SIGN_VERIFY: "Sign and verify",
  GENERATE_VERIFY_MAC: "Generate and verify MAC",
  KEY_AGREEMENT: "Key agreement",
  ENCAPSULATE_DECAPSULATE: "Encapsulate and decapsulate",
};

export const ORIGINS: Readonly<Record<string, string>> = {
  AWS_KMS: "Keytrail (AWS_KMS)",
  EXTERNAL: "Imported (EXTERNAL)",
};

export function typeOf(spec: string): string {
  if (spec === "SYMMETRIC_DEFAULT") return "Symmetric";
  return spec.startsWith("HMAC_") ? "Symmetric (HMAC)" : "Asymmetric";
}

/** Of many, KMS sends the first. */
export function aliasWords(names: readonly string[], more: boolean): string {
  return names.join(", ") + (more ? " and more" : "");
}
