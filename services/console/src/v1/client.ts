/** The audit API, typed by its own description (openapi.json) and signed in the browser.
 *
 *     const page = await v1().get("/v1/keys/{key}/policies", { path: { key }, query: { limit: 50 } }, signal);
 *     for await (const line of v1().lines("/v1/recheck", { query }, signal)) ...
 */

import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";

import { heard } from "../session/clock";
import { current, type Credential, type Session } from "../session/session";
import { V1Error } from "../shown/fault";
import type { paths } from "./schema";

type Operation<P extends keyof paths, M extends "get" | "post"> = paths[P] extends Record<M, infer O> ? O : never;
/** The paths that take a method. */
export type PathsOf<M extends "get" | "post"> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never;
}[keyof paths];

type Parameters<O> = O extends { parameters: infer A } ? A : never;
/** What the description gives under a name, whether or not it is required; never if a request brings nothing there. */
type Given<A, N extends "path" | "query"> = N extends keyof A ? Exclude<A[N], undefined> : never;
/** A member of a body that may be null may be left out, too. */
type Nullable<B> = { [N in keyof B]: null extends B[N] ? N : never }[keyof B];
type Body<O> = O extends { requestBody: { content: Record<string, infer B> } } ? Omit<B, Nullable<B>> & Partial<Pick<B, Nullable<B>>> : never;
type Content<O, Media extends string> = O extends { responses: { 200: { content: Record<Media, infer C> } } } ? C : never;
type Loose<Q> = { [N in keyof Q]?: Exclude<Q[N], undefined> | undefined };
type Brings<Name extends string, V> = [V] extends [never] ? Partial<Record<Name, never>> : Record<Name, V>;

/** What a request brings: the names in its path, its query, its body. */
export type Bring<P extends keyof paths, M extends "get" | "post"> = Brings<"path", Given<Parameters<Operation<P, M>>, "path">> & {
  query?: Loose<Given<Parameters<Operation<P, M>>, "query">>;
} & Brings<"body", Body<Operation<P, M>>>;

/** What a path answers with. */
export type AnswerOf<P extends PathsOf<M>, M extends "get" | "post" = "get"> = Content<Operation<P, M>, "application/json">;
/** One line of a path that answers in lines. */
export type LineOf<P extends PathsOf<M>, M extends "get" | "post" = "get"> = Content<Operation<P, M>, "application/x-ndjson">;
/** One item of a path that answers in pages. */
export type ItemOf<P extends PathsOf<"get">> = AnswerOf<P> extends { items: (infer I)[] } ? I : never;

interface Brought {
  path?: unknown;
  query?: unknown;
  body?: unknown;
}

/** `BEAT` is the event of a block without data: the connection stands, and `id` is where to go on (HTML standard, 9.2.6). */
export interface ServerEvent {
  id: string;
  event: string;
  data: unknown;
}

export class V1 {
  readonly #signer: SignatureV4;

  constructor({ credential, region }: { credential: Credential; region: string }) {
    this.#signer = new SignatureV4({ service: "keytrail", region, credentials: credential, sha256: Sha256 });
  }

  async get<P extends PathsOf<"get">>(path: P, bring: Bring<P, "get">, signal?: AbortSignal): Promise<AnswerOf<P>> {
    return (await (await this.#send("GET", path, bring, signal)).json()) as AnswerOf<P>;
  }

  async post<P extends PathsOf<"post">>(path: P, bring: Bring<P, "post">, signal?: AbortSignal): Promise<AnswerOf<P, "post">> {
    return (await (await this.#send("POST", path, bring, signal)).json()) as AnswerOf<P, "post">;
  }

  /** The lines of a long answer, each as it comes. Raises V1Error if the answer is broken off. */
  async *lines<M extends "get" | "post", P extends PathsOf<M>>(
    method: M,
    path: P,
    bring: Bring<P, M>,
    signal?: AbortSignal,
  ): AsyncGenerator<Awaited<LineOf<P, M>>> {
    const answer = await this.#send(method === "get" ? "GET" : "POST", path, bring, signal);
    for await (const line of linesOf(answer)) {
      if (line === "") continue;
      const { error } = JSON.parse(line) as { error?: { code: string; message: string } };
      if (error !== undefined) throw new V1Error(error.code, error.message, 503, callOf(answer));
      yield JSON.parse(line) as Awaited<LineOf<P, M>>;
    }
  }

  /** Server-sent events, read by fetch, since EventSource cannot sign. Ends when the server closes. */
  async *events<P extends PathsOf<"get">>(path: P, bring: Bring<P, "get">, signal?: AbortSignal): AsyncGenerator<ServerEvent> {
    yield* eventsOf(await this.#send("GET", path, bring, signal));
  }

  /** A file, with its body still to be read. */
  async file<P extends PathsOf<"get">>(path: P, bring: Bring<P, "get">, signal?: AbortSignal): Promise<Response> {
    return this.#send("GET", path, bring, signal);
  }

  /** The last request of a session. The browser sends it also if the tab is closed meanwhile. */
  async signOut(): Promise<void> {
    await this.#send("POST", "/v1/console/sign-outs" satisfies keyof paths, {}, undefined, true);
  }

  async #send(method: "GET" | "POST", pattern: string, bring: Brought, signal?: AbortSignal, keepalive = false): Promise<Response> {
    const path = pathOf(pattern, (bring.path ?? {}) as Record<string, string>);
    const query = queryOf((bring.query ?? {}) as Record<string, unknown>);
    const body = bring.body === undefined ? undefined : JSON.stringify(bring.body);
    const signed = await this.#signer.sign({
      method,
      protocol: location.protocol,
      hostname: location.hostname,
      path,
      query,
      headers: { host: location.host, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body,
    });
    const headers = Object.entries(signed.headers).filter(([name]) => name !== "host"); // the browser sets it itself
    const text = Object.entries(query).map(([name, value]) => `${escaped(name)}=${escaped(value)}`);
    const url = `${path}${text.length === 0 ? "" : `?${text.join("&")}`}`;
    const answer = await fetch(url, {
      method,
      headers,
      credentials: "omit",
      keepalive,
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
    heard(answer.headers.get("date"));
    if (answer.ok) return answer;
    throw await errorOf(answer);
  }
}

type Unsigned = "/v1/console/codes/redeem" | "/v1/console/sign-ins" | "/v1/console/provider-codes" | "/v1/console/provider-sign-ins";

/** The requests that are not signed: a one-time code, a password or a provider stands for the signature. Raises V1Error. */
export async function unsigned<P extends Unsigned>(
  path: P,
  body: Body<Operation<P, "post">>,
): Promise<AnswerOf<P, "post">> {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    credentials: "omit",
  });
  heard(answer.headers.get("date"));
  if (!answer.ok) throw await errorOf(answer);
  return (await answer.json()) as AnswerOf<P, "post">;
}

/** The providers that the sign-in page offers, which everybody may ask for. Raises V1Error. */
export async function offeredProviders(signal: AbortSignal): Promise<AnswerOf<"/v1/console/providers">> {
  const answer = await fetch("/v1/console/providers", { credentials: "omit", signal });
  heard(answer.headers.get("date"));
  if (!answer.ok) throw await errorOf(answer);
  return (await answer.json()) as AnswerOf<"/v1/console/providers">;
}

export function pathOf(pattern: string, places: Readonly<Record<string, string>>): string {
  return pattern.replace(/{(\w+)}/g, (_, name: string) => escaped(places[name] ?? ""));
}

export function queryOf(given: Readonly<Record<string, unknown>>): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") query[name] = String(value);
  }
  return query;
}

/** As the signature has it: RFC 3986, which also escapes what encodeURIComponent leaves. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}

function callOf(answer: Response): string {
  return answer.headers.get("x-amzn-requestid") ?? "";
}

async function errorOf(answer: Response): Promise<V1Error> {
  const text = await answer.text();
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    return new V1Error(error.code, error.message, answer.status, callOf(answer));
  } catch {
    return new V1Error("", text.slice(0, 500), answer.status, callOf(answer));
  }
}

export const BEAT = "beat";

export async function* eventsOf(answer: Response): AsyncGenerator<ServerEvent> {
  let [id, event, data] = ["", "message", ""];
  for await (const line of linesOf(answer)) {
    if (line === "") {
      yield data === "" ? { id, event: BEAT, data: null } : { id, event, data: JSON.parse(data) as unknown };
      [event, data] = ["message", ""];
      continue;
    }
    const [, name = "", text = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (name === "id") id = text;
    else if (name === "event") event = text;
    else if (name === "data") data = data === "" ? text : `${data}\n${text}`;
  }
}

async function* linesOf(answer: Response): AsyncGenerator<string> {
  if (answer.body === null) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop() ?? "";
      yield* parts;
    }
    if (rest !== "") yield rest;
  } finally {
    // Who leaves the loop ends the request, too. If it was aborted, there is nothing left to end.
    reader.cancel().catch(() => undefined);
  }
}

/** By session, and weakly, so that one that is over is in no client's memory. */
const made = new WeakMap<Session, V1>();

/** The client of the caller who is signed in. */
export function v1(): V1 {
  const session = current();
  if (session === null) throw new Error("nobody is signed in");
  const client = made.get(session) ?? new V1(session);
  made.set(session, client);
  return client;
}
