import { encodeQR } from "qr";

/** The dark modules of the QR code of a text, as the outline of an SVG path, and how many modules it is wide. The margin is as wide
 * as the standard wants it: a camera does not find a code without it. */
export function qrOutline(text: string): { path: string; width: number } {
  const rows = encodeQR(text, "raw", { ecc: "medium", border: 4 });
  const path = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return { path, width: rows.length };
}
