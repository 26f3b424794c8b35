import { expect, test } from "vitest";

import { save, type Sink, sizeOf } from "../src/shown/saved-file";

interface Kept extends Sink {
  text: string;
  ended: string[];
}

function sink(): Kept {
  const kept: Kept = {
    text: "",
    ended: [],
    write: (piece) => {
      kept.text += new TextDecoder().decode(piece);
      return Promise.resolve();
    },
    close: () => Promise.resolve(void kept.ended.push("closed")),
    giveUp: () => Promise.resolve(void kept.ended.push("given up")),
  };
  return kept;
}

function body(pieces: readonly string[], fault?: Error): Response {
  const left = [...pieces];
  return new Response(
    new ReadableStream({
      pull(out) {
        const next = left.shift();
        if (next !== undefined) out.enqueue(new TextEncoder().encode(next));
        else if (fault === undefined) out.close();
        else out.error(fault);
      },
    }),
  );
}

test("a file is written to its end, and its lines are counted over the pieces", async () => {
  const kept = sink();
  const told: number[] = [];
  expect(await save(body(["a\r\nb", "\r\n\n"]), kept, ({ bytes }) => told.push(bytes))).toEqual({ bytes: 7, lines: 3 });
  expect([kept.text, kept.ended, told]).toEqual(["a\r\nb\r\n\n", ["closed"], [4, 7]]);
});

test("a file that is broken off is given up, and never closed as if it were whole", async () => {
  const kept = sink();
  await expect(save(body(["half"], new TypeError("network error")), kept, () => undefined)).rejects.toThrow("network error");
  expect(kept.ended).toEqual(["given up"]);
});

test("sizes are read at a glance", () => {
  expect([0, 999, 1000, 80_223, 123_456_789, 2_500_000_000].map(sizeOf)).toEqual(["0 bytes", "999 bytes", "1.0 kB", "80.2 kB", "123 MB", "2.5 GB"]);
});
