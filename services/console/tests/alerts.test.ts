import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { MOST_SILENT, whileHeard } from "../src/alerts/silence";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a connection on which nothing is heard any more ends, and one that beats does not", () => {
  const connection = whileHeard(new AbortController().signal);
  for (let beats = 0; beats < 10; beats += 1) {
    vi.advanceTimersByTime(MOST_SILENT - 1);
    connection.heard();
  }
  expect(connection.signal.aborted).toBe(false);
  vi.advanceTimersByTime(MOST_SILENT);
  expect(connection.signal.aborted).toBe(true);
});

test("a connection ends with its page, and leaves no timer behind", () => {
  const leaving = new AbortController();
  const connection = whileHeard(leaving.signal);
  leaving.abort();
  connection.over();
  expect([connection.signal.aborted, vi.getTimerCount()]).toEqual([true, 0]);
});
