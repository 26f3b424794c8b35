/** Passwords that this page makes, from the browser's source of secrets. */

import { leastLength, type Rules } from "./rules";

/** No characters that look like another one, and none that a spreadsheet takes for a formula. */
const ALPHABETS = ["ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "!#$%^&*()_[]{}"] as const;
const USUAL = 20;

type Random = (below: number) => number;

/** A whole number below `below`, each as likely: what would favour the smaller ones is drawn again. */
function random(below: number): number {
  const limit = 2 ** 32 - (2 ** 32 % below);
  for (;;) {
    const [drawn = 0] = crypto.getRandomValues(new Uint32Array(1));
    if (drawn < limit) return drawn % below;
  }
}

/** A password that fits the rules: all four kinds of characters, at least twenty of them. It begins with a letter. */
export function generated(rules: Rules, draw: Random = random): string {
  const every = ALPHABETS.join("");
  const of = (alphabet: string) => alphabet.charAt(draw(alphabet.length));
  const characters = Array.from({ length: Math.max(USUAL, leastLength(rules)) - 1 }, () => of(every));
  const [capitals, ...others] = ALPHABETS;
  // One of each kind, at places of its own.
  const free = characters.map((_, at) => at);
  for (const alphabet of others) {
    const [at = 0] = free.splice(draw(free.length), 1);
    characters[at] = of(alphabet);
  }
  return of(capitals) + characters.join("");
}
