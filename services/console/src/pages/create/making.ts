/** Makes what the wizard was told to make: the key with its policy and tags in one request, then its alias. */

import { CreateAliasCommand, CreateKeyCommand, type KeySpec, type KeyUsageType, type KMSClient } from "@aws-sdk/client-kms";

import { full } from "../key/alias-name";
import type { Attempt, Draft, Made } from "./draft";

/** What the SDK's middleware passes on before a request is signed, as far as it is needed here. */
interface Signable {
  request: { headers: Record<string, string> };
}

/** Sent again as the same attempt and with the same content, the request makes no second key: Keytrail answers as it did the first
 * time (for ten minutes, to the same credential). */
export async function makeKey(client: KMSClient, draft: Draft, policy: string, attempt: Attempt): Promise<Made> {
  const command = new CreateKeyCommand({
    KeySpec: draft.spec as KeySpec,
    KeyUsage: draft.usage as KeyUsageType,
    Origin: draft.origin,
    Description: draft.description,
    Policy: policy,
    Tags: draft.tags.map((tag) => ({ TagKey: tag.name, TagValue: tag.value })),
  });
  command.middlewareStack.addRelativeTo(
    <G extends object, R>(next: (given: G) => Promise<R>) =>
      (given: G): Promise<R> => {
        (given as unknown as Signable).request.headers["amz-sdk-invocation-id"] = attempt.id;
        return next(given);
      },
    { relation: "before", toMiddleware: "httpSigningMiddleware", name: "sameAttempt" },
  );
  const { KeyMetadata: key } = await client.send(command);
  if (key?.KeyId === undefined) throw new Error("The answer names no key.");
  return { id: key.KeyId, arn: key.Arn ?? "" };
}

export async function nameKey(client: KMSClient, key: string, alias: string): Promise<void> {
  await client.send(new CreateAliasCommand({ AliasName: full(alias), TargetKeyId: key }));
}
