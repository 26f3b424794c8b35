import { readFileSync } from "node:fs";

import { expect, test, vi } from "vitest";

vi.hoisted(() => (process.env["TZ"] = "America/New_York"));

import { barsOf, tickWords, wholeTimes } from "../src/decisions/bars";
import { callsWords } from "../src/decisions/counted-calls";
import { FIELDS, filtersOf, queryOfTokens, tokensOf } from "../src/decisions/filters";
import { treeOf } from "../src/decisions/explanation";
import { faultOf, V1Error } from "../src/shown/fault";
import { boundsOf, lengthOf, spanOf, spanQuery } from "../src/shown/span";

interface Described {
  paths: Record<string, { get: { parameters: { name: string }[] } }>;
}

test("every filter of /v1/decisions can be chosen, and no other", () => {
  const { paths } = JSON.parse(readFileSync("../../.console/openapi.json", "utf-8")) as Described;
  const beside = new Set(["from", "to", "inputs", "order", "limit", "cursor", "trail", "unanswered"]);
  const names = (paths["/v1/decisions"]?.get.parameters ?? []).map((each) => each.name).filter((each) => !beside.has(each));
  expect(Object.keys(FIELDS).sort()).toEqual(names.sort());
});

test("a filter whose text shows nothing keeps its value when another filter is added", () => {
  const before = filtersOf(new URLSearchParams({ agent: "a\u202eb" }));
  const { tokens } = tokensOf(before);
  expect(tokens[0]?.value).toBe("a\\u202eb");
  const query = queryOfTokens([...tokens, { propertyKey: "effect", operator: "=", value: "refused" }], before);
  expect([query.agent, query.effect]).toEqual(["a\u202eb", "refused"]);
});

test("the later of two values of a field counts, since /v1 takes one", () => {
  const token = (value: string) => ({ propertyKey: "effect", operator: "=", value });
  expect(queryOfTokens([token("allowed"), token("refused")], {}).effect).toBe("refused");
});

test("an hour in which nobody called has a bar of nothing", () => {
  const at = (hour: string) => `2026-11-27T${hour}:00:00Z`;
  const row = { calls: 2, effect: "allowed", day: null };
  const { bars, allowed, refused } = barsOf([{ ...row, hour: at("10") }, { ...row, hour: at("12"), effect: "refused" }], "hour", 100);
  expect(bars.map((each) => [each.getUTCHours(), allowed.get(each), refused.get(each)])).toEqual([
    [10, 2, undefined],
    [11, undefined, undefined],
    [12, undefined, 2],
  ]);
});

test("a day bears its name in UTC, in which Keytrail counts, and an hour has the reader's time", () => {
  const midnight = new Date("2026-11-20T00:00:00Z");
  expect(tickWords(midnight, "day")).toContain("20");
  expect(tickWords(midnight, "hour")).toContain("19");
});

test("an answer that was cut has no bar of an hour of which only a part came", () => {
  const row = { calls: 1, day: null };
  const of = (hour: string, effect: string) => ({ ...row, hour, effect });
  const counted = [of("2026-11-27T12:00:00Z", "allowed"), of("2026-11-27T12:00:00Z", "refused"), of("2026-11-27T11:00:00Z", "allowed")];
  expect(wholeTimes(counted, "hour", true)).toEqual(counted.slice(0, 2));
  expect(wholeTimes(counted, "hour", false)).toEqual(counted);
});

test("how long the span is follows from what is asked, so the whole record is counted by day", () => {
  const day = { type: "relative", amount: 1, unit: "day" } as const;
  const now = Date.parse("2026-11-20T00:00:00Z");
  const long = (asOf: string | null) => lengthOf(boundsOf(day, asOf, now), now);
  expect([long(null), long("2026-01-20T00:00:00Z"), long("@5000")]).toEqual([24 * 3_600_000, 24 * 3_600_000, Infinity]);
  expect(lengthOf({ from: "2026-11-19T00:00:00Z" }, now)).toBe(24 * 3_600_000);
  expect(lengthOf({ from: "@12", to: "2026-11-19T00:00:00Z" }, now)).toBe(Infinity);
});

test("a span goes into the URL and comes back", () => {
  for (const span of [
    { type: "relative", amount: 7, unit: "day" },
    { type: "relative", amount: 1, unit: "day" },
    { type: "absolute", startDate: "2026-11-01T00:00:00Z", endDate: "" },
  ] as const) {
    const query = Object.entries(spanQuery(span)).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
    expect(spanOf(new URLSearchParams(query))).toEqual(span);
  }
});

test("nothing later than the time that the console shows is asked for", () => {
  const day = { type: "relative", amount: 1, unit: "day" } as const;
  const then = "2026-11-20T00:00:00.000Z";
  expect(boundsOf(day, then, 0)).toEqual({ from: "2026-11-19T00:00:00.000Z", to: then });
  expect(boundsOf(day, "@12", 0)).toEqual({ to: "@13" }); // /v1 means what comes after the last
  expect(boundsOf({ type: "absolute", startDate: "", endDate: "2027-01-01T00:00:00Z" }, then, 0)).toEqual({ to: then });
  expect(boundsOf({ type: "absolute", startDate: "", endDate: "2026-01-01T00:00:00Z" }, then, 0)).toEqual({ to: "2026-01-01T00:00:00Z" });
  expect(boundsOf({ type: "absolute", startDate: "", endDate: "2026-01-01T00:00:00Z" }, "@12", 0)).toEqual({ to: "@13" });
});

test("the tree names a statement by its Sid, with what callers wrote made visible", () => {
  const by = { kind: "key-policy", policy: "arn:aws:kms:us-east-1:111122223333:key/k", version: 2, sid: "a\u202eb", index: 0 };
  const statement = { by, effect: "Allow", matched: false, checks: [{ element: "Action", holds: false }] };
  const [layer] = treeOf({ action: "kms:Decrypt", resource: "", effect: "deny", by, layers: [{ layer: "key-policy", statements: [statement] }] });
  expect(layer?.text).toBe("key policy");
  expect(layer?.children[0]?.text).toBe("Allow, “a\\u202eb” of the key policy of k, version 2");
  expect(layer?.children[0]?.children[0]).toMatchObject({ text: "Action", holds: false });
});

test("an export whose calls could not be counted says so, and does not go on counting", () => {
  const loading = { state: "loading", value: null } as const;
  const there = { state: "there", value: { items: [{ calls: 2 }, { calls: 1000 }] } } as const;
  const fault = faultOf(new V1Error("AccessDeniedException", "no policy allows it", 403, "c1"));
  const words = [loading, there, { state: "fault", value: null, fault } as const].map(callsWords);
  expect(words.map((each) => each.split(" with the")[0])).toEqual(["Counting the calls…", "1,002 calls", "The calls"]);
  expect(words[2]).toMatch(/ How many there are is not known: no policy allows it$/);
});
