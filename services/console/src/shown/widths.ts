/** Widths in pixels. */

/** Of a column of names and values: ARNs and ids are long, so a telephone shows one column. */
export const NARROWEST = 190;
