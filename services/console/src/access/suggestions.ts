/** Keys and principals to choose from: the first of each. Anything else can be typed, also by who may not list them. */

import { ListRolesCommand, ListUsersCommand } from "@aws-sdk/client-iam";

import { iam } from "../aws";
import { asked } from "../router";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";

const FIRST = 100;

interface Choice {
  value: string;
  label: string;
  description?: string;
}

export async function keyOptions(at: string | null, trail: string | null, signal: AbortSignal): Promise<Choice[]> {
  if (at !== null || trail !== null) {
    const then = await v1().get("/v1/as-of/keys", { query: { limit: FIRST, ...asked(at, trail) } }, signal);
    return then.items.map((key) => ({
      value: trail === null ? key.key_id : key.arn,
      label: visible(key.key_aliases[0] ?? key.key_id),
      description: visible(key.arn),
    }));
  }
  const page = await v1().get("/v1/keys", { query: { limit: FIRST } }, signal);
  return page.items.map((key) => ({
    value: key.key_id ?? "",
    label: visible(key.key_aliases[0] ?? key.key_id ?? ""),
    description: visible(key.description || (key.key_id ?? "")),
  }));
}

export async function principalOptions(at: string | null, trail: string | null, signal: AbortSignal): Promise<Choice[]> {
  if (at !== null || trail !== null) {
    const pages = await Promise.all(
      (["user", "role"] as const).map((kind) =>
        v1().get("/v1/as-of/principals", { query: { kind, limit: FIRST, ...asked(at, trail) } }, signal),
      ),
    );
    return pages.flatMap((page) => page.items.map((each) => ({ value: each.arn, label: visible(`${each.kind}/${each.name}`) })));
  }
  const client = await iam();
  const options = { abortSignal: signal };
  const [users, roles] = await Promise.all([
    client.send(new ListUsersCommand({ MaxItems: FIRST }), options),
    client.send(new ListRolesCommand({ MaxItems: FIRST }), options),
  ]);
  const named = [
    ...(users.Users ?? []).map(({ Arn = "", UserName = "" }) => [Arn, `user/${UserName}`]),
    ...(roles.Roles ?? []).map(({ Arn = "", RoleName = "" }) => [Arn, `role/${RoleName}`]),
  ];
  return named.map(([value = "", label = ""]) => ({ value, label: visible(label) }));
}
