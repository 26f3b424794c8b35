import { expect, test } from "vitest";

import { addNewest, MOST } from "../src/shown/newest";
import { PAGE, pageOf } from "../src/shown/paged";

test("of more changes than are kept, the newest are kept, and it is known that there were others", () => {
  const lines: number[] = [];
  const dropped = Array.from({ length: MOST + 5 }, (_, line) => addNewest(lines, line)).filter(Boolean);
  expect([lines.length, lines[0], lines.at(-1), dropped.length]).toEqual([MOST, 5, MOST + 4, 5]);
});

test("a list that becomes shorter while a later page of it is shown shows its last one", () => {
  expect([pageOf(1, 0), pageOf(3, 2 * PAGE + 1), pageOf(3, PAGE), pageOf(1, PAGE)]).toEqual([1, 3, 1, 1]);
});
