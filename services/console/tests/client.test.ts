import { describe, expect, it } from "vitest";

import { eventsOf, pathOf, queryOf, type ServerEvent } from "../src/v1/client";

describe("a request to the audit API", () => {
  it("escapes what stands in its path, once", () => {
    expect(pathOf("/v1/keys/{key}/history", { key: "alias/a b's(*)" })).toBe("/v1/keys/alias%2Fa%20b%27s%28%2A%29/history");
  });

  it("leaves out what was not given", () => {
    expect(queryOf({ limit: 5, at: undefined, trail: null, changes: true })).toEqual({ limit: "5", changes: "true" });
  });
});

it("tells a beat of a stream, so that silence is not taken for a connection on which nothing happens", async () => {
  const found: ServerEvent[] = [];
  const sent = ': the alerts\nid: 6\n\nid: 7\nevent: alert\ndata: {"id": "a"}\n\n: nothing new\nid: 9\n\n';
  for await (const each of eventsOf(new Response(sent))) found.push(each);
  expect(found.map(({ id, event, data }) => [id, event, data])).toEqual([
    ["6", "beat", null],
    ["7", "alert", { id: "a" }],
    ["9", "beat", null],
  ]);
});
