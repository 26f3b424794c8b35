import { expect, test } from "vitest";

import { handedOver, handOver } from "../src/session/hand-over";

function isName(signed: unknown): signed is string {
  return typeof signed === "string";
}

test("a tab that asks gets the one session that may be handed over", async () => {
  expect(await handedOver(isName)).toBe(null);
  let first: { arn: string; signed: unknown } | null = null;
  let second: { arn: string; signed: unknown } | null = null;
  handOver(() => first);
  handOver(() => second);
  expect(await handedOver(isName)).toBe(null); // both keep theirs in memory alone
  first = { arn: "alice", signed: "alice's session" };
  expect(await handedOver(isName)).toBe("alice's session");
  second = { arn: "alice", signed: "alice's other session" };
  expect(await handedOver(isName)).toMatch("session");
  second = { arn: "bob", signed: "bob's session" };
  expect(await handedOver(isName)).toBe(null); // the user says whose
  second = { arn: "bob", signed: 5 };
  expect(await handedOver(isName)).toBe("alice's session");
});
