/** One user. */

import { Identity } from "../identities/identity";
import type { PageProps } from "../router";

export default function User({ places }: PageProps) {
  const name = places["name"] ?? "";
  return <Identity key={name} kind="user" name={name} />;
}
