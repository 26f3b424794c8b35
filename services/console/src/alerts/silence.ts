/** A connection that died without a word, as behind a router that was switched off, looks to a browser like one on which nothing
 * happens. The server says something every ten seconds. */

export const MOST_SILENT = 30_000; // milliseconds

export interface Heard {
  /** Aborted with `leaving`, and when nothing was heard for too long. */
  signal: AbortSignal;
  heard: () => void;
  over: () => void;
}

/** Silence counts from now on, so a request that nobody answers ends as well. */
export function whileHeard(leaving: AbortSignal): Heard {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = (): void => {
    clearTimeout(timer);
    timer = setTimeout(end, MOST_SILENT);
  };
  const over = (): void => {
    clearTimeout(timer);
    leaving.removeEventListener("abort", end);
  };
  leaving.addEventListener("abort", end);
  heard();
  return { signal: ended.signal, heard, over };
}
