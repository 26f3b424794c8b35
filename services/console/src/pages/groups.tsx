/** The account's groups. */

import { IdentityList } from "../identities/identity-list";

export default function Groups() {
  return <IdentityList kind="group" />;
}
