/** How an OpenID Connect provider is named, and what is typed about it. */

const MARK = ":oidc-provider/";

/** The issuer's URL without https://, as the ARN and condition keys have it. */
export function hostOf(arn: string): string {
  const at = arn.indexOf(MARK);
  return at === -1 ? arn : arn.slice(at + MARK.length);
}

/** What was typed, one in each line or separated by commas or spaces; each once. */
export function listed(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((each) => each !== ""))];
}

/** A thumbprint of a certificate: SHA-1 in hex. */
export function thumbprints(text: string): string[] {
  return listed(text.replaceAll(":", "")).map((each) => each.toLowerCase());
}

export function areThumbprints(given: readonly string[]): boolean {
  return given.every((each) => /^[0-9a-f]{40}$/.test(each));
}

export function isIssuer(url: string): boolean {
  return /^https:\/\/[^\s/?#]+[^\s?#]*$/.test(url);
}

/** A trust policy that lets one subject of the provider assume a role. Without a condition on `sub`, everybody whom the provider
 * knows could. */
export function trustPolicy(arn: string, audience: string): string {
  const host = hostOf(arn);
  const statement = {
    Effect: "Allow",
    Principal: { Federated: arn },
    Action: "sts:AssumeRoleWithWebIdentity",
    Condition: { StringEquals: { [`${host}:aud`]: audience, [`${host}:sub`]: "SUBJECT" } },
  };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] }, null, 2);
}
