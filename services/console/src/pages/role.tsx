/** One role. */

import { Identity } from "../identities/identity";
import type { PageProps } from "../router";

export default function Role({ places }: PageProps) {
  const name = places["name"] ?? "";
  return <Identity key={name} kind="role" name={name} />;
}
