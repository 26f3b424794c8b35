import { describe, expect, it } from "vitest";

import { written } from "../src/evidence/canonical";
import { evidenceQuery, LAST_MONTH } from "../src/evidence/query";

/** JSON as a server may answer, and the text of the same document by json.dumps(ensure_ascii=False, sort_keys=True,
 * separators=(",", ":")) of Python. */
const PYTHON: readonly [string, string][] = [
  [String.raw`{"b": 1, "a": [true, null, {}], "10": 0, "9": -0}`, String.raw`{"10":0,"9":0,"a":[true,null,{}],"b":1}`],
  [String.raw`"\u0000\u001f\u007f\b\f\n\r\t\"\\\/"`, `${String.raw`"\u0000\u001f`}\u007f${String.raw`\b\f\n\r\t\"\\/"`}`],
  [String.raw`"\u2028\u2029\u202e\ufeff\u00e9<\ud83d\ude00"`, `"\u2028\u2029\u202e\ufeffé<\u{1f600}"`],
  [String.raw`{"\ud83d\ude00": 1, "\uffff": 2, "__proto__": 3, "": 4}`, `{"":4,"__proto__":3,"\uffff":2,"\u{1f600}":1}`],
  [String.raw`{"value": "{\"n\":1.0,\"e\":\"\\u00e9\"}", "position": 9007199254740991}`, String.raw`{"position":9007199254740991,"value":"{\"n\":1.0,\"e\":\"\\u00e9\"}"}`],
];

describe("a proof's file", () => {
  it.each(PYTHON)("is the text that a verifier takes, whatever text the answer had: %s", (answered, text) => {
    expect(written(JSON.parse(answered))).toBe(`${text}\n`);
  });

  it.each(["9007199254740993", "1.5", "1e400"])("is not written with the number %s, which may have been another", (number) => {
    expect(() => written(JSON.parse(`{"position":${number}}`))).toThrow("exactly as it came");
  });
});

describe("a package of evidence", () => {
  const now = Date.parse("2026-03-31T08:00:00Z");

  it("is asked for what is shown", () => {
    expect(evidenceQuery({ key: "k" }, LAST_MONTH, false, now)).toEqual({ key: "k", from: "2026-03-01T08:00:00.000Z" });
    const span = { type: "absolute", startDate: "2026-03-01T00:00:00+01:00", endDate: "2026-03-02T00:00:00+01:00" } as const;
    expect(evidenceQuery({ principal: "p" }, span, true, now)).toEqual({ principal: "p", from: span.startDate, to: span.endDate, whole_span: "true" });
    expect(evidenceQuery({ key: "k" }, null, false, now)).toEqual({ key: "k" });
  });
});
