/** Which part of the record a key's page asks for. */

/** The end of what is looked at, as the lists of /v1 take it: everything up to and including `at`. */
export function upTo(at: string | null): { to?: string } {
  if (at === null) return {};
  const position = /^@(\d+)$/.exec(at)?.[1];
  return { to: position === undefined ? at : `@${Number(position) + 1}` };
}

export const FEW = 20;
