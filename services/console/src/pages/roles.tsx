/** The account's roles. */

import { IdentityList } from "../identities/identity-list";

export default function Roles() {
  return <IdentityList kind="role" />;
}
