/** Changes of many keys: for each key one request, some at a time, as everybody else would make them. */

import {
  CancelKeyDeletionCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  ScheduleKeyDeletionCommand,
} from "@aws-sdk/client-kms";

import { kms } from "../aws";
import { type Fault, faultOf } from "../shown/fault";

export type ManyVerb = "enable" | "disable" | "schedule" | "cancel";

/** In which state a key can be changed so. The server decides; this only spares requests that it would refuse. */
const FROM: Record<ManyVerb, readonly string[]> = {
  enable: ["Disabled"],
  disable: ["Enabled"],
  schedule: ["Enabled", "Disabled", "PendingImport"],
  cancel: ["PendingDeletion"],
};

export function applies(verb: ManyVerb, state: string): boolean {
  return FROM[verb].includes(state);
}

/** What became of one key: its state now, or why it was not changed. */
export type Outcome = { state: string } | { fault: Fault };

async function change(verb: ManyVerb, key: string, days: number): Promise<string> {
  const client = await kms();
  switch (verb) {
    case "enable":
      await client.send(new EnableKeyCommand({ KeyId: key }));
      return "Enabled";
    case "disable":
      await client.send(new DisableKeyCommand({ KeyId: key }));
      return "Disabled";
    case "schedule":
      return (await client.send(new ScheduleKeyDeletionCommand({ KeyId: key, PendingWindowInDays: days }))).KeyState ?? "PendingDeletion";
    case "cancel": {
      await client.send(new CancelKeyDeletionCommand({ KeyId: key }));
      // A key whose imported material is gone waits for an import again. Who may not ask sees the usual state until the next look.
      return client.send(new DescribeKeyCommand({ KeyId: key })).then(
        ({ KeyMetadata: found }) => found?.KeyState ?? "Disabled",
        () => "Disabled",
      );
    }
  }
}

const AT_ONCE = 4;

/** Changes the keys, and tells of each as it is done. After `stop`, no further request begins. */
export async function changeMany(
  verb: ManyVerb,
  keys: readonly string[],
  days: number,
  tell: (key: string, outcome: Outcome) => void,
  stop: AbortSignal,
): Promise<void> {
  const waiting = [...keys];
  async function worker(): Promise<void> {
    for (let key = waiting.shift(); key !== undefined && !stop.aborted; key = waiting.shift()) {
      const changed = key;
      await change(verb, changed, days).then(
        (state) => tell(changed, { state }),
        (thrown: unknown) => tell(changed, { fault: faultOf(thrown) }),
      );
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
