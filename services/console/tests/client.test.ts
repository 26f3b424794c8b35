import { describe, expect, it } from "vitest";

import { pathOf, queryOf } from "../src/v1/client";

describe("a request to the audit API", () => {
  it("escapes what stands in its path, once", () => {
    expect(pathOf("/v1/keys/{key}/history", { key: "alias/a b's(*)" })).toBe("/v1/keys/alias%2Fa%20b%27s%28%2A%29/history");
  });

  it("leaves out what was not given", () => {
    expect(queryOf({ limit: 5, at: undefined, trail: null, changes: true })).toEqual({ limit: "5", changes: "true" });
  });
});
