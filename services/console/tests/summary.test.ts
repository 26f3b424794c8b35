/** Summaries as people write them. */

import { expect, test } from "vitest";

import { summaryWords } from "../src/shown/summary";

test("lists, pairs and times of a record's words are written as people write them", () => {
  expect(summaryWords("grant 1a for user/bob: ['Decrypt', 'DescribeKey']")).toBe("grant 1a for user/bob: Decrypt, DescribeKey");
  expect(summaryWords("tagged {'partner': 'acme', 'team': 'b2b'}")).toBe("tagged partner=acme, team=b2b");
  const words = summaryWords("to be deleted at 2026-12-12T00:29:30.516220Z");
  expect(words).toContain("2026");
  expect(words).not.toContain("T00:29");
});

test("what is neither stays as the record has it", () => {
  for (const text of ["description set to '[x]'", "tagged {'a': \"it's\"}", "2026-99-99T99:99:99Z", "key deleted, with []"])
    expect(summaryWords(text)).toBe(text);
});
