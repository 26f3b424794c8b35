import decodeQR from "qr/decode.js";
import { describe, expect, it } from "vitest";

import { deviceName, isCode, keyUri } from "../src/mfa/key-uri";
import { qrOutline } from "../src/mfa/qr-outline";
import { userName } from "../src/shown/names";

const SERIAL = "arn:aws:iam::111122223333:mfa/phones/anna+1@bank";
const SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/** What a camera reads: the outline's squares, four pixels each, black on white. */
function read({ path, width }: ReturnType<typeof qrOutline>): string {
  const side = 4 * width;
  const data = new Uint8Array(4 * side * side).fill(255);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)) {
    for (let at = 0; at < 16; at += 1) {
      const pixel = (4 * Number(y) + (at >> 2)) * side + 4 * Number(x) + (at & 3);
      data.fill(0, 4 * pixel, 4 * pixel + 3);
    }
  }
  return decodeQR({ width: side, height: side, data });
}

describe("a virtual MFA device", () => {
  it("is read by an app as what it is", () => {
    const uri = keyUri(SERIAL, SECRET);
    expect(uri).toBe(`otpauth://totp/Keytrail:anna%2B1%40bank%40111122223333?secret=${SECRET}&issuer=Keytrail`);
    expect(read(qrOutline(uri))).toBe(uri);
  });

  it("is named by its serial number", () => {
    expect([SERIAL, "arn:aws:iam::111122223333:mfa/anna"].map(deviceName)).toEqual(["anna+1@bank", "anna"]);
  });

  it("shows six digits", () => {
    expect(["012345", "12345", "1234567", "12345a", ""].map(isCode)).toEqual([true, false, false, false, false]);
  });
});

describe("the name of a user", () => {
  it("is the end of a user's ARN, and of no other", () => {
    const arns = ["iam::111122223333:user/team/anna", "iam::111122223333:root", "sts::111122223333:assumed-role/user/anna"];
    expect(arns.map((each) => userName(`arn:aws:${each}`))).toEqual(["anna", null, null]);
  });
});
