import { expect, test } from "vitest";

import { fieldsOf, isMoment, momentOf } from "../src/time/moment";

test("a time and a position are moments, other text is not", () => {
  const given = ["@0", "@1234", "2026-11-27T10:04:00Z", "2026-11-27T10:04:00.5+01:00", "@", "@-1", "1234", "yesterday", "2026-13-01T00:00:00Z", ""];
  expect(given.filter(isMoment)).toEqual(["@0", "@1234", "2026-11-27T10:04:00Z", "2026-11-27T10:04:00.5+01:00"]);
});

test("a date and a time of the reader's clock become a moment", () => {
  const at = momentOf("2026-11-27", "10:04");
  expect(at).toBe(new Date("2026-11-27T10:04:00").toISOString());
  expect(momentOf("2026-11-27", "")).toBe(new Date("2026-11-27T00:00:00").toISOString());
  expect([momentOf("", "10:04"), momentOf("2026-11-27", "25:00"), momentOf("2026-99-27", "10:00")]).toEqual([null, null, null]);
});

test("the fields of a time are the reader's own clock, and lead back to it", () => {
  const moment = new Date("2026-03-05T07:08:09Z");
  const { date, clock } = fieldsOf(moment);
  expect(momentOf(date, clock)).toBe(moment.toISOString());
});
