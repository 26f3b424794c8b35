/** The list of keys comes from a projection, which learns of a change a moment after it was answered. Until then, a row shows the
 * state that the change's own answer gave. */

export interface Overlaid {
  state: string;
  /** The row's position on the log before the change: a row with another one is newer. */
  before: number | null;
}
export type Overlay = ReadonlyMap<string, Overlaid>;

interface Row {
  key_id: string | null;
  state: string;
  position: number | null;
}

export function overlaid<R extends Row>(rows: readonly R[], overlay: Overlay): R[] {
  return rows.map((row) => {
    const known = overlay.get(row.key_id ?? "");
    return known === undefined || known.before !== row.position ? row : { ...row, state: known.state };
  });
}
