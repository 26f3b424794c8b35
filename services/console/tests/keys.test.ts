import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { displayOf } from "../src/keys/columns";
import { FIELDS, LABELS } from "../src/keys/filters";
import { overlaid } from "../src/keys/overlay";

interface Described {
  paths: Record<string, { get: { parameters: { name: string }[] } }>;
}

test("every filter of /v1/keys can be chosen, and no other", () => {
  const { paths } = JSON.parse(readFileSync("../../.console/openapi.json", "utf-8")) as Described;
  const beside = new Set(["manager", "limit", "cursor"]);
  const names = (paths["/v1/keys"]?.get.parameters ?? []).map((each) => each.name).filter((each) => !beside.has(each));
  expect(Object.keys(LABELS).sort()).toEqual(names.sort());
});

test("a part of an alias goes into the URL with stars, and comes back as a part", () => {
  const query = FIELDS.queryOf([{ propertyKey: "alias", operator: ":", value: "pay" }], {});
  expect(query.alias).toBe("*pay*");
  expect(FIELDS.tokensOf(FIELDS.valuesOf(new URLSearchParams({ alias: "*pay*" }))).tokens).toEqual([
    { propertyKey: "alias", operator: ":", value: "pay" },
  ]);
  expect(FIELDS.queryOf([{ propertyKey: "alias", operator: ":", value: "app-*" }], {}).alias).toBe("app-*");
  expect(FIELDS.queryOf([{ propertyKey: "state", operator: "=", value: "Enabled" }], {}).state).toBe("Enabled");
});

test("a row shows the state of its change's answer until the list has the change", () => {
  const row = { key_id: "k", state: "Enabled", position: 5 };
  const overlay = new Map([["k", { state: "Disabled", before: 5 }]]);
  expect(overlaid([row], overlay)[0]?.state).toBe("Disabled");
  expect(overlaid([{ ...row, state: "Enabled", position: 9 }], overlay)[0]?.state).toBe("Enabled");
});

test("a user's columns keep their order, and the key's ID is always there", () => {
  const shown = displayOf(["state", "alias", "no such column"]).filter((each) => each.visible).map((each) => each.id);
  expect(shown).toEqual(["key", "state", "alias"]);
  expect(displayOf(null).find((each) => each.id === "tags")?.visible).toBe(false);
});

test("text that is typed without a field finds keys by a part of their alias", () => {
  expect(FIELDS.queryOf([{ operator: ":", value: "pay" }], {}).alias).toBe("*pay*");
});

test("an id or an ARN that is pasted finds its key", () => {
  for (const key of ["1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab", "arn:aws:kms:us-east-1:111122223333:key/1234abcd"])
    expect(FIELDS.queryOf([{ operator: ":", value: key }], {})).toMatchObject({ key, alias: undefined });
  expect(FIELDS.queryOf([{ operator: ":", value: "mrk-orders" }], {}).alias).toBe("*mrk-orders*");
});
