import { describe, expect, test } from "vitest";

import { offers } from "../src/policy/completions";
import { placeOf } from "../src/policy/places";
import { laidOut, lineDiff } from "../src/policy/text-diff";
import { condition, short, statement, whom } from "../src/policy/words";

const TEXT = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "a [0], b", "Effect": "Allow"},
    {
      "Effect": "Deny",
      "Condition": {"StringEquals": {"kms:ViaService": ["x", "y"]}}
    }
  ]
}`;

describe("the place of a fault", () => {
  test.each([
    ["$", 0, 0],
    ["$.Statement[1].Effect", 5, 16],
    ["$.Statement[1].Condition.StringEquals.kms:ViaService", 6, 54 - 18],
    ["$.Statement[1].Condition.StringEquals.kms:ViaService[1]", 6, 42],
    ["$.Statement[1].Principal", 4, 4], // what is missing leads to what it is missing from
    ["$.Nothing", 0, 0],
  ])("%s", (path, row, column) => {
    const line = TEXT.split("\n")[row] ?? "";
    const place = placeOf(TEXT, path);
    expect(place.row).toBe(row);
    if (path.includes("ViaService")) expect(line.slice(place.column)).toMatch(path.endsWith("[1]") ? /^"y"/ : /^\["x"/);
    else expect(place.column).toBe(column);
  });

  test("a single statement without a list", () => {
    expect(placeOf('{"Statement": {"Effect": "No"}}', "$.Statement[0].Effect").column).toBe(25);
  });

  test("a text that ends early", () => {
    expect(placeOf('{"Statement": [{"Effect"', "$.Statement[0]").column).toBe(15);
  });
});

test("two texts line by line", () => {
  const kinds = lineDiff("a\nb\nc\nd", "a\nx\nc\ny\nd").map(({ kind, text }) => `${kind} ${text}`);
  expect(kinds).toEqual(["same a", "gone b", "new x", "same c", "new y", "same d"]);
  expect(lineDiff("a", "a")).toEqual([{ kind: "same", text: "a" }]);
  expect(laidOut('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(laidOut("no json")).toBe("no json");
});

test("what the editor offers", () => {
  const words = { actions: ["kms:Decrypt"], operators: ["Bool"], condition_keys: [{ name: "kms:ViaService", meaning: "m" }] };
  const found = (before: string) => offers(before, words).map(({ value }) => value);
  expect(found('{"Statement": [{"Action": "kms:')).toEqual(["kms:Decrypt"]);
  expect(found('{"Statement": [{"Action": ["kms:Encrypt", "')).toEqual(["kms:Decrypt"]);
  expect(found('{"Statement": [{"Effect": "')).toEqual(["Allow", "Deny"]);
  expect(found('{"Statement": [{"Condition": {"')).toEqual(["Bool"]);
  expect(found('{"Statement": [{"Condition": {"Bool": {"')).toEqual(["kms:ViaService"]);
  expect(found('{"Statement": [{"Effect": "Allow", "')).toContain("Principal");
  expect(found('{"')).toEqual([]);
});

test("names", () => {
  expect(short("arn:aws:iam::111122223333:user/bob", "111122223333")).toBe("user/bob");
  expect(short("arn:aws:iam::444455556666:user/bob", "111122223333")).toBe("444455556666:user/bob");
  expect(statement({ kind: "key-policy", policy: "arn:aws:kms:r:1:key/x", version: 3, sid: "Own", index: 0 }, "")).toBe('key policy "Own"');
  expect(whom([{ kind: "role", account: "444455556666" }], "111122223333")).toEqual(["every other role of account 444455556666"]);
  expect(whom([{ kind: "user", account: "any other" }, { kind: "root", account: "any other" }], "111122223333")).toEqual([
    "every user of any other account",
    "the root of any other account",
  ]);
  const bob = { principal: "arn:aws:iam::111122223333:user/bob" };
  expect(whom([bob, bob], "111122223333")).toEqual(["user/bob"]);
  const any_of = [{ holds: [{ operator: "StringEquals", wanted: ["a", "b"] }], fails: [] }];
  expect(condition({ key: "kms:ViaService", any_of })).toBe("kms:ViaService StringEquals a or b");
});
