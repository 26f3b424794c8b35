import { expect, test } from "vitest";

import { aliasWords } from "../src/pages/key/words";
import { faultOf, V1Error } from "../src/shown/fault";
import { listStatus } from "../src/shown/list-status";
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

test("suggestions that may not be read are refused, and not none", () => {
  const fault = faultOf(new V1Error("AccessDenied", "no policy allows iam:ListUsers", 403, "c1"));
  const { statusType, errorText } = listStatus({ state: "fault", value: null, fault });
  expect([statusType, errorText]).toEqual(["error", "The list is not there: no policy allows iam:ListUsers"]);
  expect(listStatus({ state: "loading", value: null }).statusType).toBe("loading");
  expect(listStatus({ state: "there", value: [] }).statusType).toBe("finished");
});

test("a key with more aliases than KMS sends at once does not look as if it had those alone", () => {
  expect([aliasWords(["a", "b"], false), aliasWords(["a", "b"], true), aliasWords([], false)]).toEqual(["a, b", "a, b and more", ""]);
});
