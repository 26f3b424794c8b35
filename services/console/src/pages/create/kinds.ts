/** Which keys can be made. specs.json has the usages of each spec as domain/crypto/specs.py has them; tests/house holds the two
 * to each other. */

import SPECS from "./specs.json";

export type KeyType = "symmetric" | "asymmetric";

export function typeOfSpec(spec: string): KeyType {
  return spec === "SYMMETRIC_DEFAULT" || spec.startsWith("HMAC_") ? "symmetric" : "asymmetric";
}

export function usagesOf(type: KeyType): string[] {
  const usages = Object.entries(SPECS).flatMap(([spec, each]) => (typeOfSpec(spec) === type ? each : []));
  return [...new Set(usages)];
}

export function specsOf(type: KeyType, usage: string): string[] {
  const specs = Object.entries(SPECS).filter(([spec, usages]) => typeOfSpec(spec) === type && usages.includes(usage));
  return specs.map(([spec]) => spec);
}
