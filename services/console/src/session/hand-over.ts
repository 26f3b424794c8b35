/** A new tab of somebody who asked to stay signed in need not ask for a sign-in: another tab hands its session over.
 *
 * It goes through a BroadcastChannel, from memory to memory. Only documents of this origin hear it, in the same profile of the same
 * browser. They are this console, which may run no other script than its own, and each of them could read the session of a tab that
 * it opens. So the channel tells nobody more than he could have; what localStorage or a cookie would add, a secret that outlives the
 * tabs, it does not have. A session that is kept in memory alone is not handed over. */

const CHANNEL = "keytrail.hand-over";
/** Milliseconds in which the other tabs answer. A tab that the browser has frozen does not. */
const PATIENCE = 250;

interface Asked {
  ask: string;
}

interface Answered {
  answer: string;
  arn: string;
  signed: unknown;
}

/** Ask the other tabs. Null if none has a session, or if they have sessions of different users: then the user says which. */
export async function handedOver<T>(isSigned: (signed: unknown) => signed is T): Promise<T | null> {
  const channel = new BroadcastChannel(CHANNEL);
  const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const found = new Map<string, T>();
  channel.addEventListener("message", ({ data }: MessageEvent<Partial<Answered>>) => {
    if (data.answer === id && typeof data.arn === "string" && isSigned(data.signed)) found.set(data.arn, data.signed);
  });
  channel.postMessage({ ask: id } satisfies Asked);
  await new Promise((over) => setTimeout(over, PATIENCE));
  channel.close();
  const [only, ...others] = found.values();
  return others.length === 0 ? (only ?? null) : null;
}

/** Answer the tabs that ask. `held` says whose session this tab has, if it may be handed over. */
export function handOver(held: () => { arn: string; signed: unknown } | null): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener("message", ({ data }: MessageEvent<Partial<Asked>>) => {
    const own = held();
    if (typeof data.ask === "string" && own !== null) channel.postMessage({ answer: data.ask, ...own } satisfies Answered);
  });
}
