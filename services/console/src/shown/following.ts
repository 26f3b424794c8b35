/** What is being typed, until it is asked for: it begins with what the URL says, and again whenever the URL says something else
 * (as after Back). */

import { useState } from "react";

export function useFollowing<T>(given: T): [T, (value: T) => void] {
  const [kept, setKept] = useState({ given, value: given });
  if (kept.given !== given) setKept({ given, value: given });
  return [kept.given === given ? kept.value : given, (value) => setKept({ given, value })];
}
