import { describe, expect, it } from "vitest";

import { visible } from "../src/shown/visible";

describe("what a caller wrote", () => {
  it("is shown as it is where it can be seen", () => {
    for (const text of ["orders-key", "Schlüssel für Müller", "鍵", "🔑", "a b"]) expect(visible(text)).toBe(text);
  });

  it.each([
    ["a right-to-left override", "admin\u202Eyek", "admin\\u202eyek"],
    ["an isolate", "\u2066a\u2069", "\\u2066a\\u2069"],
    ["a zero-width space", "ro\u200Bot", "ro\\u200bot"],
    ["a soft hyphen", "ro\u00ADot", "ro\\xadot"],
    ["a no-break space", "a\u00A0b", "a\\xa0b"],
    ["an escape sequence", "\u001B[2J", "\\x1b[2J"],
    ["a NUL", "a\u0000b", "a\\x00b"],
    ["a Hangul filler", "\u3164", "\\u3164"],
    ["an empty Braille pattern", "\u2800", "\\u2800"],
    ["a tag character", "a\u{E0041}", "a\\U000e0041"],
    ["half a surrogate pair", "\uD800", "\\ud800"],
    ["a line end", "a\nb", "a\\nb"],
  ])("shows %s as its escape", (_, hostile, shown) => {
    expect(visible(hostile)).toBe(shown);
  });

  it("keeps line ends and tabs where a text has lines, and nothing else", () => {
    expect(visible("a\n\tb\r\u202E", { lines: true })).toBe("a\n\tb\\r\\u202e");
  });
});
