/** An answer that becomes a file of the user's. A link cannot sign, so the bytes come by `fetch`: straight onto the disk where
 * the browser lets a page write (File System Access), else into the browser's memory until the file is whole. */

import { download } from "./download";

interface Picker {
  showSaveFilePicker: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
}

/** Where the bytes go. Nothing is left of a file that is given up. */
export interface Sink {
  write: (piece: Uint8Array<ArrayBuffer>) => Promise<void>;
  close: () => Promise<void>;
  giveUp: () => Promise<void>;
}

export interface Progress {
  bytes: number;
  lines: number;
}

const NEWLINE = 10;
const JOINED = 8 << 20; // bytes; a browser can move a blob of this size out of its memory

export function writesToDisk(): boolean {
  return "showSaveFilePicker" in window;
}

/** Asks where to save the file, if the browser can write there. Has to be called by the click itself. Null: the user changed
 * their mind. */
export async function chosenSink(name: string): Promise<Sink | null> {
  if (!writesToDisk()) return inMemory(name);
  try {
    return await onDisk(await (window as unknown as Picker).showSaveFilePicker({ suggestedName: name }));
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === "AbortError") return null;
    return inMemory(name); // a browser that may not write there, as in a frame
  }
}

async function onDisk(handle: FileSystemFileHandle): Promise<Sink> {
  const writing = await handle.createWritable(); // it takes the place of what was there only when it is closed
  return {
    write: (piece) => writing.write(piece),
    close: () => writing.close(),
    giveUp: () => writing.abort(),
  };
}

function inMemory(name: string): Sink {
  let whole = new Blob([]);
  let pieces: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  const join = (): void => {
    whole = new Blob([whole, ...pieces]);
    pieces = [];
    held = 0;
  };
  return {
    write: (piece) => {
      pieces.push(piece);
      held += piece.byteLength;
      if (held >= JOINED) join();
      return Promise.resolve();
    },
    close: () => {
      join();
      download(name, whole);
      return Promise.resolve();
    },
    giveUp: () => Promise.resolve(),
  };
}

/** Copies an answer's body to its end, and says how far it is. Rejects, and gives the file up, if the answer is broken off: the
 * server ends the connection early, since half a file must not be taken for a whole one. */
export async function save(answer: Response, sink: Sink, told: (progress: Progress) => void): Promise<Progress> {
  const progress = { bytes: 0, lines: 0 };
  try {
    const reader = answer.body?.getReader();
    for (;;) {
      const next = await reader?.read();
      if (next?.value === undefined) break;
      await sink.write(next.value);
      progress.bytes += next.value.byteLength;
      progress.lines += linesIn(next.value);
      told({ ...progress });
    }
    await sink.close();
  } catch (thrown) {
    await sink.giveUp().catch(() => undefined);
    throw thrown;
  }
  return progress;
}

function linesIn(piece: Uint8Array): number {
  let count = 0;
  for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

/** The file's name, with the present time in UTC, so that one does not take the place of another: decisions-20260301T080000Z.csv. */
export function nameWithTime(about: string, ending: string): string {
  return `${about}-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "")}Z${ending}`;
}

const SIZES = ["bytes", "kB", "MB", "GB", "TB"];

export function sizeOf(bytes: number): string {
  let [size, unit] = [bytes, 0];
  while (size >= 1000 && unit < SIZES.length - 1) [size, unit] = [size / 1000, unit + 1];
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${SIZES[unit] ?? ""}`;
}
