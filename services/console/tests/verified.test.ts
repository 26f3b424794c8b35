import { describe, expect, it } from "vitest";

import { faultOfHead, findings, type Verified } from "../src/installation/verified";

const WHOLE: Verified = {
  whole: true,
  log: "l",
  valid: 20,
  position: 19,
  head: "a".repeat(64),
  fault: "",
  at: null,
  voids: [],
  strange: [],
  decisions: { valid: 1, of_earlier_versions: 0, strange_count: 0, copies_count: 0, not_bound: 0, gone: 0, faults: [] },
  topics: { alerts: { records: 3, strange: 0 }, commands: { records: 0, strange: 0 } },
  tree: null,
  projections: [],
};

const texts = (found: Verified, type: string): string[] => findings(found).filter((each) => each.type === type).map((each) => each.text);

describe("what a verification found", () => {
  it("says that everything is whole", () => {
    expect(findings(WHOLE).map((each) => each.type)).toEqual(["success", "success", "success", "success", "success"]);
    expect(texts(WHOLE, "success")[1]).toBe("1 decision on calls that changed nothing.");
  });

  it("says nothing of what comes after a broken log", () => {
    const broken = { ...WHOLE, whole: false, fault: "a record is missing before it", at: 4, projections: null };
    expect(findings(broken).map((each) => each.text)).toEqual(["The log is broken at position 4: a record is missing before it."]);
  });

  it("names the command that mends a table", () => {
    const changed = { ...WHOLE, whole: false, projections: [{ table: "p_decisions.cases", unknown: 1, missing: 2 }] };
    expect(texts(changed, "error")).toEqual([
      "p_decisions.cases has 1 row that no record says, and lacks 2. On the host, `keytrail rebuild decisions` mends it.",
    ]);
  });

  it("names what the transparency log says otherwise", () => {
    const tree = { leaves: 300, waiting: 2, gone: 0, differing: 2, differences: ["decisions 0@7 is not the record that became leaf 9"] };
    const changed = { ...WHOLE, whole: false, tree };
    expect(texts(changed, "error")).toEqual([
      "Transparency log: decisions 0@7 is not the record that became leaf 9.",
      "2 differences of the transparency log in all.",
    ]);
    expect(texts(changed, "info")).toEqual(["2 records not in the transparency log yet."]);
    expect(texts({ ...WHOLE, tree: { ...tree, differing: 0, differences: [] } }, "success")).toContain(
      "300 records of the transparency log: each is the leaf that was published.",
    );
  });

  it("tells of values that others wrote, of copies and of faults", () => {
    const forged = {
      ...WHOLE,
      strange: [7],
      decisions: { ...WHOLE.decisions, strange_count: 2, copies_count: 1, faults: ["records 1 to 2 are missing"] },
      topics: { alerts: { records: 3, strange: 3 } },
    };
    expect(texts(forged, "warning")).toHaveLength(4);
    expect(texts(forged, "error")).toEqual(["Decisions: records 1 to 2 are missing."]);
  });

  it("takes a head that this page shows, and nothing else", () => {
    expect(faultOfHead("")).toBe("");
    expect(faultOfHead(`19:${"a".repeat(64)}`)).toBe("");
    for (const text of ["19", "19:abc", `x:${"a".repeat(64)}`, `19:${"A".repeat(64)}`]) expect(faultOfHead(text)).not.toBe("");
  });
});
