/** One group. */

import { Identity } from "../identities/identity";
import type { PageProps } from "../router";

export default function Group({ places }: PageProps) {
  const name = places["name"] ?? "";
  return <Identity key={name} kind="group" name={name} />;
}
