import { describe, expect, it } from "vitest";

import { faultOf, isUnanswered, repeated, V1Error } from "../src/shown/fault";

describe("what went wrong", () => {
  it.each([
    [new V1Error("AccessDeniedException", "no", 403, "c1"), "refused"],
    [new V1Error("ExpiredTokenException", "late", 403, "c2"), "credential"],
    [new V1Error("ServiceUnavailableException", "later", 503, "c3"), "busy"],
    [new V1Error("NotFoundException", "gone", 404, "c4"), "not there"],
    [new V1Error("ValidationException", "bad", 400, "c5"), "invalid"],
    [new TypeError("Failed to fetch"), "unreachable"],
    [new Error("a bug"), "failed"],
  ])("%s is told as %s", (thrown, kind) => {
    expect(faultOf(thrown).kind).toBe(kind);
  });

  it("says that the page tries again of a question that it repeats, and of nothing else", () => {
    const away = faultOf(new TypeError("Failed to fetch"));
    expect(away.message).toBe("It may be starting, or the network is down.");
    expect(repeated(away).message).toBe("It may be starting, or the network is down. This page tries again by itself.");
    const busy = faultOf(new V1Error("ServiceUnavailableException", "the projections are away", 503, "c3"));
    expect(repeated(busy).message).toBe("the projections are away. This page tries again by itself.");
  });

  it("knows of a change that was throttled that it was refused", () => {
    const codes = ["ThrottlingException", "Throttling", "ServiceUnavailableException"];
    const unanswered = codes.map((code) => isUnanswered(faultOf(new V1Error(code, "later", code === "ServiceUnavailableException" ? 503 : 400, "c"))));
    expect(unanswered).toEqual([false, false, true]);
  });

  it("keeps the server's words and the call's id", () => {
    const fault = faultOf(new V1Error("AccessDeniedException", "no identity policy allows it", 403, "c1"));
    expect([fault.message, fault.call]).toEqual(["no identity policy allows it", "c1"]);
  });
});
