import { describe, expect, it } from "vitest";

import { match, within } from "../src/router";
import { PAGES } from "../src/routes";

describe("the URL of a page", () => {
  it("names what it shows", () => {
    expect(match("/keys/{key}/{tab}", "/keys/1234/policy")).toEqual({ key: "1234", tab: "policy" });
    expect(match("/keys/{key}", "/keys/alias%2Forders")).toEqual({ key: "alias/orders" });
    expect(match("/keys", "/keys/")).toEqual({});
  });

  it("is another page's if it is longer, shorter or names something else", () => {
    expect(match("/keys/{key}", "/keys")).toBeNull();
    expect(match("/keys/{key}", "/keys/a/b")).toBeNull();
    expect(match("/keys", "/users")).toBeNull();
  });

  it("may be malformed", () => {
    expect(match("/keys/{key}", "/keys/%E0%A4%A")).toBeNull();
  });

  it("is never outside of the console, whatever a link brings", () => {
    expect(within("/keys?tag=a%3Db")).toBe("/console/keys?tag=a%3Db");
    expect(["/../v1/status", "/..//evil.example", "/%2e%2e//evil.example", "//../../x", "keys", "/keys#code=a"].map(within)).toEqual([
      null, null, null, null, null, "/console/keys",
    ]);
  });

  it("opens one page: a fixed word stands before a name", () => {
    for (const page of PAGES) {
      if (page.path.includes("{")) continue;
      expect(PAGES.find((each) => match(each.path, page.path) !== null)).toBe(page);
    }
  });
});
